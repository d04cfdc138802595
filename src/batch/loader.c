#include <stdlib.h>

#include "batch/exchange.h"
#include "batch/find_shards.h"
#include "batch/outlook.h"
#include "batch/read_ahead.h"
#include "batch/skips.h"
#include "batch/worker.h"
#include "core/clock.h"
#include "core/memory.h"
#include "core/philox.h"
#include "store/lanes.h"

enum { NONE = -1 };

// A batch on its way to training.
typedef struct {
  int64_t number; // of the batch; NONE: there is none
  tt_error error; // why it will not come, known before it is asked for; of the rank that failed, or of all
  bool failed;    // on some rank
  tt_global_batch batch;
  tt_skips skips;
} place;

struct tt_loader {
  tt_comm comm;
  tt_store *store;
  tt_data_config data;
  uint64_t seed;
  int batch_size;
  int64_t steps; // of the run: nothing is exchanged for one beyond
  tt_lanes lanes;
  int64_t *counts;   // (size) molecules of the batch that each rank reads
  int64_t *cost;     // tt_cost_table
  tt_lane_cuts cuts; // of all batches returned
  tt_number_set left_out;
  tt_read_ahead *reader;
  int64_t reader_number; // the batch whose molecules the reader gives next; NONE: it was not started
  tt_step_reading reading[2];
  int turn;       // whose reading is that of the batch to be begun next
  int64_t taken;  // this batch, when its molecules are there; NONE
  int64_t coming; // the batch that the worker takes; NONE
  tt_worker worker;
  place place[2], *next; // next: the one in the making; the other one was returned
  double waited;         // by this rank in this call
};

// What the manifest tells of all molecules, now and not when an update meets the first that does not fit.
static tt_status check_molecules(const tt_store *store, const tt_data_config *data) {
  uint64_t longest = 0;
  for (uint32_t s = 0; s < tt_store_shards(store); s++)
    if (tt_store_shard(store, s)->longest > longest) longest = tt_store_shard(store, s)->longest;
  if (longest > (uint64_t)data->max_atoms)
    return tt_fail(TT_ERR_DATA,
                   "store %s has molecules of up to %llu atoms, more than data.max_atoms = %d: raise it, or "
                   "build the store with --max-atoms %d",
                   tt_store_folder(store), (unsigned long long)longest, data->max_atoms, data->max_atoms);
  if (data->coordinates_2d_probability > 0 && !tt_store_information(store)->coordinates_2d)
    return tt_fail(TT_ERR_DATA,
                   "store %s has no 2-D coordinates, but data.coordinates_2d_probability is %g: build the "
                   "store with 'store build --coordinates-2d', or set it to 0",
                   tt_store_folder(store), data->coordinates_2d_probability);
  return TT_OK;
}

// Advice that can be followed: a number of lanes that the chunks allow and that divides the batch.
static tt_status too_many_lanes(const tt_loader *l, uint64_t chunks, int lanes) {
  uint64_t fit = chunks / 4;
  while ((uint64_t)l->batch_size % fit) fit--;
  return tt_fail(TT_ERR_DATA,
                 "the %llu training molecules of store %s (%llu chunks of %d) are too few for data.lanes = "
                 "%d, which needs %lld; set data.lanes to %llu (the most that fits and divides "
                 "train.batch_size = %d), or build a larger store",
                 (unsigned long long)tt_store_records(l->store, TT_TRAIN), tt_store_folder(l->store),
                 (unsigned long long)chunks, TT_CHUNK, lanes, (4LL * lanes - 1) * TT_CHUNK + 1,
                 (unsigned long long)fit, l->batch_size);
}

