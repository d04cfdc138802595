// Intervals: the published ones of the Chinchilla table, what a seed fixes, quantiles, what refits say is not
// identified, predictions and hold-out. That the intervals cover is coverage_test.c's business.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "chinchilla.h"
#include "core/philox.h"
#include "scaling/bootstrap.h"
#include "scaling/holdout.h"
#include "scaling/quantile.h"

static const tt_fit_options fit_options = TT_FIT_OPTIONS;

static void assert_near(double value, double expected, double relative) {
  if (!(fabs(value - expected) <= relative * fabs(expected)))
    fail_msg("%.10g, expected %.10g to %g", value, expected, relative);
}

static void quantiles(void **state) {
  (void)state;
  assert_near(tt_normal_quantile(0.975), 1.959963984540054, 1e-9);
  assert_near(tt_normal_quantile(1e-9), -5.997807015007687, 1e-9);
  assert_near(tt_normal_quantile(1 - 1e-9), 5.997807, 1e-6);
  const struct {
    int freedom;
    double t;
  } table[] = {{1, 12.7062047}, {2, 4.30265273},  {3, 3.18244631},
               {5, 2.57058184}, {10, 2.22813885}, {51, 2.00758377}};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    assert_near(tt_student_quantile(0.975, table[i].freedom), table[i].t, 1e-7);
    assert_near(tt_student_quantile(0.025, table[i].freedom), -table[i].t, 1e-7);
  }
  double v[] = {4, 1, 3, 2, 2};
  tt_sort(v, 5);
  assert_near(tt_sorted_quantile(v, 5, 0.125), 1.5, 1e-12);
  assert_near(tt_sorted_quantile(v, 5, 1), 4, 1e-12);
  assert_int_equal(tt_sorted_below(v, 5, 2), 1);
  assert_int_equal(tt_sorted_up_to(v, 5, 2), 3);
}

// Groups are drawn whole, as many as there are; gaps in their numbers do not matter.
static void draws(void **state) {
  (void)state;
  tt_observation rows[12];
  for (int i = 0; i < 12; i++) rows[i] = (tt_observation){.group = 7 * (i / 3)};
  tt_clusters c;
  assert_int_equal(tt_clusters_create(&c, rows, 12), TT_OK);
  assert_int_equal(c.groups, 4);
  double mean[4] = {0};
  for (int b = 0; b < 4000; b++) {
    tt_clusters_draw(&c, 5, b);
    double sum = 0;
    for (int i = 0; i < 12; i++) {
      assert_true(c.weight[i] == c.weight[i / 3 * 3]);
      sum += c.weight[i] / 3, mean[i / 3] += c.weight[i] / 3 / 4000;
    }
    assert_near(sum, 4, 1e-12);
  }
  for (int g = 0; g < 4; g++) assert_near(mean[g], 1, 0.06); // its standard error is 0.0137
  tt_clusters_without(&c, 2);
  for (int i = 0; i < 12; i++) assert_true(c.weight[i] == (i / 3 != 2));
  tt_clusters_free(&c);
}

// Besiroglu et al. print these ends, of 4000 refits; half a unit of their last digit included.
static void published(void **state) {
  (void)state;
  tt_observation rows[CHINCHILLA_ROWS];
  size_t count = chinchilla(rows);
  assert_int_equal(count, CHINCHILLA_FITTED);
  const tt_law *law = tt_law_find("chinchilla");
  tt_fit fit;
  assert_int_equal(tt_fit_solve(law, rows, count, &fit_options, &fit), TT_OK);
  tt_interval_options options = {
      .resamples = 4000, .seed = 42, .confidence = 0.95, .method = TT_INTERVAL_PERCENTILE};
  tt_intervals v;
  assert_int_equal(tt_intervals_make(law, rows, count, &fit_options, &fit, &options, &v), TT_OK);
  assert_int_equal(v.groups, 240);
  const double low[] = {1.769, 285, 0.317, 1042, 0.331}, high[] = {1.871, 744, 0.373, 5810, 0.415},
               within[] = {0.03, 0.03, 0.03, 0.04, 0.03};
  for (int p = 0; p < 5; p++) {
    print_message("%s %.5g - %.5g (published %.5g - %.5g)\n", law->parameter[p], v.parameter[p].low,
                  v.parameter[p].high, low[p], high[p]);
    assert_true(v.identified[p]);
  }
  for (int p = 0; p < 5; p++) {
    assert_near(v.parameter[p].low, low[p], within[p]);
    assert_near(v.parameter[p].high, high[p], within[p]);
  }
  tt_intervals_free(&v);
}

