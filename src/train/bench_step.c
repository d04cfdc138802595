#include "train/bench_step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/memory.h"
#include "device/cuda.h"
#include "model/flops.h"
#include "train/backend.h"
#include "train/bench_update.h"
#include "train/trainer.h"

enum { SGEMM_SIZE = 1536 };

// FLOP/s of a large single-precision product on this rank, while all other ranks do the same; 0 when no time
// is given to it.
static tt_status sgemm_rate(const tt_trainer *t, double most, double *rate) {
  *rate = 0;
  if (most <= 0) return TT_OK;
  size_t n = SGEMM_SIZE;
  float *x = NULL, *values;
  tt_status status = tt_backend_alloc(t->ops, &x, 3 * n * n, sizeof *x, "the SGEMM measurement");
  if (status == TT_OK) status = tt_alloc(&values, 2 * n * n, sizeof *values, "the SGEMM measurement");
  TT_TRY(tt_comm_agree(t->comm, status));
  for (size_t i = 0; i < 2 * n * n; i++) values[i] = (float)(i % 7) - 3;
  t->ops->upload(values, 2 * n * n * sizeof *values, x);
  free(values);
  float *w = x + n * n, *y = w + n * n;
  t->ops->library_product(SGEMM_SIZE, x, w, y); // warms up
  t->ops->wait();
  status = tt_comm_barrier(t->comm);
  double begun = tt_now(), seconds = 0;
  int products = 0;
  while (status == TT_OK && seconds < most) {
    t->ops->library_product(SGEMM_SIZE, x, w, y);
    t->ops->wait();
    products++;
    seconds = tt_now() - begun;
  }
  t->ops->release(x);
  *rate = products * 2.0 * (double)(n * n * n) / seconds;
  return status;
}

// One update; counts its molecules when it is timed.
static tt_status update(tt_trainer *t, tt_loader *loader, tt_bench_step *count) {
  const tt_global_batch *batch;
  TT_TRY(tt_bench_update(t, loader, &batch));
  if (!count) return TT_OK;
  // what was sent for these molecules, which was done a step ahead
  count->sent_all[TT_TRAFFIC_RECORDS] += batch->sent_bytes;
  count->data_wait += batch->data_s;
  for (int i = 0; i < batch->count; i++) {
    int bin = batch->atoms[i] / TT_LENGTH_BIN;
    count->lengths[bin < TT_LENGTH_BINS ? bin : TT_LENGTH_BINS - 1]++;
  }
  return TT_OK;
}

static double page_faults(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)usage.ru_minflt;
}

static tt_status timed_updates(tt_trainer *t, tt_loader *loader, int64_t steps, tt_bench_step *r) {
  tt_stopwatch *watch = tt_model_stopwatch(t->model);
  tt_progress_state before = t->state;
  TT_TRY(tt_comm_barrier(t->comm));
  memset(watch->seconds, 0, sizeof watch->seconds);
  memset(t->comm->traffic->sent, 0, sizeof t->comm->traffic->sent);
  double faults = page_faults(), begun = tt_now();
  watch->since = begun;
  for (int64_t k = 0; k < steps; k++) TT_TRY(update(t, loader, r));
  tt_trainer_settle(t);
  tt_part_begin(watch, TT_PART_OTHER);
  r->seconds = tt_now() - begun;
  r->page_faults = page_faults() - faults;
  memcpy(r->part_seconds, watch->seconds, sizeof r->part_seconds);
  for (int k = 0; k < TT_TRAFFIC_KINDS; k++)
    if (k != TT_TRAFFIC_RECORDS) r->sent_all[k] = t->comm->traffic->sent[k];
  r->steps = steps;
  r->molecules = (int64_t)(t->state.samples - before.samples);
  r->atoms = (int64_t)(t->state.atoms - before.atoms);
  r->pairs = (int64_t)(t->state.pairs - before.pairs);
  r->flops_executed = t->state.flops_executed - before.flops_executed;
  r->flops_reference = t->state.flops_reference - before.flops_reference;
  return TT_OK;
}

// A device is behind the host, which passes from part to part without it: they are told apart by waiting, in
// updates that are not timed as wholes.
static tt_status timed_parts(tt_trainer *t, tt_loader *loader, int64_t steps, tt_bench_step *r) {
  enum { MOST = 3 };
  int64_t count = steps < MOST ? steps : MOST;
  tt_stopwatch *watch = tt_model_stopwatch(t->model);
  watch->wait = t->ops->wait;
  memset(watch->seconds, 0, sizeof watch->seconds);
  watch->since = tt_now();
  tt_status status = TT_OK;
  for (int64_t k = 0; status == TT_OK && k < count; k++) status = update(t, loader, NULL);
  tt_part_begin(watch, TT_PART_OTHER);
  watch->wait = NULL;
  for (int p = 0; p < TT_PARTS; p++) r->part_seconds[p] = watch->seconds[p] * (double)steps / (double)count;
  return status;
}

static double larger(double a, double b) {
  return a > b ? a : b;
}

// Peak so far.
static double resident_memory(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)usage.ru_maxrss * 1024;
}

