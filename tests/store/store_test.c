// The store: round trips, the order of chunks, identical bytes, and what each kind of damage says.
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/file.h"
#include "store/schema.h"
#include "synthetic.h"

static char folder[64], other[64], path[256];

static void fresh(char *name) {
  strcpy(name, "store_test.XXXXXX");
  assert_non_null(mkdtemp(name));
}

static void clear(const char *name) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", name);
  assert_int_equal(system(command), 0);
}

static int setup(void **state) {
  (void)state;
  fresh(folder), fresh(other);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  clear(folder), clear(other);
  return 0;
}

static void assert_ok(tt_status status) {
  if (status != TT_OK) fail_msg("%s", tt_error_message());
}

static const char *in(const char *where, const char *file) {
  snprintf(path, sizeof path, "%s/%s", where, file);
  return path;
}

// ---- round trips
// ----------------------------------------------------------------------------------------------

static void shard_sizes(void **state) {
  (void)state;
  static const uint64_t sizes[] = {0, 1, 2, 3, 5, 255, 256, 257, 511, 512, 513, 1000};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (int flat = 0; flat < 2; flat++) {
      uint64_t n = sizes[i];
      assert_ok(synthetic_store(folder, n, flat, &(synthetic_shard){TT_TRAIN, n}, 1));
      tt_store *store;
      tt_chunk chunk = {0};
      assert_ok(tt_store_open(&store, folder));
      assert_int_equal(tt_store_records(store, TT_TRAIN), n);
      assert_int_equal(tt_store_records(store, TT_VALID), 0);
      assert_int_equal(tt_store_chunks(store, TT_TRAIN), (n + 255) / 256);
      uint64_t seen = 0;
      for (uint64_t c = 0; c < tt_store_chunks(store, TT_TRAIN); c++) {
        assert_ok(tt_store_read_chunk(store, TT_TRAIN, c, &chunk));
        assert_int_equal(chunk.chunk, c);
        for (uint32_t k = 0; k < chunk.count; k++, seen++) {
          tt_molecule m = synthetic_molecule(n, seen, flat), *copy = synthetic_alloc(sizeof m);
          assert_true(synthetic_same(&m, &chunk.molecules[k]));
          assert_int_equal(chunk.records[k], seen);
          *copy = m;
          synthetic_free(copy, 1);
        }
      }
      assert_int_equal(seen, n);
      assert_int_equal(tt_store_read_chunk(store, TT_TRAIN, tt_store_chunks(store, TT_TRAIN), &chunk),
                       TT_ERR_ARGUMENT);
      assert_ok(tt_store_verify(store, NULL, NULL));
      tt_chunk_free(&chunk);
      tt_store_close(store);
    }
}

// Both splits, shards interleaved, tails of many sizes (none, one record, more than fits one chunk together).
static const synthetic_shard mixed[] = {{TT_TRAIN, 600}, {TT_VALID, 100}, {TT_TRAIN, 257}, {TT_TRAIN, 256},
                                        {TT_TRAIN, 0},   {TT_VALID, 300}, {TT_TRAIN, 30},  {TT_TRAIN, 255},
                                        {TT_VALID, 1},   {TT_TRAIN, 250}};
enum { MIXED = sizeof mixed / sizeof *mixed };

// The order that store.h promises, computed in the plainest way: numbers of the split's molecules by chunk.
static uint64_t expected_order(tt_split split, uint64_t *order) {
  uint64_t n = 0, start = 0;
  for (int s = 0; s < MIXED; s++) {
    if (mixed[s].split != split) continue;
    for (uint64_t k = 0; k < mixed[s].count / 256 * 256; k++) order[n++] = start + k;
    start += mixed[s].count;
  }
  start = 0;
  for (int s = 0; s < MIXED; s++) {
    if (mixed[s].split != split) continue;
    for (uint64_t k = mixed[s].count / 256 * 256; k < mixed[s].count; k++) order[n++] = start + k;
    start += mixed[s].count;
  }
  return n;
}