// Sizes, run lengths and a scatter of runs of `sigma`, as a sweep on a small machine makes them.
enum { SIZES = 8, LENGTHS = 4, ROWS = SIZES * LENGTHS };
static const double sizes[SIZES] = {41e3, 81e3, 240e3, 508e3, 799e3, 1.4e6, 2.7e6, 4.3e6};

static void make_sweep(tt_observation rows[ROWS], const tt_law *law, const double *theta, double sigma,
                       uint64_t seed) {
  for (int i = 0; i < ROWS; i++) {
    double steps = (const double[]){125, 312, 688, 1500}[i % LENGTHS], a, b;
    rows[i] = (tt_observation){
        .size = sizes[i / LENGTHS], .samples = 16 * steps, .steps = steps, .flops = NAN, .group = i};
    tt_philox4 bits = tt_philox(seed, i, 0, 0, 0);
    tt_normal2(bits.v[0], bits.v[1], &a, &b);
    rows[i].loss = tt_law_predict(law, theta, &rows[i]) * exp(sigma * a);
  }
}

static const double truth[] = {0.4, 0.35 * 119.0, 0.45, 0.8 * 44.7, 0.5}; // E, A, alpha, B, beta

static tt_interval_options few = {
    .resamples = 200, .seed = 3, .confidence = 0.95, .method = TT_INTERVAL_DEFAULT};

static void make(const tt_law *law, const tt_observation *rows, size_t count,
                 const tt_interval_options *options, tt_fit *fit, tt_intervals *v) {
  assert_int_equal(tt_fit_solve(law, rows, count, &fit_options, fit), TT_OK);
  assert_int_equal(tt_intervals_make(law, rows, count, &fit_options, fit, options, v), TT_OK);
}

// A seed fixes every refit; another seed gives others. More confidence, wider intervals.
static void seeds(void **state) {
  (void)state;
  const tt_law *law = tt_law_find("chinchilla");
  tt_observation rows[ROWS];
  make_sweep(rows, law, truth, 0.01, 1);
  tt_fit fit;
  tt_intervals a, b, c, wide;
  make(law, rows, ROWS, &few, &fit, &a);
  make(law, rows, ROWS, &few, &fit, &b);
  tt_interval_options other = few, sure = few;
  other.seed = 4, sure.confidence = 0.99;
  make(law, rows, ROWS, &other, &fit, &c);
  make(law, rows, ROWS, &sure, &fit, &wide);
  assert_true(!a.plain && a.z > 1.96); // 32 points: wider, and corrected
  assert_memory_equal(a.replicates, b.replicates, a.count * sizeof *a.replicates);
  assert_memory_equal(a.parameter, b.parameter, sizeof a.parameter);
  assert_memory_not_equal(a.replicates, c.replicates, a.count * sizeof *a.replicates);
  for (int p = 0; p < 5; p++) {
    assert_true(a.parameter[p].low < fit.theta[p] && fit.theta[p] < a.parameter[p].high);
    assert_true(wide.parameter[p].low < a.parameter[p].low && a.parameter[p].high < wide.parameter[p].high);
  }
  tt_intervals_free(&a), tt_intervals_free(&b), tt_intervals_free(&c), tt_intervals_free(&wide);
}

