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

static int64_t pairs_of(int32_t atoms) {
  return (int64_t)(atoms + 1) * (atoms + 1);
}

// About what a molecule costs the 84M model: so much a token, so much a pair.
static int64_t cost_of(int atoms) {
  return 11 * (atoms + 1) + 2 * pairs_of(atoms);
}

// A mix of small molecules and a few long ones.
static int some_atoms(random_source *r) {
  return 4 + (int)random_below(r, 12) + (int)random_below(r, 12) +
         (random_below(r, 10) ? 0 : (int)random_below(r, 60));
}

static int64_t heaviest_rank(const int64_t *cost, const int32_t *leaf, int count, int leaves, int ranks) {
  int64_t load[LEAVES] = {0}, heaviest = 0;
  for (int k = 0; k < count; k++) load[leaf[k] / (leaves / ranks)] += cost[k];
  for (int r = 0; r < ranks; r++)
    if (load[r] > heaviest) heaviest = load[r];
  return heaviest;
}

// Whatever the costs: every molecule in one of the leaves, no leaf empty unless molecules are short, and then
// none with two of them; half the leaves get half the work but for at most the largest molecule.
static void every_leaf_has_its_share(void **state) {
  (void)state;
  random_source r = {.key = 3};
  for (int round = 0; round < 300; round++) {
    int leaves = 1 << random_below(&r, 7);
    int count = (int)random_below(&r, round % 3 ? COUNT : 2 * LEAVES), held[LEAVES] = {0};
    int64_t cost[COUNT], largest = 0;
    int32_t leaf[COUNT], again[COUNT];
    for (int k = 0; k < count; k++) {
      cost[k] = round % 2 ? random_below(&r, 8) : cost_of(some_atoms(&r)); // many ties and zeros, or few
      if (cost[k] > largest) largest = cost[k];
      leaf[k] = again[k] = -1;
    }
    assert_int_equal(tt_deal(cost, count, leaves, 1, leaf), TT_OK);
    assert_int_equal(tt_deal(cost, count, leaves, 1, again), TT_OK);
    assert_memory_equal(leaf, again, sizeof *leaf * (size_t)count);
    for (int k = 0; k < count; k++) {
      assert_in_range(leaf[k], 0, leaves - 1);
      held[leaf[k]]++;
    }
    for (int l = 0; l < leaves; l++) assert_true(count < leaves ? held[l] <= 1 : held[l] >= 1);
    if (leaves == 1 || count < 2 * leaves) continue; // where the leaves need their molecules, work must yield
    int64_t half = heaviest_rank(cost, leaf, count, leaves, 2), total = 0;
    for (int k = 0; k < count; k++) total += cost[k];
    assert_true(2 * half - total <= largest);
  }
}

// The best that a cut in two with `least` molecules on each side can do, by trying all.
static int64_t best_half(const int64_t *cost, int count, int least) {
  int64_t total = 0, best = INT64_MAX;
  for (int k = 0; k < count; k++) total += cost[k];
  for (uint32_t set = 0; set < 1u << count; set++) {
    int64_t sum = 0;
    int members = __builtin_popcount(set);
    if (members < least || count - members < least) continue;
    for (int k = 0; k < count; k++) sum += set >> k & 1 ? cost[k] : 0;
    if (2 * sum >= total && sum < best) best = sum;
  }
  return best;
}

static void few_molecules_are_halved_almost_as_well_as_can_be(void **state) {
  (void)state;
  random_source r = {.key = 5};
  double excess = 0, worst = 0;
  enum { ROUNDS = 200, FEW = 14 };
  for (int round = 0; round < ROUNDS; round++) {
    int64_t cost[FEW];
    int32_t leaf[FEW];
    int leaves = 2 << round % 3;
    for (int k = 0; k < FEW; k++) cost[k] = cost_of(some_atoms(&r));
    assert_int_equal(tt_deal(cost, FEW, leaves, 1, leaf), TT_OK);
    double best = (double)best_half(cost, FEW, leaves / 2);
    double over = (double)heaviest_rank(cost, leaf, FEW, leaves, 2) / best - 1;
    excess += over / ROUNDS;
    if (over > worst) worst = over;
  }
  print_message("over the best: %g on average, at most %g\n", excess, worst);
  assert_true(excess < 0.002);
  assert_true(worst < 0.02);
}