static void tails_regrouped(void **state) {
  (void)state;
  assert_ok(synthetic_store(folder, 11, true, mixed, MIXED));
  tt_store *store;
  assert_ok(tt_store_open(&store, folder));
  tt_chunk chunk = {0};
  for (tt_split split = TT_TRAIN; split <= TT_VALID; split++) {
    uint64_t order[4096], n = expected_order(split, order);
    assert_int_equal(tt_store_records(store, split), n);
    uint64_t chunks = tt_store_chunks(store, split);
    assert_int_equal(chunks, (n + 255) / 256);
    for (uint64_t i = 0; i < chunks; i++) {
      uint64_t c = i * 5 % chunks; // chunks in any order, one tt_chunk for all
      if (chunks % 5 == 0) c = chunks - 1 - i;
      assert_ok(tt_store_read_chunk(store, split, c, &chunk));
      assert_int_equal(chunk.count, c + 1 < chunks ? 256 : n - 256 * (chunks - 1));
      for (uint32_t k = 0; k < chunk.count; k++) {
        tt_molecule *m = synthetic_alloc(sizeof *m);
        *m = synthetic_molecule(11 + (uint64_t)split, order[256 * c + k], true);
        assert_true(synthetic_same(m, &chunk.molecules[k]));
        assert_int_equal(chunk.records[k], 256 * c + k);
        synthetic_free(m, 1);
      }
    }
  }
  assert_ok(tt_store_verify(store, NULL, NULL));
  tt_chunk_free(&chunk);
  tt_store_close(store);
}

static void more_shards_than_open_files(void **state) {
  (void)state;
  enum {
    SHARDS = TT_CHUNK
  }; // one record each: a chunk of 256 pieces, from more shards than the reader keeps open
  tt_store_info info = {.toolkit = "made up", .recipe = "one by one"};
  static tt_shard_entry entries[SHARDS];
  tt_molecule *m = synthetic_molecules(5, SHARDS, false);
  for (uint32_t s = 0; s < SHARDS; s++)
    assert_ok(tt_shard_write(folder, s, TT_TRAIN, &info, &m[s], 1, &entries[s]));
  assert_ok(tt_manifest_write(folder, &info, entries, SHARDS));
  tt_store *store;
  tt_chunk chunk = {0};
  assert_ok(tt_store_open(&store, folder));
  for (int pass = 0; pass < 2; pass++) { // the second pass opens shards again that were checked before
    assert_ok(tt_store_read_chunk(store, TT_TRAIN, 0, &chunk));
    assert_int_equal(chunk.count, SHARDS);
    for (uint32_t k = 0; k < SHARDS; k++) assert_true(synthetic_same(&m[k], &chunk.molecules[k]));
  }
  tt_chunk_free(&chunk);
  tt_store_close(store);
  synthetic_free(m, SHARDS);
}

// Saying that a chunk will be read changes nothing that is read, and failures are left to the read.
static void expected_chunks(void **state) {
  (void)state;
  assert_ok(synthetic_store(folder, 11, false, mixed, MIXED));
  tt_store *store;
  tt_chunk chunk = {0};
  assert_ok(tt_store_open(&store, folder));
  uint64_t chunks = tt_store_chunks(store, TT_TRAIN), order[4096];
  expected_order(TT_TRAIN, order);
  for (uint64_t c = 0; c < chunks + 2; c++) tt_store_expect_chunk(store, TT_TRAIN, c);
  for (uint64_t c = 0; c < chunks; c++) {
    assert_ok(tt_store_read_chunk(store, TT_TRAIN, c, &chunk));
    for (uint32_t k = 0; k < chunk.count; k++) {
      tt_molecule *m = synthetic_alloc(sizeof *m);
      *m = synthetic_molecule(11, order[256 * c + k], false);
      assert_true(synthetic_same(m, &chunk.molecules[k]));
      synthetic_free(m, 1);
    }
  }
  tt_store_close(store);
  assert_int_equal(unlink(in(folder, "shard-00000.h5")), 0);
  assert_ok(tt_store_open(&store, folder));
  for (uint64_t c = 0; c < chunks; c++) tt_store_expect_chunk(store, TT_TRAIN, c);
  assert_int_equal(tt_store_read_chunk(store, TT_TRAIN, 0, &chunk), TT_ERR_IO);
  assert_non_null(strstr(tt_error_message(), "shard-00000.h5"));
  assert_ok(tt_store_read_chunk(store, TT_TRAIN, 2, &chunk));
  tt_chunk_free(&chunk);
  tt_store_close(store);
}

