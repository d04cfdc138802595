// Parts of the ranks of a job; some of them at work while the others rest.
#ifndef TT_COMM_PART_H
#define TT_COMM_PART_H

#include "comm/comm.h"

// Collective: *part is the ranks with the same color, in the order of their keys, with the traffic of `comm`.
// With MPI_UNDEFINED as color its size is 0.
void tt_comm_split(const tt_comm *comm, int color, int key, tt_comm *part);

// Collective: *part is the first `ranks` ranks, at the same places; on the others its size is 0, and all that
// may be done with it is to free it.
void tt_part_of_ranks(const tt_comm *comm, int ranks, tt_comm *part);
void tt_part_of_ranks_free(tt_comm *part);

// Collective: a barrier in which those who come early sleep, a millisecond at a time, where MPI's own keeps
// their cores busy.
void tt_comm_rest(const tt_comm *comm);

#endif
