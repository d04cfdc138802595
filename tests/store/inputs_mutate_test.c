// Damaged LMDB databases, pickles and XYZ files: what is read of them is used or refused with a reason, and
// nothing crashes. TT_TEST_MUTATIONS: how many of each.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "core/file.h"
#include "core/philox.h"
#include "input/canonical.h"
#include "input/unimol.h"
#include "input/xyz.h"

static char path[] = "inputs-mutate-XXXXXX";

static uint64_t mutations(void) {
  const char *text = getenv("TT_TEST_MUTATIONS");
  return text ? (uint64_t)atoll(text) : 500;
}

// Changes one to four bytes, or cuts the end off.
static size_t mutate(char *data, size_t bytes, uint64_t seed) {
  uint64_t changes = 1 + tt_mix64(seed) % 4;
  for (uint64_t c = 0; c < changes; c++) {
    tt_philox4 r = tt_philox(seed, (uint32_t)c, 0, 0, 0);
    size_t at = r.v[0] % bytes;
    if (r.v[1] % 3 == 0)
      data[at] = (char)(data[at] ^ 1 << r.v[2] % 8);
    else if (r.v[1] % 3 == 1)
      data[at] = (char)r.v[2];
    else
      data[at] = data[r.v[2] % bytes];
  }
  return tt_mix64(seed + 1) % 8 ? bytes : 1 + tt_mix64(seed + 2) % bytes;
}

static void check_reason(tt_status status) {
  if (status == TT_OK) return;
  if (status != TT_ERR_DATA) fail_msg("status %d: %s", status, tt_error_message());
  assert_true(strchr(tt_error_message(), ':') != NULL);
}

static bool of_a_damaged_file(tt_status status) {
  return status == TT_ERR_CORRUPT || status == TT_ERR_FORMAT || status == TT_ERR_IO;
}

typedef struct {
  uint64_t read, used, ended; // records; files that ended in an error
} tally;

// Everything in a file, as a build takes it.
static void read_all(tt_input_kind kind, tally *t) {
  tt_chem_recipe recipe = tt_chem_recipe_default();
  recipe.hydrogens = true;
  tt_input *input;
  tt_status status = tt_input_open(&input, path, kind);
  if (status != TT_OK) {
    assert_true(kind == TT_INPUT_LMDB && of_a_damaged_file(status));
    t->ended++;
    return;
  }
  for (bool end = false;;) {
    tt_input_record record;
    status = tt_input_next(input, &record, &end);
    if (status != TT_OK || end) break;
    assert_true(record.number > 0 && record.name_length <= 200);
    assert_true(tt_input_position(input) <= tt_input_size(input));
    t->read++;
    tt_canonical c;
    tt_status one = tt_canonical_read(&record, kind, &recipe, &c);
    if (tt_chem_toolkit()) check_reason(one);
    if (one == TT_OK) {
      assert_true(c.smiles && c.coordinates && c.atoms && c.conformers);
      t->used++;
    }
    tt_canonical_free(&c);
  }
  if (status != TT_OK) {
    assert_true(kind == TT_INPUT_LMDB && of_a_damaged_file(status));
    assert_non_null(strstr(tt_error_message(), path));
    t->ended++;
  }
  tt_input_close(input);
}

static char *vector(const char *name, size_t *bytes) {
  char full[512], *data;
  snprintf(full, sizeof full, "%s/%s", getenv("TT_TEST_VECTORS"), name);
  if (tt_file_read(full, &data, bytes) != TT_OK) fail_msg("%s", tt_error_message());
  return data;
}

static void write_file(const char *data, size_t bytes) {
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_true(fwrite(data, 1, bytes, f) == bytes);
  assert_int_equal(fclose(f), 0);
}

static void damaged_files(const char *name, tt_input_kind kind, tally *t) {
  size_t bytes;
  char *whole = vector(name, &bytes), *data = malloc(bytes);
  *t = (tally){0};
  for (uint64_t k = 0; k < mutations(); k++) {
    memcpy(data, whole, bytes);
    write_file(data, mutate(data, bytes, tt_stream(3, kind, k)));
    read_all(kind, t);
  }
  free(whole), free(data);
}