// More entries than memory of a tree or a quadratic search would bear; the shards themselves are not there.
static void many_shards(void **state) {
  (void)state;
  enum { SHARDS = 20000 };
  tt_store_info info = {.toolkit = "made up", .recipe = "one shard, many times"};
  tt_molecule *m = synthetic_molecules(5, 300, false);
  tt_shard_entry one, *entries = synthetic_alloc((size_t)SHARDS * sizeof *entries);
  assert_ok(tt_shard_write(folder, 0, TT_TRAIN, &info, m, 300, &one));
  for (int k = 0; k < SHARDS; k++) {
    entries[k] = one;
    snprintf(entries[k].file, sizeof one.file, "shard-%05d.h5", k);
    entries[k].split = k % 10 == 9;
  }
  assert_ok(tt_manifest_write(folder, &info, entries, SHARDS));
  tt_store *store;
  tt_chunk chunk = {0};
  assert_ok(tt_store_open(&store, folder));
  assert_int_equal(tt_store_shards(store), SHARDS);
  assert_int_equal(tt_store_records(store, TT_TRAIN), 18000 * 300);
  assert_int_equal(tt_store_records(store, TT_VALID), 2000 * 300);
  for (uint32_t k = 0; k < SHARDS; k++)
    assert_memory_equal(tt_store_shard(store, k), &entries[k], sizeof *entries);
  assert_ok(tt_store_read_chunk(store, TT_TRAIN, 0, &chunk));
  assert_int_equal(tt_store_read_chunk(store, TT_TRAIN, 17999, &chunk), TT_ERR_IO); // the last whole chunk
  assert_non_null(strstr(tt_error_message(), "shard-19998.h5"));
  assert_int_equal(tt_store_read_chunk(store, TT_TRAIN, 18001, &chunk), TT_ERR_IO); // tails: 44 of each shard
  assert_non_null(strstr(tt_error_message(), "shard-00005.h5"));
  tt_chunk_free(&chunk);
  tt_store_close(store);
  free(entries);
  synthetic_free(m, 300);
}

static void counts_in_manifest(void **state) {
  (void)state;
  assert_ok(synthetic_store(folder, 3, false, mixed, MIXED));
  tt_store *store;
  assert_ok(tt_store_open(&store, folder));
  assert_string_equal(tt_store_folder(store), folder);
  assert_int_equal(tt_store_shards(store), MIXED);
  const tt_store_info *info = tt_store_information(store);
  assert_string_equal(info->toolkit, "made up");
  assert_string_equal(info->recipe, "random graphs for tests \xc3\xa9");
  assert_int_equal(info->seed, 3);
  assert_false(info->hydrogens || info->coordinates_2d);
  tt_molecule *m = synthetic_molecules(3, 600, false);
  uint64_t atoms = 0, bonds = 0, conformers = 0, pairs = 0, rows = 0, smiles = 0, longest = 0, bins = 0;
  for (int k = 0; k < 600; k++) {
    atoms += m[k].atoms, bonds += m[k].bonds, conformers += m[k].conformers, smiles += m[k].smiles_length;
    pairs += (m[k].atoms + 1) * (m[k].atoms + 1), rows += m[k].atoms * m[k].conformers;
    if (m[k].atoms > longest) longest = m[k].atoms;
    bins += m[k].atoms >= 8 && m[k].atoms < 16;
  }
  const tt_shard_entry *e = tt_store_shard(store, 0);
  assert_int_equal(e->records, 600);
  assert_int_equal(e->atoms, atoms);
  assert_int_equal(e->bonds, bonds);
  assert_int_equal(e->conformers, conformers);
  assert_int_equal(e->pairs, pairs);
  assert_int_equal(e->coordinate_rows, rows);
  assert_int_equal(e->smiles_bytes, smiles);
  assert_int_equal(e->shortest, 1);
  assert_int_equal(e->longest, longest);
  assert_int_equal(e->lengths[1], bins);
  struct stat s;
  assert_int_equal(stat(in(folder, "shard-00000.h5"), &s), 0);
  assert_int_equal(s.st_size, e->bytes);
  synthetic_free(m, 600);
  tt_store_close(store);
}

