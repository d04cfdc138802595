// The two-track model: forward, losses and backward of one packed piece, over a table of operations.
// Equations, names and quirks: docs/model.md.
#ifndef TT_MODEL_MODEL_H
#define TT_MODEL_MODEL_H

#include "batch/batch.h"
#include "comm/comm.h"
#include "config/config.h"
#include "device/ops.h"
#include "model/parameters.h"
#include "model/parts.h"

typedef struct tt_model tt_model;

// Builds the parameter table; buffers grow with the pieces that are run. `group`: the ranks that share each
// piece, of which this one has its share of the parameters; it must outlive the model; NULL: this rank alone.
// TT_ERR_CONFIG when the ranks of the group are more than the heads or eight times them do not divide
// ffn_dim, TT_ERR_MEMORY.
tt_status tt_model_create(tt_model **model, const tt_model_config *config, const tt_ops *ops,
                          const tt_comm *group);
void tt_model_free(tt_model *model);

const tt_parameters *tt_model_parameters(const tt_model *model);
const tt_model_config *tt_model_configuration(const tt_model *model);

// Whether the backward computes each layer's pair track again from the layer's inputs (default: it is kept).
// Same results, bit by bit; of 5 (R, P) activations a layer, 1 stays.
void tt_model_set_recompute(tt_model *model, bool recompute);

// Replaces the Gaussian centres (default: linspace(0, 9, 128)), e.g. by those of a checkpoint.
void tt_model_set_means(tt_model *model, const float means[TT_GAUSSIANS]);

// What a pass runs on. The ranks of a group run a piece together: each embeds its own molecules, computes
// their pair track and their losses, and its part of the heads and columns of the atom track for all of them.
typedef struct {
  const tt_batch *own; // may be without molecules, in a group
  const tt_batch *all; // the group's molecules: rank 0's, then rank 1's, ..., each in the order of its `own`;
                       // a rank alone: `own`
  const int32_t *molecules; // (ranks) how many are each rank's; a rank alone: NULL
} tt_piece;

static inline tt_piece tt_piece_alone(const tt_batch *batch) {
  return (tt_piece){batch, batch, NULL};
}

// What each term of a piece's loss is multiplied by, so that pieces add up to means over the global batch:
// token: weight / masked atoms of the global batch (0 when none is masked); position, distance: weight /
// molecules.
typedef struct {
  double token, position, distance;
} tt_loss_scale;

// Unweighted losses of the own molecules, in double: token[k] of masked atom k (masked_row order); position
// and distance of each molecule (its own mean over atoms or pairs). Arrays of the caller, sized by the piece.
typedef struct {
  double *token, *position, *distance;
} tt_piece_losses;

// Weights, gradient and losses are in memory of the backend (ops.h: allocate), where the host can read them
// too; weights have been announced (weights_changed). On a device both functions below return when their work
// is queued: gradient and losses are there after ops->wait(). What they are given of the piece may be changed
// at once.

// Forward and losses without dropout. `weights` is the flat array of the parameter table. Collective over the
// group, as is tt_model_train: a rank of several that cannot go on ends the job. TT_ERR_MEMORY.
tt_status tt_model_evaluate(tt_model *model, const float *weights, const tt_piece *piece,
                            const tt_piece_losses *losses);

// Forward with dropout drawn from (seed, step, sample), losses, and backward: adds the gradient of
// scale.token * sum token + scale.position * sum position + scale.distance * sum distance, the sums over the
// group's molecules, to `gradient` (flat): of a split parameter the own share, of a whole one a part, and the
// sum of the ranks' parts is its gradient.
tt_status tt_model_train(tt_model *model, const float *weights, const tt_piece *piece, uint64_t seed,
                         uint64_t step, const tt_loss_scale *scale, float *gradient,
                         const tt_piece_losses *losses);

// Who is told, in tt_model_train, that the backward has done a layer: what this pass adds to the gradients of
// that layer's parameters is there. The last layer is the first; NULL (the default): nobody.
typedef void (*tt_layer_done)(void *context, int layer);
void tt_model_set_layer_done(tt_model *model, tt_layer_done done, void *context);

// The stopwatch that the model's parts run on, for whoever calls it to go on with its own parts. At the end
// of a pass the part is TT_PART_OTHER.
tt_stopwatch *tt_model_stopwatch(tt_model *model);

// Bytes of the buffers that the largest piece so far has used.
size_t tt_model_bytes(const tt_model *model);

// What the buffers of a piece depend on: its rows on this rank (batch.h) and its longest molecule; in a
// tensor group also the ranks, and the rows of all of them, whose longest molecule it then is. A rank alone:
// 0 or 1 ranks, and the last two are not read.
typedef struct {
  int64_t tokens, pairs, atom_pairs;
  int max_length, ranks;
  int64_t tokens_all, pairs_all;
} tt_piece_sizes;

// Bytes of those buffers, and what the backend's operations need beside them.
typedef struct {
  int64_t buffers, scratch;
} tt_piece_room;

// Without a model, a pure function of its arguments: what a piece of a training step takes (tt_model_bytes is
// their sum after it). Of `ops` only scratch(), activation_size and device are looked at. `recompute` as in
// tt_model_set_recompute; the ranks divide the heads evenly. TT_ERR_MEMORY.
tt_status tt_model_room(const tt_model_config *config, const tt_ops *ops, bool recompute,
                        const tt_piece_sizes *piece, tt_piece_room *room);

// For tests and for `twotrack replay`: called, with data on the host, with every named activation (names as
// in docs/model.md) and, in tt_model_train, with gradients of the loss with respect to some of them.
// TT_PROBE_PROBABILITIES: per molecule (heads, L, L) at pair_offset * heads; in a group of all its molecules
// the own heads, where everything else is of the own molecules.
typedef enum {
  TT_PROBE_TOKENS,
  TT_PROBE_PAIRS,
  TT_PROBE_ATOM_PAIRS,
  TT_PROBE_MASKED,
  TT_PROBE_PROBABILITIES
} tt_probe_rows;
typedef void (*tt_probe)(void *context, const char *name, bool gradient, tt_probe_rows rows, int dim,
                         const float *data);
void tt_model_set_probe(tt_model *model, tt_probe probe, void *context);

// How many rows the probe's data have. `own`: the rank's molecules of the piece; `all`: those of its group.
// Those of probabilities are `dim` own heads.
int64_t tt_model_probe_rows(tt_probe_rows rows, const tt_batch *own, const tt_batch *all);

#endif
