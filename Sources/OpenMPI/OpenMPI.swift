// The room OpenMPI.
