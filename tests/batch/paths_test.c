// Shortest paths against Floyd and Warshall's algorithm.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "batch/batch.h"
#include "random_molecule.h"

static void against_floyd_warshall(int atoms, int bonds, const uint16_t *bond_atoms) {
  size_t n = (size_t)atoms;
  int *hops = malloc(n * n * sizeof *hops);
  uint16_t *out = malloc(n * n * sizeof *out);
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < n; j++) hops[i * n + j] = i == j ? 0 : 1000000;
  for (int b = 0; b < bonds; b++) {
    size_t i = bond_atoms[2 * b], j = bond_atoms[2 * b + 1];
    if (i != j) hops[i * n + j] = hops[j * n + i] = 1;
  }
  for (size_t k = 0; k < n; k++)
    for (size_t i = 0; i < n; i++)
      for (size_t j = 0; j < n; j++)
        if (hops[i * n + k] + hops[k * n + j] < hops[i * n + j])
          hops[i * n + j] = hops[i * n + k] + hops[k * n + j];
  assert_int_equal(tt_shortest_paths(atoms, bonds, bond_atoms, out), TT_OK);
  for (size_t k = 0; k < n * n; k++) assert_int_equal(out[k], hops[k] >= 509 ? 510 : hops[k] + 1);
  free(hops);
  free(out);
}

static void random_graph(random_source *r, int atoms, int bonds) {
  uint16_t bond_atoms[2 * 400];
  for (int k = 0; k < 2 * bonds; k++) bond_atoms[k] = (uint16_t)random_below(r, (uint32_t)atoms);
  against_floyd_warshall(atoms, bonds, bond_atoms);
}

static void
random_graphs(void **state) { // with few bonds: most are not connected; double bonds and loops occur
  (void)state;
  random_source r = {.key = 11};
  for (int round = 0; round < 60; round++)
    random_graph(&r, 1 + (int)random_below(&r, 50), (int)random_below(&r, 80));
}

// Up to 128 atoms the table is grown, beyond that it is searched: both sides of the limit, and graphs of one
// row of the table less or more than a whole vector.
static void random_graphs_of_both_kinds(void **state) {
  (void)state;
  random_source r = {.key = 12};
  static const int atoms[] = {7, 8, 9, 15, 16, 17, 127, 128, 129, 300};
  for (size_t k = 0; k < sizeof atoms / sizeof *atoms; k++)
    for (int dense = 0; dense < 2; dense++) random_graph(&r, atoms[k], atoms[k] + (dense ? atoms[k] / 4 : 0));
}

static void long_chain_is_capped(void **state) {
  (void)state;
  enum { ATOMS = 600 };
  uint16_t bond_atoms[2 * (ATOMS - 1)];
  for (int b = 0; b < ATOMS - 1; b++)
    bond_atoms[2 * b] = (uint16_t)(b + 1), bond_atoms[2 * b + 1] = (uint16_t)b;
  against_floyd_warshall(ATOMS, ATOMS - 1, bond_atoms);
  uint16_t *out = malloc(sizeof *out * ATOMS * ATOMS);
  assert_int_equal(tt_shortest_paths(ATOMS, ATOMS - 1, bond_atoms, out), TT_OK);
  assert_int_equal(out[508], 509);
  assert_int_equal(out[509], TT_PATH_UNREACHABLE);
  free(out);
}

static void wrong_bonds_are_errors(void **state) {
  (void)state;
  uint16_t bond_atoms[] = {0, 2}, out[4];
  assert_int_equal(tt_shortest_paths(2, 1, bond_atoms, out), TT_ERR_DATA);
  assert_int_equal(tt_shortest_paths(0, 0, bond_atoms, out), TT_ERR_DATA);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_graphs),
      cmocka_unit_test(random_graphs_of_both_kinds),
      cmocka_unit_test(long_chain_is_capped),
      cmocka_unit_test(wrong_bonds_are_errors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
