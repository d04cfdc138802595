// Damages a small store in many random ways. Whatever happens to a file, reading it must give an error that
// names the file, or the original data: never a crash, never other data. TT_TEST_MUTATIONS sets how often
// (default 1000), TT_TEST_SEED which ones.
#include "core/crc32c.h"
#include "core/digest.h"
#include "store/schema.h"
#include "stored_files.h"

static const synthetic_shard shards[] = {{TT_TRAIN, 270}, {TT_VALID, 20}, {TT_TRAIN, 270}, {TT_TRAIN, 3}};
enum { SHARDS = 4, FILES = SHARDS + 1, SEED = 31 }; // the last file is the manifest

static stored_file files[FILES];
static tt_molecule *truth[2]; // of each split, in store order
static uint64_t truths[2];
static char digest[33];

static uint64_t random_state;
static uint64_t draw(uint64_t n) {
  return n ? tt_mix64(random_state++) % n : 0;
}

static long setting(const char *name, long otherwise) {
  const char *text = getenv(name);
  return text ? atol(text) : otherwise;
}

// ---- the store and its truth
// ----------------------------------------------------------------------------------

static int setup(void **state) {
  (void)state;
  random_state = (uint64_t)setting("TT_TEST_SEED", 1) << 32;
  store_files("mutate_test", SEED, shards, SHARDS, files);
  tt_store *store;
  assert_ok(tt_store_open(&store, folder));
  strcpy(digest, tt_store_digest(store));
  tt_store_close(store);
  // store order: whole chunks of shards 0 and 2, then the tails (270 = 256 + 14, 14, 3)
  truths[0] = 543, truths[1] = 20;
  truth[0] = synthetic_alloc(truths[0] * sizeof *truth[0]);
  uint64_t n = 0;
  static const uint64_t ranges[][2] = {{0, 256}, {270, 526}, {256, 270}, {526, 543}};
  for (int r = 0; r < 4; r++)
    for (uint64_t k = ranges[r][0]; k < ranges[r][1]; k++) truth[0][n++] = synthetic_molecule(SEED, k, true);
  truth[1] = synthetic_molecules(SEED + 1, truths[1], true);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  for (int split = 0; split < 2; split++) synthetic_free(truth[split], truths[split]);
  return remove_files(files, FILES);
}

// ---- damage
// ---------------------------------------------------------------------------------------------------

// Half of the places are in the first 16 KiB, where HDF5 keeps its descriptions.
static size_t place(size_t bytes) {
  return draw(2) ? draw(bytes < TT_SHARD_HEADER ? bytes : TT_SHARD_HEADER) : draw(bytes);
}

// Writes a damaged copy of a file; false if it happens to be equal. `what` gets words for a failing test.
static bool damage(const stored_file *o, char *what, size_t size) {
  size_t bytes = o->bytes, at = place(bytes), n = 1 + draw(64);
  char *data = malloc(bytes + 4096);
  assert_non_null(data);
  memcpy(data, o->data, bytes);
  uint64_t kind = draw(8);
  if (n > bytes - at) n = bytes - at;
  snprintf(what, size, "%s, kind %d, at %zu, %zu bytes", o->name, (int)kind, at, n);
  if (kind <= 1) data[at] = (char)(data[at] ^ 1 << draw(8));
  if (kind == 2)
    for (size_t k = 0; k < n; k++) data[at + k] = (char)draw(256);
  if (kind == 3) { // a lost sector
    size_t sector = at / 512 * 512;
    memset(data + sector, 0, bytes - sector < 512 ? bytes - sector : 512);
  }
  if (kind == 4) bytes = at; // cut
  if (kind == 5) {           // grown
    for (size_t k = 0; k < n; k++) data[bytes + k] = (char)draw(256);
    bytes += n;
  }
  if (kind == 6) { // a piece from elsewhere in the file
    size_t from = draw(bytes - n + 1);
    memmove(data + at, o->data + from, n);
  }
  if (kind == 7) // one field to an extreme value
    memset(data + at, draw(2) ? 0xff : 0x7f, n < 8 ? n : 8);
  bool differs = bytes != o->bytes || memcmp(data, o->data, bytes) != 0;
  write_file(o->name, data, bytes);
  free(data);
  return differs;
}

// ---- reading
// --------------------------------------------------------------------------------------------------

typedef struct {
  const char *file, *what;
  int reports;
} expectation;

static void names_the_file(void *context, const char *message) {
  expectation *e = context;
  e->reports++;
  if (!strstr(message, e->file)) fail_msg("%s: the message names another file: %s", e->what, message);
}