static void damaged_databases(void **state) {
  (void)state;
  tally t;
  damaged_files("unimol.lmdb", TT_INPUT_LMDB, &t);
  assert_true(t.ended > 0 && t.ended < mutations() && t.read > mutations());
  damaged_files("unimol2.lmdb", TT_INPUT_LMDB, &t);
  assert_true(t.ended > 0 && t.ended < mutations() && t.read > mutations());
}

// Every bit of the two pages that say what there is, and of the root.
static void every_bit_of_the_front(void **state) {
  (void)state;
  size_t bytes;
  char *data = vector("unimol2.lmdb", &bytes);
  tally t = {0};
  uint64_t step = mutations() >= 100000 ? 1 : 37;
  for (uint64_t bit = 0; bit < 3 * 4096 * 8; bit += step) {
    if (bit / 8 % 4096 > 200 && bit < 2 * 4096 * 8) continue; // unused
    data[bit / 8] = (char)(data[bit / 8] ^ 1 << bit % 8);
    write_file(data, bytes);
    read_all(TT_INPUT_LMDB, &t);
    data[bit / 8] = (char)(data[bit / 8] ^ 1 << bit % 8);
  }
  free(data);
  assert_true(t.ended > 0 && t.read > 0);
}

static void skipping_is_reading_on(void **state) {
  (void)state;
  const struct {
    const char *name;
    tt_input_kind kind;
    uint64_t records;
  } files[] = {{"unimol.lmdb", TT_INPUT_LMDB, 8}, {"unimol.xyz", TT_INPUT_XYZ, 24}};
  for (size_t f = 0; f < 2; f++) {
    size_t bytes;
    char *data = vector(files[f].name, &bytes);
    write_file(data, bytes);
    free(data);
    for (uint64_t skipped = 0; skipped <= files[f].records + 1; skipped++) {
      tt_input *input;
      tt_input_record record;
      bool end;
      assert_int_equal(tt_input_open(&input, path, files[f].kind), TT_OK);
      assert_int_equal(tt_input_skip(input, skipped), TT_OK);
      assert_int_equal(tt_input_next(input, &record, &end), TT_OK);
      assert_int_equal(end, skipped >= files[f].records);
      if (!end) assert_int_equal(record.number, skipped + 1);
      tt_input_close(input);
    }
  }
}

// Records far longer than what is kept of one: those after them are read all the same.
static void endless_records(void **state) {
  (void)state;
  static const char water[] = "3\nwater\nO 0 0 0\nH 0.96 0 0\nH -0.24 0.93 0\n";
  for (int sdf = 0; sdf < 2; sdf++)
    for (int line = 10; line <= 100000; line *= 10) {
      FILE *f = fopen(path, "wb");
      assert_non_null(f);
      if (!sdf) fputs(water, f);
      for (int k = 0; k < 3000000 / line; k++) fprintf(f, "%0*d x\n", line, 0);
      fputs(sdf ? "$$$$\nsecond\n$$$$\nthird\n$$$$\n" : water, f);
      if (!sdf) fputs(water, f);
      assert_int_equal(fclose(f), 0);
      tt_input *input;
      tt_input_record record;
      bool end;
      uint64_t records = 0;
      assert_int_equal(tt_input_open(&input, path, sdf ? TT_INPUT_SDF : TT_INPUT_XYZ), TT_OK);
      for (;; records++) {
        assert_int_equal(tt_input_next(input, &record, &end), TT_OK);
        if (end) break;
        bool good = sdf ? records > 0 : records != 1;
        if (good && !sdf) assert_memory_equal(record.text, water, sizeof water - 1);
        if (good && sdf) assert_memory_equal(record.text, records == 1 ? "second\n" : "third\n", 6);
        assert_true(record.length <= 2 << 20 && (!good || record.length < 100));
      }
      assert_int_equal(records, sdf ? 3 : 4);
      tt_input_close(input);
    }
}

