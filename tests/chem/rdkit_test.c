// What the chem room refuses and why, SDF records in any atom order, and conformers that depend on nothing
// but their seed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chem/rdkit.h"
#include "core/philox.h"

static tt_status canonical(const char *smiles, const tt_chem_recipe *recipe, char **out) {
  return tt_chem_canonical(smiles, strlen(smiles), recipe, out);
}

static void check_refused(const char *smiles, const tt_chem_recipe *recipe, const char *kind) {
  char *out;
  assert_int_equal(canonical(smiles, recipe, &out), TT_ERR_DATA);
  assert_null(out);
  if (strncmp(tt_error_message(), kind, strlen(kind)) != 0)
    fail_msg("'%s' was refused with '%s', not '%s'", smiles, tt_error_message(), kind);
}

static void bad_smiles_are_refused_with_the_reason(void **state) {
  (void)state;
  tt_chem_recipe recipe = tt_chem_recipe_default();
  recipe.max_atoms = 5;
  check_refused("", &recipe, "parse:");
  check_refused("C1CC", &recipe, "parse:");
  check_refused("hello", &recipe, "parse:");
  check_refused("C\001C", &recipe, "parse:");
  check_refused("CO(C)C", &recipe, "chemistry:");
  check_refused("c1cccc1", &recipe, "chemistry:");
  check_refused("[H][H]", &recipe, "no heavy atoms:");
  check_refused("[H+]", &recipe, "no heavy atoms:");
  check_refused("C*", &recipe, "element:");
  check_refused("CCCCCC", &recipe, "too many atoms: 6");
  char *out;
  assert_int_equal(canonical("CCCCC", &recipe, &out), TT_OK);
  free(out);
  recipe.hydrogens = true;
  check_refused("CCCCC", &recipe, "too many atoms: 17");
}

static void long_chains_do_not_end_the_program(void **state) {
  (void)state;
  tt_chem_recipe recipe = tt_chem_recipe_default();
  recipe.max_atoms = TT_CHEM_MAX_ATOMS;
  char *chain = malloc(40001);
  for (size_t length = 1025; length <= 40000; length = length == 1025 ? 33000 : length + 3500) {
    memset(chain, 'C', length);
    chain[length] = 0;
    check_refused(chain, &recipe, "too many atoms:");
  }
  free(chain);
}

static void one_molecule_has_one_name(void **state) {
  (void)state;
  tt_chem_recipe recipe = tt_chem_recipe_default();
  const char *same[] = {"OCC", "C(O)C", "[CH3][CH2]O", "[H]OCC"};
  for (size_t k = 0; k < sizeof same / sizeof *same; k++) {
    char *out;
    assert_int_equal(canonical(same[k], &recipe, &out), TT_OK);
    assert_string_equal(out, "CCO");
    free(out);
  }
}

static float distance(const float *a, const float *b) {
  return sqrtf((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) + (a[2] - b[2]) * (a[2] - b[2]));
}

static void conformers_depend_on_their_seed_alone(void **state) {
  (void)state;
  const char *smiles = "CC(=O)Nc1ccc(O)cc1";
  tt_chem_recipe recipe = tt_chem_recipe_default();
  tt_chem_record one, three, other;
  assert_int_equal(tt_chem_make(&one, smiles, &recipe, 7), TT_OK);
  assert_int_equal(tt_chem_make(&other, smiles, &recipe, 8), TT_OK);
  recipe.conformers = 3;
  assert_int_equal(tt_chem_make(&three, smiles, &recipe, 7), TT_OK);
  assert_int_equal(one.geometry, TT_GEOMETRY_MMFF);
  assert_int_equal(one.molecule.conformers, 1);
  assert_int_equal(three.molecule.conformers, 3);
  size_t conformer = 3 * one.molecule.atoms;
  assert_memory_equal(one.molecule.coordinates, three.molecule.coordinates, conformer * sizeof(float));
  assert_memory_not_equal(one.molecule.coordinates, three.molecule.coordinates + conformer,
                          conformer * sizeof(float));
  assert_memory_not_equal(one.molecule.coordinates, other.molecule.coordinates, conformer * sizeof(float));
  for (uint32_t b = 0; b < one.molecule.bonds; b++) { // real bonds, in the right atom order
    const uint16_t *ends = one.molecule.bond_atoms + 2 * b;
    float d = distance(one.molecule.coordinates + 3 * ends[0], one.molecule.coordinates + 3 * ends[1]);
    assert_true(d > 1.15f && d < 1.60f);
  }
  assert_true(one.molecule.scaffold != 0);
  tt_chem_record_free(&one), tt_chem_record_free(&three), tt_chem_record_free(&other);
}

static void fields_without_parameters_are_replaced(void **state) {
  (void)state;
  tt_chem_recipe recipe = tt_chem_recipe_default();
  tt_chem_record record;
  assert_int_equal(tt_chem_make(&record, "C[Se]C", &recipe, 1), TT_OK); // MMFF94 has no selenium
  assert_int_equal(record.geometry, TT_GEOMETRY_UFF);
  assert_int_equal(record.molecule.scaffold, 0);
  tt_chem_record_free(&record);
}

