// The state of a training run on one rank, and one update of it.
#ifndef TT_TRAIN_TRAINER_H
#define TT_TRAIN_TRAINER_H

#include "batch/assemble.h"
#include "comm/comm.h"
#include "comm/reduce.h"
#include "config/config.h"
#include "model/model.h"
#include "train/checkpoint_values.h"
#include "train/checkpoint.h"
#include "train/losses.h"
#include "train/shards.h"
#include "train/silent_check.h"
#include "train/stopping.h"
#include "train/tree.h"
#include "train/work.h"

typedef struct {
  const tt_comm *comm; // the world
  tt_mesh mesh;
  const tt_config *config;
  const tt_ops *ops;
  tt_device_arrays device_arrays; // what the mesh exchanges a device's arrays with
  tt_model *model;
  const tt_parameters *parameters;
  // weights, own_squares, moments, decayed and gradients: the backend's memory
  float *weights;            // all that this rank's tensor place holds
  tt_shards shards;          // which of it this rank owns
  int64_t *blocks;           // (ranks) TT_BLOCKs that each rank of mesh.whole owns
  int64_t *next_block;       // (ranks) of each rank, the next one to be added to the norm; scratch
  double *own_squares;       // sums of squares of the own blocks
  double *squares;           // the same for the host, then those of all ranks' blocks
  float *moment1, *moment2;  // (shards.own)
  uint8_t *decayed;          // (shards.own) weight decay applies
  tt_tree tree;              // gradients
  tt_reduction *reduction;   // of theirs over the ranks
  int next_layer;            // whose buckets are to go to their owners next; the last layer first
  tt_batch batch, batch_all; // packed piece, and that of the whole tensor group; reused
  tt_work work;              // of the global batch in hand, reused
  tt_silent_check silent;    // of the last leaf that was run twice
  tt_progress_state state;   // updates done, molecules seen, ...
  tt_stopping *stopping;     // looked at in every validation; NULL: none is stopped
  bool non_finite_quietly;   // TT_ERR_NUMERIC of an update is not printed: whoever calls deals with it
} tt_trainer;

typedef struct {
  tt_losses losses;
  double learning_rate, gradient_norm;
} tt_update;

// Collective. The model and its table of parameters, and no memory for values yet. TT_ERR_CONFIG when the
// ranks are not a power of two that divides micro_batches.
tt_status tt_trainer_plan(tt_trainer *t, const tt_comm *comm, const tt_config *config);
// Bytes that tt_trainer_init takes on this rank (0 when there is no memory to find out).
double tt_trainer_bytes(const tt_trainer *t);
// Collective, after tt_trainer_plan or on a zeroed *t, which is planned first. Weights are initial values
// from config->train.seed, moments zero, step 0.
tt_status tt_trainer_init(tt_trainer *t, const tt_comm *comm, const tt_config *config);
// Not collective: back to where tt_trainer_init left it. TT_ERR_MEMORY.
tt_status tt_trainer_restart(tt_trainer *t);
void tt_trainer_free(tt_trainer *t);

// Collective: one update on a global batch. TT_ERR_MACHINE, before any weight changes, when a leaf that is
// run twice (train.silent_check_every) is not the same twice. TT_ERR_NUMERIC, before any weight changes, when
// a loss or the gradient norm is not finite, or the norm too large for the moments to stay finite; *update
// tells them.
tt_status tt_trainer_update(tt_trainer *t, const tt_global_batch *batch, tt_update *update);

// An update leaves work on a device, which goes on while the caller does: waits for it.
static inline void tt_trainer_settle(const tt_trainer *t) {
  t->ops->wait();
}

// Collective: losses over the validation set, without dropout. TT_STOPPED, and nothing in *losses.
tt_status tt_trainer_evaluate(tt_trainer *t, const tt_validation_set *set, tt_losses *losses);

// Collective: what a model that has learnt nothing would lose there. token: the entropy of the set's elements
// (nats); position, distance: nothing is moved. TT_STOPPED.
tt_status tt_trainer_baseline(tt_trainer *t, const tt_validation_set *set, tt_losses *baseline);

// What this rank holds of the state, for tt_saver_create.
tt_checkpoint_share tt_trainer_share(const tt_trainer *t);

// Collective: the state of a checkpoint, or its weights only (of another run's). As tt_checkpoint_load: all
// ranks return the same error, and nobody has printed it.
tt_status tt_trainer_load(tt_trainer *t, const char *path);
tt_status tt_trainer_load_weights(tt_trainer *t, const char *path);

// TT_BLOCKs of bucket k that rank r of mesh.whole owns. Counts on what the configuration is checked for: the
// ranks of a tensor group have equal shares of a split bucket.
int64_t tt_trainer_blocks(const tt_trainer *t, int k, int r);

#endif
