// The exchange that the others are made of. Private to the comm room.
#ifndef TT_COMM_ALL_TO_ALL_H
#define TT_COMM_ALL_TO_ALL_H

#include "comm/comm.h"

// Where in the sent and the received array the bytes for and from each rank lie, and how many they are.
typedef struct {
  int64_t *send_at, *send_bytes, *receive_at, *receive_bytes; // (ranks) each
} tt_places_of_ranks;

// All zero. Ends the job when there is no memory: the other ranks are on their way into the exchange.
tt_places_of_ranks tt_comm_places(const tt_comm *comm);
void tt_comm_places_free(tt_places_of_ranks *places);

// Collective: bytes [send_at[r], + send_bytes[r]) of `send` go to rank r; those from rank r come to
// receive_at[r]. What a rank sends to itself is copied, unless it is there already. Counts what goes to other
// ranks. _begin does not wait (tt_comm_wait does); `places` may go as soon as it returns.
tt_messages tt_comm_all_to_all_begin(const tt_comm *comm, const void *send, const tt_places_of_ranks *places,
                                     void *receive);
void tt_comm_all_to_all(const tt_comm *comm, const void *send, const tt_places_of_ranks *places,
                        void *receive);

#endif
