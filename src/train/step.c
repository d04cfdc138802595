// Running the leaves of a global batch, and one update.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "comm/link.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/philox.h"
#include "model/flops.h"
#include "optim/schedule.h"
#include "train/trainer.h"

static void enter(tt_trainer *t, tt_part part) {
  tt_part_begin(tt_model_stopwatch(t->model), part);
}

static void read_losses(tt_trainer *t) {
  t->ops->wait(); // for all else, too
  tt_work_read_losses(&t->work);
}

// What the ranks of a group make of a batch is the same; memory is each one's own.
static tt_status begin_work(tt_trainer *t, const tt_global_batch *b) {
  tt_status status = tt_work_begin(&t->work, t->ops, &t->mesh, b);
  if (status == TT_ERR_MEMORY && t->mesh.tensor.size > 1)
    tt_comm_abort(t->comm); // the others of the group are on their way into the first piece
  return status;
}

// What is done with each packed piece.
typedef tt_status (*piece_function)(tt_trainer *t, tt_work *w, void *context);

static tt_status pack(const tt_trainer *t, const tt_global_batch *b, const int32_t *order, int count,
                      tt_batch *batch) {
  return tt_batch_pack(batch, b->samples, order, count, b->sample, t->work.index,
                       t->config->model.scaling_length, tt_padded_length(b->longest));
}

// Piece k of the leaf in hand: the own molecules and, in a tensor group, the group's.
static tt_status pack_piece(tt_trainer *t, const tt_global_batch *b, int k) {
  tt_leaf *leaf = &t->work.leaf;
  int rank = t->mesh.tensor.rank, own = tt_leaf_piece(leaf, k, rank);
  tt_status status = pack(t, b, leaf->together + own, leaf->molecules[rank], &t->batch);
  if (leaf->ranks == 1) return status;
  if (status == TT_OK) status = pack(t, b, leaf->together, leaf->count, &t->batch_all);
  if (status != TT_OK) tt_comm_abort(t->comm); // the others of the group are on their way into the piece
  return TT_OK;
}

static tt_status run_leaf(tt_trainer *t, const tt_global_batch *b, int which, tt_work *w, piece_function run,
                          void *context) {
  tt_leaf_take(&w->leaf, b, which, t->config->train.max_pairs);
  for (int k = 0; k < w->leaf.pieces; k++) {
    TT_TRY(pack_piece(t, b, k));
    w->last_piece = k + 1 == w->leaf.pieces;
    TT_TRY(run(t, w, context));
    tt_work_note(w, &t->batch);
  }
  return TT_OK;
}

// What the model runs on.
static tt_piece piece_in_hand(const tt_trainer *t) {
  if (t->work.leaf.ranks == 1) return tt_piece_alone(&t->batch);
  return (tt_piece){&t->batch, &t->batch_all, t->work.leaf.molecules};
}

// Collective: every molecule's losses on every rank, in batch order.
static tt_status gather_losses(const tt_trainer *t, const tt_global_batch *b, tt_work *w) {
  tt_comm_count_as(t->comm, TT_TRAFFIC_LOSSES);
  TT_TRY(tt_comm_gather_all_v(t->comm, w->own, w->all, w->counts, sizeof *w->all));
  for (int i = 0; i < b->count; i++) w->sorted[w->all[i].batch_index] = w->all[i];
  return TT_OK;
}

static tt_losses batch_means(const tt_global_batch *b, const tt_work *w, const tt_train_config *config) {
  tt_loss_sums sums = {0};
  for (int i = 0; i < b->count; i++) tt_loss_sums_add(&sums, &w->sorted[i], config);
  return tt_loss_means(&sums, config);
}

// ---- training ----

// Other ranks are to read what has been queued here: waits for it, unless they go by a way that waits itself.
static void settle_for(const tt_trainer *t, const tt_comm *ranks) {
  if (ranks->size > 1 && !ranks->link) t->ops->wait();
}

