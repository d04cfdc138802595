// Makes a large store from a small one: enlarge FROM TO COUNT [SHARDS]
//
// COUNT molecules in all, in the proportion of FROM's splits, as `store build` would lay them out (TO must
// not exist): each molecule of FROM again and again, with coordinates moved by up to 0.1 Angstrom and a new
// key, so that the copies lie anywhere, as other molecules would. What is said of the molecules (SMILES,
// scaffold, features) is repeated as it is. SHARDS of the training split: 0, or not given, for as many as a
// build makes.
//
// Prints one JSON object: molecules, files, bytes, seconds in all and in writing shards. 16 bytes of memory a
// molecule, and one shard.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/philox.h"
#include "store/plan.h"
#include "store/store.h"

static const double NOISE = 0.1; // Angstrom

typedef struct {
  uint64_t key;
  uint32_t molecule, copy; // of the small store's split
} copy_place;

typedef struct {
  const char *folder;
  tt_chunk *chunks[2]; // of each split
  uint64_t have[2], want[2];
  tt_store_info info;
  tt_shard_plan plan;
  tt_shard_entry *entries;
  // of the shard in hand
  tt_molecule *molecules;
  float *xyz;
  size_t molecules_room, xyz_room;
  double writing; // seconds
} enlarging;

static tt_status read_all(enlarging *e, const char *folder) {
  tt_store *store;
  TT_TRY(tt_store_open(&store, folder));
  e->info = *tt_store_information(store);
  tt_status status = TT_OK;
  for (int split = 0; split < 2; split++) {
    e->have[split] = tt_store_records(store, split);
    uint64_t chunks = tt_store_chunks(store, split);
    if (status == TT_OK)
      status = tt_alloc(&e->chunks[split], chunks, sizeof(tt_chunk), "the chunks of the small store");
    for (uint64_t k = 0; status == TT_OK && k < chunks; k++)
      status = tt_store_read_chunk(store, split, k, &e->chunks[split][k]);
  }
  tt_store_close(store);
  return status;
}

static void give_back(enlarging *e) {
  for (int split = 0; split < 2; split++) {
    for (uint64_t k = 0; e->chunks[split] && k < (e->have[split] + TT_CHUNK - 1) / TT_CHUNK; k++)
      tt_chunk_free(&e->chunks[split][k]);
    free(e->chunks[split]);
  }
  free(e->entries), free(e->molecules), free(e->xyz);
}

static int by_key(const void *left, const void *right) {
  const copy_place *a = left, *b = right;
  return (a->key > b->key) - (a->key < b->key);
}

static const tt_molecule *original(const enlarging *e, tt_split split, uint32_t molecule) {
  return &e->chunks[split][molecule / TT_CHUNK].molecules[molecule % TT_CHUNK];
}

// All copies of a split, in the order of their keys.
static tt_status place_copies(const enlarging *e, tt_split split, copy_place **all) {
  TT_TRY(tt_alloc(all, e->want[split], sizeof **all, "the copies"));
  for (uint64_t k = 0; k < e->want[split]; k++) {
    uint32_t molecule = (uint32_t)(k % e->have[split]), copy = (uint32_t)(k / e->have[split]);
    uint64_t key = tt_stream(e->info.seed, original(e, split, molecule)->key, copy);
    (*all)[k] = (copy_place){key, molecule, copy};
  }
  qsort(*all, e->want[split], sizeof **all, by_key);
  return TT_OK;
}

// from + noise, a number of each of the three words of an atom's draw.
static void move(const float *from, size_t rows, uint64_t key, float *to) {
  for (size_t a = 0; a < rows; a++) {
    tt_philox4 r = tt_philox(key, (uint32_t)a, (uint32_t)(a >> 32), 0, 0);
    for (size_t c = 0; c < 3; c++)
      to[3 * a + c] = from[3 * a + c] + (float)(NOISE * (2 * tt_uniform(r.v[c]) - 1));
  }
}

