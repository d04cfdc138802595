// Learning rates against upstream's: the lr column of one of its runs (400 updates, 24 of warm-up, peak
// 1e-3).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>

#include "optim/schedule.h"

static tt_optimizer_config config(tt_schedule schedule, int64_t warmup, int64_t cooldown) {
  return (tt_optimizer_config){
      .learning_rate = 1e-3, .schedule = schedule, .warmup_steps = warmup, .cooldown_steps = cooldown};
}

static void assert_close(double x, double expected) { // to two roundings
  if (fabs(x - expected) > 2 * DBL_EPSILON * fabs(expected)) print_message("%.17g, not %.17g\n", x, expected);
  assert_true(fabs(x - expected) <= 2 * DBL_EPSILON * fabs(expected));
}

static void linear_is_upstreams(void **state) {
  (void)state;
  static const struct {
    int step; // as logged: counted from 1, so update step - 1
    double rate;
  } logged[] = {{1, 0.0},
                {2, 4.1666666666666665e-05},
                {3, 8.333333333333333e-05},
                {13, 0.0005},
                {24, 0.0009583333333333334},
                {25, 0.001},
                {26, 0.000997340425531915},
                {50, 0.0009335106382978724},
                {119, 0.00075},
                {120, 0.0007473404255319149}};
  tt_optimizer_config c = config(TT_SCHEDULE_LINEAR, 24, 0);
  for (size_t i = 0; i < sizeof logged / sizeof *logged; i++)
    assert_close(tt_learning_rate(&c, 400, logged[i].step - 1), logged[i].rate);
  assert_close(tt_learning_rate(&c, 400, 399), 1e-3 * (1.0 - 375.0 / 376));
  assert_true(tt_learning_rate(&c, 400, 400) == 0 && tt_learning_rate(&c, 400, 1000) == 0);
  c.warmup_steps = 0;
  assert_true(tt_learning_rate(&c, 400, 0) == 1e-3);
  assert_close(tt_learning_rate(&c, 400, 100), 0.75e-3);
}

static void constant_stays(void **state) {
  (void)state;
  tt_optimizer_config c = config(TT_SCHEDULE_CONSTANT, 10, 0);
  assert_true(tt_learning_rate(&c, 100, 0) == 0);
  assert_close(tt_learning_rate(&c, 100, 5), 0.5e-3);
  for (int64_t u = 10; u < 100; u++) assert_true(tt_learning_rate(&c, 100, u) == 1e-3);
}

static void cooldown_ends_at_zero(void **state) {
  (void)state;
  tt_optimizer_config c = config(TT_SCHEDULE_COOLDOWN, 10, 20);
  assert_close(tt_learning_rate(&c, 100, 5), 0.5e-3);
  for (int64_t u = 10; u <= 80; u++) assert_true(tt_learning_rate(&c, 100, u) == 1e-3);
  assert_close(tt_learning_rate(&c, 100, 85), 0.75e-3);
  assert_close(tt_learning_rate(&c, 100, 99), 0.05e-3);
  assert_true(tt_learning_rate(&c, 100, 100) == 0);
  c.cooldown_steps = 90; // all that the warm-up leaves
  assert_true(tt_learning_rate(&c, 100, 10) == 1e-3);
  assert_close(tt_learning_rate(&c, 100, 55), 0.5e-3);
}

static void adam_corrects_its_bias(void **state) {
  (void)state;
  assert_true(fabs(tt_adam_rate(2, 0.9, 0.99, 1) - 2) < 1e-14); // sqrt(0.01) / 0.1
  assert_true(fabs(tt_adam_rate(1, 0.9, 0.99, 2) - sqrt(1 - 0.9801) / 0.19) < 1e-14);
  assert_true(fabs(tt_adam_rate(1, 0.9, 0.99, 13) - 0.47) < 0.01); // its minimum
  assert_true(fabs(tt_adam_rate(1, 0.9, 0.99, 100000) - 1) < 1e-14);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(linear_is_upstreams),
      cmocka_unit_test(constant_stays),
      cmocka_unit_test(cooldown_ends_at_zero),
      cmocka_unit_test(adam_corrects_its_bias),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
