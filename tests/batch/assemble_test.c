// Global batches from a real store: any number of ranks gets the same batches, leaves and samples as a plain
// reading of the definitions gets without ranks. Run under mpirun; groups of 1, 2 and 4 ranks are formed
// here.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch/assemble.h"
#include "core/file.h"
#include "random_store.h"
#include "store/lanes.h"

enum { RECORDS = 11 * TT_CHUNK + 77, CHUNKS = 12, VALID = 300, LANES = 3, LEAVES = 4 };

static tt_comm world;
static char folder[4096];

// ---- stores
// ---------------------------------------------------------------------------------------------------

// Rank 0 makes the store `name` of two training shards and, if valid, one of validation.
static tt_store *open_store(const char *name, bool valid, uint64_t broken, bool damaged) {
  char path[8192], shard[9000];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  if (world.rank == 0) {
    tt_store_info info = {.coordinates_2d = true, .seed = 1, .toolkit = "test", .recipe = "random"};
    tt_shard_entry entries[3];
    assert_int_equal(tt_make_directories(path), TT_OK);
    random_shard_write(path, 0, TT_TRAIN, 0, 1500, broken, &info, &entries[0]);
    random_shard_write(path, 1, TT_TRAIN, 1500, RECORDS - 1500, broken, &info, &entries[1]);
    if (valid) random_shard_write(path, 2, TT_VALID, 5000, VALID, broken, &info, &entries[2]);
    assert_int_equal(tt_manifest_write(path, &info, entries, valid ? 3 : 2), TT_OK);
    snprintf(shard, sizeof shard, "%s/shard-00001.h5", path);
    if (damaged) { // one byte in the middle
      FILE *f = fopen(shard, "r+b");
      assert_non_null(f);
      fseek(f, 0, SEEK_END);
      long middle = ftell(f) / 2;
      fseek(f, middle, SEEK_SET);
      int byte = fgetc(f);
      fseek(f, middle, SEEK_SET);
      fputc(byte ^ 0x55, f);
      fclose(f);
    }
  }
  tt_comm_barrier(&world);
  tt_store *store = NULL;
  if (tt_store_open(&store, path) != TT_OK) fail_msg("%s", tt_error_message());
  return store;
}

static tt_config configuration(int batch_size) {
  tt_config c = {0};
  c.data = random_data_config();
  c.data.lanes = LANES;
  c.data.coordinates_2d_probability = 0.5;
  c.train.seed = 77;
  c.train.batch_size = batch_size;
  c.train.micro_batches = LEAVES;
  c.validation.seed = 5;
  return c;
}

static int64_t cost(const tt_config *config, int atoms) {
  return (int64_t)atoms * atoms + config->train.micro_batches;
}

// ---- what the batches must be, without ranks
// --------------------------------------------------------------------

static tt_chunk chunks[2][CHUNKS]; // the whole store

static void read_whole(tt_store *store) {
  for (int split = TT_TRAIN; split <= TT_VALID; split++)
    for (uint64_t c = 0; c < tt_store_chunks(store, (tt_split)split); c++)
      if (tt_store_read_chunk(store, (tt_split)split, c, &chunks[split][c]) != TT_OK)
        fail_msg("%s", tt_error_message());
}

static void free_whole(void) {
  for (int split = 0; split < 2; split++)
    for (int c = 0; c < CHUNKS; c++)
      if (chunks[split][c].memory_) tt_chunk_free(&chunks[split][c]), chunks[split][c] = (tt_chunk){0};
}