static tt_status write_shard(enlarging *e, uint32_t shard, const copy_place *copies, uint64_t count) {
  tt_split split = tt_plan_split_of(&e->plan, shard);
  size_t rows = 0;
  for (uint64_t k = 0; k < count; k++) {
    const tt_molecule *m = original(e, split, copies[k].molecule);
    rows += (size_t)m->conformers * m->atoms;
  }
  TT_TRY(tt_reserve(&e->molecules, &e->molecules_room, count, sizeof *e->molecules, "a shard"));
  TT_TRY(tt_reserve(&e->xyz, &e->xyz_room, rows, 3 * sizeof *e->xyz, "a shard"));
  float *xyz = e->xyz;
  for (uint64_t k = 0; k < count; k++) {
    tt_molecule *m = &e->molecules[k];
    *m = *original(e, split, copies[k].molecule);
    size_t own = (size_t)m->conformers * m->atoms;
    m->key = copies[k].key;
    move(m->coordinates, own, m->key, xyz);
    m->coordinates = xyz;
    xyz += 3 * own;
  }
  double begun = tt_now();
  tt_status status =
      tt_shard_write(e->folder, shard, split, &e->info, e->molecules, count, &e->entries[shard]);
  e->writing += tt_now() - begun;
  return status;
}

static tt_status write_split(enlarging *e, tt_split split) {
  copy_place *all = NULL;
  tt_status status = place_copies(e, split, &all);
  uint64_t at = 0;
  uint32_t first = split == TT_TRAIN ? 0 : e->plan.shards[TT_TRAIN];
  for (uint32_t s = first; status == TT_OK && s < first + e->plan.shards[split]; s++) {
    uint64_t end = at;
    while (end < e->want[split] && tt_plan_shard_in(&e->plan, split, all[end].key) == s) end++;
    status = write_shard(e, s, all + at, end - at);
    at = end;
  }
  free(all);
  return status;
}

static tt_status enlarge(enlarging *e, const char *from, uint64_t count, uint32_t shards) {
  TT_TRY(read_all(e, from));
  uint64_t have = e->have[TT_TRAIN] + e->have[TT_VALID];
  if (!e->have[TT_TRAIN]) return tt_fail(TT_ERR_DATA, "%s has no molecules for training", from);
  e->want[TT_VALID] = (uint64_t)((double)count * (double)e->have[TT_VALID] / (double)have);
  e->want[TT_TRAIN] = count - e->want[TT_VALID];
  double share = (double)e->want[TT_VALID] / (double)count;
  e->plan = tt_shard_plan_make(count, share > 0.5 ? 0.5 : share, shards);
  TT_TRY(tt_alloc(&e->entries, tt_plan_shards(&e->plan), sizeof *e->entries, "the manifest"));
  TT_TRY(tt_make_directories(e->folder));
  TT_TRY(write_split(e, TT_TRAIN));
  if (e->plan.shards[TT_VALID]) TT_TRY(write_split(e, TT_VALID));
  snprintf(e->info.recipe, sizeof e->info.recipe,
           "%llu molecules of another store, repeated with moved atoms", (unsigned long long)have);
  return tt_manifest_write(e->folder, &e->info, e->entries, tt_plan_shards(&e->plan));
}

int main(int argc, char **argv) {
  double begun = tt_now();
  uint64_t count = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
  uint32_t shards = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : 0;
  if (argc < 4 || argc > 5 || count < 1 || count > 1000000000 || shards > TT_PLAN_TRAIN_SHARDS)
    return fprintf(stderr, "usage: enlarge FROM TO COUNT [SHARDS]\n"), 2;
  if (tt_file_exists(argv[2])) return fprintf(stderr, "%s is there already: remove it\n", argv[2]), 1;
  enlarging e = {.folder = argv[2]};
  tt_status status = enlarge(&e, argv[1], count, shards);
  uint64_t bytes = 0, conformers = 0;
  for (uint32_t s = 0; status == TT_OK && s < tt_plan_shards(&e.plan); s++)
    bytes += e.entries[s].bytes, conformers += e.entries[s].conformers;
  if (status == TT_OK)
    printf("{\"molecules\": %llu, \"conformers\": %llu, \"shards\": %u, \"bytes\": %llu, \"seconds\": %.3f, "
           "\"seconds_writing\": %.3f}\n",
           (unsigned long long)count, (unsigned long long)conformers, tt_plan_shards(&e.plan),
           (unsigned long long)bytes, tt_now() - begun, e.writing);
  else
    fprintf(stderr, "enlarge: %s\n", tt_error_message());
  give_back(&e);
  return status == TT_OK ? 0 : 1;
}
