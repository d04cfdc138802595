#include <stdlib.h>

#include "batch/exchange.h"
#include "batch/find_shards.h"
#include "batch/outlook.h"
#include "core/memory.h"
#include "core/philox.h"
#include "store/lanes.h"

static const uint64_t NO_CHUNK = UINT64_MAX;

// The chunk that a lane is in.
typedef struct {
  uint64_t held; // NO_CHUNK: none
  tt_chunk chunk;
} lane;

struct tt_loader {
  tt_comm comm;
  tt_store *store;
  tt_data_config data;
  uint64_t seed;
  int batch_size;
  tt_lanes lanes;
  lane *own;       // of lanes rank, rank + size, ...
  int64_t *counts; // (size) molecules of the batch that each rank reads
  int64_t *cost;   // tt_cost_table
  tt_reading reading;
  tt_global_batch batch;
  tt_lane_cuts cuts;
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
  for (size_t k = 0; cuts && k < cuts->count; k++) TT_TRY(tt_lane_cuts_add(&l->cuts, cuts->cuts[k]));
  size_t size = (size_t)l->comm.size, own = (size_t)config->data.lanes / size + 1;
  TT_TRY(tt_alloc(&l->own, own, sizeof *l->own, "data lanes"));
  for (size_t k = 0; k < own; k++) l->own[k].held = NO_CHUNK;
  TT_TRY(tt_alloc(&l->counts, size, sizeof *l->counts, "data lanes"));
  TT_TRY(tt_cost_table(&l->cost, config, cost));
  return tt_global_batch_init(&l->batch, &l->comm, l->batch_size, config);
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
    status = prepare(l, config, cost, cuts);
  }
  status = tt_comm_agree(comm, status);
  if (status != TT_OK)
    tt_loader_free(l);
  else
    *loader = l;
  return status;
}

void tt_loader_free(tt_loader *l) {
  if (!l) return;
  size_t own = (size_t)l->lanes.lanes / (size_t)l->comm.size + 1;
  for (size_t k = 0; l->own && k < own; k++)
    if (l->own[k].chunk.memory_) tt_chunk_free(&l->own[k].chunk);
  free(l->own);
  free(l->counts);
  free(l->cost);
  tt_reading_free(&l->reading);
  tt_global_batch_release(&l->batch);
  tt_lane_cuts_free(&l->cuts);
  free(l);
}

static tt_status read_sample(tt_loader *l, uint64_t sample, int index) {
  tt_sample_place place = tt_lanes_find(&l->lanes, &l->cuts, sample);
  lane *own = &l->own[sample % l->lanes.lanes / (uint64_t)l->comm.size];
  if (own->held != place.chunk) {
    own->held = NO_CHUNK; // while it is being replaced
    TT_TRY(tt_store_read_chunk(l->store, TT_TRAIN, place.chunk, &own->chunk));
    own->held = place.chunk;
  }
  if (place.slot >= own->chunk.count)
    return tt_fail(TT_ERR_CORRUPT, "chunk %llu of store %s has %u records, not more than %u",
                   (unsigned long long)place.chunk, tt_store_folder(l->store), own->chunk.count, place.slot);
  return tt_reading_add(&l->reading, &own->chunk.molecules[place.slot], own->chunk.records[place.slot],
                        place.epoch, index);
}

// This rank's part of the batch: what lies in its lanes.
static tt_status read_own(tt_loader *l, uint64_t first) {
  tt_reading_clear(&l->reading);
  for (int r = 0; r < l->comm.size; r++) l->counts[r] = 0;
  for (int i = 0; i < l->batch_size; i++) {
    int reader = tt_sample_reader(first + (uint64_t)i, l->lanes.lanes, l->comm.size);
    l->counts[reader]++;
    l->batch.sample[i] = first + (uint64_t)i;
    if (reader == l->comm.rank) TT_TRY(read_sample(l, first + (uint64_t)i, i));
  }
  return TT_OK;
}

tt_status tt_loader_batch(tt_loader *l, int64_t step, const tt_global_batch **batch) {
  *batch = NULL;
  TT_TRY(tt_comm_agree(&l->comm, read_own(l, (uint64_t)step * (uint64_t)l->batch_size)));
  TT_TRY(tt_global_batch_build(&l->batch, &l->comm, l->batch_size, &l->reading, l->counts, &l->data, l->seed,
                               l->cost));
  *batch = &l->batch;
  return TT_OK;
}

const tt_lane_cuts *tt_loader_cuts(const tt_loader *l) {
  return &l->cuts;
}