// Rows of one run are no more data than the run: said once or four times, the intervals stay.
static void repeated_rows(void **state) {
  (void)state;
  const tt_law *law = tt_law_find("chinchilla");
  tt_observation rows[ROWS], four[4 * ROWS];
  make_sweep(rows, law, truth, 0.01, 1);
  for (int i = 0; i < 4 * ROWS; i++) four[i] = rows[i / 4];
  tt_fit fit;
  tt_intervals once, often;
  tt_interval_options percentile = few;
  percentile.method = TT_INTERVAL_PERCENTILE;
  make(law, rows, ROWS, &percentile, &fit, &once);
  make(law, four, 4 * ROWS, &percentile, &fit, &often);
  assert_int_equal(often.groups, ROWS);
  assert_string_equal(often.caution, "");
  assert_true(often.clustered && !once.clustered);
  for (int p = 0; p < 5; p++) {
    assert_near(often.parameter[p].low, once.parameter[p].low, 0.02);
    assert_near(often.parameter[p].high, once.parameter[p].high, 0.02);
  }
  tt_intervals_free(&once), tt_intervals_free(&often);
}

// A law without the term of size: its A and alpha mean nothing, and the refits must say so; E, B, beta stay.
static void not_identified(void **state) {
  (void)state;
  const tt_law *law = tt_law_find("chinchilla");
  double flat[5];
  memcpy(flat, truth, sizeof flat);
  flat[1] = 0;
  tt_observation rows[ROWS];
  make_sweep(rows, law, flat, 0.01, 2);
  tt_fit fit;
  tt_intervals v;
  make(law, rows, ROWS, &few, &fit, &v);
  assert_false(v.identified[1]);
  assert_false(v.identified[2]);
  assert_true(v.reason[1][0] && v.reason[2][0]);
  assert_true(v.identified[4] && !v.reason[4][0]);
  // refits are at a bound: the ends are plain quantiles, of E too
  assert_true(v.plain);
  assert_non_null(strstr(v.method, "run to a bound"));
  double e[200];
  for (int b = 0; b < 200; b++) e[b] = v.replicates[b][0];
  tt_sort(e, 200);
  assert_near(v.parameter[0].high, tt_sorted_quantile(e, 200, 0.975), 1e-9);
  // what the fit says already is kept
  for (int p = 0; p < 5; p++) fit.identified[p] = true;
  fit.identified[1] = false, strcpy(fit.reason[1], "its own reason");
  tt_intervals_identify(&v, &fit);
  assert_string_equal(fit.reason[1], "its own reason");
  assert_false(fit.identified[2]);
  assert_string_equal(fit.reason[2], v.reason[2]);
  assert_true(fit.identified[4]);
  tt_intervals_free(&v);
}

static void predictions(void **state) {
  (void)state;
  const tt_law *law = tt_law_find("chinchilla");
  tt_observation rows[ROWS], at = {.size = 1e7, .samples = 48000, .steps = NAN, .flops = NAN};
  make_sweep(rows, law, truth, 0.01, 1);
  tt_fit fit;
  tt_intervals v;
  make(law, rows, ROWS, &few, &fit, &v);
  tt_prediction p;
  assert_int_equal(tt_predict(&v, &at, &p), TT_OK);
  assert_near(p.loss, tt_law_predict(law, fit.theta, &at), 1e-12);
  assert_true(p.law.low < p.loss && p.loss < p.law.high);
  // scatter makes it wider: by squares, about as much as a normal scatter of 1 % would
  assert_true(p.measured.low <= p.law.low && p.law.high < p.measured.high);
  double law_width = log(p.law.high / p.law.low), width = log(p.measured.high / p.measured.low);
  assert_near(width, hypot(law_width, 2 * 1.96 * 0.01), 0.35);
  assert_int_equal(v.scatter_count, ROWS);
  // the law of a sum of interval and point: without scatter both are the same
  double *scatter = v.scatter, none = 0;
  v.scatter = &none, v.scatter_count = 1;
  tt_prediction bare;
  assert_int_equal(tt_predict(&v, &at, &bare), TT_OK);
  assert_near(log(bare.measured.high / bare.measured.low), law_width, 0.25);
  v.scatter = scatter, v.scatter_count = ROWS;
  at.samples = NAN;
  assert_int_equal(tt_predict(&v, &at, &p), TT_ERR_DATA);
  assert_non_null(strstr(tt_error_message(), "samples"));
  tt_intervals_free(&v);
}

