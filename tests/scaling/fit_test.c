// Fitted laws: the published optimum of the Chinchilla table, the paper's own predictions, what is identified
// and what is not, derivatives against finite differences, standard errors against simulation, and data that
// cannot be used.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "chinchilla.h"
#include "core/philox.h"
#include "scaling/fit.h"
#include "scaling/solve.h"
#include "scaling/starts.h"

enum { MOST_ROWS = 400 };

static double normal(uint32_t a, uint32_t b) {
  double x, y;
  tt_philox4 r = tt_philox(2024, a, b, 0, 0);
  tt_normal2(r.v[0], r.v[1], &x, &y);
  return x;
}

static void expect_near(double got, double expected, double relative, const char *what) {
  if (!(fabs(got - expected) <= relative * fabs(expected)))
    fail_msg("%s is %.10g, not %.10g", what, got, expected);
}

static tt_fit solve(const tt_law *law, const tt_observation *rows, size_t count) {
  tt_fit_options options = TT_FIT_OPTIONS;
  tt_fit fit;
  options.starts = 8; // the test's time
  if (tt_fit_solve(law, rows, count, &options, &fit)) fail_msg("%s", tt_error_message());
  return fit;
}

// ---- golden numbers ----

// Found independently, twice, besides this program.
static const double optimum[] = {1.8172, 477.83, 0.3473, 2143.42, 0.3672};

static void chinchilla_from_any_seed(void **state) {
  (void)state;
  const tt_law *law = tt_law_find("chinchilla");
  tt_observation rows[CHINCHILLA_ROWS];
  size_t count = chinchilla(rows);
  assert_int_equal(count, CHINCHILLA_FITTED);
  for (int seed = 0; seed < 24; seed++) {
    tt_fit_options options = TT_FIT_OPTIONS;
    tt_fit fit;
    options.seed = seed,
    options.starts = seed < 20 ? 8 : 30 * (seed - 20); // of the last four one has no random start
    assert_int_equal(tt_fit_solve(law, rows, count, &options, &fit), TT_OK);
    for (int p = 0; p < law->parameters; p++) {
      expect_near(fit.theta[p], optimum[p], 5e-5 / 0.3473, law->parameter[p]);
      assert_true(fit.identified[p]);
      assert_string_equal(fit.reason[p], "");
    }
    expect_near(fit.objective, 0.00101827, 5e-6, "the objective");
    expect_near(tt_fit_objective(law, rows, count, 1e-3, fit.theta), fit.objective, 1e-12,
                "the objective there");
    assert_int_equal(fit.starts, TT_GRID_STARTS + options.starts);
    assert_true(fit.starts_at_optimum >= TT_GRID_STARTS && fit.starts_at_optimum >= 0.9 * fit.starts);
    assert_int_equal(fit.groups, CHINCHILLA_FITTED);
    assert_true(fit.r_squared > 0.99 && fit.rmse_log < 0.01 && fit.mean_relative_error < 0.006);
  }
}

static void published_point(void **state) {
  (void)state;
  const tt_law *law = tt_law_find("chinchilla");
  tt_observation rows[CHINCHILLA_ROWS];
  size_t count = chinchilla(rows);
  const double epoch[] = {1.8169, 482.01, 0.3478, 2085.43, 0.3658};
  assert_memory_equal(law->published, epoch, sizeof epoch);
  expect_near(tt_fit_objective(law, rows, count, 1e-3, epoch), 0.00102095, 5e-6,
              "the objective of the published point");
}

// Starting values from the range that Hoffmann et al. used, each alone and without search; few end elsewhere.
static void starts_of_the_authors(void **state) {
  (void)state;
  const tt_law *law = tt_law_find("chinchilla");
  tt_observation rows[CHINCHILLA_ROWS];
  size_t count = chinchilla(rows), total = 0, there = 0;
  tt_fitter *fitter;
  assert_int_equal(tt_fitter_create(&fitter, law, rows, count, 1e-3), TT_OK);
  for (int e = -1; e <= 1; e++)
    for (int a = 0; a <= 20; a += 10)
      for (int b = 0; b <= 20; b += 10)
        for (int i = 0; i < 5; i += 2)
          for (int j = 0; j < 5; j += 2) {
            double theta[TT_LAW_PARAMETERS], objective;
            const double start[] = {exp(e), exp(a), 0.5 * i, exp(b), 0.5 * j};
            tt_status status = tt_fit_refit(fitter, NULL, start, theta, &objective);
            total++, there += status == TT_OK && fabs(objective / 0.00101827 - 1) < 5e-6;
          }
  tt_fitter_free(fitter);
  if (there < total * 8 / 10) fail_msg("%zu of %zu starts reach the optimum", there, total);
}