static tt_status prepare(tt_loader *l, const tt_config *config, tt_molecule_cost cost,
                         const tt_lane_cuts *cuts) {
  uint64_t records = tt_store_records(l->store, TT_TRAIN), chunks = tt_store_chunks(l->store, TT_TRAIN);
  if (records < (uint64_t)l->batch_size)
    return tt_fail(TT_ERR_DATA, "store %s has %llu training molecules, fewer than train.batch_size = %d",
                   tt_store_folder(l->store), (unsigned long long)records, l->batch_size);
  if (l->batch_size < config->train.micro_batches)
    return tt_fail(TT_ERR_CONFIG, "train.batch_size = %d is less than train.micro_batches = %d",
                   l->batch_size, config->train.micro_batches);
  TT_TRY(check_molecules(l->store, &l->data));
  if (chunks >= 4 && chunks / 4 < (uint64_t)config->data.lanes)
    return too_many_lanes(l, chunks, config->data.lanes);
  TT_TRY(tt_lanes_init(&l->lanes, tt_seed_for(l->seed, TT_SEED_ORDER), records, chunks,
                       (uint64_t)config->data.lanes));
  if (cuts) TT_TRY(tt_lane_cuts_check(&l->lanes, cuts));
  if (cuts) TT_TRY(tt_lane_cuts_copy(&l->cuts, cuts));
  TT_TRY(tt_alloc(&l->counts, (size_t)l->comm.size, sizeof *l->counts, "data lanes"));
  TT_TRY(tt_cost_table(&l->cost, config, cost));
  for (int k = 0; k < 2; k++)
    TT_TRY(tt_global_batch_init(&l->place[k].batch, &l->comm, l->batch_size, config));
  return tt_read_ahead_create(&l->reader, l->store, &l->lanes, &l->comm, l->batch_size, l->data.read_ahead,
                              l->data.bad_chunks == TT_BAD_SKIP);
}

tt_status tt_loader_create(tt_loader **loader, const tt_comm *comm, tt_store *store, const tt_config *config,
                           tt_molecule_cost cost, const tt_lane_cuts *cuts) {
  *loader = NULL;
  tt_status status = tt_comm_agree(comm, tt_same_store(comm, store));
  if (status == TT_OK) status = tt_store_find_all(comm, store);
  if (status != TT_OK) return status;
  tt_loader *l = NULL;
  status = tt_alloc(&l, 1, sizeof *l, "the loader");
  if (status == TT_OK) {
    l->comm = *comm;
    l->store = store;
    l->data = config->data;
    l->data.store = NULL; // the configuration's own
    l->seed = config->train.seed;
    l->batch_size = config->train.batch_size;
    l->steps = config->train.steps;
    l->reader_number = l->taken = l->coming = l->place[0].number = l->place[1].number = NONE;
    l->next = &l->place[0];
    status = prepare(l, config, cost, cuts);
  }
  status = tt_comm_agree(comm, status);
  if (status != TT_OK)
    tt_loader_free(l);
  else
    *loader = l;
  return status;
}

// Ends all that is under way.
static void drop(tt_loader *l) {
  if (l->reader) tt_read_ahead_stop(l->reader); // so that the worker does not wait for it
  (void)tt_worker_wait(&l->worker, &l->waited);
  l->next->number = l->taken = l->coming = l->reader_number = NONE;
}

void tt_loader_free(tt_loader *l) {
  if (!l) return;
  drop(l);
  tt_read_ahead_free(l->reader);
  for (int k = 0; k < 2; k++) {
    tt_global_batch_release(&l->place[k].batch);
    free(l->place[k].skips.list);
    tt_step_reading_free(&l->reading[k]);
  }
  free(l->counts);
  free(l->cost);
  tt_lane_cuts_free(&l->cuts);
  tt_number_set_free(&l->left_out);
  free(l);
}

// ---- one step ahead
// -------------------------------------------------------------------------------------

// Which rank reads what.
static void assign(tt_loader *l, tt_global_batch *b, int64_t number) {
  uint64_t first = (uint64_t)number * (uint64_t)l->batch_size;
  b->number = number;
  for (int r = 0; r < l->comm.size; r++) l->counts[r] = 0;
  for (int i = 0; i < l->batch_size; i++) {
    b->sample[i] = first + (uint64_t)i;
    l->counts[tt_sample_reader(b->sample[i], l->lanes.lanes, l->comm.size)]++;
  }
}

// Whether the reader comes to a batch by passing over what is left out.
static bool is_ahead(const tt_loader *l, int64_t number) {
  if (l->taken == number) return true;
  if (l->taken != NONE || l->reader_number == NONE || l->reader_number > number) return false;
  const tt_number_set *s = &l->left_out;
  return (int64_t)(tt_number_set_below(s, number) - tt_number_set_below(s, l->reader_number)) ==
         number - l->reader_number;
}

// Collective. Sends the reader to where it would be after the update before `step`: what is left out since
// then is still to be passed over.
static tt_status seek(tt_loader *l, int64_t step) {
  drop(l);
  l->reader_number = step == 0 ? 0 : tt_number_set_missing(&l->left_out, step - 1) + 1;
  return tt_comm_agree(&l->comm, tt_read_ahead_seek(l->reader, l->reader_number, &l->cuts));
}

