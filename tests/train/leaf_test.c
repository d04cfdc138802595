// How the ranks of a tensor group share leaves: every molecule in one piece of one rank, pieces within
// bounds, the group's pieces made of the ranks' own.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

#include "../batch/random_molecule.h"
#include "train/leaf.h"

enum { MOST = 120, LEAVES = 8, MAX_PAIRS = 700, RANKS = 8 };

typedef struct {
  int32_t atoms[MOST], leaf[MOST];
  tt_global_batch batch;
} fixture;

static void make(fixture *f, random_source *r, int count) {
  int64_t cost[MOST];
  for (int k = 0; k < count; k++) {
    f->atoms[k] = 1 + (int32_t)random_below(r, 30);
    cost[k] = f->atoms[k];
  }
  assert_int_equal(tt_deal(cost, count, LEAVES, 1, f->leaf), TT_OK);
  f->batch = (tt_global_batch){.count = count, .leaves = LEAVES, .atoms = f->atoms, .leaf = f->leaf};
}

static int64_t pairs(const fixture *f, const int32_t *molecules, int count) {
  int64_t sum = 0;
  for (int k = 0; k < count; k++) sum += (int64_t)(f->atoms[molecules[k]] + 1) * (f->atoms[molecules[k]] + 1);
  return sum;
}

// Walks all pieces of a leaf as each rank would; counts what it sees.
static void walk(const fixture *f, tt_leaf *l, int which, int *seen, int64_t *load) {
  int32_t last[RANKS];
  for (int r = 0; r < l->ranks; r++) last[r] = -1, load[r] = 0;
  tt_leaf_take(l, &f->batch, which, MAX_PAIRS);
  for (int k = 0; k < l->pieces; k++) {
    int at = 0;
    for (int r = 0; r < l->ranks; r++) {
      assert_int_equal(tt_leaf_piece(l, k, r), at); // rank by rank
      int count = l->molecules[r];
      assert_true(count < 2 || pairs(f, l->together + at, count) <= MAX_PAIRS);
      load[r] += pairs(f, l->together + at, count);
      for (int end = at + count; at < end; at++) {
        int32_t molecule = l->together[at];
        assert_int_equal(f->leaf[molecule], which);
        assert_int_equal(l->place[molecule], r);
        assert_true(molecule > last[r]); // in batch order
        last[r] = molecule;
        seen[molecule]++;
      }
    }
    assert_int_equal(at, l->count);
    assert_true(l->count > 0);
  }
}

static void every_molecule_is_in_one_piece_of_one_rank(void **state) {
  (void)state;
  random_source r = {.key = 21};
  for (int round = 0; round < 200; round++) {
    fixture f;
    tt_leaf l;
    int ranks = 1 << random_below(&r, 4), seen[MOST] = {0}, idle = 0, short_leaves = 0;
    make(&f, &r, 1 + (int)random_below(&r, MOST));
    assert_int_equal(tt_leaf_init(&l, ranks, (size_t)f.batch.count), TT_OK);
    assert_int_equal(tt_leaf_deal(&l, &f.batch), TT_OK);
    for (int which = 0; which < LEAVES; which++) {
      int64_t load[RANKS], all = 0, most = 0;
      int members = 0;
      walk(&f, &l, which, seen, load);
      for (int k = 0; k < f.batch.count; k++) members += f.leaf[k] == which;
      for (int k = 0; k < ranks; k++)
        all += load[k], most = load[k] > most ? load[k] : most, idle += !load[k];
      short_leaves += members < ranks ? ranks - members : 0; // ranks that can have nothing
      if (members >= 2 * ranks) assert_true(most <= all / ranks + 31 * 31);
    }
    assert_int_equal(idle, short_leaves);
    for (int k = 0; k < f.batch.count; k++) assert_int_equal(seen[k], 1);
    tt_leaf_free(&l);
  }
}

// A rank alone has a leaf's molecules in batch order, cut as they come.
static void one_rank_has_all(void **state) {
  (void)state;
  random_source r = {.key = 22};
  fixture f;
  tt_leaf l;
  make(&f, &r, MOST);
  assert_int_equal(tt_leaf_init(&l, 1, MOST), TT_OK);
  assert_int_equal(tt_leaf_deal(&l, &f.batch), TT_OK);
  for (int which = 0; which < LEAVES; which++) {
    int32_t order[MOST], atoms[MOST], start[MOST + 1];
    int count = 0;
    for (int32_t k = 0; k < MOST; k++)
      if (f.leaf[k] == which) order[count] = k, atoms[count++] = f.atoms[k];
    tt_leaf_take(&l, &f.batch, which, MAX_PAIRS);
    assert_int_equal(l.pieces, tt_cut(atoms, count, MAX_PAIRS, start));
    for (int k = 0; k < l.pieces; k++) {
      assert_int_equal(tt_leaf_piece(&l, k, 0), 0);
      assert_int_equal(l.count, start[k + 1] - start[k]);
      assert_memory_equal(l.together, order + start[k], (size_t)l.count * sizeof *order);
    }
  }
  tt_leaf_free(&l);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_molecule_is_in_one_piece_of_one_rank),
                                     cmocka_unit_test(one_rank_has_all)};
  return cmocka_run_group_tests_name("leaves", tests, NULL, NULL);
}
