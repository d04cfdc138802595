// Checkpoints of one rank: bit-exact round trips, and an error, never a crash or other values, for every
// damaged file.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <hdf5.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/file.h"
#include "core/philox.h"
#include "train/checkpoint_load.h"
#include "train/checkpoint_parts.h"
#include "train/saver.h"

// A model of our own, so that nothing here depends on the real one's table.
static tt_parameter list[] = {
    {.name = "embed_tokens.weight", .dims = 2, .shape = {12, 5}},
    {.name = "encoder.layer_norm.weight", .dims = 1, .shape = {5, 1}},
    {.name = "encoder.layers.0.ffn.linear_1.weight", .dims = 2, .shape = {40, 20}},
    {.name = "encoder.layers.0.ffn.linear_1.bias", .dims = 1, .shape = {40, 1}},
    {.name = "a.column", .dims = 2, .shape = {3, 1}},
};
static tt_parameters model = {.count = sizeof list / sizeof *list, .list = list, .group = 1};

// One rank owns it all.
static tt_comm self;
static int64_t segment[2], counts[1];
static tt_shard shard = {.ranks = &self, .segment = segment, .counts = counts};
static tt_shards shards = {.count = 1, .list = &shard};

static char run[64], path[128], other[128];
static float *weights, *moment1, *moment2, *read1, *read2, *read3;
static tt_progress_state progress;
static tt_lane_cut cuts[] = {{3, 0, 0}, {1000, 255, 0}, {UINT64_MAX - 9, 17, 0}};

static float *numbers(uint32_t kind) {
  float *x = malloc((size_t)model.total * sizeof *x);
  for (int64_t i = 0; i < model.total; i++) { // any bits: also NaN, infinities, negative zero
    uint32_t bits = tt_philox(1, (uint32_t)i, kind, 0, 0).v[0];
    memcpy(&x[i], &bits, sizeof bits);
  }
  return x;
}

static int prepare(void **state) {
  (void)state;
  model.total = 0;
  for (int i = 0; i < model.count; i++) {
    list[i].offset = model.total;
    model.total += list[i].count = (int64_t)list[i].shape[0] * list[i].shape[1];
  }
  model.whole = shard.count = shards.own = segment[1] = counts[0] = model.total;
  strcpy(run, "checkpoint_test.XXXXXX");
  if (!mkdtemp(run)) return -1;
  snprintf(path, sizeof path, "%s/checkpoints", run);
  if (tt_make_directories(path) != TT_OK) return -1;
  tt_checkpoint_path(run, 17, path, sizeof path);
  snprintf(other, sizeof other, "%s/checkpoints/other.h5", run);
  weights = numbers(0), moment1 = numbers(1), moment2 = numbers(2);
  read1 = numbers(9), read2 = numbers(9), read3 = numbers(9);
  progress = (tt_progress_state){.step = 17,
                                 .samples = 17 * 1024,
                                 .atoms = 1234567890123,
                                 .pairs = UINT64_MAX,
                                 .flops_executed = 1.1e22,
                                 .flops_reference = 3.3e22,
                                 .config = strdup("train: { seed = 1; }\n# \xc3\x85ngstr\xc3\xb6m\n")};
  progress.skipped = (tt_lane_cuts){cuts, 3, 3};
  strcpy(progress.store_digest, "0123456789abcdef0123456789abcdef");
  for (int k = 0; k < TT_GAUSSIANS; k++) progress.means[k] = (float)k / 14; // not the usual ones
  return 0;
}

static int tidy(void **state) {
  (void)state;
  char removal[200];
  snprintf(removal, sizeof removal, "rm -r %s", run);
  free(weights), free(moment1), free(moment2), free(read1), free(read2), free(read3), free(progress.config);
  return system(removal);
}

static tt_status write_state(const char *file, float *w, float *m1, float *m2) {
  tt_checkpoint_share share = {&model, &shards, w, m1, m2, false, NULL};
  tt_saver *saver;
  tt_save_report report;
  bool ready;
  tt_status status = tt_saver_create(&saver, &self, &share, TT_WRITER_AUTO, run);
  if (status == TT_OK) status = tt_saver_begin(saver, file, &progress);
  if (status == TT_OK) status = tt_saver_poll(saver, true, &ready);
  if (status == TT_OK) status = tt_saver_finish(saver, &report);
  tt_saver_free(saver);
  return status;
}

