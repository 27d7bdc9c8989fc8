#pragma once
#include <mpi.h>

// Open MPI's handles are macros with casts, which Swift cannot import; each becomes a function here.
// Plain integer macros (MPI_SUCCESS, MPI_ANY_SOURCE, MPI_THREAD_FUNNELED) import as they are.

static inline MPI_Comm cmpi_comm_world(void) { return MPI_COMM_WORLD; }
static inline MPI_Request cmpi_request_null(void) { return MPI_REQUEST_NULL; }

static inline MPI_Errhandler cmpi_errors_return(void) { return MPI_ERRORS_RETURN; }

static inline MPI_Datatype cmpi_byte(void) { return MPI_BYTE; }
static inline MPI_Datatype cmpi_float(void) { return MPI_FLOAT; }
static inline MPI_Datatype cmpi_double(void) { return MPI_DOUBLE; }
static inline MPI_Datatype cmpi_int64(void) { return MPI_INT64_T; }

static inline MPI_Op cmpi_sum(void) { return MPI_SUM; }
static inline MPI_Op cmpi_max(void) { return MPI_MAX; }
static inline MPI_Op cmpi_min(void) { return MPI_MIN; }

static inline const void *cmpi_in_place(void) { return MPI_IN_PLACE; }