// Batches like those of a run: no rank has much more than its share, or than the largest molecule.
static void ranks_have_equal_work(void **state) {
  (void)state;
  random_source r = {.key = 6};
  enum { ROUNDS = 200, BATCH = 32, PARTS = 8 };
  static const double mean_limit[] = {0.001, 0.01}, limit[] = {0.01, 0.05};
  double mean[2] = {0}, worst[2] = {0};
  for (int round = 0; round < ROUNDS; round++) {
    int64_t cost[BATCH], total = 0, largest = 0;
    int32_t leaf[BATCH];
    for (int k = 0; k < BATCH; k++) {
      cost[k] = cost_of(some_atoms(&r)), total += cost[k];
      if (cost[k] > largest) largest = cost[k];
    }
    assert_int_equal(tt_deal(cost, BATCH, PARTS, 1, leaf), TT_OK);
    for (int k = 0; k < 2; k++) {
      double share = (double)total / (2 << k), least = share > (double)largest ? share : (double)largest;
      double over = (double)heaviest_rank(cost, leaf, BATCH, PARTS, 2 << k) / least - 1;
      mean[k] += over / ROUNDS;
      if (over > worst[k]) worst[k] = over;
    }
  }
  for (int k = 0; k < 2; k++) {
    print_message("%d ranks: %g over an equal share on average, at most %g\n", 2 << k, mean[k], worst[k]);
    assert_true(mean[k] < mean_limit[k]);
    assert_true(worst[k] < limit[k]);
  }
}

// As many molecules a leaf as asked for where there are enough, even if most work is in a few of them; where
// there are not, as if one had been asked for.
static void leaves_have_at_least_what_is_asked_for(void **state) {
  (void)state;
  random_source r = {.key = 9};
  for (int round = 0; round < 200; round++) {
    int leaves = 1 << random_below(&r, 5), least = 1 << random_below(&r, 3);
    int count = leaves * least + (int)random_below(&r, 20), held[LEAVES] = {0};
    int64_t cost[COUNT];
    int32_t leaf[COUNT], one[COUNT];
    for (int k = 0; k < count; k++)
      cost[k] = k < leaves ? 1000 + random_below(&r, 1000) : random_below(&r, 50);
    assert_int_equal(tt_deal(cost, count, leaves, least, leaf), TT_OK);
    for (int k = 0; k < count; k++) held[leaf[k]]++;
    for (int l = 0; l < leaves; l++) assert_in_range(held[l], least, count);
    assert_int_equal(tt_deal(cost, leaves * least - 1, leaves, least, leaf), TT_OK);
    assert_int_equal(tt_deal(cost, leaves * least - 1, leaves, 1, one), TT_OK);
    assert_memory_equal(leaf, one, sizeof *leaf * (size_t)(leaves * least - 1));
  }
}

static void leaves_that_cannot_be_halved_are_an_error(void **state) {
  (void)state;
  int64_t cost[3] = {4, 5, 6};
  int32_t leaf[3];
  assert_int_equal(tt_deal(cost, 3, 3, 1, leaf), TT_ERR_ARGUMENT);
  assert_int_equal(tt_deal(cost, 3, 0, 1, leaf), TT_ERR_ARGUMENT);
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
      for (int k = start[p]; k < start[p + 1]; k++) pairs += pairs_of(atoms[k]);
      assert_true(pairs <= bound || start[p + 1] == start[p] + 1);
      if (p + 1 < pieces) assert_true(pairs + pairs_of(atoms[start[p + 1]]) > bound);
    }
    if (!count) assert_int_equal(pieces, 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_leaf_has_its_share),
      cmocka_unit_test(few_molecules_are_halved_almost_as_well_as_can_be),
      cmocka_unit_test(ranks_have_equal_work),
      cmocka_unit_test(leaves_have_at_least_what_is_asked_for),
      cmocka_unit_test(leaves_that_cannot_be_halved_are_an_error),
      cmocka_unit_test(pieces_respect_the_bound_and_are_as_few_as_can_be),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