static void same_bytes_twice(void **state) {
  (void)state;
  assert_ok(synthetic_store(folder, 9, true, mixed, MIXED));
  assert_ok(synthetic_store(other, 9, true, mixed, MIXED));
  for (int s = -1; s < MIXED; s++) {
    char file[32] = "manifest.json", *a, *b;
    size_t a_bytes, b_bytes;
    if (s >= 0) snprintf(file, sizeof file, "shard-%05d.h5", s);
    assert_ok(tt_file_read(in(folder, file), &a, &a_bytes));
    assert_ok(tt_file_read(in(other, file), &b, &b_bytes));
    assert_int_equal(a_bytes, b_bytes);
    assert_memory_equal(a, b, a_bytes);
    free(a), free(b);
  }
  // and another seed gives another digest
  tt_store *store, *second;
  assert_ok(synthetic_store(other, 10, true, mixed, MIXED));
  assert_ok(tt_store_open(&store, folder));
  assert_ok(tt_store_open(&second, other));
  assert_string_not_equal(tt_store_digest(store), tt_store_digest(second));
  tt_store_close(store);
  tt_store_close(second);
}

// ---- what may not be stored
// -----------------------------------------------------------------------------------

static void bad_molecules(void **state) {
  (void)state;
  tt_store_info info = {.coordinates_2d = true};
  tt_molecule *good = synthetic_molecules(1, 4, true); // number 3 is a chain
  struct {
    tt_molecule m;
    const char *says;
  } bad[8];
  for (int k = 0; k < 8; k++) bad[k].m = good[3];
  assert_true(good[3].atoms > 2);
  uint8_t features[64 * 9] = {0}, bonds[64 * 3] = {0};
  uint16_t outside[64 * 2] = {0, 64}, itself[64 * 2] = {1, 1};
  float infinite[64 * 3 * 11] = {INFINITY};
  features[5] = 6, bonds[1] = 6;
  bad[0].m.atoms = 0, bad[0].says = "no atoms";
  bad[1].m.conformers = 0, bad[1].says = "no conformer";
  bad[2].m.atom_features = features, bad[2].says = "atom feature";
  bad[3].m.bond_features = bonds, bad[3].says = "bond feature";
  bad[4].m.bond_atoms = outside, bad[4].says = "bond ends";
  bad[5].m.bond_atoms = itself, bad[5].says = "itself";
  bad[6].m.coordinates = infinite, bad[6].says = "not finite";
  bad[7].m.coordinates_2d = NULL, bad[7].says = "2-D";
  for (int k = 0; k < 8; k++) {
    tt_molecule pair[2] = {good[0], bad[k].m};
    tt_shard_entry entry;
    assert_int_equal(tt_shard_write(folder, 0, TT_TRAIN, &info, pair, 2, &entry), TT_ERR_DATA);
    assert_non_null(strstr(tt_error_message(), bad[k].says));
    assert_non_null(strstr(tt_error_message(), "molecule 1"));
    assert_false(tt_file_exists(in(folder, "shard-00000.h5")));
  }
  synthetic_free(good, 4);
}

// A limit on the size of files fails as a full disk does, without needing to be root.
static void full_disk(void **state) {
  (void)state;
  static const rlim_t limits[] = {0, 100, 20000, 100000};
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
      signal(SIGXFSZ, SIG_IGN);
      setrlimit(RLIMIT_FSIZE, &(struct rlimit){limits[i], limits[i]});
      tt_store_info info = {.toolkit = "made up"};
      tt_molecule *m = synthetic_molecules(1, 700, false);
      tt_shard_entry entry;
      tt_status status = tt_shard_write(folder, 3, TT_TRAIN, &info, m, 700, &entry);
      bool named = strstr(tt_error_message(), "shard-00003.h5") != NULL;
      synthetic_free(m, 700);
      _exit(status == TT_ERR_IO && named ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(rmdir(folder), 0); // empty: neither the shard nor its temporary is left
    assert_int_equal(mkdir(folder, 0777), 0);
  }
  tt_shard_entry entry;
  tt_store_info info = {.toolkit = "made up"};
  assert_int_equal(tt_shard_write("no/such/folder", 3, TT_TRAIN, &info, NULL, 0, &entry), TT_ERR_IO);
  assert_non_null(strstr(tt_error_message(), "no/such/folder/shard-00003.h5"));
}

