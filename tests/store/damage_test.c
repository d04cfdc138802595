// Single bits flipped all over a store, one at a time: just the chunks that the bit belongs to are refused,
// by file and chunk, and all others are read as they were. The same for shards that are cut, missing, or of
// another store. 100 bits, with TT_TEST_LONG 1,000; TT_TEST_SEED says which ones.
#include <errno.h>
#include <sys/stat.h>

#include "store/schema.h"
#include "stored_files.h"

// Training: 2 + 1 + 2 whole chunks, then tails of 188, 44, 8, 5 records: 5 whole chunks and one of 245
// records. Validation: one whole chunk and 44 records.
static const synthetic_shard shards[] = {
    {TT_TRAIN, 700}, {TT_TRAIN, 300}, {TT_VALID, 300}, {TT_TRAIN, 520}, {TT_TRAIN, 5}};
enum { SHARDS = 5, FILES = SHARDS + 1, MOST_CHUNKS = 8, SEED = 77 };

static stored_file files[FILES]; // the last one is the manifest
static tt_molecule *truth[2];    // of each split, in store order
static uint64_t chunks[2];
static bool uses[2][MOST_CHUNKS][SHARDS][MOST_CHUNKS]; // [split][chunk]: needs chunk [block] of [shard]

static uint64_t random_state;
static uint64_t draw(uint64_t n) {
  return tt_mix64(random_state++) % n;
}

// ---- the store, and what each of its chunks is made of

// Whole chunks first, then the tails.
static void know_split(int split) {
  uint64_t records = 0, at = 0, number = 0;
  for (int s = 0; s < SHARDS; s++) records += (int)shards[s].split == split ? shards[s].count : 0;
  truth[split] = synthetic_alloc(records * sizeof *truth[split]);
  chunks[split] = (records + TT_CHUNK - 1) / TT_CHUNK;
  for (int tail = 0; tail < 2; tail++, number = 0)
    for (int s = 0; s < SHARDS; s++) {
      if ((int)shards[s].split != split) continue;
      for (uint64_t k = 0; k < shards[s].count; k++, number++) {
        if ((k >= shards[s].count / TT_CHUNK * TT_CHUNK) != tail) continue;
        uses[split][at / TT_CHUNK][s][k / TT_CHUNK] = true;
        truth[split][at++] = synthetic_molecule(SEED + (uint64_t)split, number, true);
      }
    }
  assert_int_equal(at, records);
}

static int setup(void **state) {
  (void)state;
  const char *seed = getenv("TT_TEST_SEED");
  random_state = (seed ? strtoull(seed, NULL, 10) : 1) << 32;
  store_files("damage_test", SEED, shards, SHARDS, files);
  know_split(TT_TRAIN), know_split(TT_VALID);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  for (int split = 0; split < 2; split++) {
    uint64_t records = 0;
    for (int s = 0; s < SHARDS; s++) records += (int)shards[s].split == split ? shards[s].count : 0;
    synthetic_free(truth[split], records);
  }
  return remove_files(files, FILES);
}

// ---- reading all of it

// What must be refused: chunk `block` of a shard, or all of its chunks.
typedef struct {
  const char *what; // for messages
  int shard;        // -1: nothing
  bool all;
  uint64_t block;
} wrong;

static bool is_wrong(const wrong *w, int split, uint64_t chunk) {
  if (w->shard < 0) return false;
  for (uint64_t b = 0; b < MOST_CHUNKS; b++)
    if (uses[split][chunk][w->shard][b] && (w->all || b == w->block)) return true;
  return false;
}

static void check_refusal(const wrong *w, int split, uint64_t chunk, tt_status status) {
  char name[40];
  snprintf(name, sizeof name, "%s chunk %llu:", tt_split_name(split), (unsigned long long)chunk);
  if (status == TT_OK) fail_msg("%s: %s is silent about it", w->what, name);
  // the kinds of error that data.bad_chunks = "skip" lets pass
  if (status != TT_ERR_CORRUPT && status != TT_ERR_IO && status != TT_ERR_FORMAT)
    fail_msg("%s: status %d: %s", w->what, (int)status, tt_error_message());
  if (!strstr(tt_error_message(), name) || !strstr(tt_error_message(), files[w->shard].name))
    fail_msg("%s: the message does not name %s of %s: %s", w->what, name, files[w->shard].name,
             tt_error_message());
}