static bool chunk_is_true(const tt_chunk *chunk, int split) {
  uint64_t first = chunk->chunk * TT_CHUNK, left = truths[split] - first;
  if (chunk->count != (left < TT_CHUNK ? left : TT_CHUNK)) return false;
  for (uint32_t k = 0; k < chunk->count; k++)
    if (chunk->records[k] != first + k || !synthetic_same(&chunk->molecules[k], &truth[split][first + k]))
      return false;
  return true;
}

// Reads everything; true when no error came.
static bool read_all(const char *file, const char *what) {
  expectation e = {file, what, 0};
  tt_store *store;
  if (tt_store_open(&store, folder) != TT_OK) {
    names_the_file(&e, tt_error_message());
    return false;
  }
  if (strcmp(tt_store_digest(store), digest) != 0) fail_msg("%s: the store has another digest", what);
  tt_chunk chunk = {0};
  for (int split = 0; split < 2; split++) {
    if (tt_store_records(store, split) != truths[split]) fail_msg("%s: other number of records", what);
    for (uint64_t c = 0; c < tt_store_chunks(store, split); c++) {
      if (tt_store_read_chunk(store, split, c, &chunk) != TT_OK)
        names_the_file(&e, tt_error_message());
      else if (!chunk_is_true(&chunk, split))
        fail_msg("%s: other data in chunk %d", what, (int)c);
    }
  }
  int reading = e.reports;
  bool sound = tt_store_verify(store, names_the_file, &e) == TT_OK;
  if (sound && reading) fail_msg("%s: verification missed what reading found", what);
  tt_chunk_free(&chunk);
  tt_store_close(store);
  return sound;
}

static void no_damage_goes_unseen(void **state) {
  (void)state;
  long count = setting("TT_TEST_MUTATIONS", 1000), same = 0, manifests = 0;
  assert_true(read_all("", "the sound store"));
  for (long k = 0; k < count; k++) {
    const stored_file *o = &files[draw(FILES)];
    char what[96];
    bool differs = damage(o, what, sizeof what), sound = read_all(o->name, what);
    manifests += o == &files[SHARDS];
    same += !differs;
    if (!differs && !sound) fail_msg("%s: nothing changed, but: %s", what, tt_error_message());
    if (differs && sound) fail_msg("%s: a changed file passed verification", what); // all is under checksums
    restore(o);
  }
  assert_true(read_all("", "the store, restored"));
  print_message("%ld mutations (%ld of the manifest): %ld changed nothing\n", count, manifests, same);
}

// Shards of the store in each other's places.
static void swapped_shards(void **state) {
  (void)state;
  for (int a = 0; a < SHARDS; a++)
    for (int b = 0; b < SHARDS; b++) {
      if (a == b) continue;
      write_file(files[a].name, files[b].data, files[b].bytes);
      assert_false(read_all(files[a].name, "swapped"));
      restore(&files[a]);
    }
}

// ---- behind the checksums
// -------------------------------------------------------------------------------------

// Overwrites one element of one array.
static void wrong_element(char *data, const tt_shard_layout *layout) {
  tt_array array = (tt_array)draw(TT_INDEX);
  size_t element = tt_element_bytes(tt_schema_array(array)->element);
  char *at = data + layout->at[array] + draw(layout->bytes[array] / element) * element;
  if (draw(2))
    at[draw(element)] = (char)draw(256);
  else
    memset(at, (int)draw(256), element);
}

// Makes the index right for the arrays as they are (as far as the chunk starts make sense); returns the CRC
// over both.
static uint32_t right_index(char *data, const tt_shard_layout *layout) {
  char *index = data + layout->at[TT_INDEX];
  uint64_t starts[4][TT_STARTS];
  assert_true(layout->bytes[TT_CHUNK_START] <= sizeof starts);
  memcpy(starts, data + layout->at[TT_CHUNK_START], layout->bytes[TT_CHUNK_START]);
  for (uint64_t c = 0; c < layout->chunks; c++)
    for (int a = 0; a < TT_CHUNK_ARRAYS; a++, index += 4) {
      uint64_t first, rows;
      tt_schema_span(layout, (const uint64_t(*)[TT_STARTS])starts, a, c, &first, &rows);
      if (first > layout->rows[a] || rows > layout->rows[a] - first) first = rows = 0;
      const char *part = data + layout->at[a] + first * layout->row_bytes[a];
      uint32_t crc = tt_crc32c(0, part, rows * layout->row_bytes[a]);
      memcpy(index, &crc, 4);
    }
  return tt_crc32c(0, data + layout->at[TT_CHUNK_START],
                   layout->bytes[TT_CHUNK_START] + layout->bytes[TT_INDEX]);
}

