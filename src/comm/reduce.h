// The sum of the ranks' gradients, each rank its own segment, on its way while the ranks compute.
//
// A stretch of gradients is begun when it is complete on this rank. It goes to the segments' owners in parts,
// of which at most two are under way at a time, so that little room will do: while one part is added, the
// next one travels. Nothing waits but tt_reduction_finish; the others do what can be done at once.
#ifndef TT_COMM_REDUCE_H
#define TT_COMM_REDUCE_H

#include "comm/comm.h"

// Where the ranks have a link (comm/link.h) the arrays are the device's. Over NCCL all of it is put into a
// queue of its own when it is begun, and the order of the additions may be NCCL's; over MPI it is done when
// it is waited for.
typedef struct tt_reduction tt_reduction;

// Floats that a reduction needs for what arrives when `ranks` ranks share a stretch, of which the longest
// segment has `longest` elements. A pure function.
int64_t tt_reduction_floats(int ranks, int64_t longest);

// For up to `stretches` stretches at a time, each among at most the ranks of `all`. `floats`: the largest
// tt_reduction_floats among them. TT_ERR_MEMORY.
tt_status tt_reduction_create(tt_reduction **reduction, int stretches, const tt_comm *all, int64_t floats);
void tt_reduction_free(tt_reduction *reduction); // NULL is fine

// Every one of `ranks` begins the same stretches in the same order, each when it likes. Rank r of them owns
// elements segment[r] .. segment[r+1]-1 of `partial`, its subtree's sum of gradients, and gets there, in
// `partial` itself, the sum over all ranks in the fixed binary tree: ranks 0+1, 2+3, ... first, then pairs of
// those. What it holds for other ranks stays (not with NCCL's order). Until tt_reduction_finish the arrays
// belong to the reduction. Counts 4 * (segment[n] - segment[0] - the own elements) as what is on at the call.
void tt_reduction_begin(tt_reduction *reduction, const tt_comm *ranks, float *partial,
                        const int64_t *segment);

// Adds what has arrived and starts what can go. Between two pieces of work; never waits.
void tt_reduction_progress(tt_reduction *reduction);

// Collective among the ranks of all stretches that were begun: they are done when it returns.
void tt_reduction_finish(tt_reduction *reduction);

#endif
