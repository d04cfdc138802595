// A store of 838 million records in 10,000 shards: opened, read, and its batches made, at any place. One
// shard of 83,800 records is written; the others are links to it, and the manifest counts them all. So each
// record's molecule is known from its place.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "batch/assemble.h"
#include "batch/outlook.h"
#include "core/clock.h"
#include "store/lanes.h"
#include "synthetic.h"

// 327 whole chunks a shard and 88 records left: the tails of all are 3,437 chunks and one of 128 records.
enum {
  SHARDS = 10000,
  TRAIN = SHARDS - 1,
  EACH = 83800,
  WHOLE = EACH / TT_CHUNK,
  LEFT = EACH % TT_CHUNK,
  SEED = 3
};
static const uint64_t RECORDS = (uint64_t)TRAIN * EACH,
                      CHUNKS = ((uint64_t)TRAIN * EACH + TT_CHUNK - 1) / TT_CHUNK;

static char folder[64];
static tt_store *store;

static void assert_ok(tt_status status) {
  if (status != TT_OK) fail_msg("%s", tt_error_message());
}

// A made-up molecule of known elements, as training wants them.
static tt_molecule make_molecule(uint64_t number) {
  tt_molecule m = synthetic_molecule(SEED, number, false);
  uint8_t *features = (uint8_t *)(uintptr_t)m.atom_features;
  for (uint32_t i = 0; i < m.atoms; i++) features[9 * i] %= 118;
  return m;
}

static void free_molecule(tt_molecule m) {
  tt_molecule *one = synthetic_alloc(sizeof *one);
  *one = m;
  synthetic_free(one, 1);
}

// All training but the last shard, a link to the same molecules all the same.
static int setup(void **state) {
  (void)state;
  tt_store_info info = {.seed = 1, .toolkit = "made up", .recipe = "one shard many times"};
  tt_shard_entry *entries = calloc(SHARDS, sizeof *entries);
  tt_molecule *molecules = synthetic_alloc(EACH * sizeof *molecules);
  for (uint64_t k = 0; k < EACH; k++) molecules[k] = make_molecule(k);
  strcpy(folder, "large_store_test.XXXXXX");
  if (!entries || !mkdtemp(folder)) return -1;
  if (tt_shard_write(folder, 0, TT_TRAIN, &info, molecules, EACH, &entries[0]) != TT_OK) return -1;
  synthetic_free(molecules, EACH);
  for (int s = 1; s < SHARDS; s++) {
    char path[128];
    entries[s] = entries[0];
    snprintf(entries[s].file, sizeof entries[s].file, "shard-%05d.h5", s);
    snprintf(path, sizeof path, "%s/%s", folder, entries[s].file);
    if (symlink(entries[0].file, path) != 0) return -1;
  }
  entries[SHARDS - 1].split = TT_VALID;
  tt_status status = tt_manifest_write(folder, &info, entries, SHARDS);
  free(entries);
  if (status != TT_OK) return -1;
  double begun = tt_now();
  status = tt_store_open(&store, folder);
  print_message("opened in %.3f s\n", tt_now() - begun);
  return status == TT_OK ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  char command[100];
  tt_store_close(store);
  snprintf(command, sizeof command, "rm -r %s", folder);
  return system(command);
}

static void counts(void **state) {
  (void)state;
  assert_int_equal(tt_store_shards(store), SHARDS);
  assert_int_equal(tt_store_records(store, TT_TRAIN), RECORDS);
  assert_int_equal(tt_store_chunks(store, TT_TRAIN), CHUNKS);
  assert_int_equal(tt_store_records(store, TT_VALID), EACH);
  assert_true(RECORDS > 837900000);
}

// Number of the molecule of record k of chunk c: whole chunks shard by shard, then the tails strung together.
static uint64_t number_of(uint64_t chunk, uint64_t k) {
  if (chunk < (uint64_t)TRAIN * WHOLE) return chunk % WHOLE * TT_CHUNK + k;
  uint64_t tail = (chunk - (uint64_t)TRAIN * WHOLE) * TT_CHUNK + k;
  return (uint64_t)WHOLE * TT_CHUNK + tail % LEFT;
}