// Compares a batch of the loader or of the validation set with the definition: molecules place[0..count-1] of
// the split.
static void check_batch(const tt_global_batch *b, tt_split split, const tt_sample_place *place, int count,
                        uint64_t first_sample, const tt_config *config, const tt_comm *comm) {
  uint64_t seed = split == TT_TRAIN ? config->train.seed : config->validation.seed;
  int32_t *atoms = calloc((size_t)count, sizeof *atoms), *leaf = calloc((size_t)count, sizeof *leaf);
  int64_t *costs = calloc((size_t)count, sizeof *costs);
  tt_digest_state *expected[LEAVES], *found[LEAVES];
  for (int l = 0; l < LEAVES; l++) expected[l] = tt_digest_begin(), found[l] = tt_digest_begin();
  int64_t masked = 0, total_atoms = 0, pairs = 0;
  int longest = 0;

  assert_int_equal(b->count, count);
  assert_int_equal(b->leaves, LEAVES);
  assert_int_equal(b->own_leaves, LEAVES / comm->size);
  assert_int_equal(b->first_leaf, comm->rank * b->own_leaves);
  for (int i = 0; i < count; i++) {
    atoms[i] = (int32_t)chunks[split][place[i].chunk].molecules[place[i].slot].atoms;
    costs[i] = cost(config, atoms[i]);
  }
  assert_int_equal(tt_deal(costs, count, LEAVES, 1, leaf), TT_OK);
  tt_sample sample = {0};
  for (int i = 0; i < count; i++) {
    const tt_chunk *chunk = &chunks[split][place[i].chunk];
    const tt_molecule *m = &chunk->molecules[place[i].slot];
    uint64_t record = chunk->records[place[i].slot];
    assert_int_equal(tt_sample_make(&sample, m, &config->data, seed, place[i].epoch, record), TT_OK);
    digest_sample(expected[leaf[i]], &sample);
    masked += sample.masked, total_atoms += atoms[i], pairs += (int64_t)(atoms[i] + 1) * (atoms[i] + 1);
    if (atoms[i] > longest) longest = atoms[i];
    assert_int_equal(b->atoms[i], atoms[i]);
    assert_int_equal(b->leaf[i], leaf[i]);
    assert_int_equal(b->sample[i], first_sample + (uint64_t)i);
    assert_int_equal(b->record[i], record);
    assert_int_equal(b->epoch[i], place[i].epoch);
    bool own = leaf[i] >= b->first_leaf && leaf[i] < b->first_leaf + b->own_leaves;
    assert_int_equal(b->samples[i] != NULL, own);
    if (own) digest_sample(found[leaf[i]], b->samples[i]);
  }
  assert_int_equal(b->masked, masked);
  assert_int_equal(b->total_atoms, total_atoms);
  assert_int_equal(b->total_pairs, pairs);
  assert_int_equal(b->longest, longest);
  for (int l = 0; l < LEAVES; l++) {
    tt_digest e = tt_digest_end(expected[l]), f = tt_digest_end(found[l]);
    if (l >= b->first_leaf && l < b->first_leaf + b->own_leaves) assert_string_equal(e.text, f.text);
  }
  tt_sample_free(&sample);
  free(atoms);
  free(leaf);
  free(costs);
}

// ---- tests
// ----------------------------------------------------------------------------------------------------

// Groups of `size` ranks, all doing the same. False if there are too few ranks.
static bool group_of(int size, tt_comm *group) {
  if (world.size < size) return false;
  *group = (tt_comm){MPI_COMM_NULL, world.rank % size, size, NULL, NULL};
  MPI_Comm_split(world.mpi, world.rank / size, world.rank, &group->mpi);
  MPI_Comm_set_errhandler(group->mpi, MPI_ERRORS_RETURN);
  return true;
}

static void check_steps(tt_store *store, const tt_comm *comm, int batch_size, const int64_t *steps,
                        int count) {
  tt_config config = configuration(batch_size);
  tt_lanes lanes;
  assert_int_equal(
      tt_lanes_init(&lanes, tt_seed_for(config.train.seed, TT_SEED_ORDER), RECORDS, CHUNKS, LANES), TT_OK);
  tt_loader *loader;
  assert_int_equal(tt_loader_create(&loader, comm, store, &config, cost, NULL), TT_OK);
  tt_sample_place *place = calloc((size_t)batch_size, sizeof *place);
  for (int k = 0; k < count; k++) {
    const tt_global_batch *batch;
    uint64_t first = (uint64_t)steps[k] * (uint64_t)batch_size;
    assert_int_equal(tt_loader_batch(loader, steps[k], &batch), TT_OK);
    for (int i = 0; i < batch_size; i++) place[i] = tt_lanes_find(&lanes, NULL, first + (uint64_t)i);
    check_batch(batch, TT_TRAIN, place, batch_size, first, &config, comm);
  }
  free(place);
  tt_loader_free(loader);
}

static void training_batches_are_the_same_on_any_ranks(void **state) {
  (void)state;
  tt_store *store = open_store("good", true, UINT64_MAX, false);
  read_whole(store);
  for (int size = 1; size <= 4; size *= 2) {
    tt_comm comm;
    if (!group_of(size, &comm)) continue;
    const int64_t small[] = {0, 1, 2, 77, 78, 79, 5, 500},
                  large[] = {0, 1, 2, 3, 7}; // epochs end at 78.2 and 2.9
    check_steps(store, &comm, 37, small, 8);
    check_steps(store, &comm, 1000, large, 5); // more than a chunk a lane
    check_steps(store, &comm, 4, small, 8);    // a molecule a leaf; some ranks read none
    MPI_Comm_free(&comm.mpi);
  }
  free_whole();
  tt_store_close(store);
}

static void validation_set_is_the_same_on_any_ranks(void **state) {
  (void)state;
  tt_store *store = open_store("valid", true, UINT64_MAX, false);
  read_whole(store);
  for (int size = 1; size <= 4; size *= 2) {
    tt_comm comm;
    if (!group_of(size, &comm)) continue;
    const int asked[] = {0, 299, 12},
              expected[] = {300, 299, 12}; // 299: three molecules left for four leaves
    for (int k = 0; k < 3; k++) {
      tt_config config = configuration(37);
      config.validation.molecules = asked[k];
      tt_validation_set *set;
      assert_int_equal(tt_validation_create(&set, &comm, store, &config, cost), TT_OK);
      assert_int_equal(tt_validation_batches(set), (expected[k] + 36) / 37);
      for (int b = 0; b < tt_validation_batches(set); b++) {
        tt_sample_place place[37];
        int count = expected[k] - 37 * b < 37 ? expected[k] - 37 * b : 37;
        for (int i = 0; i < count; i++) {
          uint64_t position = (uint64_t)(37 * b + i);
          place[i] = (tt_sample_place){.chunk = position / TT_CHUNK, .slot = (uint32_t)(position % TT_CHUNK)};
        }
        check_batch(tt_validation_batch(set, b), TT_VALID, place, count, (uint64_t)(37 * b), &config, &comm);
      }
      tt_validation_free(set);
    }
    MPI_Comm_free(&comm.mpi);
  }
  free_whole();
  tt_store_close(store);
}