static tt_status write_to(const char *file) {
  return write_state(file, weights, moment1, moment2);
}

static tt_status read_as(const tt_parameters *p, const char *file, float *w, float *m1, float *m2,
                         tt_progress_state *state) {
  tt_checkpoint_share share = {p, &shards, w, m1, m2, false, NULL};
  return tt_checkpoint_load(&self, file, &share, state);
}

static tt_status read_from(const char *file, float *w, float *m1, float *m2, tt_progress_state *state) {
  return read_as(&model, file, w, m1, m2, state);
}

// The digest of the whole that `arrays` should have in a file.
static tt_digest digest_of(const float *w, const float *m1, const float *m2) {
  const float *const arrays[3] = {w, m1, m2};
  tt_digest digests[3 * sizeof list / sizeof *list];
  int sections = m1 ? 3 : 1;
  for (int k = 0; k < sections * model.count; k++) {
    const tt_parameter *p = &list[k % model.count];
    tt_element_digest d = {0};
    tt_element_digest_add(&d, arrays[k / model.count] + p->offset, p->count, 0);
    digests[k] = tt_element_digest_text(d);
  }
  tt_element_digest means = {0};
  tt_element_digest_add(&means, progress.means, TT_GAUSSIANS, 0);
  return tt_checkpoint_whole_digest(&model, sections, digests, tt_element_digest_text(means), &progress);
}

static bool same(const float *a, const float *b) {
  return memcmp(a, b, (size_t)model.total * sizeof *a) == 0;
}

static void assert_same_state(const tt_progress_state *a) {
  assert_int_equal(a->step, progress.step);
  assert_true(a->samples == progress.samples && a->atoms == progress.atoms && a->pairs == progress.pairs);
  assert_true(a->flops_executed == progress.flops_executed && a->flops_reference == progress.flops_reference);
  assert_string_equal(a->store_digest, progress.store_digest);
  assert_string_equal(a->config, progress.config);
  assert_int_equal(a->skipped.count, progress.skipped.count);
  for (size_t k = 0; k < progress.skipped.count; k++)
    assert_memory_equal(&a->skipped.cuts[k], &cuts[k], sizeof *cuts);
  assert_int_equal(a->skipped_batches.count, progress.skipped_batches.count);
  for (size_t k = 0; k < progress.skipped_batches.count; k++)
    assert_int_equal(a->skipped_batches.values[k], progress.skipped_batches.values[k]);
}

static void assert_message_has(const char *part) {
  if (!strstr(tt_error_message(), part)) print_message("message: %s\n", tt_error_message());
  assert_non_null(strstr(tt_error_message(), part));
}

static void round_trip(void **state) {
  (void)state;
  assert_int_equal(write_to(path), TT_OK);
  tt_progress_state s;
  assert_int_equal(read_from(path, read1, read2, read3, &s), TT_OK);
  assert_true(same(read1, weights) && same(read2, moment1) && same(read3, moment2));
  assert_same_state(&s);
  assert_memory_equal(s.means, progress.means, sizeof s.means);
  tt_progress_state_free(&s);
  memset(read1, 0, 4);
  assert_int_equal(read_from(path, read1, NULL, NULL, NULL), TT_OK);
  assert_true(same(read1, weights));
  assert_int_equal(write_to(path), TT_OK); // replaces
}

static int64_t schema_of(const char *file) {
  int64_t version = 0;
  hid_t f = H5Fopen(file, H5F_ACC_RDONLY, H5P_DEFAULT), a = H5Aopen(f, "schema_version", H5P_DEFAULT);
  assert_true(H5Aread(a, H5T_NATIVE_INT64, &version) >= 0);
  H5Aclose(a), H5Fclose(f);
  return version;
}

// Only a file with a list is of the version that has one, so that older programs refuse those and read the
// others.
static void the_version_tells_of_skipped_chunks(void **state) {
  (void)state;
  for (size_t count = 0; count < 4; count++) {
    progress.skipped.count = count;
    assert_int_equal(write_to(path), TT_OK);
    assert_int_equal(schema_of(path), count ? 3 : 2);
    tt_progress_state s;
    assert_int_equal(read_from(path, read1, read2, read3, &s), TT_OK);
    assert_true(same(read1, weights) && same(read2, moment1) && same(read3, moment2));
    assert_same_state(&s);
    tt_progress_state_free(&s);
    if (count == 0) continue;
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), set = H5Dopen2(file, "skipped", H5P_DEFAULT);
    uint64_t rows[3][2] = {{0}};
    assert_true(H5Dread(set, H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows) >= 0);
    H5Dclose(set), H5Fclose(file);
    for (size_t k = 0; k < count; k++)
      assert_true(rows[k][0] == cuts[k].position && rows[k][1] == cuts[k].kept);
  }
}

