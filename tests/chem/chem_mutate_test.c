// Damaged SMILES files and SDF files go through the reader and the chem room without a crash: each record is
// used or refused with a reason, and what is used makes a record that the batch room accepts.
// TT_TEST_MUTATIONS: how many.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "batch/batch.h"
#include "chem/rdkit.h"
#include "core/philox.h"
#include "input/input.h"

static const char *const smiles[] = {
    "C[C@H](N)C(=O)O",
    "C/C=C/C(=O)Nc1ccc(Cl)cc1",
    "[Na+].[O-]C(=O)c1ccccc1",
    "CC(=O)Oc1ccccc1C(=O)O",
    "C1CC2CCC1C2",
    "[13CH3][N+](C)(C)CC%10CC%10",
    "F/C=C\\Br",
    "N#Cc1cc[nH]c1",
    "C[Si](C)(C)O[B-](F)(F)F",
    "c1ccc2c(c1)[nH]c1ccccc12",
    "O=S(=O)(N)c1ccc(cc1)[N+](=O)[O-]",
    "[Fe+2].c1cc[cH-]c1",
};

static const char block_v2000[] = "acid\n     test           3D\n\n"
                                  "  5  4  0  0  0  0  0  0  0  0999 V2000\n"
                                  "    0.0000    0.0000    0.1000 C   0  0  0  0  0  0  0  0  0  0  0  0\n"
                                  "    1.5000    0.0000    0.0000 C   0  0  0  0  0  0  0  0  0  0  0  0\n"
                                  "    2.1000    1.0000    0.0000 O   0  0  0  0  0  0  0  0  0  0  0  0\n"
                                  "    2.1000   -1.1000    0.0000 O   0  5  0  0  0  0  0  0  0  0  0  0\n"
                                  "   -0.5000    0.9000    0.0000 H   0  0  0  0  0  0  0  0  0  0  0  0\n"
                                  "  1  2  1  0\n  2  3  2  0\n  2  4  1  0\n  1  5  1  0\n"
                                  "M  CHG  1   4  -1\nM  END\n> <note>\n1\n\n$$$$\n";

static const char block_v3000[] =
    "alcohol\n     test           3D\n\n  0  0  0     0  0            999 V3000\n"
    "M  V30 BEGIN CTAB\nM  V30 COUNTS 3 2 0 0 0\nM  V30 BEGIN ATOM\n"
    "M  V30 1 C 0 0 0.5 0\nM  V30 2 C 1.5 0 0 0\nM  V30 3 O 2 1.3 0 0 CHG=0\nM  V30 END ATOM\n"
    "M  V30 BEGIN BOND\nM  V30 1 1 1 2\nM  V30 2 1 2 3\nM  V30 END BOND\nM  V30 END CTAB\nM  END\n$$$$\n";

static int mutations(void) {
  const char *text = getenv("TT_TEST_MUTATIONS");
  return text ? atoi(text) : 1000;
}

// One to four changes: a byte altered, copied from elsewhere, a piece cut out, repeated or swapped with
// another text's.
static size_t mutate(char *text, size_t length, size_t capacity, uint64_t seed, const char *other) {
  static const char alphabet[] = "CNOPSclnos[]()=#@+-.\\/%0123456789*HFBrM$ \n\t\001\177\377";
  int changes = 1 + (int)(tt_mix64(seed) % 4);
  for (int c = 0; c < changes && length > 1; c++) {
    tt_philox4 r = tt_philox(seed, (uint32_t)c, 0, 0, 0);
    size_t at = r.v[0] % length, from = r.v[1] % length, n = 1 + r.v[2] % 12;
    switch (r.v[3] % 5) {
    case 0:
      text[at] = alphabet[r.v[1] % (sizeof alphabet - 1)];
      break;
    case 1:
      text[at] = (char)(text[at] ^ (1 << r.v[1] % 8));
      break;
    case 2: // cut out
      if (n > length - at) n = length - at;
      memmove(text + at, text + at + n, length - at - n);
      length -= n;
      break;
    case 3: // repeat
      if (n > length - from) n = length - from;
      if (length + n > capacity) break;
      memmove(text + at + n, text + at, length - at);
      memmove(text + at, text + (from + n <= length ? from : 0), n);
      length += n;
      break;
    default:
      if (n > strlen(other)) n = strlen(other);
      if (n > length - at) n = length - at;
      memcpy(text + at, other, n);
    }
  }
  return length;
}