static void predictions_of_the_paper(void **state) {
  (void)state;
  const tt_law *law = tt_law_find("uni-mol2");
  tt_observation at = {.size = 570233696, .steps = 810000};
  assert_true(fabs(tt_law_predict(law, law->published, &at) - 0.0885) < 5e-5);
  at.size = 1129209696;
  assert_true(fabs(tt_law_predict(law, law->published, &at) - 0.0875) < 5.1e-5);
}

// ---- derivatives ----

static const tt_law *law_number(int i) {
  return i == 0   ? tt_law_find("chinchilla")
         : i == 1 ? tt_law_find("uni-mol2")
                  : tt_law_power(TT_VARIABLE_FLOPS);
}

static const double points[3][TT_LAW_PARAMETERS] = {
    {1.8, 480, 0.35, 2000, 0.37}, {2.7, -1.1, 1.8, -0.2, 30, -0.4}, {0.5, 3000, 0.2}};

static size_t wide_rows(tt_observation *rows) {
  size_t count = 0;
  for (int i = 0; i < 6; i++)
    for (int j = 0; j < 6; j++, count++) {
      double size = 4e7 * pow(2, i), steps = 1e4 * pow(3, j);
      rows[count] = (tt_observation){.size = size,
                                     .steps = steps,
                                     .samples = 1024 * steps,
                                     .flops = 6e3 * size * steps,
                                     .loss = 1,
                                     .loss_se = NAN,
                                     .group = (int)count};
    }
  return count;
}

// The Jacobian of the rows, and gradient and Hessian of the objective, which all solvers use.
static void derivatives_of_the_objective(void **state) {
  (void)state;
  tt_observation rows[MOST_ROWS];
  size_t count = wide_rows(rows);
  for (int l = 0; l < 3; l++) {
    const tt_law *law = law_number(l);
    int n = law->parameters;
    for (size_t i = 0; i < count; i++) // some within delta, some beyond
      rows[i].loss = tt_law_predict(law, points[l], &rows[i]) * exp(0.01 * normal(i, 1));
    tt_fitter *fitter;
    tt_solution s;
    tt_slope slope, up, down;
    assert_int_equal(tt_fitter_create(&fitter, law, rows, count, 0.008), TT_OK);
    tt_solution_from(fitter, points[l], false, &s);
    tt_solve_evaluate(fitter, &s, &slope);
    for (int p = 0; p < n; p++) {
      tt_solution plus = s, minus = s;
      double h = 1e-6, j[TT_N], unused[TT_N];
      plus.u[p] += h, minus.u[p] -= h;
      double rise = tt_solve_evaluate(fitter, &plus, &up) - tt_solve_evaluate(fitter, &minus, &down);
      assert_true(fabs(rise / (2 * h) - slope.gradient[p]) < 1e-8);
      for (int q = 0; q < n; q++)
        assert_true(fabs((up.gradient[q] - down.gradient[q]) / (2 * h) - slope.hessian[p][q]) < 1e-6);
      for (size_t i = 0; i < count; i++) {
        tt_solve_row(fitter, &s, i, j);
        double change = tt_solve_row(fitter, &plus, i, unused) - tt_solve_row(fitter, &minus, i, unused);
        assert_true(fabs(change / (2 * h) + j[p]) < 1e-8); // the residual is log loss less log law
      }
    }
    double theta[TT_N];
    tt_solution_theta(fitter, &s, theta);
    for (int p = 0; p < n; p++) expect_near(theta[p], points[l][p], 1e-12, law->parameter[p]);
    expect_near(slope.objective, tt_fit_objective(law, rows, count, 0.008, points[l]), 1e-11,
                "the objective");
    tt_fitter_free(fitter);
  }
}

// ---- what is identified ----

// A table of one variable, 30 rows over three decades.
static size_t curve(tt_observation *rows, double (*loss)(double), double noise) {
  for (int i = 0; i < 30; i++) {
    double x = pow(10, 2 + 0.1 * i);
    rows[i] = (tt_observation){.samples = x, .loss = loss(x) * exp(noise * normal(i, 2)), .group = i};
  }
  return 30;
}