static void scaffolds_are_shared(void **state) {
  (void)state;
  tt_chem_recipe recipe = tt_chem_recipe_default();
  recipe.conformers = 0;
  tt_chem_record a, b, c;
  assert_int_equal(tt_chem_make(&a, "Cc1ccc(O)cc1", &recipe, 0), TT_OK);
  assert_int_equal(tt_chem_make(&b, "NCCc1ccccc1", &recipe, 0), TT_OK);
  assert_int_equal(tt_chem_make(&c, "Cc1ccncc1", &recipe, 0), TT_OK);
  assert_true(a.molecule.scaffold == b.molecule.scaffold && a.molecule.scaffold != c.molecule.scaffold);
  tt_chem_record_free(&a), tt_chem_record_free(&b), tt_chem_record_free(&c);
}

// ---- SDF
// ----------------------------------------------------------------------------------------------------

static const char *symbol(int number) {
  switch (number) {
  case 1:
    return "H";
  case 6:
    return "C";
  case 7:
    return "N";
  case 8:
    return "O";
  case 17:
    return "Cl";
  default:
    fail_msg("no symbol for element %d", number);
  }
  return NULL;
}

// The record as a mol block whose atom k is the record's atom order[k]; V3000 or V2000. No charges in these.
static void write_block(char *out, size_t size, const tt_molecule *m, const uint32_t *order, bool v3000) {
  static const int type[] = {1, 2, 3, 4, 1};
  uint32_t place[256];
  for (uint32_t k = 0; k < m->atoms; k++) place[order[k]] = k + 1;
  FILE *f = fmemopen(out, size, "w");
  fprintf(f, "name\n     test           3D\n\n");
  if (v3000)
    fprintf(f,
            "  0  0  0     0  0            999 V3000\nM  V30 BEGIN CTAB\nM  V30 COUNTS %u %u 0 0 0\nM  V30 "
            "BEGIN ATOM\n",
            m->atoms, m->bonds);
  else
    fprintf(f, "%3u%3u  0  0  0  0  0  0  0  0999 V2000\n", m->atoms, m->bonds);
  for (uint32_t k = 0; k < m->atoms; k++) {
    const float *p = m->coordinates + 3 * order[k];
    const char *element = symbol(tt_atomic_number(m, order[k]));
    if (v3000)
      fprintf(f, "M  V30 %u %s %.4f %.4f %.4f 0\n", k + 1, element, (double)p[0], (double)p[1], (double)p[2]);
    else
      fprintf(f, "%10.4f%10.4f%10.4f %-3s 0  0  0  0  0  0  0  0  0  0  0  0\n", (double)p[0], (double)p[1],
              (double)p[2], element);
  }
  if (v3000) fprintf(f, "M  V30 END ATOM\nM  V30 BEGIN BOND\n");
  for (uint32_t b = 0; b < m->bonds; b++) {
    unsigned i = place[m->bond_atoms[2 * b]], j = place[m->bond_atoms[2 * b + 1]];
    if (v3000)
      fprintf(f, "M  V30 %u %d %u %u\n", b + 1, type[m->bond_features[3 * b]], i, j);
    else
      fprintf(f, "%3u%3u%3d  0\n", i, j, type[m->bond_features[3 * b]]);
  }
  if (v3000) fprintf(f, "M  V30 END BOND\nM  V30 END CTAB\n");
  fprintf(f, "M  END\n> <activity>\n1.5\n\n");
  fclose(f);
}

static int nearest(const tt_molecule *m, const float *p) {
  for (uint32_t a = 0; a < m->atoms; a++)
    if (distance(m->coordinates + 3 * a, p) < 2e-3f) return (int)a;
  return -1;
}

static bool bonded(const tt_molecule *m, int i, int j) {
  for (uint32_t b = 0; b < m->bonds; b++)
    if ((m->bond_atoms[2 * b] == i && m->bond_atoms[2 * b + 1] == j) ||
        (m->bond_atoms[2 * b] == j && m->bond_atoms[2 * b + 1] == i))
      return true;
  return false;
}

// Each atom of `m` must lie on an atom of the original of the same element, and bonds on bonds.
static void check_same_geometry(const tt_molecule *m, const tt_molecule *original) {
  int on[256];
  for (uint32_t a = 0; a < m->atoms; a++) {
    on[a] = nearest(original, m->coordinates + 3 * a);
    assert_true(on[a] >= 0);
    assert_int_equal(tt_atomic_number(m, a), tt_atomic_number(original, (uint32_t)on[a]));
    for (uint32_t b = 0; b < a; b++) assert_true(on[b] != on[a]);
  }
  for (uint32_t b = 0; b < m->bonds; b++)
    assert_true(bonded(original, on[m->bond_atoms[2 * b]], on[m->bond_atoms[2 * b + 1]]));
}

