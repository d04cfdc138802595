// Sizes of arrays, and of arrays in parts.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "train/magnitude.h"

static void of_known_numbers(void **state) {
  (void)state;
  tt_magnitude m = {0};
  assert_true(tt_magnitude_norm(&m) == 0 && tt_magnitude_rms(&m) == 0);
  tt_magnitude_add(&m, (float[]){3, -4, 0, 0}, 4);
  assert_true(m.count == 4 && m.largest == 4 && tt_magnitude_norm(&m) == 5 && tt_magnitude_rms(&m) == 2.5);
  tt_magnitude_add(&m, (float[]){NAN, INFINITY, -INFINITY, -12}, 4);
  assert_true(m.count == 8 && m.not_finite == 3 && m.largest == 12);
  assert_true(tt_magnitude_norm(&m) == 13);
  assert_true(fabs(tt_magnitude_rms(&m) - 13 / sqrt(5)) < 1e-15); // of the five that are finite
  tt_magnitude huge = {0};                                        // squares are added in double
  tt_magnitude_add(&huge, (float[]){3e38f, 3e38f}, 2);
  assert_true(fabs(tt_magnitude_norm(&huge) / (3e38f * sqrt(2.0)) - 1) < 1e-12);
}

static void parts_join(void **state) {
  (void)state;
  float values[100];
  for (int i = 0; i < 100; i++) values[i] = i == 70 ? NAN : (float)sin(i) * 7;
  tt_magnitude whole = {0}, joined = {0};
  tt_magnitude_add(&whole, values, 100);
  for (int at = 0; at < 100; at += 25) {
    tt_magnitude part = {0};
    tt_magnitude_add(&part, values + at, 25);
    tt_magnitude_join(&joined, &part);
  }
  assert_true(joined.count == 100 && joined.not_finite == 1 && joined.largest == whole.largest);
  assert_true(fabs(joined.squares - whole.squares) < 1e-12 * whole.squares);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(of_known_numbers), cmocka_unit_test(parts_join)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