// The buckets that are complete when the backward of the last piece has done `layer`, as far as they have not
// gone yet: the sum over the own leaves is finished for them, and they are on their way to their owners. The
// order is the same on all ranks, whenever each gets there.
static void send_gradients(tt_trainer *t, int layer) {
  for (; t->next_layer >= layer; t->next_layer--)
    for (int k = 0; k < t->shards.count; k++) {
      const tt_bucket *b = &t->parameters->bucket[k];
      if (b->layer != t->next_layer) continue;
      enter(t, TT_PART_GRADIENTS);
      tt_tree_close(&t->tree, b->first, b->count);
      enter(t, TT_PART_COMMUNICATION);
      settle_for(t, t->shards.list[k].ranks);
      tt_comm_count_as(t->comm, TT_TRAFFIC_GRADIENTS);
      tt_reduction_begin(t->reduction, t->shards.list[k].ranks, tt_tree_root(&t->tree),
                         t->shards.list[k].segment);
    }
}

static void layer_done(void *context, int layer) {
  tt_trainer *t = context;
  send_gradients(t, layer);
  enter(t, TT_PART_COMMUNICATION);
  tt_reduction_progress(t->reduction);
}

// Collective: sends what is left, and waits for all. Every rank gets its own shards' sum over all leaves. A
// rank that failed on its way takes part all the same, with whatever it has: others may have begun.
static void finish_gradients(tt_trainer *t) {
  send_gradients(t, TT_BUCKET_AT_END);
  enter(t, TT_PART_COMMUNICATION);
  tt_reduction_finish(t->reduction);
}

typedef struct {
  tt_loss_scale scale;
  float *gradient;
  bool last; // of the own leaves
} training;

static tt_status train_piece(tt_trainer *t, tt_work *w, void *context) {
  const training *c = context;
  tt_piece_losses losses = tt_work_losses(w);
  tt_piece piece = piece_in_hand(t);
  tt_model_set_layer_done(t->model, c->last && w->last_piece ? layer_done : NULL, t);
  return tt_model_train(t->model, t->weights, &piece, tt_seed_for(t->config->train.seed, TT_SEED_DROPOUT),
                        (uint64_t)t->state.step, &c->scale, c->gradient, &losses);
}

static bool silent_check_due(const tt_trainer *t) {
  int64_t every = t->config->train.silent_check_every;
  return every > 0 && (t->state.step + 1) % every == 0;
}

// The rank's first leaf, twice. What the second run makes is what counts.
static tt_status run_twice(tt_trainer *t, const tt_global_batch *b, int leaf, tt_work *w, training *c) {
  const tt_batch *all = w->leaf.ranks == 1 ? &t->batch : &t->batch_all;
  tt_silent_begin(&t->silent, false, t->model, &t->batch, all, w);
  TT_TRY(run_leaf(t, b, leaf, w, train_piece, c));
  read_losses(t);
  TT_TRY(tt_silent_keep(&t->silent, t->ops, c->gradient));
  t->ops->zero(c->gradient, t->parameters->total);
  tt_work_again(w);
  tt_silent_begin(&t->silent, true, t->model, &t->batch, all, w);
  TT_TRY(run_leaf(t, b, leaf, w, train_piece, c));
  read_losses(t);
  return tt_silent_compare(&t->silent, t->ops, c->gradient, t->state.step + 1, leaf);
}

