#include "train/bench_loader.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "batch/assemble.h"
#include "core/clock.h"
#include "core/memory.h"
#include "core/philox.h"
#include "model/flops.h"
#include "train/leaf.h"

static double cpu_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double page_faults(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)usage.ru_minflt;
}

// Bytes. Not getrusage's: that of a program which was started by a large one is the large one's.
static double peak_memory(void) {
  FILE *file = fopen("/proc/self/status", "r");
  char line[200];
  double kilobytes = 0;
  while (file && fgets(line, sizeof line, file))
    if (sscanf(line, "VmHWM: %lf", &kilobytes) == 1) break;
  if (file) fclose(file);
  return 1024 * kilobytes;
}

// One unit of work (a chunk, a batch): the k-th of a pass, from 0. Says how many molecules it had.
typedef tt_status (*unit_function)(void *context, int64_t k, tt_bench_pass *pass);

// Units first .. until `seconds` are over or `most` are done; *done counts them.
static tt_status go(unit_function unit, void *context, double seconds, int64_t most, tt_bench_pass *pass,
                    int64_t *done) {
  double begun = tt_now(), cpu = cpu_now();
  *done = 0;
  do {
    TT_TRY(unit(context, (*done)++, pass));
  } while (*done < most && tt_now() - begun < seconds);
  pass->seconds += tt_now() - begun, pass->cpu_seconds += cpu_now() - cpu;
  return TT_OK;
}

// As many units as the time lets; then the same ones again, and again, as often as the time lets: these are
// in the page cache, if that is large enough.
static tt_status measure(unit_function unit, void *context, double seconds, int64_t most,
                         tt_bench_rate *rate) {
  int64_t units, again;
  *rate = (tt_bench_rate){0};
  TT_TRY(go(unit, context, seconds, most, &rate->first, &units));
  rate->distinct = rate->first.molecules;
  do {
    TT_TRY(go(unit, context, 1e30, units, &rate->again, &again));
  } while (rate->again.seconds < seconds);
  return TT_OK;
}

// ---- chunks
// ---------------------------------------------------------------------------------------------------------

typedef struct {
  tt_store *store;
  tt_chunk chunk;
  const tt_lanes *lanes; // NULL: in the order of the store
  tt_lane_cursor cursor;
} chunk_reading;

static tt_status read_chunk(void *context, int64_t k, tt_bench_pass *pass) {
  chunk_reading *r = context;
  uint64_t chunk = (uint64_t)k;
  if (r->lanes) {
    if (k == 0)
      tt_lane_seek(&r->cursor, r->lanes, NULL, 0, 0);
    else
      tt_lane_step_chunk(&r->cursor);
    chunk = r->cursor.chunk;
  }
  TT_TRY(tt_store_read_chunk(r->store, TT_TRAIN, chunk, &r->chunk));
  pass->molecules += r->chunk.count;
  return TT_OK;
}

// One lane's order is that of all lanes together, but for the turns that they take in their chunks.
static tt_status time_chunks(tt_store *store, const tt_config *config, double seconds, tt_bench_loader *r) {
  chunk_reading reading = {.store = store};
  tt_lanes lanes;
  int64_t chunks = (int64_t)tt_store_chunks(store, TT_TRAIN);
  TT_TRY(tt_lanes_init(&lanes, tt_seed_for(config->train.seed, TT_SEED_ORDER),
                       tt_store_records(store, TT_TRAIN), (uint64_t)chunks, 1));
  tt_status status = measure(read_chunk, &reading, seconds, chunks, &r->sequential);
  reading.lanes = &lanes;
  if (status == TT_OK) status = measure(read_chunk, &reading, seconds, chunks, &r->shuffled);
  tt_chunk_free(&reading.chunk);
  return status;
}

// ---- batches
// --------------------------------------------------------------------------------------------------------

typedef struct {
  const tt_config *config;
  tt_loader *loader;
  tt_leaf leaf;
  int32_t *index; // (batch_size) 0, 1, ...: each molecule's place in the batch
  tt_batch piece;
} batch_reading;

// As a trainer without a tensor group packs what it runs.
static tt_status make_batch(void *context, int64_t step, tt_bench_pass *pass) {
  batch_reading *r = context;
  const tt_global_batch *b;
  TT_TRY(tt_loader_batch(r->loader, step, &b));
  for (int which = b->first_leaf; which < b->first_leaf + b->own_leaves; which++) {
    tt_leaf_take(&r->leaf, b, which, r->config->train.max_pairs);
    for (int k = 0; k < r->leaf.pieces; k++) {
      (void)tt_leaf_piece(&r->leaf, k, 0);
      TT_TRY(tt_batch_pack(&r->piece, b->samples, r->leaf.together, r->leaf.count, b->sample, r->index,
                           r->config->model.scaling_length, tt_padded_length(b->longest)));
    }
  }
  pass->molecules += b->count, pass->waited += b->data_s;
  return TT_OK;
}

static tt_status begin_batches(batch_reading *r, const tt_comm *comm, tt_store *store) {
  size_t size = (size_t)r->config->train.batch_size;
  TT_TRY(tt_loader_create(&r->loader, comm, store, r->config, tt_flops_cost, NULL));
  TT_TRY(tt_alloc(&r->index, size, sizeof *r->index, "a batch"));
  for (size_t k = 0; k < size; k++) r->index[k] = (int32_t)k;
  return tt_leaf_init(&r->leaf, 1, size);
}

static tt_status time_batches(const tt_comm *comm, tt_store *store, const tt_config *config, double seconds,
                              tt_bench_loader *result) {
  batch_reading r = {.config = config};
  tt_status status = begin_batches(&r, comm, store);
  double faults = page_faults();
  if (status == TT_OK) status = measure(make_batch, &r, seconds, config->train.steps, &result->batches);
  const tt_bench_rate *rate = &result->batches;
  double batches = (double)(rate->first.molecules + rate->again.molecules) / config->train.batch_size;
  result->page_faults = (page_faults() - faults) / batches;
  tt_loader_free(r.loader);
  tt_leaf_free(&r.leaf);
  tt_batch_free(&r.piece);
  free(r.index);
  return status;
}

static void count_store(const tt_store *store, tt_bench_loader *r) {
  r->shards = tt_store_shards(store);
  for (uint32_t s = 0; s < r->shards; s++) {
    const tt_shard_entry *e = tt_store_shard(store, s);
    if (e->split != TT_TRAIN) continue;
    r->molecules += e->records, r->conformers += e->conformers, r->atoms += e->atoms, r->bytes += e->bytes;
  }
  snprintf(r->digest, sizeof r->digest, "%s", tt_store_digest(store));
}

tt_status tt_bench_loader_run(const tt_comm *comm, const tt_config *config, double seconds,
                              tt_bench_loader *result) {
  *result = (tt_bench_loader){0};
  if (comm->size != 1)
    return tt_comm_agree(comm, tt_fail(TT_ERR_ARGUMENT,
                                       "bench loader measures one process, not %d ranks: "
                                       "start it without mpirun",
                                       comm->size));
  tt_store *store = NULL;
  double begun = tt_now();
  TT_TRY(tt_comm_agree(comm, tt_store_open(&store, config->data.store)));
  result->open_seconds = tt_now() - begun;
  count_store(store, result);
  tt_status status = tt_comm_agree(comm, time_chunks(store, config, seconds, result));
  if (status == TT_OK) status = time_batches(comm, store, config, seconds, result);
  result->memory = peak_memory();
  tt_store_close(store);
  return status;
}
