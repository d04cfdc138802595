// The state of a training run on one rank, and one update of it.
#ifndef TT_TRAIN_TRAINER_H
#define TT_TRAIN_TRAINER_H

#include "batch/assemble.h"
#include "comm/comm.h"
#include "config/config.h"
#include "model/model.h"
#include "train/checkpoint.h"
#include "train/losses.h"
#include "train/tree.h"
#include "train/work.h"

enum { TT_BLOCK = 65536 }; // elements a block of the gradient norm; segments of ranks are whole blocks

typedef struct {
  const tt_comm *comm;
  const tt_config *config;
  const tt_ops *ops;
  tt_model *model;
  const tt_parameters *parameters;
  float *weights;                // all parameters, the same on every rank
  int64_t *segment;              // (size + 1): rank r owns elements segment[r] .. segment[r+1]-1
  int64_t *elements, *blocks;    // (size) elements and TT_BLOCKs of each rank's segment
  double *own_squares, *squares; // sums of squares of the own blocks, and of all
  float *moment1, *moment2;      // of the own segment
  uint8_t *decayed;              // weight decay applies, own segment
  float *exchange;               // scratch of the reduction
  tt_tree tree;                  // gradients
  float *spare;   // (parameters->total) second array for whole moments, where the tree has one only; or NULL
  tt_batch batch; // packed piece, reused
  tt_work work;   // of the global batch in hand, reused
  tt_progress_state state; // updates done, molecules seen, ...
} tt_trainer;

typedef struct {
  tt_losses losses;
  double learning_rate, gradient_norm;
} tt_update;

// Collective. The model and its table of parameters, and no memory for values yet. TT_ERR_CONFIG when the
// ranks are not a power of two that divides micro_batches.
tt_status tt_trainer_plan(tt_trainer *t, const tt_comm *comm, const tt_config *config);
// Bytes that tt_trainer_init takes on each rank.
double tt_trainer_bytes(const tt_trainer *t);
// Collective, after tt_trainer_plan or on a zeroed *t, which is planned first. Weights are initial values
// from config->train.seed, moments zero, step 0.
tt_status tt_trainer_init(tt_trainer *t, const tt_comm *comm, const tt_config *config);
void tt_trainer_free(tt_trainer *t);

// Collective: one update on a global batch. TT_ERR_NUMERIC, before any weight changes, when a loss or the
// gradient norm is not finite.
tt_status tt_trainer_update(tt_trainer *t, const tt_global_batch *batch, tt_update *update);

// Collective: losses over the validation set, without dropout.
tt_status tt_trainer_evaluate(tt_trainer *t, const tt_validation_set *set, tt_losses *losses);

// Collective: what a model that has learnt nothing would lose there. token: the entropy of the set's elements
// (nats); position, distance: nothing is moved.
tt_status tt_trainer_baseline(tt_trainer *t, const tt_validation_set *set, tt_losses *baseline);

// Collective: gathers the moments and writes / reads and scatters. Rank 0 does the I/O.
tt_status tt_trainer_save(tt_trainer *t, const char *path);
tt_status tt_trainer_load(tt_trainer *t, const char *path);
// Weights only, from another run's checkpoint.
tt_status tt_trainer_load_weights(tt_trainer *t, const char *path);

// Collective: strings the ranks' segments together into `all` (parameters->total floats, on every rank).
tt_status tt_trainer_gather(const tt_trainer *t, const float *segment, float *all);

#endif