static void check_sdf_round_trip(const char *smiles, bool v3000, bool hydrogens, uint64_t seed) {
  tt_chem_recipe all = tt_chem_recipe_default(), recipe = all;
  all.hydrogens = true;
  recipe.hydrogens = hydrogens;
  tt_chem_record original, back;
  assert_int_equal(tt_chem_make(&original, smiles, &all, 3), TT_OK);
  uint32_t order[256], atoms;
  for (uint32_t k = 0; k < original.molecule.atoms; k++) order[k] = k;
  for (uint32_t k = original.molecule.atoms - 1; k > 0; k--) {
    uint32_t other = (uint32_t)(tt_mix64(seed + k) % (k + 1)), kept = order[k];
    order[k] = order[other], order[other] = kept;
  }
  static char block[65536];
  write_block(block, sizeof block, &original.molecule, order, v3000);
  char *from_sdf, *from_smiles;
  float *xyz;
  if (tt_chem_canonical_sdf(block, strlen(block), &recipe, &from_sdf, &xyz, &atoms) != TT_OK)
    fail_msg("%s: %s", smiles, tt_error_message());
  assert_int_equal(canonical(smiles, &recipe, &from_smiles), TT_OK);
  assert_string_equal(from_sdf, from_smiles); // chirality and double bonds are read off the coordinates
  assert_int_equal(tt_chem_make_given(&back, from_sdf, &recipe, xyz, 1, atoms), TT_OK);
  assert_int_equal(back.geometry, TT_GEOMETRY_GIVEN);
  assert_int_equal(hydrogens, back.molecule.atoms == original.molecule.atoms);
  check_same_geometry(&back.molecule, &original.molecule);
  tt_chem_record_free(&back);
  assert_int_equal(tt_chem_make_given(&back, from_sdf, &recipe, xyz, 1, atoms - 1), TT_ERR_DATA);
  free(from_sdf), free(from_smiles), free(xyz);
  tt_chem_record_free(&original);
}

static void sdf_records_keep_their_coordinates(void **state) {
  (void)state;
  const char *smiles[] = {"C[C@H](N)C(=O)O", "C/C=C/C(=O)Nc1ccc(Cl)cc1", "OC[C@@H](O)[C@H](O)CN1CCOCC1",
                          "C#CC"};
  for (size_t k = 0; k < sizeof smiles / sizeof *smiles; k++)
    for (int variant = 0; variant < 8; variant++)
      check_sdf_round_trip(smiles[k], variant & 1, variant & 2, (uint64_t)variant);
}

static void check_block_refused(const char *block, const char *kind) {
  tt_chem_recipe recipe = tt_chem_recipe_default();
  char *out;
  float *xyz;
  uint32_t atoms;
  assert_int_equal(tt_chem_canonical_sdf(block, strlen(block), &recipe, &out, &xyz, &atoms), TT_ERR_DATA);
  assert_true(!out && !xyz);
  if (strncmp(tt_error_message(), kind, strlen(kind)) != 0)
    fail_msg("refused with '%s', not '%s'", tt_error_message(), kind);
}

#define HEAD(dimension) "name\n     test           " dimension "\n\n  2  1  0  0  0  0  0  0  0  0999 V2000\n"
#define ATOM(x, element) x "    0.0000    0.0000 " element "   0  0  0  0  0  0  0  0  0  0  0  0\n"

static void bad_sdf_records_are_refused_with_the_reason(void **state) {
  (void)state;
  check_block_refused("", "parse:");
  check_block_refused("nonsense\nM  END\n", "RDKit:");
  check_block_refused(HEAD("2D") ATOM("    0.0000", "C") ATOM("    1.5000", "O") "  1  2  1  0\nM  END\n",
                      "coordinates: the record has none");
  check_block_refused(HEAD("3D") ATOM("    0.0000", "C") ATOM("    0.0000", "O") "  1  2  1  0\nM  END\n",
                      "coordinates: all atoms");
  check_block_refused(HEAD("3D") ATOM("    0.0000", "C") ATOM("  99999999", "O") "  1  2  1  0\nM  END\n",
                      "coordinates: atoms are more than 2000 Angstrom");
  check_block_refused(HEAD("3D") ATOM("    0.0000", "H") ATOM("    0.7000", "H") "  1  2  1  0\nM  END\n",
                      "no heavy atoms:");
  check_block_refused(HEAD("3D") ATOM("    0.0000", "C") ATOM("    0.7000", "*") "  1  2  1  0\nM  END\n",
                      "element:");
  check_block_refused(HEAD("3D") ATOM("    0.0000", "C") ATOM("       nan", "O") "  1  2  1  0\nM  END\n",
                      "");
  check_block_refused(HEAD("3D") ATOM("    0.0000", "C") ATOM("    1.5000", "O") "  1  9  1  0\nM  END\n",
                      "");
}

int main(void) {
  if (!tt_chem_toolkit()) return 77; // a build without RDKit
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bad_smiles_are_refused_with_the_reason),
      cmocka_unit_test(long_chains_do_not_end_the_program),
      cmocka_unit_test(one_molecule_has_one_name),
      cmocka_unit_test(conformers_depend_on_their_seed_alone),
      cmocka_unit_test(fields_without_parameters_are_replaced),
      cmocka_unit_test(scaffolds_are_shared),
      cmocka_unit_test(sdf_records_keep_their_coordinates),
      cmocka_unit_test(bad_sdf_records_are_refused_with_the_reason),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
