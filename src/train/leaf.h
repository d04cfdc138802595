// A leaf in the hands of a tensor group: which rank has which of its molecules, and its pieces.
//
// The molecules of each leaf are dealt to the ranks of a group by pair rows, and those of a rank are cut into
// pieces of at most train.max_pairs, in batch order. Piece k of the group is made of the ranks' k-th pieces,
// rank by rank; a rank that has fewer pieces than another has nothing of the last ones. All of this depends
// on the batch, the number of ranks and max_pairs alone, and is the same on all ranks. With one rank in the
// group it has all.
#ifndef TT_TRAIN_LEAF_H
#define TT_TRAIN_LEAF_H

#include "batch/assemble.h"

typedef struct {
  int ranks;
  int32_t *place; // (molecules of the batch) rank of its leaf's group that a molecule is dealt to

  // of the leaf in hand
  int pieces;
  int32_t *order;           // its molecules, rank by rank
  int32_t *first;           // (ranks + 1) where in `order` those of each rank begin
  int32_t *start, *pieces_; // private: where pieces start, (ranks) pieces of each rank

  // of the piece in hand
  int32_t *together;  // its molecules, rank by rank
  int32_t *molecules; // (ranks) how many are each rank's
  int count;          // and of all

  int32_t *atoms; // private
  int64_t *cost;
} tt_leaf;

// Room for batches of `molecules` and groups of `ranks`. TT_ERR_MEMORY.
tt_status tt_leaf_init(tt_leaf *leaf, int ranks, size_t molecules);
void tt_leaf_free(tt_leaf *leaf);

// Deals all leaves of a batch: fills `place`. TT_ERR_ARGUMENT unless the ranks are a power of two,
// TT_ERR_MEMORY.
tt_status tt_leaf_deal(tt_leaf *leaf, const tt_global_batch *batch);

// Takes leaf `which` in hand: order, first and pieces (0 when the leaf is empty).
void tt_leaf_take(tt_leaf *leaf, const tt_global_batch *batch, int which, int64_t max_pairs);

// Takes piece k < pieces of it in hand: together, molecules and count. Returns where in `together` those of
// rank `rank` begin.
int tt_leaf_piece(tt_leaf *leaf, int k, int rank);

#endif
