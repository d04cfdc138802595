#include "derive/keys.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "store/parts.h"

// The chunk of a shard that is in hand.
typedef struct {
  uint32_t shard; // place in the run's list
  uint64_t chunk;
  uint32_t slot, count;
  uint64_t keys[TT_CHUNK], scaffolds[TT_CHUNK];
} cursor;

struct tt_key_walk {
  const tt_key_runs *runs;
  uint64_t last;
  cursor *cursors; // (runs)
  uint64_t *heads; // (runs) the next key of each
  bool *live;      // (runs) whether there is one
  uint64_t *seen;  // (runs)
  tt_key_place *same;
  size_t capacity;
};

static tt_status out_of_order(const tt_key_run *run, uint32_t shard, uint64_t record) {
  return tt_fail(TT_ERR_DATA,
                 "%s: record %llu of %s is not in the order of the keys, which 'twotrack store build' gives "
                 "a store and this needs; build the store again",
                 tt_store_folder(run->store), (unsigned long long)record,
                 tt_store_shard(run->store, run->shards[shard])->file);
}

// ---- reading
// --------------------------------------------------------------------------------------------------

static uint64_t chunks_of(const tt_key_run *run, uint32_t shard) {
  return (tt_store_shard(run->store, run->shards[shard])->records + TT_CHUNK - 1) / TT_CHUNK;
}

static tt_status load(const tt_key_run *run, uint32_t shard, uint64_t chunk, cursor *c) {
  c->shard = shard, c->chunk = chunk, c->slot = 0;
  TT_TRY(tt_store_read_keys(run->store, run->shards[shard], chunk, c->keys, c->scaffolds, &c->count));
  for (uint32_t k = 0; k < c->count; k++)
    if (c->keys[k] < (k ? c->keys[k - 1] : run->first[shard]) || c->keys[k] > run->last[shard])
      return out_of_order(run, shard, chunk * TT_CHUNK + k);
  return TT_OK;
}

// To the next record; at the end of the run cursor->shard is run->count.
static tt_status step(const tt_key_run *run, cursor *c) {
  if (++c->slot < c->count) return TT_OK;
  uint64_t greatest = c->keys[c->count - 1];
  if (c->chunk + 1 < chunks_of(run, c->shard)) {
    TT_TRY(load(run, c->shard, c->chunk + 1, c));
    return c->keys[0] < greatest ? out_of_order(run, c->shard, c->chunk * TT_CHUNK) : TT_OK;
  }
  tt_store_release_shard(run->store, run->shards[c->shard]); // many runs must not hold many files
  c->slot = c->count = 0;
  return ++c->shard < run->count ? load(run, c->shard, 0, c) : TT_OK;
}

// To the first record whose key is not below `first`.
static tt_status seek(const tt_key_run *run, uint64_t first, cursor *c) {
  uint32_t shard = 0, end = run->count;
  while (shard < end) { // the first shard that ends there or later
    uint32_t middle = shard + (end - shard) / 2;
    if (run->last[middle] < first)
      shard = middle + 1;
    else
      end = middle;
  }
  c->shard = shard;
  if (shard == run->count) return TT_OK;
  uint64_t low = 0, high = run->first[shard] < first ? chunks_of(run, shard) : 1;
  while (high - low > 1) { // the last chunk that begins below it
    uint64_t middle = low + (high - low) / 2;
    TT_TRY(load(run, shard, middle, c));
    if (c->keys[0] < first)
      low = middle;
    else
      high = middle;
  }
  TT_TRY(load(run, shard, low, c));
  while (c->shard < run->count && c->keys[c->slot] < first) TT_TRY(step(run, c));
  return TT_OK;
}

// ---- the runs
// -------------------------------------------------------------------------------------------------

