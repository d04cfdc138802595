// A rank's share of a run: its buffers, and saving and loading them.
#include "train/trainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "device/cuda.h"
#include "train/backend.h"
#include "train/checkpoint_load.h"
#include "train/memory.h"

static tt_status check_ranks(const tt_trainer *t) {
  int data = t->mesh.data.size, leaves = t->config->train.micro_batches;
  if (leaves % data)
    return tt_fail(
        TT_ERR_CONFIG,
        "%d data ranks do not divide train.micro_batches = %d leaves evenly; use up to %d of them, "
        "or more micro-batches",
        data, leaves, leaves);
  return TT_OK;
}

static int own_leaves(const tt_trainer *t) {
  return t->config->train.micro_batches / t->mesh.data.size;
}

static int64_t blocks_of(int64_t elements) {
  return (elements + TT_BLOCK - 1) / TT_BLOCK;
}

int64_t tt_trainer_blocks(const tt_trainer *t, int k, int r) {
  const tt_shard *s = &t->shards.list[k];
  return blocks_of(s->counts[r % s->ranks->size]);
}

static tt_status mark_decayed(tt_trainer *t) {
  uint8_t *decayed;
  size_t own = (size_t)t->shards.own;
  TT_TRY(tt_alloc(&decayed, own, 1, "decay flags"));
  for (int k = 0; k < t->shards.count; k++) {
    const tt_shard *s = &t->shards.list[k];
    for (int64_t at = s->first, end = s->first + s->count; at < end;) {
      tt_run_of_elements run = tt_parameters_run(t->parameters, at, end);
      memset(decayed + s->own + (at - s->first), t->parameters->list[run.index].decayed, (size_t)run.count);
      at += run.count;
    }
  }
  t->ops->upload(decayed, own, t->decayed);
  free(decayed);
  return TT_OK;
}

// Initial weights, and moments of zero. Weights of a device are made on the host.
static tt_status begin_values(tt_trainer *t) {
  float *values = t->weights;
  size_t total = (size_t)t->parameters->total;
  tt_trainer_settle(t);
  if (t->ops->device) TT_TRY(tt_alloc(&values, total, sizeof *values, "initial weights"));
  tt_parameters_init(t->parameters, t->config->train.seed, values);
  if (t->ops->device) {
    t->ops->upload(values, total * sizeof *values, t->weights);
    free(values);
  }
  t->ops->weights_changed(t->weights, t->parameters->total);
  t->ops->zero(t->moment1, t->shards.own);
  t->ops->zero(t->moment2, t->shards.own);
  tt_gaussian_means(t->state.means);
  return TT_OK;
}

static tt_status allocate(tt_trainer *t) {
  int64_t total = t->parameters->total, all_blocks = 0;
  TT_TRY(tt_shards_make(&t->shards, &t->mesh, t->parameters));
  TT_TRY(tt_alloc(&t->blocks, (size_t)t->mesh.whole.size, sizeof *t->blocks, "block norms"));
  TT_TRY(tt_alloc(&t->next_block, (size_t)t->mesh.whole.size, sizeof *t->next_block, "block norms"));
  for (int r = 0; r < t->mesh.whole.size; r++) {
    for (int k = 0; k < t->shards.count; k++) t->blocks[r] += tt_trainer_blocks(t, k, r);
    all_blocks += t->blocks[r];
  }
  size_t own = (size_t)t->shards.own, own_blocks = (size_t)t->shards.own_blocks;
  TT_TRY(tt_alloc(&t->squares, own_blocks + (size_t)all_blocks, sizeof *t->squares, "block norms"));
  TT_TRY(tt_backend_alloc(t->ops, &t->own_squares, own_blocks, sizeof *t->own_squares, "block norms"));
  TT_TRY(tt_backend_alloc(t->ops, &t->weights, (size_t)total, sizeof(float), "weights"));
  TT_TRY(tt_backend_alloc(t->ops, &t->moment1, own, sizeof(float), "first moments"));
  TT_TRY(tt_backend_alloc(t->ops, &t->moment2, own, sizeof(float), "second moments"));
  TT_TRY(tt_backend_alloc(t->ops, &t->decayed, own, 1, "decay flags"));
  TT_TRY(tt_reduction_create(&t->reduction, t->shards.count, &t->mesh.whole,
                             tt_shards_landing(t->parameters, t->mesh.data.size)));
  TT_TRY(tt_tree_init(&t->tree, t->ops, total, own_leaves(t)));
  TT_TRY(mark_decayed(t));
  return begin_values(t);
}