// Reads the training records; false if there was an error. No molecule that is handed out may be unsound.
static bool read_sound(const char *file) {
  tt_store *store;
  tt_chunk chunk = {0};
  bool ok = true;
  assert_ok(tt_store_open(&store, folder));
  for (uint64_t c = 0; c < tt_store_chunks(store, TT_TRAIN); c++) {
    tt_status status = tt_store_read_chunk(store, TT_TRAIN, c, &chunk);
    if (status != TT_OK && !strstr(tt_error_message(), file))
      fail_msg("another file: %s", tt_error_message());
    ok = ok && status == TT_OK;
    for (uint32_t k = 0; k < chunk.count; k++) assert_null(tt_molecule_fault(&chunk.molecules[k], true));
  }
  tt_store_verify(store, NULL, NULL);
  tt_chunk_free(&chunk);
  tt_store_close(store);
  return ok;
}

// Wrong arrays under right checksums (a broken writer, not a broken disk): the checks behind the checksums
// must keep every read inside its array. Sanitizers see whether they do.
static void wrong_arrays_right_checksums(void **state) {
  (void)state;
  long count = setting("TT_TEST_MUTATIONS", 1000) / 10, refused = 0;
  tt_store *store;
  tt_shard_entry entries[SHARDS];
  tt_shard_layout layout;
  assert_ok(tt_store_open(&store, folder));
  tt_store_info info = *tt_store_information(store);
  for (uint32_t s = 0; s < SHARDS; s++) entries[s] = *tt_store_shard(store, s);
  tt_store_close(store);
  assert_ok(tt_schema_layout(&entries[0], true, &layout));
  const stored_file *o = &files[0];
  char *data = malloc(o->bytes);
  assert_non_null(data);
  for (long k = 0; k < count; k++) {
    memcpy(data, o->data, o->bytes);
    wrong_element(data, &layout);
    entries[0].index_crc = right_index(data, &layout);
    write_file(o->name, data, o->bytes);
    assert_ok(tt_manifest_write(folder, &info, entries, SHARDS));
    refused += !read_sound(o->name);
  }
  free(data);
  restore(o);
  restore(&files[SHARDS]);
  assert_true(read_all("", "the store, restored"));
  assert_true(count < 100 || refused > count / 4);
  print_message("%ld wrong arrays with right checksums: %ld refused, the others are possible molecules\n",
                count, refused);
}

// The same for the manifest: other text under a right digest. It may be refused or be the manifest of a store
// that is not there; it may not crash.
static void wrong_manifest_right_digest(void **state) {
  (void)state;
  enum { TAIL = 53 }; // the manifest's last bytes: a line feed, " ],", the digest's line and "}"
  long count = setting("TT_TEST_MUTATIONS", 1000), refused = 0;
  const stored_file *o = &files[SHARDS];
  for (long k = 0; k < count; k++) {
    char *data = malloc(o->bytes + 1), what[96], digest_line[TAIL + 1];
    size_t body = o->bytes - TAIL, at = draw(body), n = 1 + draw(8);
    assert_non_null(data);
    memcpy(data, o->data, o->bytes);
    static const char pieces[] = "{}[],:\"\n0123456789-eE. x\\\xc3";
    for (size_t i = 0; i < n && at + i < body; i++)
      data[at + i] = draw(2) ? pieces[draw(sizeof pieces)] : o->data[draw(body)];
    if (draw(4) == 0)
      memmove(data + at, data + at + n, o->bytes - at - n), body -= body - at < n ? body - at : n;
    snprintf(digest_line, sizeof digest_line, "\n ],\n \"digest\": \"%s\"\n}\n",
             tt_digest_of(data, body).text);
    memcpy(data + body, digest_line, TAIL);
    write_file(o->name, data, body + TAIL);
    snprintf(what, sizeof what, "manifest with a right digest, at %zu", at);
    tt_store *store;
    tt_chunk chunk = {0};
    if (tt_store_open(&store, folder) != TT_OK) {
      refused++;
      if (!strstr(tt_error_message(), o->name)) fail_msg("%s: %s", what, tt_error_message());
    } else {
      for (int split = 0; split < 2; split++)
        for (uint64_t c = 0; c < tt_store_chunks(store, split) && c < 9; c++)
          tt_store_read_chunk(store, split, c, &chunk);
      tt_store_verify(store, NULL, NULL);
      tt_store_close(store);
    }
    tt_chunk_free(&chunk);
    free(data);
  }
  restore(o);
  assert_true(read_all("", "the store, restored"));
  assert_true(count < 100 || refused > count / 4);
  print_message("%ld wrong manifests with right digests: %ld refused\n", count, refused);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_damage_goes_unseen),
      cmocka_unit_test(swapped_shards),
      cmocka_unit_test(wrong_arrays_right_checksums),
      cmocka_unit_test(wrong_manifest_right_digest),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