// Every chunk of the store is as it was, or is refused if it is wrong. How many were refused.
static int read_all(const wrong *w) {
  tt_store *store;
  tt_chunk chunk = {0};
  int refused = 0;
  assert_ok(tt_store_open(&store, folder));
  for (int split = 0; split < 2; split++) {
    assert_int_equal(tt_store_chunks(store, split), chunks[split]);
    for (uint64_t c = 0; c < chunks[split]; c++) {
      tt_store_expect_chunk(store, split, c);
      tt_status status = tt_store_read_chunk(store, split, c, &chunk);
      if (is_wrong(w, split, c)) {
        check_refusal(w, split, c, status), refused++;
        continue;
      }
      if (status != TT_OK) fail_msg("%s: a sound chunk was refused: %s", w->what, tt_error_message());
      for (uint32_t k = 0; k < chunk.count; k++)
        if (!synthetic_same(&chunk.molecules[k], &truth[split][c * TT_CHUNK + k]))
          fail_msg("%s: other data in %s chunk %d", w->what, tt_split_name(split), (int)c);
    }
  }
  if (w->shard >= 0 && tt_store_verify_shard(store, (uint32_t)w->shard) == TT_OK)
    fail_msg("%s: verification is silent about it", w->what);
  tt_chunk_free(&chunk);
  tt_store_close(store);
  return refused;
}

static void read_sound(void) {
  assert_int_equal(read_all(&(wrong){.what = "the sound store", .shard = -1}), 0);
}

// ---- bits

static tt_shard_layout layout_of(int shard) {
  tt_store *store;
  tt_shard_layout layout;
  assert_ok(tt_store_open(&store, folder));
  assert_ok(tt_schema_layout(tt_store_shard(store, (uint32_t)shard), true, &layout));
  tt_store_close(store);
  return layout;
}

// Whose byte of a shard this is: of one of its chunks, or (header, tables) of all.
static wrong owner(int shard, uint64_t at, char *what, size_t size) {
  tt_shard_layout layout = layout_of(shard);
  wrong w = {.what = what, .shard = shard, .all = true};
  snprintf(what, size, "%s, byte %llu (header)", files[shard].name, (unsigned long long)at);
  for (int a = 0; a < TT_ARRAYS; a++) {
    if (at < layout.at[a] || at >= layout.at[a] + layout.bytes[a]) continue;
    snprintf(what, size, "%s, byte %llu (%s)", files[shard].name, (unsigned long long)at,
             tt_schema_array((tt_array)a)->name);
    if (a >= TT_CHUNK_ARRAYS) return w;
    uint64_t starts[MOST_CHUNKS + 1][TT_STARTS], first, rows, row = (at - layout.at[a]) / layout.row_bytes[a];
    memcpy(starts, files[shard].data + layout.at[TT_CHUNK_START], layout.bytes[TT_CHUNK_START]);
    for (w.all = false, w.block = 0; w.block < layout.chunks; w.block++) {
      tt_schema_span(&layout, (const uint64_t(*)[TT_STARTS])starts, (tt_array)a, w.block, &first, &rows);
      if (row >= first && row < first + rows) return w;
    }
    fail_msg("%s is in no chunk", what);
  }
  assert_true(at < TT_SHARD_HEADER); // nothing between the arrays, nothing behind them
  return w;
}

// Refused, naming the file; or, were there a bit that means nothing, the same store.
static int flip_in_manifest(uint64_t at, uint64_t bit) {
  stored_file *o = &files[SHARDS];
  tt_store *store;
  int refused = 0;
  o->data[at] = (char)(o->data[at] ^ 1 << bit);
  restore(o);
  if (tt_store_open(&store, folder) != TT_OK) {
    refused = 1;
    if (!strstr(tt_error_message(), o->name)) fail_msg("another file is named: %s", tt_error_message());
  } else {
    tt_store_close(store);
    read_sound();
  }
  o->data[at] = (char)(o->data[at] ^ 1 << bit);
  restore(o);
  return refused;
}

static void flip_in_shard(int shard, uint64_t at, uint64_t bit) {
  stored_file *o = &files[shard];
  char what[100];
  wrong w = owner(shard, at, what, sizeof what);
  char *byte = &o->data[at], kept = *byte;
  *byte = (char)(kept ^ 1 << bit);
  restore(o);
  int refused = read_all(&w);
  *byte = kept;
  restore(o);
  if (refused == 0) fail_msg("%s: nothing was refused", what);
}