// What a hostile record can say: sides of an array whose product has no room, calls of what is not numpy's,
// much out of little.
static void hostile_pickles(void **state) {
  (void)state;
  static const char head[] = "(S'smi'\nS'CCO'\nS'atoms'\n(lS'C'\naS'C'\naS'O'\naS'coordinates'\n",
                    array[] = "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
                              "(I1\n(%stcnumpy\ndtype\n(S'f4'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\n"
                              "S''\ntb";
  static const char *const sides[] = {
      "I0\nI2147483647\nI2147483647\nI2147483647\n", "I2147483647\nI2147483647\nI2147483647\nI0\n",
      "I2147483647\nI0\nI2147483647\nI3\n", "I2147483647\nI2147483647\nI3\n", "I-1\nI3\n"};
  char text[1000];
  tt_unimol u;
  for (size_t k = 0; k < sizeof sides / sizeof *sides; k++) {
    size_t length = (size_t)snprintf(text, sizeof text, "%s", head);
    length += (size_t)snprintf(text + length, sizeof text - length, array, sides[k]);
    length += (size_t)snprintf(text + length, sizeof text - length, "sd.");
    assert_int_equal(tt_unimol_read(text, length, &u), TT_ERR_DATA);
    tt_unimol_free(&u);
  }
  static const char *const calls[] = {"cposix\nsystem\n(S'exit'\ntR", "cbuiltins\neval\n(S'1'\ntR",
                                      "\x8c\x02os\x8c\x06system\x93"};
  for (size_t k = 0; k < sizeof calls / sizeof *calls; k++) {
    int length = snprintf(text, sizeof text, "%s%ssd.", head, calls[k]);
    assert_int_equal(tt_unimol_read(text, (size_t)length, &u), TT_ERR_DATA);
    assert_non_null(strstr(tt_error_message(), "nothing of it was run"));
    tt_unimol_free(&u);
  }
  // 3 KiB that become 3 MiB, of which each byte would be a value
  uLongf bytes = 1 << 16;
  unsigned char *packed = malloc(bytes), *values = malloc(3 << 20);
  memset(values, 'N', 3 << 20);
  assert_int_equal(compress(packed, &bytes, values, 3 << 20), Z_OK);
  assert_int_equal(tt_unimol_read(packed, bytes, &u), TT_ERR_DATA);
  assert_non_null(strstr(tt_error_message(), "too large"));
  tt_unimol_free(&u);
  free(packed), free(values);
}

// The values of a database, damaged each for itself: more reach the pickles' reader than through a file.
static void damaged_pickles(void **state) {
  (void)state;
  const char *const names[] = {"unimol.lmdb", "unimol2.lmdb"};
  uint64_t used = 0, all = 0;
  for (int f = 0; f < 2; f++) {
    size_t bytes;
    char *data = vector(names[f], &bytes);
    write_file(data, bytes);
    free(data);
    tt_input *input;
    assert_int_equal(tt_input_open(&input, path, TT_INPUT_LMDB), TT_OK);
    for (;;) {
      tt_input_record record;
      bool end;
      assert_int_equal(tt_input_next(input, &record, &end), TT_OK);
      if (end) break;
      for (uint64_t k = 0; k < mutations(); k++, all++) {
        char *value = malloc(record.length); // of its own size, so that reading on is found out
        memcpy(value, record.text, record.length);
        tt_unimol u;
        tt_status status =
            tt_unimol_read(value, mutate(value, record.length, tt_stream(5, record.number, k)), &u);
        check_reason(status);
        used += status == TT_OK;
        tt_unimol_free(&u);
        free(value);
      }
    }
    tt_input_close(input);
  }
  assert_true(used > all / 100 && used < all);
}

static void damaged_xyz(void **state) {
  (void)state;
  tally t;
  damaged_files("unimol.xyz", TT_INPUT_XYZ, &t);
  assert_true(t.read > 10 * mutations());
  if (tt_chem_toolkit()) assert_true(t.used > t.read / 2 && t.used < t.read);
  // a record that ends in the number of an element, and not in a 0
  static const char frame[] = {'1', '\n', '\n', '1'};
  char *text = malloc(sizeof frame);
  memcpy(text, frame, sizeof frame);
  tt_xyz xyz;
  assert_int_equal(tt_xyz_read(text, sizeof frame, &xyz), TT_ERR_DATA);
  assert_non_null(strstr(tt_error_message(), "atom 1 has no x, y, z"));
  tt_xyz_free(&xyz);
  free(text);
}

int main(void) {
  int file = mkstemp(path);
  if (file < 0) return 1;
  close(file);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(skipping_is_reading_on),
      cmocka_unit_test(endless_records),
      cmocka_unit_test(hostile_pickles),
      cmocka_unit_test(damaged_databases),
      cmocka_unit_test(every_bit_of_the_front),
      cmocka_unit_test(damaged_pickles),
      cmocka_unit_test(damaged_xyz),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(path);
  return failed;
}