static void hold_out(void **state) {
  (void)state;
  const tt_law *law = tt_law_find("chinchilla");
  tt_observation rows[ROWS], first[6 * LENGTHS];
  make_sweep(rows, law, truth, 0.01, 6);
  for (int i = 0; i < ROWS; i++) rows[i].group = i / LENGTHS; // as if each size were one run
  tt_holdout h;
  assert_int_equal(tt_holdout_make(law, rows, ROWS, 2, &fit_options, &few, &h), TT_OK);
  assert_int_equal(h.sizes, 2);
  assert_int_equal(h.fitted, 6 * LENGTHS);
  assert_int_equal(h.count, 2 * LENGTHS);
  assert_int_equal(h.last_count, 2);
  assert_true(h.from_size == sizes[6] && h.fitted_size == sizes[5]);
  assert_non_null(strstr(h.intervals.caution, "6 runs only"));
  // the same as a fit to the others
  memcpy(first, rows, sizeof first);
  tt_fit fit;
  assert_int_equal(tt_fit_solve(law, first, 6 * LENGTHS, &fit_options, &fit), TT_OK);
  assert_memory_equal(fit.theta, h.fit.theta, 5 * sizeof(double));
  double sum = 0;
  size_t inside = 0;
  for (size_t i = 0; i < h.count; i++) {
    tt_holdout_point *p = &h.points[i];
    double predicted = tt_law_predict(law, fit.theta, &rows[6 * LENGTHS + i]);
    assert_near(p->relative_error, predicted / rows[6 * LENGTHS + i].loss - 1, 1e-9);
    assert_int_equal(p->inside,
                     p->at.loss >= p->predicted.measured.low && p->at.loss <= p->predicted.measured.high);
    sum += fabs(p->relative_error), inside += p->inside;
  }
  assert_near(h.mean_relative_error, sum / h.count, 1e-12);
  assert_int_equal(h.inside, inside);
  for (int i = 0; i < 2; i++) assert_true(h.last[i].at.steps == 1500 && h.last[i].at.size == sizes[6 + i]);
  assert_near(h.last_relative_error, 0.5 * (fabs(h.last[0].relative_error) + fabs(h.last[1].relative_error)),
              1e-12);
  tt_holdout_free(&h);
  assert_int_equal(tt_holdout_make(law, rows, ROWS, SIZES, &fit_options, &few, &h), TT_ERR_ARGUMENT);
  assert_int_equal(tt_holdout_make(law, rows, ROWS, 0, &fit_options, &few, &h), TT_ERR_ARGUMENT);
  assert_int_equal(tt_holdout_make(law, rows, ROWS, 7, &fit_options, &few, &h), TT_ERR_DATA); // 4 rows left
  assert_non_null(strstr(tt_error_message(), "hold-out"));
}

static void refused(void **state) {
  (void)state;
  const tt_law *law = tt_law_find("chinchilla");
  tt_observation rows[ROWS];
  make_sweep(rows, law, truth, 0.01, 6);
  tt_fit fit;
  assert_int_equal(tt_fit_solve(law, rows, ROWS, &fit_options, &fit), TT_OK);
  tt_intervals v;
  tt_interval_options bad = few;
  bad.confidence = 95;
  assert_int_equal(tt_intervals_make(law, rows, ROWS, &fit_options, &fit, &bad, &v), TT_ERR_ARGUMENT);
  bad = few, bad.resamples = 3;
  assert_int_equal(tt_intervals_make(law, rows, ROWS, &fit_options, &fit, &bad, &v), TT_ERR_ARGUMENT);
  for (int i = 0; i < ROWS; i++) rows[i].group = 5;
  assert_int_equal(tt_intervals_make(law, rows, ROWS, &fit_options, &fit, &few, &v), TT_ERR_DATA);
  assert_non_null(strstr(tt_error_message(), "one run"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(quantiles),   cmocka_unit_test(draws),         cmocka_unit_test(published),
      cmocka_unit_test(seeds),       cmocka_unit_test(repeated_rows), cmocka_unit_test(not_identified),
      cmocka_unit_test(predictions), cmocka_unit_test(hold_out),      cmocka_unit_test(refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