static tt_status list_shards(tt_key_run *run) {
  uint32_t all = tt_store_shards(run->store);
  TT_TRY(tt_alloc(&run->shards, all, sizeof *run->shards, "the shards of a store"));
  TT_TRY(tt_alloc(&run->first, 2 * (size_t)all, sizeof *run->first, "the shards of a store"));
  for (uint32_t s = 0; s < all; s++) {
    const tt_shard_entry *entry = tt_store_shard(run->store, s);
    if (entry->split != run->split || entry->records == 0) continue;
    run->shards[run->count++] = s;
    run->records += entry->records;
  }
  run->last = run->first + run->count;
  return TT_OK;
}

// The ends of this rank's share of the shards.
static tt_status find_ends(const tt_comm *comm, tt_key_run *run, cursor *c) {
  for (uint32_t s = (uint32_t)comm->rank; s < run->count; s += (uint32_t)comm->size) {
    uint64_t last = chunks_of(run, s) - 1;
    uint32_t shard = run->shards[s];
    TT_TRY(tt_store_read_keys(run->store, shard, 0, c->keys, c->scaffolds, &c->count));
    run->first[s] = c->keys[0];
    if (last) TT_TRY(tt_store_read_keys(run->store, shard, last, c->keys, c->scaffolds, &c->count));
    run->last[s] = c->keys[c->count - 1];
    tt_store_release_shard(run->store, shard);
  }
  return TT_OK;
}

static tt_status check_ends(const tt_key_run *run) {
  for (uint32_t s = 0; s < run->count; s++) {
    if (run->last[s] < run->first[s])
      return out_of_order(run, s, tt_store_shard(run->store, run->shards[s])->records - 1);
    if (s && run->first[s] < run->last[s - 1]) return out_of_order(run, s, 0);
  }
  return TT_OK;
}

static tt_status prepare(tt_store *const *stores, uint32_t count, tt_key_runs *runs, cursor **c) {
  TT_TRY(tt_alloc(c, 1, sizeof **c, "a chunk's keys"));
  TT_TRY(tt_alloc(&runs->runs, 2 * (size_t)count, sizeof *runs->runs, "the stores to read"));
  runs->count = 2 * count;
  for (uint32_t k = 0; k < runs->count; k++) {
    runs->runs[k].store = stores[k / 2], runs->runs[k].split = k % 2 ? TT_VALID : TT_TRAIN;
    TT_TRY(list_shards(&runs->runs[k]));
  }
  return TT_OK;
}

static tt_status survey(const tt_comm *comm, tt_store *const *stores, uint32_t count, tt_key_runs *runs,
                        cursor **c) {
  TT_TRY(tt_comm_agree(comm, prepare(stores, count, runs, c)));
  tt_status status = TT_OK;
  for (uint32_t k = 0; k < runs->count && status == TT_OK; k++) status = find_ends(comm, &runs->runs[k], *c);
  TT_TRY(tt_comm_agree(comm, status));
  for (uint32_t k = 0; k < runs->count; k++) // what other ranks have looked at is 0 here
    TT_TRY(tt_comm_sum(comm, runs->runs[k].first, (int)(2 * runs->runs[k].count)));
  for (uint32_t k = 0; k < runs->count && status == TT_OK; k++) status = check_ends(&runs->runs[k]);
  return tt_comm_agree(comm, status);
}

tt_status tt_key_runs_open(const tt_comm *comm, tt_store *const *stores, uint32_t count, tt_key_runs *runs) {
  *runs = (tt_key_runs){0};
  cursor *c = NULL;
  tt_status status = survey(comm, stores, count, runs, &c);
  free(c);
  if (status != TT_OK) tt_key_runs_free(runs);
  return status;
}

void tt_key_runs_free(tt_key_runs *runs) {
  for (uint32_t k = 0; k < runs->count; k++) free(runs->runs[k].shards), free(runs->runs[k].first);
  free(runs->runs);
  *runs = (tt_key_runs){0};
}

// ---- the walk
// -------------------------------------------------------------------------------------------------

static void look(tt_key_walk *w, uint32_t run) {
  const cursor *c = &w->cursors[run];
  w->live[run] = c->shard < w->runs->runs[run].count && c->keys[c->slot] <= w->last;
  w->heads[run] = w->live[run] ? c->keys[c->slot] : UINT64_MAX;
}