// The molecules of a batch that this rank reads: the worker has taken them, unless it is the first one.
static const tt_step_reading *take(tt_loader *l, int64_t number) {
  tt_step_reading *reading = &l->reading[l->turn];
  if (l->taken != number) {
    double begun = tt_now();
    tt_read_ahead_take(l->reader, number - l->reader_number, reading);
    l->waited += tt_now() - begun;
    l->reader_number = number + 1;
  }
  l->taken = NONE;
  l->turn = !l->turn;
  return reading;
}

// While the batch of `step` is made, that of the next step is taken.
static void start_worker(tt_loader *l, place *p, const tt_step_reading *reading, int64_t step) {
  tt_worker *w = &l->worker;
  w->batch = &p->batch, w->reading = &reading->records, w->rank = l->comm.rank;
  w->data = &l->data, w->seed = l->seed;
  w->reader = l->reader, w->next = step + 1 == l->steps ? NULL : &l->reading[l->turn];
  l->coming = w->next ? tt_number_set_missing(&l->left_out, step + 1) : NONE;
  w->pass = w->next ? l->coming - l->reader_number : 0;
  tt_worker_start(w);
}

// Collective. Sets the batch of `step` going: its molecules are told and exchanged here, its samples are made
// by a thread. What fails is kept until the batch is asked for, the run being busy with the one before.
// *waited: the seconds that the slowest rank waited in this call.
static tt_status begin(tt_loader *l, int64_t step, double *waited) {
  place *p = l->next;
  int64_t number = tt_number_set_missing(&l->left_out, step);
  if (!is_ahead(l, number)) TT_TRY(seek(l, step));
  const tt_step_reading *reading = take(l, number);
  p->number = number;
  p->skips.count = 0;
  double told[] = {l->waited, reading->skipped};
  tt_status status = tt_comm_greatest(&l->comm, told, 2);
  *waited = told[0];
  if (status == TT_OK) status = tt_error_again(&reading->error);
  tt_error_keep(&p->error, status); // the rank that could not read will say so, and no other
  p->failed = tt_comm_agree_quietly(&l->comm, status) != TT_OK;
  if (p->failed) return TT_OK;

  assign(l, &p->batch, number);
  if (told[1] > 0) status = tt_skips_gather(&l->comm, reading->skips, reading->skipped, &p->skips);
  if (status == TT_OK)
    status = tt_global_batch_exchange(&p->batch, &l->comm, l->batch_size, &reading->records, l->counts,
                                      &l->data, l->seed, l->cost, &l->worker.incoming);
  tt_error_keep(&p->error, status);
  p->failed = status != TT_OK;
  if (!p->failed) start_worker(l, p, reading, step);
  return TT_OK;
}

// Collective. The batch in the making, or why there is none.
static tt_status finish(tt_loader *l) {
  place *p = l->next;
  tt_status status = p->failed ? tt_error_again(&p->error) : tt_worker_wait(&l->worker, &l->waited);
  if (!p->failed && l->coming != NONE) l->taken = l->coming, l->reader_number = l->coming + 1;
  l->coming = NONE;
  for (int k = 0; status == TT_OK && k < p->skips.count; k++)
    status = tt_lane_cuts_add(&l->cuts, p->skips.list[k].cut);
  status = tt_comm_agree(&l->comm, status);
  if (status != TT_OK) drop(l);
  return status;
}

tt_status tt_loader_batch(tt_loader *l, int64_t step, const tt_global_batch **batch) {
  int64_t number = tt_number_set_missing(&l->left_out, step);
  double waited;
  *batch = NULL;
  l->waited = 0;
  if (l->next->number != number) {
    if (l->next->number != NONE) drop(l);
    TT_TRY(begin(l, step, &waited));
  }
  TT_TRY(finish(l));
  place *p = l->next;
  l->next = p == &l->place[0] ? &l->place[1] : &l->place[0];
  l->next->number = NONE;
  if (step + 1 != l->steps) {
    TT_TRY(begin(l, step + 1, &waited));
  } else {
    waited = l->waited;
    TT_TRY(tt_comm_greatest(&l->comm, &waited, 1));
  }
  p->batch.data_s = waited;
  p->batch.skips = p->skips.list, p->batch.skipped = p->skips.count;
  *batch = &p->batch;
  return TT_OK;
}

tt_status tt_loader_leave_out(tt_loader *l, const tt_number_set *batches) {
  return tt_number_set_copy(&l->left_out, batches);
}

const tt_lane_cuts *tt_loader_cuts(const tt_loader *l) {
  return &l->cuts;
}
