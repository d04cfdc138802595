// NCCL, loaded when it is first needed: the program runs where there is none. Private to the comm room.
//
// A call that fails, and a communicator that reports an error of its own, end the job with TT_EXIT_MACHINE
// and one message, as a failed MPI call does. TWOTRACK_NCCL names another file than libnccl.so.2.
#ifndef TT_COMM_NCCL_H
#define TT_COMM_NCCL_H

#include "comm/all_to_all.h"

typedef struct tt_nccl tt_nccl; // a communicator

// Not collective: TT_ERR_UNSUPPORTED when the library is not there or too old, with what to do about it.
tt_status tt_nccl_load(void);

// Collective, after tt_nccl_load was fine on all ranks and each has its device. `ranks` must outlive it.
// TT_ERR_MEMORY ends the job.
tt_nccl *tt_nccl_make(const tt_comm *ranks);
void tt_nccl_free(tt_nccl *nccl); // when the device has nothing to do; NULL is fine

// Collective, put into `stream` (a cudaStream_t): sends and receives of all ranks in one group, but for what
// is the rank's own.
void tt_nccl_exchange(const tt_nccl *nccl, void *stream, const void *send, const tt_places_of_ranks *places,
                      void *receive);

// Collective, put into `stream`: rank r's segment[r] .. segment[r+1]-1 of `partial` becomes there the sum
// over the ranks, in an order of NCCL's choice.
void tt_nccl_sum_segments(const tt_nccl *nccl, void *stream, float *partial, const int64_t *segment);

// Ends the job if any communicator of this process has met an error. Does not wait.
void tt_nccl_look(void);

#endif