static tt_status begin(tt_key_walk *w, uint64_t first) {
  size_t count = w->runs->count;
  TT_TRY(tt_alloc(&w->cursors, count, sizeof *w->cursors, "the keys of stores"));
  TT_TRY(tt_alloc(&w->heads, count, sizeof *w->heads, "the keys of stores"));
  TT_TRY(tt_alloc(&w->live, count, sizeof *w->live, "the keys of stores"));
  TT_TRY(tt_alloc(&w->seen, count, sizeof *w->seen, "the keys of stores"));
  for (uint32_t k = 0; k < count; k++) {
    TT_TRY(seek(&w->runs->runs[k], first, &w->cursors[k]));
    look(w, k);
  }
  return TT_OK;
}

tt_status tt_key_walk_begin(tt_key_walk **walk, const tt_key_runs *runs, uint64_t first, uint64_t last) {
  TT_TRY(tt_alloc(walk, 1, sizeof **walk, "the keys of stores"));
  (*walk)->runs = runs, (*walk)->last = last;
  tt_status status = begin(*walk, first);
  if (status != TT_OK) tt_key_walk_end(*walk), *walk = NULL;
  return status;
}

tt_status tt_key_walk_next(tt_key_walk *w, const tt_key_place **same, uint32_t *count) {
  uint64_t key = UINT64_MAX;
  *count = 0;
  for (uint32_t k = 0; k < w->runs->count; k++)
    if (w->heads[k] < key) key = w->heads[k];
  for (uint32_t k = 0; k < w->runs->count; k++)
    while (w->live[k] && w->heads[k] == key) {
      cursor *c = &w->cursors[k];
      const tt_key_run *run = &w->runs->runs[k];
      TT_TRY(tt_reserve(&w->same, &w->capacity, *count + 1u, sizeof *w->same, "molecules of one key"));
      w->same[(*count)++] = (tt_key_place){.key = key,
                                           .scaffold = c->scaffolds[c->slot],
                                           .row = c->chunk * TT_CHUNK + c->slot,
                                           .run = k,
                                           .shard = run->shards[c->shard]};
      w->seen[k]++;
      TT_TRY(step(run, c));
      look(w, k);
    }
  *same = w->same;
  return TT_OK;
}

uint64_t tt_key_walk_seen(const tt_key_walk *w) {
  uint64_t sum = 0;
  for (uint32_t k = 0; k < w->runs->count; k++) sum += w->seen[k];
  return sum;
}

void tt_key_walk_end(tt_key_walk *w) {
  if (!w) return;
  free(w->cursors), free(w->heads), free(w->live), free(w->seen), free(w->same);
  free(w);
}

void tt_key_share(int rank, int ranks, uint64_t *first, uint64_t *last) {
  uint64_t r = (uint64_t)rank, n = (uint64_t)ranks;
  *first = ((r << 32) / n) << 32;
  *last = r + 1 < n ? ((((r + 1) << 32) / n) << 32) - 1 : UINT64_MAX;
}

tt_status tt_key_walk_check(const tt_comm *comm, const tt_key_walk *w) {
  uint64_t *seen;
  TT_TRY(tt_comm_agree(comm, tt_alloc(&seen, w->runs->count, sizeof *seen, "the keys of stores")));
  memcpy(seen, w->seen, w->runs->count * sizeof *seen);
  tt_status status = tt_comm_sum(comm, seen, (int)w->runs->count);
  for (uint32_t k = 0; k < w->runs->count && status == TT_OK; k++)
    if (seen[k] != w->runs->runs[k].records)
      status =
          tt_fail(TT_ERR_DATA,
                  "%s: its %s records are not in the order of the keys, which 'twotrack store build' gives "
                  "a store and this needs; build the store again",
                  tt_store_folder(w->runs->runs[k].store), w->runs->runs[k].split ? "valid" : "train");
  free(seen);
  return tt_comm_agree(comm, status);
}
