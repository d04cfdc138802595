// The cut of a store into shards: how many, and that every key has exactly one.
// cmocka needs these four first
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/philox.h"
#include "store/plan.h"

static void numbers_of_shards(void **state) {
  (void)state;
  static const struct {
    uint64_t records;
    uint32_t train, valid; // with 2 % for validation
  } cases[] = {{0, 1, 1},
               {300, 2, 1},
               {2048, 16, 1},
               {65536, 16, 1},
               {400000, 97, 1},
               {1048576, 256, 5},
               {16777216, 256, 5},
               {838000000, 12786, 260},
               {884000000, 13488, 275},
               {UINT64_C(6000000000), 90000, 1836}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    tt_shard_plan plan = tt_shard_plan_make(cases[k].records, 0.02, 0);
    assert_int_equal(plan.shards[TT_TRAIN], cases[k].train);
    assert_int_equal(plan.shards[TT_VALID], cases[k].valid);
  }
  tt_shard_plan none = tt_shard_plan_make(1000, 0, 5), half = tt_shard_plan_make(1000, 0.5, 90000);
  assert_int_equal(none.shards[TT_TRAIN], 5);
  assert_int_equal(none.shards[TT_VALID], 0);
  assert_int_equal(tt_plan_shards(&half), 99000);
}

static void check_key(const tt_shard_plan *plan, tt_split split, uint64_t key) {
  uint32_t shard = tt_plan_shard_in(plan, split, key);
  uint64_t first, last;
  assert_true(shard < tt_plan_shards(plan));
  assert_int_equal(tt_plan_split_of(plan, shard), split);
  tt_plan_keys(plan, shard, &first, &last);
  assert_true(first <= key && key <= last);
}

// The parts of a split follow each other without gap, and tt_plan_shard_in agrees at their ends.
static void keys_of_shards(void **state) {
  (void)state;
  static const uint32_t counts[] = {1, 2, 3, 7, 16, 97, 256, 12786, 90000};
  for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
    tt_shard_plan plan = tt_shard_plan_make(0, 0.1, counts[c]);
    uint64_t next = 0;
    for (uint32_t shard = 0; shard < tt_plan_shards(&plan); shard++) {
      tt_split split = tt_plan_split_of(&plan, shard);
      uint64_t first, last;
      if (shard == plan.shards[TT_TRAIN]) assert_true(next == 0); // the training split ended at 2^64
      tt_plan_keys(&plan, shard, &first, &last);
      assert_true(first == next && last > first);
      check_key(&plan, split, first), check_key(&plan, split, last);
      next = last + 1;
    }
    assert_true(next == 0);
    for (uint64_t k = 0; k < 10000; k++) {
      uint64_t key = tt_mix64(k);
      check_key(&plan, tt_plan_split(&plan, key), key);
    }
  }
}

static void share_of_validation(void **state) {
  (void)state;
  tt_shard_plan plan = tt_shard_plan_make(0, 0.02, 10);
  int valid = 0;
  for (uint64_t k = 0; k < 1000000; k++) valid += tt_plan_split(&plan, tt_mix64(k)) == TT_VALID;
  assert_in_range(valid, 20000 - 700, 20000 + 700); // five standard deviations
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(numbers_of_shards),
      cmocka_unit_test(keys_of_shards),
      cmocka_unit_test(share_of_validation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
