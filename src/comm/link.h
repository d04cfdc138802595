// How arrays of a backend on a device go between ranks: over NCCL from device to device, or over MPI by way
// of the host's memory. Where tt_comm.link is NULL, arrays are the host's and go over MPI as they are.
#ifndef TT_COMM_LINK_H
#define TT_COMM_LINK_H

#include "comm/comm.h"
#include "device/queues.h"

// What a backend has for it; the entries of its table (device/ops.h).
typedef struct {
  void *(*allocate)(size_t bytes);
  void (*release)(void *memory);
  void (*upload)(const void *from, size_t bytes, void *to);
  void (*download)(const void *from, size_t bytes, void *to);
  const tt_queues *queues;
} tt_device_arrays;

typedef enum { TT_LINK_MPI, TT_LINK_NCCL } tt_link_kind;

typedef struct tt_link tt_link;

// Not collective: TT_ERR_UNSUPPORTED where NCCL is asked for and cannot be loaded, with what to do.
tt_status tt_link_ready(tt_link_kind kind);

// Collective, after tt_link_ready was fine on all ranks, which have their devices: fills ranks->link; nothing
// where a rank is alone. Neither *ranks nor *arrays may move. library_sums: a reduction is NCCL's own
// reduce-scatter, whose order of additions is NCCL's affair (comm/reduce.h). A rank without memory ends the
// job.
void tt_link_make(tt_comm *ranks, const tt_device_arrays *arrays, tt_link_kind kind, bool library_sums);
void tt_link_free(tt_link *link); // NULL is fine

// For logs: "nccl", "nccl, its sums" or "mpi"; NULL where the ranks have no link.
const char *tt_link_name(const tt_comm *ranks);

// Collective: every rank gets what the others have of `all` (the sum of counts, in the order of the ranks),
// in place. begin does not wait where there is a queue for it; tt_comm_wait makes the device's computation
// wait. For arrays of the host too. Counts 4 * (n - 1) * counts[rank].
tt_messages tt_link_gather_begin(const tt_comm *ranks, float *all, const int64_t *counts);

#endif