static double falling(double x) {
  return 1 + 20 / sqrt(x);
}
static double floorless(double x) {
  return 20 * pow(x, -0.3);
}
static double flat(double x) {
  (void)x;
  return 1.5;
}
static double rising(double x) {
  return pow(x, 0.1);
}
static double spike(double x) {
  return x < 101 ? 3 : 1.5;
}

static void expect_reason(const tt_law *law, const tt_fit *fit, int p, const char *part) {
  if (fit->identified[p] || !strstr(fit->reason[p], part))
    fail_msg("%s (%g): '%s' does not say '%s'", law->parameter[p], fit->theta[p], fit->reason[p], part);
  assert_true(isnan(fit->standard_error[p]) && isnan(fit->correlation[p][p]));
}

static void law_of_the_paper(void **state) {
  (void)state;
  const tt_law *law = tt_law_find("uni-mol2");
  tt_observation rows[MOST_ROWS];
  for (int noise = 0; noise < 2; noise++) {
    size_t count = wide_rows(rows);
    for (size_t i = 0; i < count; i++)
      rows[i].loss = tt_law_predict(law, law->published, &rows[i]) * exp(0.001 * noise * normal(i, 3));
    tt_fit fit = solve(law, rows, count);
    for (int p = 0; p < 4; p++) {
      if (!fit.identified[p]) fail_msg("%s: %s", law->parameter[p], fit.reason[p]);
      expect_near(fit.theta[p], law->published[p], noise ? 0.1 : 1e-6, law->parameter[p]);
    }
    // the third term is nowhere more than a hundred-millionth of the loss
    assert_false(fit.identified[4] || fit.identified[5]);
    expect_reason(law, &fit, 4, noise ? "" : "of the loss");
  }
  // the paper's own window, 42M to 310M and 200,000 steps on: less than a decade of either
  size_t count = 0;
  for (int i = 0; i < 4; i++)
    for (int s = 200000; s <= 810000; s += 10000, count++) {
      rows[count] = (tt_observation){.size = 43788112 * (1 + 2.03 * i), .steps = s, .group = i};
      rows[count].loss = tt_law_predict(law, law->published, &rows[count]);
    }
  tt_fit fit = solve(law, rows, count);
  expect_reason(law, &fit, 0, "size spans only a factor of 7.09; more than a decade is needed");
  expect_reason(law, &fit, 3, "steps spans only a factor of 4.05; more than a decade is needed");
}

static void not_identified(void **state) {
  (void)state;
  const tt_law *law = tt_law_find("power");
  tt_observation rows[MOST_ROWS];
  for (int noisy = 0; noisy < 2; noisy++) {
    double noise = 0.01 * noisy;
    tt_fit fit = solve(law, rows, curve(rows, falling, noise));
    for (int p = 0; p < 3; p++) assert_true(fit.identified[p]);
    expect_near(fit.theta[2], 0.5, noisy ? 0.1 : 1e-9, "alpha");

    fit = solve(law, rows, curve(rows, floorless, noise));
    assert_true(fit.identified[1] && fit.identified[2]);
    expect_reason(law, &fit, 0, "");
    expect_near(fit.theta[2], 0.3, noisy ? 0.1 : 1e-9, "alpha");

    fit = solve(law, rows, curve(rows, flat, noise));
    for (int p = 0; p < 3; p++) assert_false(fit.identified[p]);
    expect_reason(law, &fit, 0, noisy ? "" : "cannot be told from the term of samples");

    fit = solve(law, rows, curve(rows, rising, noise));
    expect_reason(law, &fit, 1, "samples");
    expect_reason(law, &fit, 2, "samples");
    expect_reason(law, &fit, 0, "");

    fit = solve(law, rows, curve(rows, spike, noise));
    expect_reason(law, &fit, 2, "one value of samples alone");

    curve(rows, falling, noise);
    fit = solve(law, rows, 11); // exactly a decade
    expect_reason(law, &fit, 0, "");
    expect_reason(law, &fit, 2, "samples spans only a factor of 10; more than a decade is needed");
    fit = solve(law, rows, 12);
    assert_null(strstr(fit.reason[2], "decade"));

    for (int i = 0; i < 30; i++) rows[i] = rows[i % 3 * 10];
    fit = solve(law, rows, 30);
    expect_reason(law, &fit, 1, "3 distinct values of samples; at least 4 are needed");

    curve(rows, falling, noise);
    fit = solve(law, rows, 3);
    expect_reason(law, &fit, 1, "no more rows than parameters");
  }
}