// Batches that were left out, with and without chunks. Of the whole digest are those before the last batch
// that was used; of step 17 that is batch 18 when 3 and 17 were left out, whatever is known of the batches
// after it.
static void skipped_batches_are_kept(void **state) {
  (void)state;
  int64_t lists[][4] = {{3, 17, 0, 0}, {3, 17, 20, 0}, {3, 17, 500, 70000000000}, {3, 16, 0, 0}};
  const size_t lengths[] = {2, 3, 4, 2};
  char digests[4][33];
  for (int k = 0; k < 4; k++) {
    for (size_t chunks = 0; chunks < 4; chunks += 3) {
      progress.skipped.count = chunks;
      progress.skipped_batches = (tt_number_set){lists[k], lengths[k], lengths[k]};
      assert_int_equal(tt_progress_batches_passed(&progress), 2);
      assert_int_equal(write_to(path), TT_OK);
      assert_int_equal(schema_of(path), 4);
      tt_progress_state s;
      assert_int_equal(read_from(path, read1, read2, read3, &s), TT_OK);
      assert_true(same(read1, weights) && same(read2, moment1) && same(read3, moment2));
      assert_same_state(&s);
      tt_progress_state_free(&s);
    }
    strcpy(digests[k], digest_of(weights, moment1, moment2).text);
  }
  assert_string_equal(digests[0], digests[1]);
  assert_string_equal(digests[0], digests[2]);
  assert_string_not_equal(digests[0], digests[3]);
  int64_t wrong[] = {17, 3};
  progress.skipped_batches = (tt_number_set){wrong, 2, 2};
  assert_int_equal(write_to(path), TT_OK);
  progress.skipped_batches = (tt_number_set){0};
  assert_int_equal(read_from(path, read1, NULL, NULL, NULL), TT_ERR_CORRUPT);
  assert_message_has("list of skipped batches is not what was written");
}

// A list that no program wrote under a digest that is right.
static void impossible_lists_are_found(void **state) {
  (void)state;
  static const tt_lane_cut wrong[][2] = {
      {{5, 0, 0}, {5, 1, 0}}, {{6, 0, 0}, {5, 0, 0}}, {{5, 0, 0}, {6, 256, 0}}, {{5, 0, 1}, {6, 0, 0}}};
  for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
    tt_lane_cut list_of_2[2] = {wrong[k][0], wrong[k][1]};
    progress.skipped = (tt_lane_cuts){list_of_2, 2, 2};
    assert_int_equal(write_to(path), TT_OK);
    progress.skipped = (tt_lane_cuts){cuts, 3, 3};
    assert_int_equal(read_from(path, read1, NULL, NULL, NULL), TT_ERR_CORRUPT);
    assert_message_has("list of skipped chunks is not what was written");
  }
}

static void bytes_depend_on_the_contents_only(void **state) {
  (void)state;
  char *a, *b;
  size_t na, nb;
  assert_int_equal(write_to(path), TT_OK);
  assert_int_equal(write_to(other), TT_OK);
  assert_int_equal(tt_file_read(path, &a, &na), TT_OK);
  assert_int_equal(tt_file_read(other, &b, &nb), TT_OK);
  assert_int_equal(na, nb);
  assert_memory_equal(a, b, na);
  free(a), free(b);
  // nothing carries a time, which the comparison could miss within one second
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
  const char *const objects[] = {"/", "/weights", "/moment2", "/weights/a.column"};
  for (int i = 0; i < 4; i++) {
    H5O_info_t info;
    assert_true(H5Oget_info_by_name(file, objects[i], &info, H5P_DEFAULT) >= 0);
    assert_true(info.mtime == 0 && info.ctime == 0 && info.btime == 0 && info.atime == 0);
  }
  H5Fclose(file);
}

