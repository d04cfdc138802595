// Exchanges of device arrays, which groups and reductions are made of. Private to the comm room.
#ifndef TT_COMM_DEVICE_EXCHANGE_H
#define TT_COMM_DEVICE_EXCHANGE_H

#include "comm/all_to_all.h"
#include "comm/link.h"
#include "comm/nccl.h"

struct tt_link {
  const tt_device_arrays *arrays;
  tt_nccl *nccl; // NULL: over MPI
  bool library_sums;
  char *host; // over MPI: what is sent and what arrives
  size_t room;
};

// As tt_comm_all_to_all, for arrays of the device; what is a rank's own stays where it is. Over NCCL it is
// put into `queue`; over MPI it waits for all that is queued, and is done on return.
void tt_device_exchange(const tt_comm *ranks, tt_queue queue, const void *send,
                        const tt_places_of_ranks *places, void *receive);

#endif