static tt_status run_leaves(tt_trainer *t, const tt_global_batch *b, tt_work *w) {
  const tt_train_config *k = &t->config->train;
  tt_error silent = {TT_OK, ""};
  training c = {{b->masked ? k->token_loss_weight / (double)b->masked : 0, k->position_loss_weight / b->count,
                 k->distance_loss_weight / b->count},
                NULL,
                false};
  for (int leaf = b->first_leaf; leaf < b->first_leaf + b->own_leaves; leaf++) {
    enter(t, TT_PART_GRADIENTS);
    c.gradient = tt_tree_leaf(&t->tree);
    bool last = leaf + 1 == b->first_leaf + b->own_leaves;
    enter(t, TT_PART_OTHER);
    if (leaf == b->first_leaf && silent_check_due(t)) {
      c.last = false; // what is looked at is sent when it is known to be good
      tt_status status = run_twice(t, b, leaf, w, &c);
      if (status != TT_OK && status != TT_ERR_MACHINE) return status;
      tt_error_keep(&silent, status);
    } else {
      c.last = last;
      TT_TRY(run_leaf(t, b, leaf, w, train_piece, &c));
    }
    enter(t, TT_PART_GRADIENTS);
    if (!last) tt_tree_push(&t->tree); // that of the last leaf is closed bucket by bucket
  }
  return tt_error_again(&silent); // not before: the others of a tensor group run the same leaves
}

static void own_squares(const tt_trainer *t, double *squares) {
  const float *gradient = tt_tree_root(&t->tree);
  double *to = t->own_squares;
  for (int k = 0; k < t->shards.count; k++) {
    const tt_shard *s = &t->shards.list[k];
    t->ops->block_squares(gradient + s->first, s->count, TT_BLOCK, to);
    to += (s->count + TT_BLOCK - 1) / TT_BLOCK;
  }
  t->ops->download(t->own_squares, (size_t)t->shards.own_blocks * sizeof *squares, squares);
}

// Norm of the whole gradient: in double over fixed blocks, added bucket by bucket, in it tensor place by
// tensor place, in index order: an order that the number of data ranks does not touch.
static tt_status gradient_norm(const tt_trainer *t, double *norm) {
  double *own = t->squares, *all = own + t->shards.own_blocks, sum = 0;
  int64_t *next = t->next_block;
  own_squares(t, own);
  tt_comm_count_as(t->comm, TT_TRAFFIC_NORMS);
  TT_TRY(tt_comm_gather_all_v(&t->mesh.whole, own, all, t->blocks, sizeof *all));
  for (int r = 0; r < t->mesh.whole.size; r++) next[r] = r ? next[r - 1] + t->blocks[r - 1] : 0;
  for (int k = 0; k < t->shards.count; k++)
    for (int r = 0; r < t->mesh.whole.size; r++)
      for (int64_t end = next[r] + tt_trainer_blocks(t, k, r); next[r] < end; next[r]++) sum += all[next[r]];
  *norm = sqrt(sum);
  return TT_OK;
}

static double clip_factor(const tt_optimizer_config *o, double norm) {
  double clip = o->clip_norm > 0 ? o->clip_norm / (norm + 1e-6) : 1;
  return clip < 1 ? clip : 1;
}

// Adam squares what is clipped, in 32 bits, and divides by epsilon at the least: up to this norm everything
// that it writes is finite.
static double largest_norm(const tt_optimizer_config *o) {
  return 1e19 * (o->epsilon < 1 ? o->epsilon : 1);
}

static tt_status check_finite(const tt_trainer *t, const tt_global_batch *b, const tt_update *u) {
  const tt_optimizer_config *o = &t->config->optimizer;
  bool finite = isfinite(u->losses.loss) && isfinite(u->gradient_norm);
  if (finite && u->gradient_norm * clip_factor(o, u->gradient_norm) <= largest_norm(o)) return TT_OK;
  const char *how =
      t->non_finite_quietly
          ? ""
          : ". Leave the batch out (train.skip_batches, or train.non_finite = \"skip\"), or start "
            "a new run (--init-from goes on from a checkpoint's weights) with a lower "
            "optimizer.learning_rate or a longer optimizer.warmup_steps";
  return tt_fail(TT_ERR_NUMERIC,
                 "update %lld: the loss is %g (token %g, position %g, distance %g) and the "
                 "gradient norm %g%s, "
                 "in batch %lld; no weight was changed%s",
                 (long long)t->state.step + 1, u->losses.loss, u->losses.token, u->losses.position,
                 u->losses.distance, u->gradient_norm,
                 finite ? ", too large for the optimizer's 32 bits" : "", (long long)b->number, how);
}