static void digest_is_of_the_contents(void **state) {
  (void)state;
  tt_digest all = digest_of(weights, moment1, moment2), recomputed;
  tt_checkpoint_info info;
  assert_int_equal(write_to(path), TT_OK);
  assert_int_equal(tt_checkpoint_info_read(path, &info), TT_OK);
  assert_string_equal(info.digest.text, all.text);
  assert_true(info.has_moments);
  assert_int_equal(info.parameters.count, model.count);
  assert_int_equal(info.parameters.total, model.total);
  for (int i = 0; i < model.count; i++) { // in the model's order
    const tt_parameter *p = &info.parameters.list[i];
    assert_string_equal(p->name, list[i].name);
    assert_true(p->dims == list[i].dims && p->shape[0] == list[i].shape[0] &&
                p->shape[1] == list[i].shape[1]);
    assert_int_equal(p->offset, list[i].offset);
  }
  assert_same_state(&info.state);
  tt_checkpoint_info_free(&info);
  assert_int_equal(tt_checkpoint_verify(path, NULL, NULL, &recomputed), TT_OK);
  assert_string_equal(recomputed.text, all.text);

  // weights only: another digest, and no way to train on
  tt_digest bare = digest_of(weights, NULL, NULL);
  assert_string_not_equal(bare.text, all.text);
  assert_int_equal(write_state(other, weights, NULL, NULL), TT_OK);
  assert_int_equal(tt_checkpoint_verify(other, NULL, NULL, &recomputed), TT_OK);
  assert_string_equal(recomputed.text, bare.text);
  assert_int_equal(tt_checkpoint_write_weights(other, &model, weights, &progress), TT_OK); // without ranks
  assert_int_equal(tt_checkpoint_verify(other, NULL, NULL, &recomputed), TT_OK);
  assert_string_equal(recomputed.text, bare.text);
  assert_int_equal(read_from(other, read1, NULL, NULL, NULL), TT_OK);
  assert_int_equal(read_from(other, read1, read2, read3, NULL), TT_ERR_FORMAT);
  assert_message_has("weights only");

  // one bit, one counter
  uint32_t *bits = (uint32_t *)(void *)&moment2[model.total - 1];
  *bits ^= 1;
  assert_string_not_equal(digest_of(weights, moment1, moment2).text, all.text);
  *bits ^= 1;
  progress.samples++;
  assert_string_not_equal(digest_of(weights, moment1, moment2).text, all.text);
  progress.samples--, cuts[1].kept--;
  assert_string_not_equal(digest_of(weights, moment1, moment2).text, all.text);
  cuts[1].kept++, progress.flops_executed++; // how it was computed does not count
  assert_string_equal(digest_of(weights, moment1, moment2).text, all.text);
}

static void other_models_are_named(void **state) {
  (void)state;
  assert_int_equal(write_to(path), TT_OK);
  tt_parameter changed[sizeof list / sizeof *list];
  tt_parameters different = model;
  different.list = changed;

  memcpy(changed, list, sizeof list);
  changed[2].shape[0] = 20, changed[2].shape[1] = 40;
  assert_int_equal(read_as(&different, path, read1, NULL, NULL, NULL), TT_ERR_FORMAT);
  assert_message_has("encoder.layers.0.ffn.linear_1.weight is 40 x 20, not 20 x 40");

  memcpy(changed, list, sizeof list);
  strcpy(changed[3].name, "encoder.layers.1.x");
  assert_int_equal(read_as(&different, path, read1, NULL, NULL, NULL), TT_ERR_FORMAT);
  assert_message_has("no encoder.layers.1.x");

  memcpy(changed, list, sizeof list);
  different.count--;
  assert_int_equal(read_as(&different, path, read1, NULL, NULL, NULL), TT_ERR_FORMAT);
  assert_message_has("a.column");
  assert_message_has(path);

  memcpy(changed, list, sizeof list);
  different.count++, changed[4].dims = 1; // (3) is not (3, 1)
  assert_int_equal(read_as(&different, path, read1, NULL, NULL, NULL), TT_ERR_FORMAT);
}

static void other_files_are_refused(void **state) {
  (void)state;
  assert_int_equal(read_from(path, read1, NULL, NULL, NULL), TT_ERR_IO);
  assert_message_has(path);
  assert_int_equal(read_from(run, read1, NULL, NULL, NULL), TT_ERR_IO);
  // where a checkpoint should be, these are broken ones
  tt_file_replace(path, "nothing", 7);
  assert_int_equal(read_from(path, read1, NULL, NULL, NULL), TT_ERR_CORRUPT);
  assert_message_has("no HDF5 file");
  tt_file_replace(path, "", 0);
  assert_int_equal(read_from(path, read1, NULL, NULL, NULL), TT_ERR_CORRUPT);
  H5Fclose(H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT));
  assert_int_equal(read_from(path, read1, NULL, NULL, NULL), TT_ERR_CORRUPT);
  assert_message_has("format");
}

