// Dealing to leaves and cutting into pieces.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "batch/batch.h"
#include "random_molecule.h"

enum { COUNT = 512, LEAVES = 64 };

static int64_t cost(int32_t atoms) {
  return (int64_t)(atoms + 1) * (atoms + 1);
}

// The rule of the header, word for word and slowly.
static void deal_slowly(const int32_t *atoms, int count, int leaves, int32_t *leaf) {
  int64_t load[LEAVES] = {0};
  for (int k = 0; k < count; k++) leaf[k] = -1;
  for (int round = 0; round < count; round++) {
    int largest = -1, lightest = 0;
    for (int k = 0; k < count; k++)
      if (leaf[k] < 0 && (largest < 0 || atoms[k] > atoms[largest])) largest = k;
    for (int l = 1; l < leaves; l++)
      if (load[l] < load[lightest]) lightest = l;
    leaf[largest] = lightest;
    load[lightest] += cost(atoms[largest]);
  }
}

static void greedy_is_as_documented_and_even(void **state) {
  (void)state;
  random_source r = {.key = 3};
  for (int round = 0; round < 60; round++) {
    int leaves = 1 << random_below(&r, 7), count = leaves + (int)random_below(&r, COUNT - LEAVES);
    int32_t atoms[COUNT], leaf[COUNT], expected[COUNT];
    for (int k = 0; k < count; k++)
      atoms[k] = 1 + (int32_t)random_below(&r, round % 2 ? 8 : 60); // many ties or few
    assert_int_equal(tt_deal(atoms, count, leaves, leaf), TT_OK);
    deal_slowly(atoms, count, leaves, expected);
    assert_memory_equal(leaf, expected, sizeof *leaf * (size_t)count);
    int64_t load[LEAVES] = {0}, total = 0, largest = 0, heaviest = 0;
    for (int k = 0; k < count; k++) {
      load[leaf[k]] += cost(atoms[k]), total += cost(atoms[k]);
      if (cost(atoms[k]) > largest) largest = cost(atoms[k]);
    }
    for (int l = 0; l < leaves; l++) {
      assert_true(load[l] > 0);
      if (load[l] > heaviest) heaviest = load[l];
    }
    // Graham's bound with the last molecule of the heaviest leaf at most `largest`.
    assert_true((double)heaviest <= (double)total / leaves + (1 - 1.0 / leaves) * (double)largest);
  }
}

static void too_few_molecules_is_an_error(void **state) {
  (void)state;
  int32_t atoms[3] = {4, 5, 6}, leaf[3];
  assert_int_equal(tt_deal(atoms, 3, 4, leaf), TT_ERR_DATA);
  assert_int_equal(tt_deal(atoms, 3, 0, leaf), TT_ERR_DATA);
}

static void pieces_respect_the_bound_and_are_as_few_as_can_be(void **state) {
  (void)state;
  random_source r = {.key = 4};
  for (int round = 0; round < 100; round++) {
    int32_t atoms[COUNT], start[COUNT + 1];
    int count = (int)random_below(&r, 60);
    int64_t bound = 200 + random_below(&r, 3000);
    for (int k = 0; k < count; k++) atoms[k] = 1 + (int32_t)random_below(&r, 40); // 41^2 may exceed the bound
    int pieces = tt_cut(atoms, count, bound, start);
    assert_int_equal(start[pieces], count);
    if (count) assert_int_equal(start[0], 0);
    for (int p = 0; p < pieces; p++) {
      int64_t pairs = 0;
      assert_true(start[p + 1] > start[p]);
      for (int k = start[p]; k < start[p + 1]; k++) pairs += cost(atoms[k]);
      assert_true(pairs <= bound || start[p + 1] == start[p] + 1);
      if (p + 1 < pieces) assert_true(pairs + cost(atoms[start[p + 1]]) > bound);
    }
    if (!count) assert_int_equal(pieces, 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(greedy_is_as_documented_and_even),
      cmocka_unit_test(too_few_molecules_is_an_error),
      cmocka_unit_test(pieces_respect_the_bound_and_are_as_few_as_can_be),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