// ---- damage
// ---------------------------------------------------------------------------------------------------

static void patch(const char *file, uint64_t at, const void *data, size_t bytes) {
  int fd = open(in(folder, file), O_WRONLY);
  assert_true(fd >= 0);
  assert_int_equal(pwrite(fd, data, bytes, (off_t)at), bytes);
  close(fd);
}

// Opens the store, reads train chunk 0 and verifies; the first error must have the code and all of the words.
static void expect(tt_status code, const char *words[]) {
  tt_store *store = NULL;
  tt_chunk chunk = {0};
  tt_status status = tt_store_open(&store, folder);
  if (status == TT_OK) status = tt_store_read_chunk(store, TT_TRAIN, 0, &chunk);
  if (status == TT_OK) status = tt_store_verify(store, NULL, NULL);
  tt_chunk_free(&chunk);
  tt_store_close(store);
  if (status != code) fail_msg("status %d instead of %d: %s", status, code, tt_error_message());
  for (; *words; words++)
    if (!strstr(tt_error_message(), *words)) fail_msg("'%s' is not in: %s", *words, tt_error_message());
}
#define WORDS(...)                                                                                           \
  (const char *[]) {                                                                                         \
    __VA_ARGS__, NULL                                                                                        \
  }

static const synthetic_shard pair_of[] = {{TT_TRAIN, 300}, {TT_TRAIN, 300}};

static void damaged_shard(void **state) {
  (void)state;
  assert_ok(synthetic_store(folder, 21, true, pair_of, 2));
  char *kept;
  size_t bytes;
  assert_ok(tt_file_read(in(folder, "shard-00000.h5"), &kept, &bytes));
  tt_store *store;
  tt_shard_layout layout;
  assert_ok(tt_store_open(&store, folder));
  assert_ok(tt_schema_layout(tt_store_shard(store, 0), true, &layout));
  tt_store_close(store);
  expect(TT_OK, WORDS(""));

  // every array: its first byte is in chunk 0; the message names file, records and array
  for (int a = 0; a < TT_ARRAYS; a++) {
    char wrong = (char)(kept[layout.at[a]] ^ 0x10);
    patch("shard-00000.h5", layout.at[a], &wrong, 1);
    if (a >= TT_CHUNK_ARRAYS)
      expect(TT_ERR_CORRUPT, WORDS("train chunk 0", "shard-00000.h5", "checksums", "restore"));
    else
      expect(TT_ERR_CORRUPT,
             WORDS("train chunk 0", "shard-00000.h5, records 0 to 255", tt_schema_array(a)->name,
                   "restore the shard from a copy or build the store again"));
    patch("shard-00000.h5", layout.at[a], &kept[layout.at[a]], 1);
  }
  // the last byte of an array lies in the tail: reading chunk 0 is fine, verification is not
  uint64_t last = layout.at[TT_COORDINATE] + layout.bytes[TT_COORDINATE] - 1;
  char wrong = (char)(kept[last] ^ 1);
  patch("shard-00000.h5", last, &wrong, 1);
  expect(TT_ERR_CORRUPT, WORDS("shard-00000.h5, records 256 to 299", "coordinates"));
  patch("shard-00000.h5", last, &kept[last], 1);

  for (uint64_t at = 0; at < TT_SHARD_HEADER; at += 501) {
    wrong = (char)(kept[at] ^ 0x80);
    patch("shard-00000.h5", at, &wrong, 1);
    expect(TT_ERR_CORRUPT, WORDS("train chunk 0", "shard-00000.h5", "header", "restore"));
    patch("shard-00000.h5", at, &kept[at], 1);
  }
  expect(TT_OK, WORDS(""));

  assert_int_equal(truncate(in(folder, "shard-00000.h5"), (off_t)bytes - 1), 0);
  expect(TT_ERR_CORRUPT, WORDS("shard-00000.h5", "bytes instead of", "restore"));
  assert_int_equal(truncate(in(folder, "shard-00000.h5"), 0), 0);
  expect(TT_ERR_CORRUPT, WORDS("shard-00000.h5", "has 0 bytes"));
  assert_int_equal(unlink(in(folder, "shard-00000.h5")), 0);
  expect(TT_ERR_IO, WORDS("cannot open", "shard-00000.h5", "No such file", "restore"));
  free(kept);
}