// One that another version of the program wrote is not broken: it must not be set aside.
static void other_versions_are_not_broken(void **state) {
  (void)state;
  hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), space = H5Screate(H5S_SCALAR);
  hid_t text = H5Tcopy(H5T_C_S1);
  const int64_t version = 1;
  H5Tset_size(text, sizeof TT_CHECKPOINT_FORMAT);
  hid_t format = H5Acreate2(file, "format", text, space, H5P_DEFAULT, H5P_DEFAULT);
  H5Awrite(format, text, TT_CHECKPOINT_FORMAT);
  hid_t schema = H5Acreate2(file, "schema_version", H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT);
  H5Awrite(schema, H5T_NATIVE_INT64, &version);
  H5Aclose(format), H5Aclose(schema), H5Tclose(text), H5Sclose(space), H5Fclose(file);
  assert_int_equal(read_from(path, read1, NULL, NULL, NULL), TT_ERR_UNSUPPORTED);
  assert_message_has("schema version 1");
}

// Reads a damaged file. True when an error that names the file came out; the values must else be the true
// ones.
static bool finds_damage(void) {
  tt_progress_state s = {0};
  tt_status status = read_from(other, read1, read2, read3, &s);
  if (status == TT_OK) {
    assert_true(same(read1, weights) && same(read2, moment1) && same(read3, moment2));
    assert_same_state(&s);
    tt_progress_state_free(&s);
    return false;
  }
  assert_true(status == TT_ERR_CORRUPT || status == TT_ERR_FORMAT);
  assert_message_has(other);
  return true;
}

static void count_report(void *user, const char *tensor) {
  (void)tensor;
  ++*(int *)user;
}

