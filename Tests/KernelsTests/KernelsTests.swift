// Tests of the room Kernels.
