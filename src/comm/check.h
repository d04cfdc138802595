// MPI calls that end the job when they fail, and that tell where they are (core/position.h). Private to the
// comm room.
#ifndef TT_COMM_CHECK_H
#define TT_COMM_CHECK_H

#include "comm/comm.h"
#include "core/position.h"

// After a failed MPI call the ranks cannot agree on anything: it ends the job.
_Noreturn void tt_comm_call_failed(const tt_comm *comm, int code, const char *call, const char *file,
                                   int line);

// The same for a failure that has been recorded (core/status.h), of whatever else connects the ranks.
_Noreturn void tt_comm_machine_failed(const tt_comm *comm);

// An exchange among these ranks begins. Counted when they are all ranks of the job: then all count the same.
void tt_comm_meet(const tt_comm *comm);

#define TT_MPI(comm, call)                                                                                   \
  do {                                                                                                       \
    static const tt_call tt_here_ = {TT_WITH_RANKS, #call, __func__};                                        \
    const tt_call *tt_before_ = tt_position_enter(&tt_here_, NULL);                                          \
    int tt_mpi_ = (call);                                                                                    \
    tt_position_leave(tt_before_);                                                                           \
    if (tt_mpi_ != MPI_SUCCESS) tt_comm_call_failed((comm), tt_mpi_, #call, __FILE__, __LINE__);             \
  } while (0)

#endif
