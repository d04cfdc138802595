// How large the activations of an update are, step by step of the model's forward (names: docs/model.md):
// "x_in" and "pair_in" are what the embedding gives to the two tracks, "layer0.x" and "layer0.pair" what the
// first layer makes of them, "layer0.self_attn", ".ffn", ".opm", ".pair_tri_mul" and ".pair_ffn" what its
// five parts add to them, "logits" and "movement" what the heads say.
#ifndef TT_TRAIN_ACTIVATION_STATISTICS_H
#define TT_TRAIN_ACTIVATION_STATISTICS_H

#include <jansson.h>

#include "train/magnitude.h"
#include "train/trainer.h"

typedef struct {
  char name[64];
  int dim; // columns
  tt_magnitude size;
} tt_activation_size;

typedef struct {
  const tt_trainer *trainer; // whose packed piece is looked at
  tt_activation_size *list;  // in the order of the forward
  int count;
  size_t room_;
  tt_status status; // of memory
} tt_activation_statistics;

// From now on what `trainer` computes is looked at, piece by piece; the results stay the same bits.
// *statistics must stay where it is until tt_activations_end. Zero it before.
void tt_activations_begin(tt_activation_statistics *statistics, tt_trainer *trainer);

// Collective: no more is looked at, and all ranks get the statistics of all molecules. Their last bits depend
// on the layout. TT_ERR_MEMORY.
tt_status tt_activations_end(tt_activation_statistics *statistics, tt_trainer *trainer);
void tt_activations_free(tt_activation_statistics *statistics);

// By its name; NULL.
const tt_activation_size *tt_activations_find(const tt_activation_statistics *statistics, const char *name);

#endif
