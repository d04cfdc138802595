// The molecules of some global batches, by which a plan judges a layout: drawn from a histogram of lengths,
// or those that a run will meet.
#ifndef TT_PLAN_MOLECULES_H
#define TT_PLAN_MOLECULES_H

#include "config/config.h"
#include "store/store.h"

typedef struct {
  int batches, size; // molecules of each batch: train.batch_size
  uint64_t first;    // sample number of the first
  int32_t *atoms;    // (batches, size)
  int64_t *bytes;    // (batches, size) of its record on the way to another rank
  int longest;       // atoms of the largest that the store has; without a store: of those drawn
  char source[128];  // in words
} tt_molecules;

// Draws batches from the lengths of a store's training molecules (its manifest is all that is read), or, when
// `store` is NULL, from the lengths that are assumed for the paper's data. Always the same ones.
tt_status tt_molecules_draw(tt_molecules *molecules, const tt_config *config, const tt_store *store,
                            int batches);

// Those of updates first_update + 1 ... of a run, read from its store.
tt_status tt_molecules_read(tt_molecules *molecules, const tt_config *config, tt_store *store,
                            int64_t first_update, int batches);

void tt_molecules_free(tt_molecules *molecules);

// Of all of them: atoms, token rows, pair rows.
typedef struct {
  int64_t atoms, tokens, pairs;
} tt_molecule_sums;
tt_molecule_sums tt_molecules_sum(const tt_molecules *molecules);

#endif