// All ranks get the same error at the same step, and none is left waiting.
static void expect_failure(tt_store *store, tt_status expected, const char *word) {
  tt_config config = configuration(500);
  tt_loader *loader;
  assert_int_equal(tt_loader_create(&loader, &world, store, &config, cost, NULL), TT_OK);
  const tt_global_batch *batch;
  int64_t step = 0;
  tt_status status;
  while ((status = tt_loader_batch(loader, step, &batch)) == TT_OK)
    assert_true(++step < 8); // an epoch is 5.8 steps
  assert_null(batch);
  int64_t mine[2] = {step, status}, all[2 * 64];
  assert_int_equal(tt_comm_gather_all(&world, mine, all, 2, sizeof *mine), TT_OK);
  for (int r = 0; r < world.size; r++) {
    assert_int_equal(all[2 * r], step);
    assert_int_equal(all[2 * r + 1], expected);
  }
  if (!strstr(tt_error_message(), word)) fail_msg("no '%s' in '%s'", word, tt_error_message());
  tt_loader_free(loader);
}

static void a_damaged_chunk_stops_all_ranks(void **state) {
  (void)state;
  tt_store *store = open_store("damaged", false, UINT64_MAX, true);
  expect_failure(store, TT_ERR_CORRUPT, "shard-00001.h5");
  tt_store_close(store);
}

static void an_unusable_molecule_stops_all_ranks(void **state) {
  (void)state;
  tt_store *store = open_store("unusable", false, 1234, false);
  expect_failure(store, TT_ERR_DATA, "atomic number");
  tt_store_close(store);
}

static void what_does_not_fit_is_refused(void **state) {
  (void)state;
  tt_store *store = open_store("plain", false, UINT64_MAX, false);
  tt_loader *loader;
  tt_validation_set *set;
  tt_config config = configuration(37);
  assert_int_equal(tt_validation_create(&set, &world, store, &config, cost),
                   TT_ERR_DATA); // no validation molecules
  assert_null(set);
  config = configuration(RECORDS + 1);
  assert_int_equal(tt_loader_create(&loader, &world, store, &config, cost, NULL), TT_ERR_DATA);
  assert_null(loader);
  config = configuration(LEAVES - 1);
  assert_int_equal(tt_loader_create(&loader, &world, store, &config, cost, NULL), TT_ERR_CONFIG);
  config = configuration(37), config.data.lanes = 4;
  assert_int_equal(tt_loader_create(&loader, &world, store, &config, cost, NULL),
                   TT_ERR_DATA); // 16 chunks are needed
  config = configuration(37), config.train.micro_batches = world.size == 1 ? 0 : world.size / 2;
  assert_int_equal(tt_loader_create(&loader, &world, store, &config, cost, NULL), TT_ERR_CONFIG);
  tt_store_close(store);
}

static void different_stores_are_noticed(void **state) {
  (void)state;
  tt_store *one = open_store("one", false, UINT64_MAX, false),
           *other = open_store("other", true, UINT64_MAX, false);
  tt_config config = configuration(37);
  tt_loader *loader;
  tt_status status =
      tt_loader_create(&loader, &world, world.rank == world.size - 1 ? other : one, &config, cost, NULL);
  assert_int_equal(status, world.size == 1 ? TT_OK : TT_ERR_DATA);
  tt_loader_free(loader);
  tt_store_close(one);
  tt_store_close(other);
}

int main(void) {
  if (tt_comm_start(&world) != TT_OK) return fprintf(stderr, "%s\n", tt_error_message()), 1;
  const char *temporary = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/twotrack-assemble-XXXXXX", temporary ? temporary : P_tmpdir);
  if (world.rank == 0 && !mkdtemp(folder)) return perror(folder), MPI_Abort(world.mpi, 1), 1;
  if (tt_comm_broadcast(&world, folder, sizeof folder, 0) != TT_OK) return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(training_batches_are_the_same_on_any_ranks),
      cmocka_unit_test(validation_set_is_the_same_on_any_ranks),
      cmocka_unit_test(a_damaged_chunk_stops_all_ranks),
      cmocka_unit_test(an_unusable_molecule_stops_all_ranks),
      cmocka_unit_test(what_does_not_fit_is_refused),
      cmocka_unit_test(different_stores_are_noticed),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  if (failed) MPI_Abort(world.mpi, 1); // the others may be waiting for this rank
  tt_comm_barrier(&world);
  if (world.rank == 0) remove_folder(folder);
  tt_comm_finish(&world);
  return 0;
}
