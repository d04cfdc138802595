// What ranks get to do in a plan, on batches small enough to deal by hand.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "model/flops.h"
#include "plan/load.h"

static tt_config config_of(int batch, int64_t max_pairs) {
  tt_config c = {.train = {.batch_size = batch, .micro_batches = 2, .max_pairs = max_pairs},
                 .data = {.lanes = 4, .mask_probability = 0.15}};
  assert_int_equal(tt_model_preset(&c.model, "cpu-tiny"), TT_OK);
  return c;
}

// Two molecules of 9 atoms and two of 4: a leaf gets one of each, however they are ordered.
static void two_ranks(void **state) {
  (void)state;
  tt_config config = config_of(4, 1000);
  int32_t atoms[] = {9, 9, 4, 4};
  int64_t bytes[] = {100, 200, 300, 400};
  tt_molecules m = {.batches = 1, .size = 4, .first = 0, .atoms = atoms, .bytes = bytes, .longest = 9};
  tt_load load;
  assert_int_equal(tt_load_make(&load, &config, &(tt_layout){2, 1, 2}, &m), TT_OK);
  int64_t sent = 0;
  for (int r = 0; r < 2; r++) {
    assert_int_equal(load.rank[r].molecules, 2);
    assert_int_equal(load.rank[r].tokens, 10 + 5);
    assert_int_equal(load.rank[r].pairs, 100 + 25);
    assert_int_equal(load.rank[r].group_pairs, load.rank[r].pairs);
    assert_int_equal(load.rank[r].records_read, 2); // samples 0, 2 and 1, 3
    sent += load.rank[r].record_bytes;
  }
  // rank 0 reads one of 9 and one of 4 atoms, as rank 1 does; what is in the other's leaf goes there
  assert_true(sent == 0 || sent == 300 || sent == 700 || sent == 1000 || sent == 500);
  assert_int_equal(load.largest.pairs, 125);
  assert_int_equal(load.largest.max_length, 10);
  assert_int_equal(load.pieces, 1);
  assert_true(fabs(load.imbalance - 1) < 1e-12);
  double one =
      3 * (tt_flops_executed(&config.model, 9, 0.15 * 9) + tt_flops_executed(&config.model, 4, 0.15 * 4));
  assert_true(fabs(load.slowest / one - 1) < 1e-12);
  tt_load_free(&load);
}

// A group's ranks wait for each other piece by piece, and do the atom track of all together.
static void a_group(void **state) {
  (void)state;
  tt_config config = config_of(4, 120); // of 9 and 4 atoms: two pieces
  int32_t atoms[] = {9, 4, 4, 4};
  int64_t bytes[] = {8, 8, 8, 8};
  tt_molecules m = {.batches = 1, .size = 4, .first = 0, .atoms = atoms, .bytes = bytes, .longest = 9};
  tt_load load;
  assert_int_equal(tt_load_make(&load, &config, &(tt_layout){1, 2, 1}, &m), TT_OK);
  // by pair rows: 100 on one rank, 25 + 25 + 25 on the other
  int nine = load.rank[0].molecules == 1 ? 0 : 1;
  assert_int_equal(load.rank[nine].pairs, 100);
  assert_int_equal(load.rank[1 - nine].pairs, 75);
  for (int r = 0; r < 2; r++) assert_int_equal(load.rank[r].group_pairs, 175);
  assert_int_equal(load.largest.pairs_all, 175);
  assert_int_equal(load.largest.tokens_all, 10 + 15);
  assert_true(load.imbalance > 1.01);
  // every record goes to both, and one of them has read it
  assert_int_equal(load.rank[0].record_bytes + load.rank[1].record_bytes, 32);
  tt_load_free(&load);
}

static void pieces(void **state) {
  (void)state;
  tt_config config = config_of(4, 60);
  int32_t atoms[] = {4, 4, 4, 4};
  int64_t bytes[] = {8, 8, 8, 8};
  tt_molecules m = {.batches = 1, .size = 4, .first = 0, .atoms = atoms, .bytes = bytes, .longest = 4};
  tt_load load;
  assert_int_equal(tt_load_make(&load, &config, &(tt_layout){1, 1, 1}, &m), TT_OK);
  assert_int_equal(load.pieces, 2); // 25 + 25, 25 + 25
  assert_int_equal(load.largest.pairs, 50);
  assert_int_equal(load.rank[0].pairs, 100);
  assert_int_equal(load.rank[0].record_bytes, 0);
  double kept = load.slowest;
  tt_load_free(&load);
  config.train.recompute = TT_RECOMPUTE_PAIR;
  assert_int_equal(tt_load_make(&load, &config, &(tt_layout){1, 1, 1}, &m), TT_OK);
  assert_true(load.slowest > 1.1 * kept && load.slowest < 1.34 * kept);
  tt_load_free(&load);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(two_ranks), cmocka_unit_test(a_group),
                                     cmocka_unit_test(pieces)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
