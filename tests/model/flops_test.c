// Operation counts against cases counted by hand, and against the published model's sizes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "model/flops.h"

static void near(double got, double wanted, double relative) {
  if (fabs(got - wanted) > relative * fabs(wanted)) fail_msg("%.6g instead of %.6g", got, wanted);
}

static tt_model_config preset(const char *name) {
  tt_model_config c = {0};
  assert_int_equal(tt_model_preset(&c, name), TT_OK);
  return c;
}

// One atom (2 tokens, 4 pairs), every width 1 but the fixed 128: each product is counted by itself below.
static void smallest_model(void **state) {
  (void)state;
  const tt_model_config c = {
      .layers = 1, .embed_dim = 1, .heads = 1, .pair_dim = 1, .pair_hidden = 1, .ffn_dim = 1};
  double attention = 2 * (4 * 2)   // q, k, v, o of 2 tokens
                     + 2 * (4 + 4) // scores and values of 4 pairs
                     + 2 * 4;      // bias
  double ffn = 2 * (2 + 2), outer_in = 2 * (2 * 2);
  double triangle = 2 * (2 * 4 + 2 * 4) // p and g, both 2 wide
                    + 2 * 4             // gate
                    + 2 * (8 + 8)       // outgoing and incoming, 2 terms for each of 4 pairs
                    + 2 * 4;            // z
  double pair_ffn = 2 * (4 + 4), gaussian = 2 * (128 * 128 + 128);
  double movement = 2 * 3 + 2 * 1 + 2 * 1; // q, k, v; bias; scores; of one atom
  double tokens = 2 * (1 + 128);           // one masked atom
  double common = attention + ffn + outer_in + triangle + pair_ffn + gaussian + movement + tokens;
  double formed = 4 + 2 * 4, factored = 2 * 2 + 2 * 4;
  near(tt_flops_reference(&c, 1, 1), common + formed + 3 * 2 + 3 * 2,
       1e-15); // three sums of values, three projections
  near(tt_flops_executed(&c, 1, 1), common + factored + 2 + 2 * (1 + 3),
       1e-15); // f . v; then a scalar a head and pair
  near(tt_flops_executed(&c, 1, 0) + tokens, tt_flops_executed(&c, 1, 1), 1e-15);
}

// 84M at 40 tokens: 122.3 GFLOP forward, of which the formed outer product's second matrix is 66 %.
static void published_model(void **state) {
  (void)state;
  tt_model_config c = preset("84M");
  double all = tt_flops_reference(&c, 39, 0.15 * 39);
  near(all, 122.3e9, 5e-4);
  near(2.0 * 40 * 40 * 64 * 64 * 512 * 12 / all, 0.66, 5e-3);
}

// GFLOP forward, formed and factored, counted independently for the sizes of the paper (attention's small
// terms and heads were rounded there: 2 %).
static void table_of_sizes(void **state) {
  (void)state;
  static const int tokens[] = {24, 28, 32, 64};
  static const struct {
    const char *name;
    double formed[4], factored[4];
  } rows[] = {{"84M", {44.7, 60.4, 78.5, 309}, {17.3, 22.9, 29.3, 109}},
              {"310M", {124, 166, 216, 837}, {50.7, 66.5, 84.4, 304}},
              {"570M", {137, 182, 233, 874}, {63.5, 81.6, 102, 341}},
              {"1.1B", {273, 363, 466, 1748}, {127, 163, 204, 682}}};
  for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
    for (int k = 0; k < 4; k++) {
      tt_model_config c = preset(rows[r].name);
      double n = tokens[k] - 1;
      near(tt_flops_reference(&c, (int)n, 0.15 * n), rows[r].formed[k] * 1e9, 0.02);
      near(tt_flops_executed(&c, (int)n, 0.15 * n), rows[r].factored[k] * 1e9, 0.02);
    }
}

// The cost that batches are dealt by: training is three times forward, in thousands.
static void cost_is_of_training(void **state) {
  (void)state;
  tt_config c = {.model = preset("84M"), .data = {.mask_probability = 0.15}};
  for (int n = 1; n < 100; n += 7)
    near((double)tt_flops_cost(&c, n), 3e-3 * tt_flops_executed(&c.model, n, 0.15 * n), 1e-6);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(smallest_model), cmocka_unit_test(published_model),
                                     cmocka_unit_test(table_of_sizes), cmocka_unit_test(cost_is_of_training)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