tt_status tt_trainer_plan(tt_trainer *t, const tt_comm *comm, const tt_config *config) {
  int tensor = config->parallel.tensor;
  *t = (tt_trainer){.comm = comm, .config = config};
  TT_TRY(tt_backend_start(comm, config, &t->ops));
  tt_status status = tt_mesh_make(&t->mesh, comm, tensor > 1 ? tensor : 1);
  if (status == TT_OK) status = check_ranks(t);
  TT_TRY(tt_comm_agree(comm, status));
  TT_TRY(tt_backend_link(config, t->ops, &t->mesh, &t->device_arrays));
  status = tt_model_create(&t->model, &config->model, t->ops, &t->mesh.tensor);
  TT_TRY(tt_comm_agree(comm, status));
  tt_model_set_recompute(t->model, config->train.recompute == TT_RECOMPUTE_PAIR);
  t->parameters = tt_model_parameters(t->model);
  if (t->ops->device) tt_model_stopwatch(t->model)->mark = tt_cuda_range;
  return TT_OK;
}

double tt_trainer_bytes(const tt_trainer *t) {
  tt_trainer_memory memory;
  int tensor = t->mesh.tensor.size;
  if (tt_trainer_memory_plan(t->config, t->mesh.data.size, tensor, t->comm->rank, &memory) != TT_OK) return 0;
  return (double)tt_trainer_memory_sum(&memory);
}

tt_status tt_trainer_init(tt_trainer *t, const tt_comm *comm, const tt_config *config) {
  if (!t->model) TT_TRY(tt_trainer_plan(t, comm, config));
  return tt_comm_agree(comm, allocate(t));
}

tt_status tt_trainer_restart(tt_trainer *t) {
  tt_progress_state_free(&t->state);
  t->state = (tt_progress_state){0};
  TT_TRY(begin_values(t));
  tt_model_set_means(t->model, t->state.means);
  return TT_OK;
}

void tt_trainer_free(tt_trainer *t) {
  if (t->model && t->ops->device) tt_cuda_range(NULL);
  tt_model_free(t->model);
  tt_tree_free(&t->tree);
  tt_reduction_free(t->reduction);
  tt_batch_free(&t->batch);
  tt_batch_free(&t->batch_all);
  tt_work_free(&t->work);
  tt_silent_free(&t->silent);
  tt_shards_free(&t->shards);
  tt_mesh_free(&t->mesh);
  void *arrays[] = {t->weights, t->own_squares, t->moment1, t->moment2, t->decayed};
  for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++)
    if (arrays[k]) t->ops->release(arrays[k]);
  free(t->blocks), free(t->next_block), free(t->squares);
  tt_progress_state_free(&t->state);
  *t = (tt_trainer){0};
}

tt_checkpoint_share tt_trainer_share(const tt_trainer *t) {
  return (tt_checkpoint_share){.parameters = t->parameters,
                               .shards = &t->shards,
                               .weights = t->weights,
                               .moment1 = t->moment1,
                               .moment2 = t->moment2,
                               .ops = t->ops};
}

// Reads the values of a checkpoint, on a device by way of the host's memory.
static tt_status load_values(tt_trainer *t, const char *path, bool moments, tt_progress_state *state) {
  tt_checkpoint_share share = tt_trainer_share(t);
  size_t total = (size_t)t->parameters->total, own = moments ? (size_t)t->shards.own : 0;
  float *values = NULL;
  tt_trainer_settle(t);
  if (t->ops->device) {
    tt_status status = tt_alloc(&values, total + 2 * own, sizeof *values, "the values of a checkpoint");
    TT_TRY(tt_comm_agree_quietly(t->comm, status));
    share.ops = NULL;
    share.weights = values, share.moment1 = values + total, share.moment2 = values + total + own;
  }
  if (!moments) share.moment1 = share.moment2 = NULL;
  tt_status status = tt_checkpoint_load(t->comm, path, &share, state);
  if (status == TT_OK && t->ops->device) {
    t->ops->upload(share.weights, total * sizeof *values, t->weights);
    t->ops->upload(share.moment1, own * sizeof *values, t->moment1);
    t->ops->upload(share.moment2, own * sizeof *values, t->moment2);
  }
  free(values);
  if (status == TT_OK) t->ops->weights_changed(t->weights, t->parameters->total);
  return status;
}

tt_status tt_trainer_load(tt_trainer *t, const char *path) {
  tt_progress_state state;
  TT_TRY(load_values(t, path, true, &state));
  tt_progress_state_free(&t->state);
  t->state = state;
  tt_model_set_means(t->model, t->state.means);
  return TT_OK;
}

tt_status tt_trainer_load_weights(tt_trainer *t, const char *path) {
  tt_progress_state state;
  TT_TRY(load_values(t, path, false, &state));
  tt_progress_state_free(&state);
  // the weights have been trained with these
  memcpy(t->state.means, state.means, sizeof state.means);
  tt_model_set_means(t->model, t->state.means);
  return TT_OK;
}