// What differs between ranks becomes one figure, the same on all.
static tt_status combine(const tt_comm *comm, double sgemm, tt_bench_step *r) {
  enum {
    SECONDS,
    SGEMM,
    MEMORY,
    BEFORE,
    ACTIVATIONS,
    FAULTS,
    DEVICE,
    OWN,
    USED,
    PARTS,
    COUNT = PARTS + TT_PARTS
  };
  tt_cuda_memory device = {0, 0, 0};
  tt_cuda_memory_use(&device);
  double mine[COUNT] = {[SECONDS] = r->seconds,         [SGEMM] = sgemm,
                        [MEMORY] = resident_memory(),   [BEFORE] = r->memory_before,
                        [ACTIVATIONS] = r->activations, [FAULTS] = r->page_faults,
                        [DEVICE] = (double)device.peak, [OWN] = (double)device.own,
                        [USED] = (double)device.used};
  memcpy(mine + PARTS, r->part_seconds, sizeof r->part_seconds);
  double *all = NULL;
  TT_TRY(tt_comm_agree(comm, tt_alloc(&all, (size_t)comm->size * COUNT, sizeof *all, "the ranks' times")));
  tt_status status = tt_comm_gather_all(comm, mine, all, COUNT, sizeof *all);
  memset(r->part_seconds, 0, sizeof r->part_seconds);
  r->seconds = r->page_faults = 0;
  for (int k = 0; status == TT_OK && k < comm->size; k++) {
    const double *rank = all + (size_t)k * COUNT;
    r->seconds = larger(r->seconds, rank[SECONDS]);
    r->memory_largest = larger(r->memory_largest, rank[MEMORY]);
    r->memory_before = larger(r->memory_before, rank[BEFORE]);
    r->activations = larger(r->activations, rank[ACTIVATIONS]);
    r->memory_sum += rank[MEMORY];
    r->device_peak = larger(r->device_peak, rank[DEVICE]);
    r->device_own = larger(r->device_own, rank[OWN]);
    r->device_used = larger(r->device_used, rank[USED]);
    r->page_faults += rank[FAULTS];
    r->sgemm_flops += rank[SGEMM];
    for (int p = 0; p < TT_PARTS; p++) r->part_seconds[p] += rank[PARTS + p] / comm->size;
  }
  if (r->sgemm_flops > 0) r->peak_fraction = r->flops_executed / r->seconds / r->sgemm_flops;
  free(all);
  return status;
}

// Of the rank that takes most.
static tt_status plan_memory(const tt_trainer *t, tt_trainer_memory *most) {
  for (int k = 0; k < t->comm->size; k++) {
    tt_trainer_memory m;
    TT_TRY(tt_trainer_memory_plan(t->config, t->mesh.data.size, t->mesh.tensor.size, k, &m));
    m.snapshot = 0; // nothing is saved here
    if (t->ops->device && t->ops->precision == TT_BF16) tt_trainer_memory_round(&m);
    if (k == 0 || tt_trainer_memory_sum(&m) > tt_trainer_memory_sum(most)) *most = m;
  }
  return TT_OK;
}

static tt_status combine_traffic(const tt_comm *comm, tt_bench_step *r) {
  int64_t mine[TT_TRAFFIC_KINDS], *all = NULL;
  memcpy(mine, r->sent_all, sizeof mine);
  TT_TRY(tt_comm_agree(
      comm, tt_alloc(&all, (size_t)comm->size * TT_TRAFFIC_KINDS, sizeof *all, "the ranks' traffic")));
  tt_status status = tt_comm_gather_all(comm, mine, all, TT_TRAFFIC_KINDS, sizeof *all);
  memset(r->sent_all, 0, sizeof r->sent_all);
  for (int k = 0; status == TT_OK && k < comm->size * TT_TRAFFIC_KINDS; k++) {
    int kind = k % TT_TRAFFIC_KINDS;
    r->sent_all[kind] += all[k];
    if (all[k] > r->sent_largest[kind]) r->sent_largest[kind] = all[k];
  }
  free(all);
  return status;
}

static tt_status run(tt_trainer *t, tt_store *store, int64_t warmup, int64_t steps, double sgemm_seconds,
                     tt_bench_step *r) {
  tt_loader *loader = NULL;
  double before = 0, after = 0;
  tt_status status = tt_loader_create(&loader, t->comm, store, t->config, tt_flops_cost, NULL);
  for (int64_t k = 0; status == TT_OK && k < warmup; k++) status = update(t, loader, NULL);
  if (status == TT_OK) status = sgemm_rate(t, sgemm_seconds, &before);
  if (status == TT_OK) status = timed_updates(t, loader, steps, r);
  if (status == TT_OK) status = sgemm_rate(t, sgemm_seconds, &after);
  if (status == TT_OK && t->ops->device) status = timed_parts(t, loader, steps, r);
  r->activations = (double)tt_model_bytes(t->model);
  if (status == TT_OK) status = combine(t->comm, (before + after) / 2, r);
  if (status == TT_OK) status = combine_traffic(t->comm, r);
  tt_loader_free(loader);
  return status;
}

tt_status tt_bench_step_run(const tt_comm *comm, const tt_config *config, int64_t warmup, int64_t steps,
                            double sgemm_seconds, tt_bench_step *result) {
  *result = (tt_bench_step){0};
  tt_store *store = NULL;
  TT_TRY(tt_comm_agree(comm, tt_store_open(&store, config->data.store)));
  tt_trainer trainer = {0};
  result->memory_before = resident_memory();
  tt_status status = tt_trainer_init(&trainer, comm, config);
  if (status == TT_OK) status = run(&trainer, store, warmup, steps, sgemm_seconds, result);
  if (status == TT_OK) {
    status = tt_comm_agree(comm, plan_memory(&trainer, &result->planned));
    result->parameters = trainer.parameters->whole;
    snprintf(result->store_digest, sizeof result->store_digest, "%s", tt_store_digest(store));
  }
  tt_trainer_free(&trainer);
  tt_store_close(store);
  return status;
}