static void put_file(const char *bytes, size_t n) {
  FILE *f = fopen(other, "wb");
  assert_true(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
}

static void flipped_bytes_are_found(void **state) {
  (void)state;
  char *bytes;
  size_t n;
  int64_t batches[] = {3, 17, 500};
  progress.skipped_batches = (tt_number_set){batches, 3, 3};
  assert_int_equal(write_to(path), TT_OK);
  assert_int_equal(tt_file_read(path, &bytes, &n), TT_OK);
  const char *wanted = getenv("TT_TEST_MUTATIONS");
  int mutations = wanted ? atoi(wanted) : 300, found = 0;
  for (int i = 0; i < mutations; i++) {
    tt_philox4 draw = tt_philox(7, (uint32_t)i, 0, 0, 0);
    size_t at = ((size_t)i * n / (size_t)mutations + draw.v[0] % (n / (size_t)mutations + 1)) % n;
    char kept = bytes[at];
    bytes[at] = (char)(draw.v[2] % 2 ? kept ^ (1 << draw.v[1] % 8) : (char)draw.v[1]);
    put_file(bytes, n);
    found += finds_damage();
    int reports = 0;
    tt_status status = tt_checkpoint_verify(other, count_report, &reports, NULL);
    assert_true(status != TT_OK || reports == 0);
    bytes[at] = kept;
  }
  print_message("%d of %d mutations of %zu bytes found, the others harmless\n", found, mutations, n);
  assert_true(found > mutations / 2);
  put_file(bytes, n);
  assert_false(finds_damage());
  progress.skipped_batches = (tt_number_set){0};
  free(bytes);
}

static void damage_names_its_tensor(void **state) {
  (void)state;
  char *bytes;
  size_t n;
  tt_checkpoint_info info;
  assert_int_equal(write_to(path), TT_OK);
  assert_int_equal(tt_checkpoint_info_read(path, &info), TT_OK);
  assert_int_equal(tt_file_read(path, &bytes, &n), TT_OK);
  for (int k = 0; k < 3 * model.count; k++) {
    const tt_parameter *p = &list[k % model.count];
    char name[100];
    snprintf(name, sizeof name, "%s/%s", (const char *[]){"weights", "moment1", "moment2"}[k / model.count],
             p->name);
    size_t last = (size_t)(info.at[k] + 4 * p->count - 1);
    bytes[last] ^= 64;
    put_file(bytes, n);
    assert_true(finds_damage());
    assert_message_has(name);
    int reports = 0;
    assert_int_equal(tt_checkpoint_verify(other, count_report, &reports, NULL), TT_ERR_CORRUPT);
    assert_int_equal(reports, 1);
    bytes[last] ^= 64;
  }
  bytes[info.buffer_at] ^= 1;
  put_file(bytes, n);
  assert_true(finds_damage());
  assert_message_has("gaussian.mean");
  tt_checkpoint_info_free(&info);
  free(bytes);
}

static void truncated_files_are_found(void **state) {
  (void)state;
  char *bytes;
  size_t n;
  assert_int_equal(write_to(path), TT_OK);
  assert_int_equal(tt_file_read(path, &bytes, &n), TT_OK);
  for (int i = 0; i < 100; i++) {
    put_file(bytes, n * (size_t)i / 100);
    assert_true(finds_damage());
  }
  put_file(bytes, n - 1);
  assert_true(finds_damage());
  free(bytes);
}

static int files_in_folder(void) {
  char folder[100];
  snprintf(folder, sizeof folder, "%s/checkpoints", run);
  int n = 0;
  DIR *d = opendir(folder);
  for (const struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
  closedir(d);
  return n;
}

static void a_full_disk_leaves_nothing(void **state) {
  (void)state;
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit old;
  getrlimit(RLIMIT_FSIZE, &old);
  for (rlim_t most = 0; most < 12000; most += 1500) {
    struct rlimit small = {most, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    tt_status status = write_to(path);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(status, TT_ERR_IO);
    assert_message_has(path);
    assert_int_equal(files_in_folder(), 0);
  }
  assert_int_equal(write_to(path), TT_OK);
  // the checkpoint before stays what it was
  struct rlimit small = {4096, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  progress.step++;
  tt_status status = write_to(path);
  setrlimit(RLIMIT_FSIZE, &old);
  progress.step--;
  assert_int_equal(status, TT_ERR_IO);
  assert_int_equal(files_in_folder(), 1);
  assert_int_equal(read_from(path, read1, read2, read3, NULL), TT_OK);
  assert_int_equal(tt_checkpoint_write_weights("no/such/folder/x.h5", &model, weights, &progress), TT_ERR_IO);
}

static void newest_and_prune(void **state) {
  (void)state;
  char newest[200], name[200];
  int64_t step;
  assert_int_equal(tt_checkpoint_newest(run, INT64_MAX, &step, newest, sizeof newest), TT_OK);
  assert_string_equal(newest, "");
  assert_int_equal(step, -1);
  assert_int_equal(tt_checkpoint_newest("no/such/run", INT64_MAX, &step, newest, sizeof newest), TT_OK);
  assert_string_equal(newest, "");
  const int64_t steps[] = {0, 5, 999999999, 1000000000, 20};
  for (int i = 0; i < 5; i++) {
    tt_checkpoint_path(run, steps[i], name, sizeof name);
    tt_file_replace(name, "", 0);
  }
  const char *const strangers[] = {
      "step-000002000.h5.tmp.77", "step-x.h5", "step-9999999999.txt", "step-12.h5", "best.h5",
      "step-2000000000.h5.broken"};
  for (int i = 0; i < 6; i++) {
    snprintf(name, sizeof name, "%s/checkpoints/%s", run, strangers[i]);
    tt_file_replace(name, "", 0);
  }
  assert_int_equal(tt_checkpoint_newest(run, 20, &step, newest, sizeof newest), TT_OK);
  assert_string_equal(strrchr(newest, '/'), "/step-000000005.h5");
  assert_int_equal(step, 5);
  assert_int_equal(tt_checkpoint_newest(run, 0, &step, newest, sizeof newest), TT_OK);
  assert_string_equal(newest, "");
  assert_int_equal(tt_checkpoint_newest(run, INT64_MAX, &step, newest, sizeof newest), TT_OK);
  assert_string_equal(strrchr(newest, '/'), "/step-1000000000.h5");
  assert_int_equal(tt_checkpoint_newest(run, INT64_MAX, &step, name, 10), TT_ERR_IO);
  assert_int_equal(tt_checkpoint_prune(run, 0), TT_OK);
  assert_int_equal(files_in_folder(), 10); // all but the temporary one
  assert_int_equal(tt_checkpoint_prune(run, 2), TT_OK);
  assert_int_equal(files_in_folder(), 7);
  assert_true(tt_file_exists(newest));
  tt_checkpoint_path(run, 999999999, name, sizeof name);
  assert_true(tt_file_exists(name));
  // set aside, it is neither found nor counted
  assert_int_equal(tt_checkpoint_set_aside(newest), TT_OK);
  assert_false(tt_file_exists(newest));
  assert_int_equal(tt_checkpoint_set_aside(newest), TT_ERR_IO);
  assert_int_equal(tt_checkpoint_newest(run, INT64_MAX, &step, newest, sizeof newest), TT_OK);
  assert_string_equal(newest, name);
  assert_int_equal(tt_checkpoint_prune(run, 1), TT_OK);
  assert_true(tt_file_exists(newest));
  assert_int_equal(files_in_folder(), 7);
}

static void h5py_reads_it(void **state) {
  (void)state;
  const char *python = getenv("TT_TEST_PYTHON");
  if (!python || !*python) skip();
  for (int64_t i = 0; i < model.total; i++) weights[i] = (float)i;
  assert_int_equal(write_to(path), TT_OK);
  char script[1000];
  snprintf(script, sizeof script,
           "%s -c \"import h5py, numpy\n"
           "f = h5py.File('%s', 'r')\n"
           "assert list(f['weights'])[:2] == ['embed_tokens.weight', 'encoder.layer_norm.weight'], "
           "list(f['weights'])\n"
           "x = f['weights/encoder.layers.0.ffn.linear_1.weight'][:]\n"
           "assert x.shape == (40, 20) and x.dtype == numpy.float32 and x[1, 2] == 65 + 22, x\n"
           "assert f['moment1/a.column'].shape == (3, 1)\n"
           "assert f.attrs['step'] == 17 and f.attrs['pairs'] == 2**64 - 1\n"
           "assert f.attrs['config'].decode().startswith('train: {')\n"
           "m = f['weights/se3_invariant_kernel.gaussian.mean'][:]\n"
           "assert m.shape == (128,) and m[14] == 1 and m[-1] == numpy.float32(127 / 14)\"",
           python, path);
  assert_int_equal(system(script), 0);
  // the digests, computed as the documentation says
  snprintf(script, sizeof script, "%s %s/checkpoint_digests.py %s", python, getenv("TT_TEST_FOLDER"), path);
  assert_int_equal(system(script), 0);
  tt_checkpoint_info info;
  assert_int_equal(tt_checkpoint_info_read(path, &info), TT_OK);
  FILE *f = fopen(path, "r+b");
  assert_true(f && fseek(f, (long)info.at[7], SEEK_SET) == 0 && fputc('x', f) == 'x' && fclose(f) == 0);
  tt_checkpoint_info_free(&info);
  strcat(script, " > checkpoint_digests.log");
  assert_int_not_equal(system(script), 0);
  char *log;
  size_t bytes;
  assert_int_equal(tt_file_read("checkpoint_digests.log", &log, &bytes), TT_OK);
  assert_string_equal(log, "broken: moment1/encoder.layers.0.ffn.linear_1.weight\n");
  free(log), remove("checkpoint_digests.log");
}

// Runs the subcommand on the words; *out gets what it prints to stdout and, after it, to stderr.
static int command(char *out, size_t size, const char *words) {
  char copy[400], *argv[10] = {(char *)"checkpoint"};
  int argc = 1, kept[2] = {dup(STDOUT_FILENO), dup(STDERR_FILENO)};
  snprintf(copy, sizeof copy, "%s", words);
  for (char *w = strtok(copy, " "); w && argc < 9; w = strtok(NULL, " ")) argv[argc++] = w;
  fflush(stdout), fflush(stderr);
  FILE *file = tmpfile();
  dup2(fileno(file), STDOUT_FILENO), dup2(fileno(file), STDERR_FILENO);
  int code = tt_cli_checkpoint(argc, argv);
  fflush(stdout), fflush(stderr);
  for (int i = 0; i < 2; i++) dup2(kept[i], STDOUT_FILENO + i), close(kept[i]);
  rewind(file);
  out[fread(out, 1, size - 1, file)] = 0;
  fclose(file);
  return code;
}

static void the_command_tells(void **state) {
  (void)state;
  char out[20000], words[400], expected[300];
  assert_int_equal(write_to(path), TT_OK);
  tt_digest digest = digest_of(weights, moment1, moment2);

  snprintf(words, sizeof words, "digest %s", path);
  assert_int_equal(command(out, sizeof out, words), 0);
  snprintf(expected, sizeof expected, "%s\n", digest.text);
  assert_string_equal(out, expected);
  snprintf(words, sizeof words, "digest %s", run); // the newest of the run
  assert_int_equal(command(out, sizeof out, words), 0);
  assert_string_equal(out, expected);

  snprintf(words, sizeof words, "info --tensors %s", path);
  assert_int_equal(command(out, sizeof out, words), 0);
  assert_non_null(strstr(out, "step        17\n"));
  assert_non_null(strstr(out, "908 in 5 tensors, with optimizer moments"));
  assert_non_null(strstr(out, "40 x 20"));
  assert_non_null(strstr(out, digest.text));
  snprintf(words, sizeof words, "info %s --config", path);
  assert_int_equal(command(out, sizeof out, words), 0);
  assert_string_equal(out, progress.config);
  snprintf(words, sizeof words, "info %s --json --tensors", path);
  assert_int_equal(command(out, sizeof out, words), 0);
  json_t *info = json_loads(out, 0, NULL), *tensors = json_object_get(info, "tensor_list");
  assert_int_equal(json_integer_value(json_object_get(info, "step")), 17);
  assert_string_equal(json_string_value(json_object_get(info, "digest")), digest.text);
  assert_string_equal(json_string_value(json_object_get(info, "config")), progress.config);
  assert_int_equal(json_array_size(tensors), model.count);
  json_decref(info);

  // a broken tensor
  tt_checkpoint_info places;
  assert_int_equal(tt_checkpoint_info_read(path, &places), TT_OK);
  FILE *f = fopen(path, "r+b");
  assert_true(f && fseek(f, (long)places.at[model.count + 2], SEEK_SET) == 0 && fwrite("?!x", 1, 3, f) == 3);
  fclose(f);
  tt_checkpoint_info_free(&places);
  snprintf(words, sizeof words, "verify %s", path);
  assert_int_equal(command(out, sizeof out, words), 1);
  assert_non_null(strstr(out, "broken: moment1/encoder.layers.0.ffn.linear_1.weight\n"));
  assert_non_null(strstr(out, "1 of 16 tensors"));
  snprintf(words, sizeof words, "verify --json %s", path);
  assert_int_equal(command(out, sizeof out, words), 1);
  json_t *report = json_loads(out, 0, NULL);
  assert_true(json_is_false(json_object_get(report, "ok")));
  assert_int_equal(json_array_size(json_object_get(report, "broken")), 1);
  json_decref(report);
  snprintf(words, sizeof words, "digest %s", path);
  assert_int_equal(command(out, sizeof out, words), 1);
  assert_null(strstr(out, digest.text));

  assert_int_equal(write_to(path), TT_OK);
  snprintf(words, sizeof words, "verify %s", path);
  assert_int_equal(command(out, sizeof out, words), 0);
  assert_int_equal(command(out, sizeof out, "info no/such/file"), 1);
  assert_int_equal(command(out, sizeof out, "info --help"), 0);
  const char *const wrong[] = {"",
                               "info",
                               "inf x",
                               "info a b",
                               "info x --no",
                               "digest x --json",
                               "verify x --tensors",
                               "info x --config --json"};
  for (int i = 0; i < 8; i++) assert_int_equal(command(out, sizeof out, wrong[i]), 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, prepare, tidy)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(round_trip),
      TEST(the_version_tells_of_skipped_chunks),
      TEST(skipped_batches_are_kept),
      TEST(impossible_lists_are_found),
      TEST(bytes_depend_on_the_contents_only),
      TEST(digest_is_of_the_contents),
      TEST(other_models_are_named),
      TEST(other_files_are_refused),
      TEST(other_versions_are_not_broken),
      TEST(flipped_bytes_are_found),
      TEST(damage_names_its_tensor),
      TEST(truncated_files_are_found),
      TEST(a_full_disk_leaves_nothing),
      TEST(newest_and_prune),
      TEST(h5py_reads_it),
      TEST(the_command_tells),
  };
  if (tt_comm_start(&self) != TT_OK) return 1;
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  tt_comm_finish(&self);
  return failed;
}
