// Means and standard errors of losses, against figures worked out by hand.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "train/losses.h"

static const tt_train_config weights = {
    .token_loss_weight = 2, .position_loss_weight = 3, .distance_loss_weight = 0.5};

static void near(double got, double wanted) {
  if (fabs(got - wanted) > 1e-12) fail_msg("%.17g instead of %.17g", got, wanted);
}

// Masked atoms lose 1, 2 | 6 | none; positions 1, 2, 6; distances 4, 4, 1.
static void three_molecules(void **state) {
  (void)state;
  const tt_molecule_losses molecules[] = {
      {.token = 3, .token_squares = 5, .masked = 2, .position = 1, .distance = 4},
      {.token = 6, .token_squares = 36, .masked = 1, .position = 2, .distance = 4},
      {.position = 6, .distance = 1}};
  tt_loss_sums sums = {0};
  for (int k = 0; k < 3; k++) tt_loss_sums_add(&sums, &molecules[k], &weights);
  tt_losses l = tt_loss_means(&sums, &weights);
  assert_int_equal(l.molecules, 3);
  assert_int_equal(l.masked, 3);
  near(l.token, 3), near(l.position, 3), near(l.distance, 3);
  near(l.loss, 2 * 3 + 3 * 3 + 0.5 * 3);
  near(l.token_se, sqrt((4 + 1 + 9) / 2.0 / 3));
  near(l.position_se, sqrt((4 + 1 + 9) / 2.0 / 3));
  near(l.distance_se, sqrt((1 + 1 + 4) / 2.0 / 3));
  // 3 position + 0.5 distance: 5, 8, 18.5, mean 10.5
  double both = (5.5 * 5.5 + 2.5 * 2.5 + 8 * 8) / 2 / 3;
  near(l.loss_se, sqrt(4 * 14 / 6.0 + both));
}

static void nothing_to_divide_by(void **state) {
  (void)state;
  tt_loss_sums sums = {0};
  tt_losses none = tt_loss_means(&sums, &weights);
  near(none.loss, 0), near(none.loss_se, 0);
  tt_loss_sums_add(&sums, &(tt_molecule_losses){.position = 2, .distance = 4}, &weights);
  tt_losses one = tt_loss_means(&sums, &weights);
  near(one.loss, 8), near(one.token, 0);
  near(one.token_se, 0), near(one.position_se, 0), near(one.loss_se, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(three_molecules),
                                     cmocka_unit_test(nothing_to_divide_by)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