static void check_status(tt_status status) {
  if (status == TT_OK) return;
  if (status != TT_ERR_DATA) fail_msg("status %d: %s", status, tt_error_message());
  assert_true(strchr(tt_error_message(), ':') != NULL);
}

// From a canonical SMILES on; xyz may be NULL.
static int use(const char *canonical, const tt_chem_recipe *recipe, const float *xyz, uint32_t atoms,
               tt_sample *sample) {
  tt_chem_record record;
  tt_status status = xyz ? tt_chem_make_given(&record, canonical, recipe, xyz, 1, atoms)
                         : tt_chem_make(&record, canonical, recipe, 1);
  check_status(status);
  if (status != TT_OK) return 0;
  if (tt_sample_graph(sample, &record.molecule, recipe->max_atoms) != TT_OK)
    fail_msg("%s: %s", canonical, tt_error_message());
  tt_chem_record_free(&record);
  return 1;
}

// Everything in a file, as a build takes it. Returns how many records could be used.
static int read_all(const char *path, tt_input_kind kind, bool hydrogens) {
  tt_chem_recipe recipe = tt_chem_recipe_default();
  recipe.conformers = 0, recipe.max_atoms = 64, recipe.hydrogens = hydrogens;
  tt_sample sample = {0};
  tt_input *input;
  int used = 0;
  assert_int_equal(tt_input_open(&input, path, kind), TT_OK);
  for (;;) {
    tt_input_record record;
    bool end;
    assert_int_equal(tt_input_next(input, &record, &end), TT_OK);
    if (end) break;
    assert_true(record.number > 0 && record.name_length <= 200);
    char *canonical;
    float *xyz = NULL;
    uint32_t atoms = 0;
    tt_status status =
        kind == TT_INPUT_SDF
            ? tt_chem_canonical_sdf(record.text, record.length, &recipe, &canonical, &xyz, &atoms)
            : tt_chem_canonical(record.text, record.length, &recipe, &canonical);
    check_status(status);
    if (status == TT_OK) used += use(canonical, &recipe, xyz, atoms, &sample);
    free(canonical), free(xyz);
  }
  tt_input_close(input);
  tt_sample_free(&sample);
  return used;
}

static char path[] = "chem-mutate-XXXXXX";

static void write_file(tt_input_kind kind, int count) {
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  char text[4096];
  size_t n = sizeof smiles / sizeof *smiles;
  for (int k = 0; k < count; k++) {
    uint64_t seed = tt_stream(7, kind, (uint64_t)k);
    const char *from = kind == TT_INPUT_SMILES ? smiles[(size_t)k % n] : k % 2 ? block_v2000 : block_v3000;
    const char *other =
        kind == TT_INPUT_SMILES ? smiles[(size_t)(k / 3 + 1) % n] : block_v2000 + 64 + k % 300;
    size_t length = strlen(from);
    memcpy(text, from, length);
    length = k % 10 ? mutate(text, length, sizeof text, seed, other) : length; // some stay as they are
    fwrite(text, 1, length, f);
    if (kind == TT_INPUT_SMILES)
      fputs(k % 3 ? "\n" : " name\r\n", f);
    else if (k % 7)
      fputs("\n$$$$\n", f);
  }
  assert_int_equal(fclose(f), 0);
}

static void damaged_smiles(void **state) {
  (void)state;
  write_file(TT_INPUT_SMILES, mutations());
  int used = read_all(path, TT_INPUT_SMILES, false);
  assert_true(used >= mutations() / 10 && used < mutations());
  assert_true(read_all(path, TT_INPUT_SMILES, true) > 0);
}

static void damaged_sdf(void **state) {
  (void)state;
  write_file(TT_INPUT_SDF, mutations());
  int used = read_all(path, TT_INPUT_SDF, false);
  assert_true(used >= mutations() / 20 && used < mutations());
  assert_true(read_all(path, TT_INPUT_SDF, true) > 0);
}

// Neither kind of text is the other.
static void the_wrong_kind(void **state) {
  (void)state;
  write_file(TT_INPUT_SDF, mutations() / 10);
  read_all(path, TT_INPUT_SMILES, false);
  write_file(TT_INPUT_SMILES, mutations() / 10);
  assert_int_equal(read_all(path, TT_INPUT_SDF, false), 0);
}

int main(void) {
  if (!tt_chem_toolkit()) return 77; // a build without RDKit
  int file = mkstemp(path);
  if (file < 0) return 1;
  close(file);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(damaged_smiles),
      cmocka_unit_test(damaged_sdf),
      cmocka_unit_test(the_wrong_kind),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(path);
  return failed;
}