// Adam on what this rank owns of a bucket.
static void step_bucket(tt_trainer *t, const tt_shard *s, double clip, double rate, double learning_rate) {
  const tt_optimizer_config *o = &t->config->optimizer;
  t->ops->adam(s->count, t->weights + s->first, tt_tree_root(&t->tree) + s->first, t->moment1 + s->own,
               t->moment2 + s->own, t->decayed + s->own, (float)clip, (float)rate,
               (float)(learning_rate * o->weight_decay), (float)o->beta1, (float)o->beta2, (float)o->epsilon);
}

// Collective: every rank gets the new weights from their owners, a bucket while the next one is updated.
static void apply(tt_trainer *t, tt_update *u) {
  const tt_optimizer_config *o = &t->config->optimizer;
  u->learning_rate = tt_learning_rate(o, t->config->train.steps, t->state.step);
  double clip = clip_factor(o, u->gradient_norm);
  double rate = tt_adam_rate(u->learning_rate, o->beta1, o->beta2, t->state.step + 1);
  tt_messages before = {0};
  tt_comm_count_as(t->comm, TT_TRAFFIC_WEIGHTS);
  for (int k = 0; k < t->shards.count; k++) {
    const tt_shard *s = &t->shards.list[k];
    enter(t, TT_PART_OPTIMIZER);
    step_bucket(t, s, clip, rate, u->learning_rate);
    enter(t, TT_PART_COMMUNICATION);
    settle_for(t, s->ranks);
    tt_messages now = tt_link_gather_begin(s->ranks, t->weights + s->segment[0], s->counts);
    tt_comm_wait(&before);
    before = now;
  }
  tt_comm_wait(&before);
  if (t->comm->size > 1) // some came from others
    t->ops->weights_changed(t->weights, t->parameters->total);
}

tt_status tt_trainer_update(tt_trainer *t, const tt_global_batch *b, tt_update *u) {
  tt_work *w = &t->work;
  enter(t, TT_PART_OTHER);
  tt_tree_clear(&t->tree);
  t->next_layer = t->config->model.layers - 1;
  tt_status status = begin_work(t, b);
  if (status == TT_OK) status = run_leaves(t, b, w);
  read_losses(t);
  enter(t, TT_PART_IMBALANCE);
  status = tt_comm_agree(t->comm, status);
  finish_gradients(t);
  if (status != TT_OK) return status;
  TT_TRY(gather_losses(t, b, w));
  u->losses = batch_means(b, w, &t->config->train);
  enter(t, TT_PART_OPTIMIZER);
  TT_TRY(gradient_norm(t, &u->gradient_norm));
  status = check_finite(t, b, u);
  TT_TRY((t->non_finite_quietly ? tt_comm_agree_quietly : tt_comm_agree)(t->comm, status));
  apply(t, u);
  tt_comm_count_as(t->comm, TT_TRAFFIC_OTHER);
  enter(t, TT_PART_OTHER);
  t->state.step++;
  t->state.samples += (uint64_t)b->count;
  t->state.atoms += (uint64_t)b->total_atoms;
  t->state.pairs += (uint64_t)b->total_pairs;
  for (int i = 0; i < b->count; i++) {
    double masked = t->config->data.mask_probability * b->atoms[i];
    t->state.flops_executed += 3 * tt_flops_executed(&t->config->model, b->atoms[i], masked);
    t->state.flops_reference += 3 * tt_flops_reference(&t->config->model, b->atoms[i], masked);
  }
  return TT_OK;
}

// ---- validation ----

static tt_status evaluate_piece(tt_trainer *t, tt_work *w, void *context) {
  (void)context;
  tt_piece piece = piece_in_hand(t);
  tt_piece_losses losses = tt_work_losses(w);
  return tt_model_evaluate(t->model, t->weights, &piece, &losses);
}

