#include <stdlib.h>

#include "batch/exchange.h"
#include "core/memory.h"

struct tt_validation_set {
  int batches;
  tt_global_batch *batch;
};

// Chunk c is read by rank c % size, once: batches follow the chunks' order.
typedef struct {
  const tt_comm *comm;
  tt_store *store;
  tt_chunk chunk;
  bool held;
  tt_reading reading;
  int64_t *counts; // (size)
  int64_t *cost;   // tt_cost_table
} reader;

static tt_status read_own(reader *r, uint64_t first, int count) {
  tt_reading_clear(&r->reading);
  for (int k = 0; k < r->comm->size; k++) r->counts[k] = 0;
  for (int i = 0; i < count; i++) {
    uint64_t position = first + (uint64_t)i, chunk = position / TT_CHUNK, slot = position % TT_CHUNK;
    int who = (int)(chunk % (uint64_t)r->comm->size);
    r->counts[who]++;
    if (who != r->comm->rank) continue;
    if (!r->held || r->chunk.chunk != chunk) {
      r->held = false;
      TT_TRY(tt_store_read_chunk(r->store, TT_VALID, chunk, &r->chunk));
      r->held = true;
    }
    if (slot >= r->chunk.count)
      return tt_fail(TT_ERR_CORRUPT, "validation chunk %llu of store %s has only %u records",
                     (unsigned long long)chunk, tt_store_folder(r->store), r->chunk.count);
    TT_TRY(tt_reading_add(&r->reading, &r->chunk.molecules[slot], r->chunk.records[slot], 0, i));
  }
  return TT_OK;
}

// Collective; status and message of a failed exchange are the same on all ranks.
static tt_status build(reader *r, tt_global_batch *b, const tt_config *config) {
  tt_incoming incoming;
  uint64_t seed = config->validation.seed;
  tt_status status = tt_global_batch_exchange(b, r->comm, b->count, &r->reading, r->counts, &config->data,
                                              seed, r->cost, &incoming);
  if (status == TT_OK)
    status = tt_global_batch_make(b, r->comm->rank, &r->reading, &incoming, &config->data, seed);
  free(incoming.bytes);
  return status;
}

static tt_status prepare(tt_validation_set *set, reader *r, const tt_config *config, tt_molecule_cost cost) {
  uint64_t all = tt_store_records(r->store, TT_VALID), asked = (uint64_t)config->validation.molecules;
  if (all == 0)
    return tt_fail(TT_ERR_DATA, "store %s has no validation molecules: build it with a validation share",
                   tt_store_folder(r->store));
  uint64_t molecules = asked && asked < all ? asked : all, size = (uint64_t)config->train.batch_size;
  set->batches = (int)((molecules + size - 1) / size);
  TT_TRY(tt_cost_table(&r->cost, config, cost));
  TT_TRY(tt_alloc(&r->counts, (size_t)r->comm->size, sizeof *r->counts, "the validation set"));
  TT_TRY(tt_alloc(&set->batch, (size_t)set->batches, sizeof *set->batch, "the validation set"));
  for (int k = 0; k < set->batches; k++) {
    uint64_t first = (uint64_t)k * size, count = molecules - first < size ? molecules - first : size;
    TT_TRY(tt_global_batch_init(&set->batch[k], r->comm, (int)count, config));
    set->batch[k].count = (int)count;
    for (uint64_t i = 0; i < count; i++) set->batch[k].sample[i] = first + i;
  }
  return TT_OK;
}

tt_status tt_validation_create(tt_validation_set **set, const tt_comm *comm, tt_store *store,
                               const tt_config *config, tt_molecule_cost cost) {
  *set = NULL;
  tt_status status = tt_comm_agree(comm, tt_same_store(comm, store));
  if (status != TT_OK) return status;
  reader r = {.comm = comm, .store = store};
  tt_validation_set *s = NULL;
  status = tt_alloc(&s, 1, sizeof *s, "the validation set");
  if (status == TT_OK) status = prepare(s, &r, config, cost);
  status = tt_comm_agree(comm, status);
  for (int k = 0; status == TT_OK && k < s->batches; k++) {
    tt_global_batch *b = &s->batch[k];
    status = tt_comm_agree(comm, read_own(&r, b->sample[0], b->count));
    if (status == TT_OK) status = tt_comm_agree(comm, build(&r, b, config));
  }
  if (r.chunk.memory_) tt_chunk_free(&r.chunk);
  tt_reading_free(&r.reading);
  free(r.counts);
  free(r.cost);
  if (status != TT_OK)
    tt_validation_free(s);
  else
    *set = s;
  return status;
}

void tt_validation_free(tt_validation_set *set) {
  if (!set) return;
  for (int k = 0; set->batch && k < set->batches; k++) tt_global_batch_release(&set->batch[k]);
  free(set->batch);
  free(set);
}

int tt_validation_batches(const tt_validation_set *set) {
  return set->batches;
}

const tt_global_batch *tt_validation_batch(const tt_validation_set *set, int index) {
  return &set->batch[index];
}
