// The molecules of a batch that have most of its loss: where to look when the loss jumps or is no number.
#ifndef TT_TRAIN_WORST_H
#define TT_TRAIN_WORST_H

#include <jansson.h>

#include "train/trainer.h"

enum { TT_WORST = 8 }; // told of a batch

typedef struct {
  int index;                 // in the batch
  uint64_t record, epoch;    // of the training split; in which pass over it
  int atoms, masked;         // masked: atoms with a token loss
  double token;              // mean over its masked atoms (0 without any)
  double position, distance; // its own
  double share;              // of the batch's loss that comes from it, in the loss's unit: the shares of all
                             // molecules add up to the loss
} tt_worst;

// The `most` molecules (or all, if there are fewer) with the greatest shares, greatest first, those that are
// no number before all others; equal ones in batch order. `trainer`: after its update on `batch`, also one
// that failed with TT_ERR_NUMERIC. Returns how many. Not collective: every rank knows all losses.
int tt_worst_find(const tt_trainer *trainer, const tt_global_batch *batch, int most, tt_worst *list);

// As an array of objects, for a record; NULL when out of memory.
json_t *tt_worst_json(const tt_worst *list, int count);

#endif
