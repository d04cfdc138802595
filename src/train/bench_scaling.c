#include "train/bench_scaling.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/part.h"
#include "core/memory.h"
#include "model/flops.h"
#include "train/backend.h"
#include "train/bench_update.h"

// What a rank knows of the updates of one measurement.
typedef struct {
  int64_t steps;
  tt_rank_step *own; // (steps)
  tt_rank_step *all; // (ranks, steps)
  tt_rank_step *of;  // (ranks) of one update
  double *waited;    // (steps) for molecules; the same on all ranks
} steps_seen;

static tt_status make_room(steps_seen *s, int ranks, int64_t steps) {
  static const char what[] = "the times of updates";
  *s = (steps_seen){.steps = steps};
  TT_TRY(tt_alloc(&s->own, (size_t)steps, sizeof *s->own, what));
  TT_TRY(tt_alloc(&s->all, (size_t)ranks * (size_t)steps, sizeof *s->all, what));
  TT_TRY(tt_alloc(&s->of, (size_t)ranks, sizeof *s->of, what));
  return tt_alloc(&s->waited, (size_t)steps, sizeof *s->waited, what);
}

static void free_room(steps_seen *s) {
  free(s->own), free(s->all), free(s->of), free(s->waited);
}

// What the stopwatch has counted since the last call.
static tt_rank_step read_stopwatch(tt_stopwatch *watch) {
  tt_rank_step seen = {0};
  for (int p = 0; p < TT_PARTS; p++)
    *(tt_part_computes((tt_part)p) ? &seen.computing : &seen.others) += watch->seconds[p];
  memset(watch->seconds, 0, sizeof watch->seconds);
  return seen;
}

// Between two barriers, so that all ranks see the same time. A device is behind the host: what it still has
// to compute would count where the host waits for it, in an exchange, so the host waits before.
static tt_status timed_updates(tt_trainer *t, tt_loader *loader, steps_seen *s) {
  tt_stopwatch *watch = tt_model_stopwatch(t->model);
  tt_trainer_settle(t);
  if (t->ops->device) watch->wait = t->ops->wait, watch->seldom = true;
  TT_TRY(tt_comm_barrier(t->comm));
  tt_part_begin(watch, TT_PART_DATA);
  read_stopwatch(watch);
  for (int64_t k = 0; k < s->steps; k++) {
    const tt_global_batch *batch;
    TT_TRY(tt_bench_update(t, loader, &batch));
    s->waited[k] = batch->data_s;
    if (k + 1 == s->steps) {
      tt_part_begin(watch, TT_PART_COMMUNICATION);
      TT_TRY(tt_comm_barrier(t->comm));
    }
    tt_part_begin(watch, TT_PART_DATA); // of the next one
    s->own[k] = read_stopwatch(watch);
  }
  return TT_OK;
}

static tt_step_split mean_split(const steps_seen *s, int ranks) {
  tt_step_split sum = {0};
  for (int64_t k = 0; k < s->steps; k++) {
    for (int r = 0; r < ranks; r++) s->of[r] = s->all[r * s->steps + k];
    tt_step_split split = tt_split_step(s->of, ranks, s->waited[k]);
    tt_step_split_add(&sum, &split);
  }
  double steps = (double)s->steps;
  return (tt_step_split){sum.computation / steps, sum.imbalance / steps, sum.communication / steps,
                         sum.data / steps};
}

static tt_status updates(tt_trainer *t, tt_loader *loader, int64_t warmup, steps_seen *s,
                         tt_scaling_time *time) {
  const tt_global_batch *batch;
  for (int64_t k = 0; k < warmup; k++) TT_TRY(tt_bench_update(t, loader, &batch));
  double molecules = (double)t->state.samples, flops = t->state.flops_executed;
  TT_TRY(timed_updates(t, loader, s));
  molecules = (double)t->state.samples - molecules, flops = t->state.flops_executed - flops;
  size_t count = (size_t)s->steps;
  TT_TRY(tt_comm_gather_all(t->comm, s->own, s->all, count, sizeof *s->own));
  *time = (tt_scaling_time){.split = mean_split(s, t->comm->size),
                            .molecules = molecules / (double)s->steps,
                            .flops = flops / molecules};
  time->seconds = tt_step_split_sum(&time->split);
  return TT_OK;
}

