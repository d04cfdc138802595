// Where the time of an update goes: of given times of ranks, and the stopwatch that waits for a device.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "model/parts.h"
#include "train/step_split.h"

static void is(tt_step_split s, double computation, double imbalance, double communication, double data) {
  assert_true(fabs(s.computation - computation) < 1e-12 && fabs(s.imbalance - imbalance) < 1e-12);
  assert_true(fabs(s.communication - communication) < 1e-12 && fabs(s.data - data) < 1e-12);
}

static void known_times(void **state) {
  (void)state;
  // all ranks take 10: the longest computation is 8, the mean 5
  const tt_rank_step ranks[] = {{8, 2}, {4, 6}, {5, 5}, {3, 7}};
  is(tt_split_step(ranks, 4, 0), 5, 3, 2, 0);
  is(tt_split_step(ranks, 4, 0.5), 5, 3, 1.5, 0.5);
  is(tt_split_step(ranks, 1, 0), 8, 0, 2, 0);
  is(tt_split_step(ranks, 1, 1.5), 8, 0, 0.5, 1.5);
}

// Nothing is negative, and what is there is not counted twice.
static void waiting_for_two_reasons(void **state) {
  (void)state;
  const tt_rank_step ranks[] = {{8, 2}, {4, 6}};
  is(tt_split_step(ranks, 2, 3), 6, 2, 0, 2);
  const tt_rank_step apart[] = {{8, 0.25}, {4, 0.75}}; // clocks that have nothing to do with each other
  is(tt_split_step(apart, 2, 1), 6, 0.5, 0, 0);
}

static void sums(void **state) {
  (void)state;
  tt_step_split sum = {1, 2, 3, 4};
  tt_step_split_add(&sum, &(tt_step_split){10, 20, 30, 40});
  is(sum, 11, 22, 33, 44);
  assert_true(tt_step_split_sum(&sum) == 110);
}

static int waits;

static void count_wait(void) {
  waits++;
}

static void where_the_stopwatch_waits(void **state) {
  (void)state;
  static const tt_part parts[] = {TT_PART_DATA,          TT_PART_OTHER,         TT_PART_ATTENTION,
                                  TT_PART_GRADIENTS,     TT_PART_COMMUNICATION, TT_PART_ATTENTION,
                                  TT_PART_IMBALANCE,     TT_PART_COMMUNICATION, TT_PART_OPTIMIZER,
                                  TT_PART_COMMUNICATION, TT_PART_DATA};
  tt_stopwatch watch = {.now = TT_PART_DATA, .wait = count_wait, .seldom = true};
  for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) tt_part_begin(&watch, parts[k]);
  assert_int_equal(waits, 6); // computing began three times, and ended as often
  watch.seldom = false;
  for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) tt_part_begin(&watch, parts[k]);
  assert_int_equal(waits, 6 + 11);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(known_times), cmocka_unit_test(waiting_for_two_reasons),
                                     cmocka_unit_test(sums), cmocka_unit_test(where_the_stopwatch_waits)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