// Size and samples that grow together: what is due to which cannot be said.
static void confounded(void **state) {
  (void)state;
  const tt_law *law = tt_law_find("chinchilla");
  tt_observation rows[MOST_ROWS];
  for (int i = 0; i < 40; i++) {
    double x = pow(10, 6 + 0.1 * i);
    rows[i] = (tt_observation){.size = x, .samples = 20 * x, .group = i};
    rows[i].loss = tt_law_predict(law, law->published, &rows[i]) * exp(0.005 * normal(i, 4));
  }
  tt_fit fit = solve(law, rows, 40);
  for (int p = 1; p < 5; p++) assert_false(fit.identified[p]);
}

// ---- standard errors ----

// Spread of the estimates over simulated tables against the mean of their standard errors. `together` rows of
// a group share half of their noise's variance.
static void simulate(int together, double lowest, double highest) {
  enum { TABLES = 120 };
  const tt_law *law = tt_law_find("power");
  tt_observation rows[120];
  double sum[3] = {0}, squares[3] = {0}, errors[3] = {0};
  for (int t = 0; t < TABLES; t++) {
    for (int i = 0; i < 120; i++) {
      double x = pow(10, 2 + 3 * (i % 40) / 39.0);
      int group = together == 1 ? i : i % 40 / together + 40 * (i / 40);
      double noise = 0.01 * (normal(i, 100 + t) + (together > 1 ? normal(group, 1000 + t) : 0));
      rows[i] = (tt_observation){.samples = x, .loss = falling(x) * exp(noise), .group = group};
    }
    tt_fit_options options = {.huber_delta = 1e-3, .starts = 0};
    tt_fit fit;
    assert_int_equal(tt_fit_solve(law, rows, 120, &options, &fit), TT_OK);
    for (int p = 0; p < 3; p++) {
      assert_true(fit.identified[p]);
      sum[p] += fit.theta[p], squares[p] += fit.theta[p] * fit.theta[p], errors[p] += fit.standard_error[p];
      expect_near(fit.correlation[p][p], 1, 1e-12, "the correlation with itself");
      expect_near(fit.covariance[p][p], fit.standard_error[p] * fit.standard_error[p], 1e-12, "the variance");
    }
    assert_true(fit.correlation[1][2] > 0.5 && fit.correlation[0][2] > 0.3);
  }
  for (int p = 0; p < 3; p++) {
    double deviation = sqrt((squares[p] - sum[p] * sum[p] / TABLES) / (TABLES - 1)),
           ratio = errors[p] / TABLES / deviation;
    if (ratio < lowest || ratio > highest)
      fail_msg("%s: mean standard error %g, spread %g", law->parameter[p], errors[p] / TABLES, deviation);
  }
}

static void standard_errors(void **state) {
  (void)state;
  simulate(1, 0.85, 1.2);
  simulate(5, 0.75, 1.2); // 24 groups
}

// ---- refits ----

static void weights_are_multiplicities(void **state) {
  (void)state;
  const tt_law *law = tt_law_find("chinchilla");
  tt_observation rows[CHINCHILLA_ROWS], twice[2 * CHINCHILLA_ROWS];
  size_t count = chinchilla(rows), drawn = 0;
  double weights[CHINCHILLA_ROWS], one[TT_LAW_PARAMETERS], other[TT_LAW_PARAMETERS], objectives[2];
  for (size_t i = 0; i < count; i++) {
    weights[i] = tt_philox(5, i, 0, 0, 0).v[0] % 3; // 0, 1 or 2 times
    for (int k = 0; k < weights[i]; k++) twice[drawn++] = rows[i];
  }
  tt_fitter *fitter, *longer;
  assert_int_equal(tt_fitter_create(&fitter, law, rows, count, 1e-3), TT_OK);
  assert_int_equal(tt_fitter_create(&longer, law, twice, drawn, 1e-3), TT_OK);
  assert_int_equal(tt_fit_refit(fitter, weights, law->published, one, &objectives[0]), TT_OK);
  assert_int_equal(tt_fit_refit(longer, NULL, law->published, other, &objectives[1]), TT_OK);
  expect_near(objectives[0], objectives[1], 1e-11, "the objective");
  for (int p = 0; p < 5; p++) expect_near(one[p], other[p], 1e-5, law->parameter[p]);
  tt_fitter_free(fitter), tt_fitter_free(longer);
  // a start whose E is at its bound
  double theta[TT_LAW_PARAMETERS], start[] = {0, 400, 0.3, 400, 0.3};
  for (size_t i = 0; i < count; i++) rows[i].loss = tt_law_predict(law, optimum, &rows[i]);
  assert_int_equal(tt_fitter_create(&fitter, law, rows, count, 1e-3), TT_OK);
  assert_int_equal(tt_fit_refit(fitter, NULL, start, theta, &objectives[0]), TT_OK);
  for (int p = 0; p < 5; p++) expect_near(theta[p], optimum[p], 1e-7, law->parameter[p]);
  tt_fitter_free(fitter);
}