static void copy(const char *from, const char *from_file, const char *to, const char *to_file) {
  char *data;
  size_t bytes;
  assert_ok(tt_file_read(in(from, from_file), &data, &bytes));
  assert_ok(tt_file_replace(in(to, to_file), data, bytes));
  free(data);
}

static void shard_of_another_store(void **state) {
  (void)state;
  assert_ok(synthetic_store(folder, 21, true, pair_of, 2));
  assert_ok(synthetic_store(other, 22, true, pair_of, 2));
  copy(other, "shard-00000.h5", folder, "shard-00000.h5");
  expect(TT_ERR_CORRUPT, WORDS("shard-00000.h5", "of another store", "restore"));
  // the same store's other shard, in the wrong place
  assert_ok(synthetic_store(folder, 21, true, pair_of, 2));
  copy(folder, "shard-00001.h5", folder, "shard-00000.h5");
  expect(TT_ERR_CORRUPT, WORDS("shard-00000.h5"));
}

static void count_report(void *context, const char *message) {
  assert_non_null(strstr(message, "shard-0000"));
  ++*(int *)context;
}

static void verification_goes_on(void **state) {
  (void)state;
  assert_ok(synthetic_store(folder, 4, false, mixed, MIXED));
  assert_int_equal(unlink(in(folder, "shard-00002.h5")), 0);
  assert_int_equal(truncate(in(folder, "shard-00005.h5"), 4000), 0);
  patch("shard-00009.h5", TT_SHARD_HEADER + 1, "x", 1);
  tt_store *store;
  int reports = 0;
  assert_ok(tt_store_open(&store, folder));
  assert_int_equal(tt_store_verify(store, count_report, &reports), TT_ERR_IO); // the first error
  assert_non_null(strstr(tt_error_message(), "shard-00002.h5"));
  assert_int_equal(reports, 3);
  tt_store_close(store);
}

// Replaces the first occurrence of a text in the manifest by another.
static void edit_manifest(const char *from, const char *to) {
  char *text, edited[65536];
  size_t bytes;
  assert_ok(tt_file_read(in(folder, "manifest.json"), &text, &bytes));
  char *found = strstr(text, from);
  assert_non_null(found);
  int n = snprintf(edited, sizeof edited, "%.*s%s%s", (int)(found - text), text, to, found + strlen(from));
  assert_true(n > 0 && n < (int)sizeof edited);
  assert_ok(tt_file_replace(in(folder, "manifest.json"), edited, (size_t)n));
  free(text);
}

