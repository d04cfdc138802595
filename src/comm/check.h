// MPI calls that end the job when they fail. Private to the comm room.
#ifndef TT_COMM_CHECK_H
#define TT_COMM_CHECK_H

#include "comm/comm.h"

// After a failed MPI call the ranks cannot agree on anything: it ends the job.
_Noreturn void tt_comm_call_failed(const tt_comm *comm, int code, const char *call, const char *file,
                                   int line);

#define TT_MPI(comm, call)                                                                                   \
  do {                                                                                                       \
    int tt_mpi_ = (call);                                                                                    \
    if (tt_mpi_ != MPI_SUCCESS) tt_comm_call_failed((comm), tt_mpi_, #call, __FILE__, __LINE__);             \
  } while (0)

#endif