// The unit of a variable changes its coefficient alone.
static void units(void **state) {
  (void)state;
  const tt_law *law = tt_law_find("power");
  tt_observation rows[MOST_ROWS];
  size_t count = curve(rows, falling, 0.01);
  tt_fit one = solve(law, rows, count);
  for (size_t i = 0; i < count; i++) rows[i].samples *= 1e12;
  tt_fit other = solve(law, rows, count);
  expect_near(other.theta[0], one.theta[0], 1e-6, "E");
  expect_near(other.theta[2], one.theta[2], 1e-6, "alpha");
  expect_near(other.theta[1], one.theta[1] * pow(1e12, one.theta[2]), 1e-4, "A");
}

// ---- data that cannot be used ----

static void expect_error(const tt_law *law, const tt_observation *rows, size_t count, double delta,
                         tt_status status, const char *part) {
  tt_fit_options options = {.huber_delta = delta};
  tt_fit fit;
  assert_int_equal(tt_fit_solve(law, rows, count, &options, &fit), status);
  if (!strstr(tt_error_message(), part)) fail_msg("'%s' does not say '%s'", tt_error_message(), part);
}

static void bad_data(void **state) {
  (void)state;
  const tt_law *law = tt_law_find("power");
  tt_observation rows[MOST_ROWS];
  const double bad[] = {NAN, 0, -1, INFINITY};
  for (int i = 0; i < 4; i++) {
    size_t count = curve(rows, falling, 0.01);
    rows[6].loss = bad[i];
    expect_error(law, rows, count, 1e-3, TT_ERR_DATA, "row 7 has loss");
    curve(rows, falling, 0.01);
    rows[4].samples = bad[i];
    expect_error(law, rows, count, 1e-3, TT_ERR_DATA, "row 5 has samples");
    curve(rows, falling, 0.01);
    rows[4].steps = bad[i]; // not in the law
    solve(law, rows, count);
    if (i < 3) expect_error(law, rows, count, bad[i], TT_ERR_ARGUMENT, "delta");
  }
  curve(rows, falling, 0.01);
  expect_error(law, rows, 2, 1e-3, TT_ERR_DATA, "2 rows cannot determine the 3 parameters of the law power");
  expect_error(law, rows, 0, 1e-3, TT_ERR_DATA, "0 rows");
  assert_null(tt_law_find("kaplan"));
  assert_null(tt_law_power(TT_VARIABLE_SIZE_STEPS));
  tt_variable variable;
  assert_true(tt_variable_parse("flops", &variable) && variable == TT_VARIABLE_FLOPS);
  assert_false(tt_variable_parse("size x steps", &variable));
  const double negative[] = {-5, 1, 0.5};
  assert_true(isinf(tt_fit_objective(law, rows, 30, 1e-3, negative)));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(chinchilla_from_any_seed),
      cmocka_unit_test(published_point),
      cmocka_unit_test(starts_of_the_authors),
      cmocka_unit_test(predictions_of_the_paper),
      cmocka_unit_test(derivatives_of_the_objective),
      cmocka_unit_test(law_of_the_paper),
      cmocka_unit_test(not_identified),
      cmocka_unit_test(confounded),
      cmocka_unit_test(standard_errors),
      cmocka_unit_test(weights_are_multiplicities),
      cmocka_unit_test(units),
      cmocka_unit_test(bad_data),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