static void damaged_manifest(void **state) {
  (void)state;
  static const struct {
    const char *from, *to;
    tt_status code;
    const char *says;
  } edits[] = {
      {"\"schema_version\": 2", "\"schema_version\": 1", TT_ERR_FORMAT,
       "schema version 1, this program reads version 2"},
      {"\"twotrack store\"", "\"tworoad store\"", TT_ERR_FORMAT, "is not the manifest of a twotrack store"},
      {"\"records\": 300", "\"records\": 301", TT_ERR_CORRUPT, "does not match its own digest"},
      {"\"hydrogens\": false", "\"hydrogens\": true", TT_ERR_CORRUPT, "does not match its own digest"},
      {"\"toolkit\": \"made up\"", "\"toolkit\": \"mode up\"", TT_ERR_CORRUPT,
       "does not match its own digest"},
      {"\"toolkit\"", "\"toolbox\"", TT_ERR_CORRUPT, "does not match its own digest"},
      {"\"toolkit\"", "\"seed\": \"7\", \"toolkit\"", TT_ERR_CORRUPT, "line 5"}, // a key twice
      {"\"digest\": ", "\"digestive\": ", TT_ERR_CORRUPT, "does not match its own digest"},
      {"\"records\": 300", "\"records\":  300", TT_ERR_CORRUPT, "does not match its own digest"}, // a space
      {"\"shards\"", "shards", TT_ERR_CORRUPT, "line 1"},
      {"\"format\"", "format", TT_ERR_CORRUPT, "line 2"},
  };
  for (size_t k = 0; k < sizeof edits / sizeof *edits; k++) {
    assert_ok(synthetic_store(folder, 21, false, pair_of, 2));
    edit_manifest(edits[k].from, edits[k].to);
    expect(edits[k].code, WORDS("manifest.json", edits[k].says, k ? "" : "build the store again"));
  }
  assert_ok(synthetic_store(folder, 21, false, pair_of, 2));
  static const off_t cut[] = {0, 1, 30, 200, 300, 400, 1000};
  for (size_t k = sizeof cut / sizeof *cut; k-- > 0;) {
    assert_int_equal(truncate(in(folder, "manifest.json"), cut[k]), 0);
    expect(TT_ERR_CORRUPT, WORDS("manifest.json", "restore it from a copy or build the store again"));
  }
  assert_int_equal(unlink(in(folder, "manifest.json")), 0);
  expect(TT_ERR_IO, WORDS("manifest.json", "written last"));
  tt_store *store;
  assert_int_equal(tt_store_open(&store, "no/such/store"), TT_ERR_IO);
  assert_non_null(strstr(tt_error_message(), "no/such/store"));
  assert_null(store);
}

// A manifest whose digest is right but whose entries are not those of the shards: a program's error, not a
// disk's.
static void inconsistent_manifest(void **state) {
  (void)state;
  tt_store_info info = {.toolkit = "made up", .recipe = "wrong counts"};
  tt_molecule *m = synthetic_molecules(1, 300, false);
  for (int k = 0; k < 5; k++) {
    tt_shard_entry entry;
    assert_ok(tt_shard_write(folder, 0, TT_TRAIN, &info, m, 300, &entry));
    if (k == 0) entry.records += 1;
    if (k == 1) entry.atoms -= 9, entry.bonds += 9; // 4 and 5 bytes a row: the size differs
    if (k == 2) entry.pairs++;                      // only verification counts pairs
    if (k == 3) entry.records = UINT64_MAX / 2;
    if (k == 4) entry.digest[0] ^= 1;
    assert_ok(tt_manifest_write(folder, &info, &entry, 1));
    if (k == 0) expect(TT_ERR_CORRUPT, WORDS("shard-00000.h5", "bytes instead of"));
    if (k == 1) expect(TT_ERR_CORRUPT, WORDS("shard-00000.h5", "bytes instead of"));
    if (k == 2) expect(TT_ERR_CORRUPT, WORDS("shard-00000.h5", "manifest counts"));
    if (k == 3) expect(TT_ERR_FORMAT, WORDS("shard-00000.h5", "impossible"));
    if (k == 4) expect(TT_ERR_CORRUPT, WORDS("shard-00000.h5", "digest"));
  }
  tt_shard_entry entry = {.file = "shard-00007.h5"};
  assert_int_equal(tt_manifest_write(folder, &info, &entry, 1), TT_ERR_ARGUMENT);
  synthetic_free(m, 300);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(shard_sizes),
      TEST(tails_regrouped),
      TEST(more_shards_than_open_files),
      TEST(expected_chunks),
      TEST(many_shards),
      TEST(counts_in_manifest),
      TEST(same_bytes_twice),
      TEST(bad_molecules),
      TEST(full_disk),
      TEST(damaged_shard),
      TEST(shard_of_another_store),
      TEST(verification_goes_on),
      TEST(damaged_manifest),
      TEST(inconsistent_manifest),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