// Collective in `part`.
static tt_status measure(const tt_comm *part, tt_store *store, const tt_config *config,
                         const tt_scaling_case *c, tt_bench_scaling *result, tt_scaling_time *time) {
  int64_t steps = c->warmup + c->steps;
  tt_config own = *config; // its strings are the caller's
  own.train.batch_size = c->batch_size, own.train.micro_batches = c->micro_batches;
  if (own.train.steps <= steps) own.train.steps = steps + 1; // the last one makes the next batch ready, too
  tt_trainer trainer = {0};
  tt_loader *loader = NULL;
  steps_seen seen = {0};
  tt_status status = tt_trainer_init(&trainer, part, &own);
  if (status == TT_OK) status = tt_loader_create(&loader, part, store, &own, tt_flops_cost, NULL);
  if (status == TT_OK) status = tt_comm_agree(part, make_room(&seen, part->size, c->steps));
  if (status == TT_OK) status = updates(&trainer, loader, c->warmup, &seen, time);
  if (status == TT_OK) result->parameters = trainer.parameters->whole;
  free_room(&seen);
  tt_loader_free(loader);
  tt_trainer_free(&trainer);
  return status;
}

static tt_status rounds(const tt_comm *comm, tt_store *store, const tt_config *config, tt_bench_scaling *r) {
  for (int round = 0; round < r->rounds; round++)
    for (int k = 0; k < r->cases; k++) {
      tt_comm part;
      tt_status status = TT_OK;
      tt_part_of_ranks(comm, r->of_case[k].ranks, &part);
      if (part.size)
        status = measure(&part, store, config, &r->of_case[k], r, &r->time[k * r->rounds + round]);
      tt_comm_rest(comm);
      tt_part_of_ranks_free(&part);
      TT_TRY(tt_comm_agree_quietly(comm, status)); // the part has reported it
    }
  return TT_OK;
}

// ---- what is to be measured ----

static int add_case(tt_bench_scaling *r, tt_scaling_case c) {
  for (int k = 0; k < r->cases; k++)
    if (r->of_case[k].data_ranks == c.data_ranks && r->of_case[k].batch_size == c.batch_size) return k;
  r->of_case[r->cases] = c;
  return r->cases++;
}

static tt_status check(const tt_comm *comm, const tt_config *config, bool weak) {
  const tt_train_config *t = &config->train;
  int ranks = comm->size, tensor = config->parallel.tensor, most = ranks / tensor;
  if (ranks & (ranks - 1))
    return tt_fail(TT_ERR_CONFIG, "%d ranks are no power of two; start 1, 2, 4, 8 ... ranks", ranks);
  if (most == 0)
    return tt_fail(TT_ERR_CONFIG, "a tensor group needs parallel.tensor = %d ranks, and there are %d", tensor,
                   ranks);
  if (t->micro_batches % most)
    return tt_fail(TT_ERR_CONFIG,
                   "%d data ranks need at least as many leaves, and train.micro_batches is %d; set it to %d "
                   "or more",
                   most, t->micro_batches, most);
  if (weak && t->batch_size % (most * config->data.lanes))
    return tt_fail(TT_ERR_CONFIG,
                   "weak scaling gives one of %d data ranks 1/%d of train.batch_size = %d, which must be a "
                   "multiple of data.lanes = %d: set one of them, or measure --mode strong alone",
                   most, most, t->batch_size, config->data.lanes);
  return TT_OK;
}

static void list_cases(const tt_comm *comm, const tt_config *config, const tt_scaling_request *request,
                       tt_bench_scaling *r) {
  const tt_train_config *t = &config->train;
  int tensor = config->parallel.tensor, most = comm->size / tensor;
  for (int n = 1; n <= most; n *= 2) {
    int part = most / n;
    tt_scaling_case strong = {
        n, n * tensor, t->batch_size, t->micro_batches, request->warmup, request->steps};
    tt_scaling_case weak = {n,
                            n * tensor,
                            t->batch_size / part,
                            t->micro_batches / part,
                            part * request->warmup,
                            part * request->steps};
    if (request->weak) r->weak[r->weak_count++] = add_case(r, weak);
    if (request->strong) r->strong[r->strong_count++] = add_case(r, strong);
  }
}

tt_status tt_bench_scaling_run(const tt_comm *comm, const tt_config *config,
                               const tt_scaling_request *request, tt_bench_scaling *result) {
  tt_store *store = NULL;
  const tt_ops *ops;
  *result = (tt_bench_scaling){.rounds = (int)request->rounds};
  TT_TRY(tt_comm_agree(comm, check(comm, config, request->weak)));
  list_cases(comm, config, request, result);
  TT_TRY(tt_backend_start(comm, config, &ops)); // now, for all, and not when it is the last rank's turn
  tt_status status = tt_alloc(&result->time, (size_t)(result->cases * result->rounds), sizeof *result->time,
                              "the times of all rounds");
  if (status == TT_OK) status = tt_store_open(&store, config->data.store);
  status = tt_comm_agree(comm, status);
  if (status == TT_OK) status = rounds(comm, store, config, result);
  if (status == TT_OK)
    snprintf(result->store_digest, sizeof result->store_digest, "%s", tt_store_digest(store));
  tt_store_close(store);
  if (status != TT_OK) tt_bench_scaling_free(result);
  return status;
}

void tt_bench_scaling_free(tt_bench_scaling *result) {
  free(result->time);
  *result = (tt_bench_scaling){0};
}