static void check_chunk(uint64_t c, tt_chunk *chunk) {
  assert_ok(tt_store_read_chunk(store, TT_TRAIN, c, chunk));
  assert_int_equal(chunk->count, c + 1 == CHUNKS ? RECORDS % TT_CHUNK : TT_CHUNK);
  for (uint32_t k = 0; k < chunk->count; k++) {
    tt_molecule m = make_molecule(number_of(c, k));
    assert_int_equal(chunk->records[k], c * TT_CHUNK + k);
    bool same = synthetic_same(&chunk->molecules[k], &m);
    free_molecule(m);
    assert_true(same);
  }
}

static void chunks_are_where_they_belong(void **state) {
  (void)state;
  const uint64_t tails = (uint64_t)TRAIN * WHOLE;
  const uint64_t special[] = {0, 1, WHOLE - 1, WHOLE, tails - 1, tails, tails + 1, CHUNKS - 2, CHUNKS - 1};
  tt_chunk chunk = {0};
  for (size_t k = 0; k < sizeof special / sizeof *special; k++) check_chunk(special[k], &chunk);
  for (uint64_t k = 0; k < 40; k++) check_chunk(tt_mix64(k) % CHUNKS, &chunk);
  for (uint64_t k = 0; k < 10; k++) check_chunk(tails + tt_mix64(k) % (CHUNKS - tails), &chunk);
  assert_int_equal(tt_store_read_chunk(store, TT_TRAIN, CHUNKS, &chunk), TT_ERR_ARGUMENT);
  tt_chunk_free(&chunk);
}

// ---- batches

static int64_t cost(const tt_config *config, int atoms) {
  (void)config;
  return atoms * (int64_t)atoms;
}

// A run of 64 lanes, in batches of 1024 molecules.
static tt_lanes paper_lanes(const tt_config *config) {
  tt_lanes lanes;
  assert_ok(tt_lanes_init(&lanes, tt_seed_for(config->train.seed, TT_SEED_ORDER), RECORDS, CHUNKS, 64));
  return lanes;
}

static void outlook_of_any_batch(void **state) {
  (void)state;
  enum { COUNT = 1024 };
  static int32_t atoms[COUNT];
  static int64_t bytes[COUNT];
  tt_config config;
  assert_ok(tt_config_defaults(&config));
  tt_lanes lanes = paper_lanes(&config);
  const uint64_t first = 818300ull * COUNT; // the first epoch ends with batch 818,277
  assert_ok(tt_outlook(store, &config, first, COUNT, atoms, bytes));
  for (uint64_t i = 0; i < COUNT; i += 31) {
    tt_sample_place place = tt_lanes_find(&lanes, NULL, first + i);
    assert_int_equal(place.epoch, 1);
    tt_molecule m = make_molecule(number_of(place.chunk, place.slot));
    assert_int_equal(atoms[i], m.atoms);
    assert_int_equal(bytes[i], tt_outlook_bytes(&m));
    free_molecule(m);
  }
  tt_config_free(&config);
}

// A resume at step 800,000, and batches at the end of the epoch.
static void batches_from_any_step(void **state) {
  (void)state;
  static const int64_t steps[] = {800000, 800001, 818276, 818277, 818278, 1700000};
  tt_comm comm;
  tt_config config;
  tt_loader *loader;
  assert_ok(tt_comm_start(&comm));
  assert_ok(tt_config_defaults(&config));
  config.train.steps = 2000000;
  tt_lanes lanes = paper_lanes(&config);
  assert_ok(tt_loader_create(&loader, &comm, store, &config, cost, NULL));
  for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
    const tt_global_batch *batch;
    assert_ok(tt_loader_batch(loader, steps[k], &batch));
    assert_int_equal(batch->count, 1024);
    for (uint64_t i = 0; i < 1024; i++) {
      uint64_t sample = (uint64_t)steps[k] * 1024 + i;
      tt_sample_place place = tt_lanes_find(&lanes, NULL, sample);
      assert_int_equal(batch->sample[i], sample);
      assert_int_equal(batch->record[i], place.chunk * TT_CHUNK + place.slot);
      assert_int_equal(batch->epoch[i], place.epoch);
    }
  }
  tt_loader_free(loader);
  tt_config_free(&config);
  tt_comm_finish(&comm);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(counts),
      cmocka_unit_test(chunks_are_where_they_belong),
      cmocka_unit_test(outlook_of_any_batch),
      cmocka_unit_test(batches_from_any_step),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