static void flipped_bits(void **state) {
  (void)state;
  const int count = getenv("TT_TEST_LONG") ? 1000 : 100;
  int manifest = 0, refused = 0;
  read_sound();
  for (int k = 0; k < count; k++) {
    int shard = (int)draw(SHARDS);
    const tt_shard_layout layout = layout_of(shard);
    uint64_t bit = draw(8), tables = layout.at[TT_CHUNK_START];
    if (k % 10 == 0)
      manifest++, refused += flip_in_manifest(draw(files[SHARDS].bytes), bit);
    else if (k % 10 == 1)
      flip_in_shard(shard, draw(TT_SHARD_HEADER), bit);
    else if (k % 10 == 2)
      flip_in_shard(shard, tables + draw(files[shard].bytes - tables), bit);
    else
      flip_in_shard(shard, TT_SHARD_HEADER + draw(tables - TT_SHARD_HEADER), bit);
  }
  read_sound();
  assert_int_equal(refused, manifest);
  print_message("%d bits, %d of them in the manifest: all found\n", count, manifest);
}

// ---- whole shards

static void refuse_shard(int shard, const char *what, bool found_at_once) {
  tt_store *store;
  assert_ok(tt_store_open(&store, folder));
  for (int s = 0; s < SHARDS; s++)
    assert_int_equal(tt_store_find_shard(store, (uint32_t)s) != TT_OK, s == shard && found_at_once);
  tt_store_close(store);
  assert_true(read_all(&(wrong){.what = what, .shard = shard, .all = true}) > 0);
}

static void cut_shards(void **state) {
  (void)state;
  for (int s = 0; s < SHARDS; s++) {
    const stored_file *o = &files[s];
    const size_t lengths[] = {0, 1, TT_SHARD_HEADER - 1, TT_SHARD_HEADER, o->bytes / 2, o->bytes - 1};
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
      write_file(o->name, o->data, lengths[k]);
      refuse_shard(s, "cut", true);
    }
    char *longer = calloc(1, o->bytes + 1);
    assert_non_null(longer);
    memcpy(longer, o->data, o->bytes);
    write_file(o->name, longer, o->bytes + 1);
    refuse_shard(s, "grown", true);
    free(longer);
    restore(o);
  }
  read_sound();
}

static void missing_shards(void **state) {
  (void)state;
  for (int s = 0; s < SHARDS; s++) {
    assert_int_equal(unlink(in(files[s].name)), 0);
    refuse_shard(s, "missing", true);
    assert_int_equal(mkdir(in(files[s].name), 0777), 0); // something else in its place
    refuse_shard(s, "a folder", true);
    assert_int_equal(rmdir(in(files[s].name)), 0);
    restore(&files[s]);
  }
  read_sound();
}

// Another build of the same molecules with other conformations: shards of the same sizes and with the same
// headers.
static void shards_of_another_store(void **state) {
  (void)state;
  tt_store_info info = {.coordinates_2d = true, .seed = SEED, .toolkit = "made up"};
  snprintf(info.recipe, sizeof info.recipe, "random graphs for tests \xc3\xa9");
  uint64_t next[2] = {0, 0};
  char other[80];
  snprintf(other, sizeof other, "%s/other", folder);
  assert_int_equal(mkdir(other, 0777), 0);
  for (uint32_t s = 0; s < SHARDS; s++) {
    tt_molecule *m = synthetic_alloc(shards[s].count * sizeof *m);
    for (uint64_t k = 0; k < shards[s].count; k++) {
      m[k] = synthetic_molecule(SEED + (uint64_t)shards[s].split, next[shards[s].split]++, true);
      ((float *)(uintptr_t)m[k].coordinates)[0] += 1;
    }
    tt_shard_entry entry;
    assert_ok(tt_shard_write(other, s, shards[s].split, &info, m, shards[s].count, &entry));
    synthetic_free(m, shards[s].count);
    char from[512], name[48], *data;
    size_t bytes;
    snprintf(name, sizeof name, "other/shard-%05u.h5", s);
    strcpy(from, in(name));
    assert_ok(tt_file_read(from, &data, &bytes));
    assert_int_equal(bytes, files[s].bytes);
    assert_memory_equal(data, files[s].data, TT_SHARD_HEADER);
    free(data);
    assert_int_equal(rename(from, in(files[s].name)), 0);
    refuse_shard((int)s, "of another store", false);
    restore(&files[s]);
  }
  assert_int_equal(rmdir(other), 0);
  read_sound();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(flipped_bits),
      cmocka_unit_test(cut_shards),
      cmocka_unit_test(missing_shards),
      cmocka_unit_test(shards_of_another_store),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