// The losses of a model that moves nothing (token terms 0): on the processor, which has the batch at hand.
static tt_status still_piece(tt_trainer *t, tt_work *w, void *context) {
  (void)context;
  tt_piece_losses to = tt_work_losses(w);
  double *token = w->read.token + w->masked, *position = w->read.position + w->owned,
         *distance = w->read.distance + w->owned;
  size_t atoms = (size_t)t->batch.masked * sizeof *token,
         molecules = (size_t)t->batch.molecules * sizeof *position;
  memset(token, 0, atoms);
  const tt_ops *here = t->ops->device ? tt_ops_cpu(TT_FP32) : t->ops;
  here->position_losses(&t->batch, w->still, 0, 0, position, distance, NULL);
  t->ops->upload(token, atoms, to.token);
  t->ops->upload(position, molecules, to.position);
  t->ops->upload(distance, molecules, to.distance);
  return TT_OK;
}

static tt_status evaluate(tt_trainer *t, const tt_validation_set *set, piece_function run,
                          tt_losses *losses) {
  tt_work *w = &t->work;
  tt_loss_sums sums = {0};
  for (int k = 0; k < tt_validation_batches(set); k++) {
    TT_TRY(tt_stopping_look(t->stopping));
    const tt_global_batch *b = tt_validation_batch(set, k);
    tt_status status = begin_work(t, b);
    for (int leaf = b->first_leaf; status == TT_OK && leaf < b->first_leaf + b->own_leaves; leaf++)
      status = run_leaf(t, b, leaf, w, run, NULL);
    read_losses(t);
    TT_TRY(tt_comm_agree(t->comm, status));
    TT_TRY(gather_losses(t, b, w));
    for (int i = 0; i < b->count; i++) tt_loss_sums_add(&sums, &w->sorted[i], &t->config->train);
  }
  tt_comm_count_as(t->comm, TT_TRAFFIC_OTHER);
  *losses = tt_loss_means(&sums, &t->config->train);
  return TT_OK;
}

tt_status tt_trainer_evaluate(tt_trainer *t, const tt_validation_set *set, tt_losses *losses) {
  return evaluate(t, set, evaluate_piece, losses);
}

// Entropy (nats) of the elements of the set's atoms; what a model that knows only their frequencies would
// lose a token. All ranks of a tensor group have a leaf's samples: each atom counts as often as there are of
// them, which changes no frequency.
static tt_status element_entropy(const tt_trainer *t, const tt_validation_set *set, double *entropy) {
  int64_t mine[TT_TOKENS] = {0}, *all = NULL;
  for (int k = 0; k < tt_validation_batches(set); k++) {
    const tt_global_batch *b = tt_validation_batch(set, k);
    for (int i = 0; i < b->count; i++)
      for (int a = 0; b->samples[i] && a < b->samples[i]->atoms; a++) {
        uint8_t target = b->samples[i]->target[a];
        mine[target ? target : b->samples[i]->token[a]]++;
      }
  }
  TT_TRY(tt_comm_agree(t->comm,
                       tt_alloc(&all, (size_t)t->comm->size * TT_TOKENS, sizeof *all, "element counts")));
  tt_status status = tt_comm_gather_all(t->comm, mine, all, TT_TOKENS, sizeof *all);
  double total = 0, sum = 0;
  for (int e = 0; status == TT_OK && e < TT_TOKENS; e++) {
    mine[e] = 0;
    for (int r = 0; r < t->comm->size; r++) mine[e] += all[r * TT_TOKENS + e];
    total += (double)mine[e];
  }
  for (int e = 0; e < TT_TOKENS; e++)
    if (status == TT_OK && mine[e]) sum -= (double)mine[e] / total * log((double)mine[e] / total);
  *entropy = sum;
  free(all);
  return status;
}

tt_status tt_trainer_baseline(tt_trainer *t, const tt_validation_set *set, tt_losses *baseline) {
  TT_TRY(evaluate(t, set, still_piece, baseline));
  return element_entropy(t, set, &baseline->token);
}
