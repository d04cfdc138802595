// The graph features of 768 molecules, from their raw graphs, against the upstream implementation: exactly
// equal.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "batch/batch.h"
#include "h5_read.h"

static h5_array atom_ptr, edge_ptr, pair_ptr, node_attr, edge_index, edge_attr; // raw graphs
static h5_array number, atom_feat, degree, edge_feat, shortest_path, pair_type,
    is_valid; // what upstream makes of them

static int set_up(void **state) {
  (void)state;
  const char *folder = getenv("TT_TEST_VECTORS");
  char path[4096];
  snprintf(path, sizeof path, "%s/features.h5", folder ? folder : "tests/vectors");
  hid_t file = h5_open(path);
  atom_ptr = h5_read_int64(file, "atom_ptr"), edge_ptr = h5_read_int64(file, "edge_ptr");
  pair_ptr = h5_read_int64(file, "pair_ptr"), node_attr = h5_read_uint8(file, "node_attr");
  edge_index = h5_read_int32(file, "edge_index"), edge_attr = h5_read_uint8(file, "edge_attr");
  number = h5_read_int32(file, "Z"), atom_feat = h5_read_int32(file, "atom_feat");
  degree = h5_read_int32(file, "degree"), edge_feat = h5_read_uint8(file, "edge_feat");
  shortest_path = h5_read_int32(file, "shortest_path"), pair_type = h5_read_int32(file, "pair_type");
  H5Fclose(file);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  h5_array *all[] = {&atom_ptr,  &edge_ptr, &pair_ptr,  &node_attr,     &edge_index, &edge_attr, &number,
                     &atom_feat, &degree,   &edge_feat, &shortest_path, &pair_type,  &is_valid};
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) free(all[k]->data);
  return 0;
}

// The file has each bond in both directions; a molecule has it once.
static uint32_t one_direction(int64_t molecule, uint16_t *atoms, uint8_t *features) {
  uint32_t bonds = 0;
  for (int64_t e = edge_ptr.i[molecule]; e < edge_ptr.i[molecule + 1]; e++) {
    if (edge_index.i32[2 * e] > edge_index.i32[2 * e + 1]) continue;
    for (int k = 0; k < 2; k++) atoms[2 * bonds + k] = (uint16_t)edge_index.i32[2 * e + k];
    for (int k = 0; k < 3; k++) features[3 * bonds + k] = edge_attr.u8[3 * e + k];
    bonds++;
  }
  return bonds;
}

static void check_molecule(const tt_sample *s, int64_t first, int64_t pair) {
  for (int64_t a = 0; a < s->atoms; a++) {
    assert_int_equal(s->token[a], number.i32[first + a]);
    assert_int_equal(s->degree[a], degree.i32[first + a]);
    for (int k = 0; k < TT_ATOM_INPUTS; k++)
      assert_int_equal(s->atom_input[8 * a + k], atom_feat.i32[8 * (first + a) + k]);
  }
  int64_t n = s->atoms;
  for (int64_t k = 0; k < n * n; k++) {
    assert_int_equal(s->path[k], shortest_path.i32[pair + k]);
    assert_int_equal(s->pair_class[k / n] + 1, pair_type.i32[2 * (pair + k)]);
    assert_int_equal(s->pair_class[k % n] + 129, pair_type.i32[2 * (pair + k) + 1]);
  }
  assert_memory_equal(s->edge, edge_feat.u8 + 3 * pair, (size_t)(3 * n * n));
}

static void features_are_upstreams(void **state) {
  (void)state;
  tt_sample sample = {0};
  int checked = 0;
  for (int64_t m = 0; m + 1 < atom_ptr.count; m++) {
    int64_t edges = edge_ptr.i[m + 1] - edge_ptr.i[m];
    uint16_t *bond_atoms = malloc((size_t)(2 * edges + 1) * sizeof *bond_atoms);
    uint8_t *bond_features = malloc((size_t)(3 * edges + 1));
    tt_molecule molecule = {.atoms = (uint32_t)(atom_ptr.i[m + 1] - atom_ptr.i[m]),
                            .atom_features = node_attr.u8 + 9 * atom_ptr.i[m],
                            .bond_atoms = bond_atoms,
                            .bond_features = bond_features};
    molecule.bonds = one_direction(m, bond_atoms, bond_features);
    assert_int_equal(2 * molecule.bonds, edges);
    if (tt_sample_graph(&sample, &molecule, 256) != TT_OK)
      fail_msg("molecule %ld: %s", (long)m, tt_error_message());
    check_molecule(&sample, atom_ptr.i[m], pair_ptr.i[m]);
    checked++;
    free(bond_atoms);
    free(bond_features);
  }
  assert_int_equal(checked, 768);
  tt_sample_free(&sample);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(features_are_upstreams)};
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
