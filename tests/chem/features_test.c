// From SMILES to what the model is fed, for 768 molecules, against the upstream implementation: exactly
// equal.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch/batch.h"
#include "chem/rdkit.h"
#include "h5_read.h"

static hid_t file;
static h5_array atom_ptr, edge_ptr, pair_ptr, node_attr, edge_index, edge_attr;
static h5_array number, atom_feat, degree, edge_feat, shortest_path, pair_type, drawing;
static char **smiles;

static char **read_strings(const char *name, int64_t count) {
  char **text = calloc((size_t)count, sizeof *text);
  hid_t set = H5Dopen2(file, name, H5P_DEFAULT), type = H5Dget_type(set);
  assert_true(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) >= 0);
  H5Tclose(type), H5Dclose(set);
  return text;
}

static int set_up(void **state) {
  (void)state;
  const char *folder = getenv("TT_TEST_VECTORS");
  char path[4096];
  snprintf(path, sizeof path, "%s/features.h5", folder ? folder : "tests/vectors");
  file = h5_open(path);
  atom_ptr = h5_read_int64(file, "atom_ptr"), edge_ptr = h5_read_int64(file, "edge_ptr");
  pair_ptr = h5_read_int64(file, "pair_ptr"), node_attr = h5_read_uint8(file, "node_attr");
  edge_index = h5_read_int32(file, "edge_index"), edge_attr = h5_read_uint8(file, "edge_attr");
  number = h5_read_int32(file, "Z"), atom_feat = h5_read_int32(file, "atom_feat");
  degree = h5_read_int32(file, "degree"), edge_feat = h5_read_uint8(file, "edge_feat");
  shortest_path = h5_read_int32(file, "shortest_path"), pair_type = h5_read_int32(file, "pair_type");
  drawing = h5_read_float(file, "coords2d");
  smiles = read_strings("smiles", atom_ptr.count - 1);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  h5_array *all[] = {&atom_ptr,  &edge_ptr, &pair_ptr,  &node_attr,     &edge_index, &edge_attr, &number,
                     &atom_feat, &degree,   &edge_feat, &shortest_path, &pair_type,  &drawing};
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) free(all[k]->data);
  for (int64_t m = 0; m + 1 < atom_ptr.count; m++) H5free_memory(smiles[m]);
  free(smiles);
  H5Fclose(file);
  return 0;
}

// The file has each bond in both directions, one after the other, in the toolkit's order.
static void check_raw(const tt_molecule *m, int64_t index) {
  int64_t first = atom_ptr.i[index], edge = edge_ptr.i[index];
  assert_int_equal(m->atoms, atom_ptr.i[index + 1] - first);
  assert_int_equal(2 * m->bonds, edge_ptr.i[index + 1] - edge);
  assert_memory_equal(m->atom_features, node_attr.u8 + 9 * first, 9 * m->atoms);
  for (uint32_t b = 0; b < m->bonds; b++) {
    assert_int_equal(m->bond_atoms[2 * b], edge_index.i32[2 * (edge + 2 * b)]);
    assert_int_equal(m->bond_atoms[2 * b + 1], edge_index.i32[2 * (edge + 2 * b) + 1]);
    assert_memory_equal(m->bond_features + 3 * b, edge_attr.u8 + 3 * (edge + 2 * b), 3);
  }
  assert_int_equal(m->smiles_length, strlen(smiles[index]));
  assert_memory_equal(m->smiles, smiles[index], m->smiles_length);
}

static void check_inputs(const tt_sample *s, int64_t first, int64_t pair) {
  int64_t n = s->atoms;
  for (int64_t a = 0; a < n; a++) {
    assert_int_equal(s->token[a], number.i32[first + a]);
    assert_int_equal(s->degree[a], degree.i32[first + a]);
    for (int k = 0; k < TT_ATOM_INPUTS; k++)
      assert_int_equal(s->atom_input[8 * a + k], atom_feat.i32[8 * (first + a) + k]);
  }
  for (int64_t k = 0; k < n * n; k++) {
    assert_int_equal(s->path[k], shortest_path.i32[pair + k]);
    assert_int_equal(s->pair_class[k / n] + 1, pair_type.i32[2 * (pair + k)]);
    assert_int_equal(s->pair_class[k % n] + 129, pair_type.i32[2 * (pair + k) + 1]);
  }
  assert_memory_equal(s->edge, edge_feat.u8 + 3 * pair, (size_t)(3 * n * n));
}

static void features_are_upstreams(void **state) {
  (void)state;
  tt_chem_recipe recipe = tt_chem_recipe_default();
  recipe.conformers = 0;
  recipe.coordinates_2d = true;
  // drawings are a matter of taste, which changes from version to version
  bool same_toolkit = strcmp(tt_chem_toolkit(), "RDKit 2022.09.3") == 0;
  tt_sample sample = {0};
  int checked = 0;
  for (int64_t m = 0; m + 1 < atom_ptr.count; m++, checked++) {
    tt_chem_record record;
    if (tt_chem_make(&record, smiles[m], &recipe, 0) != TT_OK)
      fail_msg("%s: %s", smiles[m], tt_error_message());
    check_raw(&record.molecule, m);
    if (tt_sample_graph(&sample, &record.molecule, 256) != TT_OK)
      fail_msg("%s: %s", smiles[m], tt_error_message());
    check_inputs(&sample, atom_ptr.i[m], pair_ptr.i[m]);
    assert_non_null(record.molecule.coordinates_2d);
    for (uint32_t k = 0; same_toolkit && k < 3 * record.molecule.atoms; k++)
      if (fabsf(record.molecule.coordinates_2d[k] - drawing.f[3 * atom_ptr.i[m] + k]) > 1e-3f)
        fail_msg("%s: 2-D coordinate %u is %g, not %g", smiles[m], k,
                 (double)record.molecule.coordinates_2d[k], (double)drawing.f[3 * atom_ptr.i[m] + k]);
    tt_chem_record_free(&record);
  }
  assert_int_equal(checked, 768);
  tt_sample_free(&sample);
}

int main(void) {
  if (!tt_chem_toolkit()) return 77; // a build without RDKit
  const struct CMUnitTest tests[] = {cmocka_unit_test(features_are_upstreams)};
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
