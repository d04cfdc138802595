// A rank's share of a run: its buffers, and saving and loading them.
#include "train/trainer.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

static tt_status check_ranks(const tt_comm *comm, const tt_config *config) {
  int size = comm->size, leaves = config->train.micro_batches;
  if (size & (size - 1) || leaves % size)
    return tt_fail(TT_ERR_CONFIG,
                   "%d ranks do not divide train.micro_batches = %d leaves evenly; use a power of two up "
                   "to %d ranks (or more micro-batches)",
                   size, leaves, leaves);
  return TT_OK;
}

static tt_status allocate(tt_trainer *t) {
  const tt_comm *comm = t->comm;
  int64_t total = t->parameters->total, blocks = (total + TT_BLOCK - 1) / TT_BLOCK, widest = 0;
  TT_TRY(tt_alloc(&t->segment, (size_t)comm->size + 1, sizeof *t->segment, "segments"));
  for (int r = 0; r <= comm->size; r++) {
    int64_t end = blocks * r / comm->size * TT_BLOCK;
    t->segment[r] = end < total ? end : total;
    if (r && t->segment[r] - t->segment[r - 1] > widest) widest = t->segment[r] - t->segment[r - 1];
  }
  size_t own = (size_t)(t->segment[comm->rank + 1] - t->segment[comm->rank]);
  TT_TRY(tt_alloc(&t->weights, (size_t)total, sizeof(float), "weights"));
  TT_TRY(tt_alloc(&t->owned, own, sizeof(float), "the own segment's gradient"));
  TT_TRY(tt_alloc(&t->moment1, own, sizeof(float), "first moments"));
  TT_TRY(tt_alloc(&t->moment2, own, sizeof(float), "second moments"));
  TT_TRY(tt_alloc(&t->decayed, own, 1, "decay flags"));
  TT_TRY(tt_alloc(&t->exchange, (size_t)widest * (size_t)comm->size, sizeof(float), "the gradient exchange"));
  return tt_tree_init(&t->tree, t->ops, total, t->config->train.micro_batches / comm->size);
}

static void mark_decayed(tt_trainer *t) {
  int64_t first = t->segment[t->comm->rank], end = t->segment[t->comm->rank + 1];
  for (int k = 0; k < t->parameters->count; k++) {
    const tt_parameter *p = &t->parameters->list[k];
    for (int64_t i = p->offset > first ? p->offset : first; i < p->offset + p->count && i < end; i++)
      t->decayed[i - first] = p->decayed;
  }
}

tt_status tt_trainer_init(tt_trainer *t, const tt_comm *comm, const tt_config *config) {
  *t = (tt_trainer){.comm = comm, .config = config, .ops = tt_ops_cpu()};
  tt_status status = check_ranks(comm, config);
  if (status == TT_OK) status = tt_model_create(&t->model, &config->model, t->ops);
  if (status == TT_OK) {
    t->parameters = tt_model_parameters(t->model);
    status = allocate(t);
  }
  TT_TRY(tt_comm_agree(comm, status));
  mark_decayed(t);
  tt_parameters_init(t->parameters, config->train.seed, t->weights);
  return TT_OK;
}

void tt_trainer_free(tt_trainer *t) {
  tt_model_free(t->model);
  tt_tree_free(&t->tree);
  tt_batch_free(&t->batch);
  void *all[] = {t->weights, t->segment, t->owned,    t->moment1,
                 t->moment2, t->decayed, t->exchange, t->state.config};
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) free(all[k]);
  *t = (tt_trainer){0};
}

tt_status tt_trainer_gather(const tt_trainer *t, const float *segment, float *all) {
  int64_t counts[4096];
  for (int r = 0; r < t->comm->size; r++) counts[r] = t->segment[r + 1] - t->segment[r];
  return tt_comm_gather_all_v(t->comm, segment, all, counts, sizeof(float));
}

tt_status tt_trainer_save(tt_trainer *t, const char *path) {
  float *m1 = NULL, *m2 = NULL;
  tt_status status = tt_alloc(&m1, (size_t)t->parameters->total, sizeof(float), "gathered moments");
  if (status == TT_OK)
    status = tt_alloc(&m2, (size_t)t->parameters->total, sizeof(float), "gathered moments");
  status = tt_comm_agree(t->comm, status);
  if (status == TT_OK) status = tt_trainer_gather(t, t->moment1, m1);
  if (status == TT_OK) status = tt_trainer_gather(t, t->moment2, m2);
  if (status == TT_OK && t->comm->rank == 0)
    status = tt_checkpoint_write(path, t->parameters, t->weights, m1, m2, &t->state);
  status = tt_comm_agree(t->comm, status);
  free(m1);
  free(m2);
  return status;
}

// Rank 0 reads and hands out what it read; a rank keeps its own segment of the moments.
tt_status tt_trainer_load(tt_trainer *t, const char *path) {
  size_t total = (size_t)t->parameters->total,
         own = (size_t)(t->segment[t->comm->rank + 1] - t->segment[t->comm->rank]);
  int64_t first = t->segment[t->comm->rank];
  float *moment = NULL, *second = NULL;
  tt_progress_state state = {0};
  tt_status status = tt_alloc(&moment, total, sizeof(float), "moments to load");
  if (status == TT_OK) status = tt_alloc(&second, total, sizeof(float), "moments to load");
  if (status == TT_OK && t->comm->rank == 0)
    status = tt_checkpoint_read(path, t->parameters, t->weights, moment, second, &state);
  status = tt_comm_agree(t->comm, status);
  if (status == TT_OK) status = tt_comm_broadcast(t->comm, t->weights, total * sizeof(float), 0);
  if (status == TT_OK) status = tt_comm_broadcast(t->comm, moment, total * sizeof(float), 0);
  if (status == TT_OK) status = tt_comm_broadcast(t->comm, second, total * sizeof(float), 0);
  if (status == TT_OK) {
    memcpy(t->moment1, moment + first, own * sizeof(float));
    memcpy(t->moment2, second + first, own * sizeof(float));
    char *config = state.config;
    status = tt_comm_broadcast(t->comm, &state, sizeof state, 0);
    if (t->comm->rank != 0) config = NULL; // only rank 0's pointer means anything
    free(t->state.config);
    t->state = state;
    t->state.config = config;
  } else {
    free(state.config);
  }
  free(moment);
  free(second);
  return status;
}

tt_status tt_trainer_load_weights(tt_trainer *t, const char *path) {
  tt_status status = TT_OK;
  if (t->comm->rank == 0) status = tt_checkpoint_read(path, t->parameters, t->weights, NULL, NULL, NULL);
  TT_TRY(tt_comm_agree(t->comm, status));
  return tt_comm_broadcast(t->comm, t->weights, (size_t)t->parameters->total * sizeof(float), 0);
}
