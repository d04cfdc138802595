// How often intervals hold the truth, in simulated data of a known law: coverage_test SCENARIO...
//
// - table: 240 independent points with the sizes, samples and scatter of the Chinchilla table
// - sweep: 56 runs, of which the last points count: 8 sizes over two decades, 4 lengths, 3 seeds at the 3
//   smallest sizes, 1.5 % scatter
// - sweep-small: the same with one seed, 32 runs
// - sweep-tiny: the same with every second size, 16 runs
// - sweep-noisy: as sweep, with 6 % scatter
// - sweep-outliers: as sweep, but one run in ten scatters five times as much
// - curves-1, -2, -3: 12 points along each curve, scatter of 1 % of each run and of each point; 8 runs (one a
//   size), 14 (3 seeds at the 3 smallest sizes), 24 (3 seeds)
//
// Prints the share of data sets whose interval holds the truth, of those where the parameter is identified,
// and fails when the share of the default interval is not possible for what it promises. TT_TEST_LONG: all
// scenarios in place of the first, and up to 1000 data sets. TT_TEST_SETS, TT_TEST_RESAMPLES: so many.
#include <stdbool.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chinchilla.h"
#include "core/philox.h"
#include "scaling/predict.h"
#include "scaling/quantile.h"

enum { MOST = 300, SIZES = 8, POINTS = 3 };
static const double sizes[SIZES] = {41e3, 81e3, 240e3, 508e3, 799e3, 1.4e6, 2.7e6, 4.3e6};

typedef struct {
  const char *name;
  int seeds, seeds_small; // at a size, and at the three smallest
  int points;             // along a curve; 0: run lengths in place of it
  double run, point;      // relative scatter of a run, and of each of its points
  int few, many;          // data sets of the short test and of the long one
  double low, high;       // shares that it may promise
} scenario;

// clang-format off
static const scenario scenarios[] = {
    {"table", .few = 24, .many = 1000, .low = 0.93, .high = 0.97},
    {"sweep", 1, 3, 0, 0, 0.015, 150, 1000, 0.93, 0.97},
    {"sweep-small", 1, 1, 0, 0, 0.015, 150, 1000, 0.90, 1},
    {"sweep-tiny", 1, 1, 0, 0, 0.015, 150, 300, 0.90, 1},
    {"sweep-noisy", 1, 3, 0, 0, 0.06, 150, 300, 0.90, 1},
    {"sweep-outliers", 1, 3, 0, 0, 0.015, 150, 300, 0.93, 0.97},
    {"curves-1", 1, 1, 12, 0.01, 0.01, 30, 300, 0.90, 1},
    {"curves-2", 1, 3, 12, 0.01, 0.01, 30, 1000, 0.92, 0.98},
    {"curves-3", 3, 3, 12, 0.01, 0.01, 30, 300, 0.90, 1},
};
// clang-format on

typedef struct {
  const scenario *kind;
  tt_observation rows[MOST], at[POINTS]; // at: where it predicts; their losses are those of new runs
  size_t count;
  double law[MOST], theta[TT_LAW_PARAMETERS];
  double residual[MOST]; // of the table
} world;

static double normal(uint64_t key, uint32_t what, uint32_t i) {
  double a, b;
  tt_philox4 bits = tt_philox(key, i, what, 0, 0);
  tt_normal2(bits.v[0], bits.v[1], &a, &b);
  return a;
}

static double uniform(uint64_t key, uint32_t what, uint32_t i) {
  return tt_uniform(tt_philox(key, i, what, 0, 0).v[0]);
}

// Where the data are, and the law they come from.
static bool prepare(world *w, const tt_law *law) {
  if (!strcmp(w->kind->name, "table")) {
    w->count = chinchilla(w->rows);
    if (w->count == 0) return false;
    memcpy(w->theta, (double[]){1.8172, 477.83, 0.3473, 2143.42, 0.3672}, 5 * sizeof(double));
    for (size_t i = 0; i < w->count; i++)
      w->residual[i] = log(w->rows[i].loss / tt_law_predict(law, w->theta, &w->rows[i]));
  } else {
    // at the smallest size and 125 steps of 16: 0.4 + 0.35 + 0.8
    memcpy(w->theta, (double[]){0.4, 0.35 * pow(41e3, 0.45), 0.45, 0.8 * sqrt(2000), 0.5},
           5 * sizeof(double));
    bool curves = w->kind->points > 0, tiny = !strcmp(w->kind->name, "sweep-tiny");
    int group = 0, points = curves ? w->kind->points : 4;
    for (int s = 0; s < SIZES; s += 1 + tiny) {
      int seeds = s < 3 ? w->kind->seeds_small : w->kind->seeds;
      for (int i = 0; i < seeds * points; i++) {
        int p = i % points;
        double steps = curves ? 125 * pow(12, p / (points - 1.0)) : (double[]){125, 312, 688, 1500}[p];
        tt_observation *row = &w->rows[w->count];
        *row = (tt_observation){.size = sizes[s], .samples = 16 * steps, .steps = steps, .flops = NAN};
        row->group = curves ? group : (int)w->count;
        w->count++, group += p == points - 1;
      }
    }
  }
  for (size_t i = 0; i < w->count; i++) w->law[i] = tt_law_predict(law, w->theta, &w->rows[i]);
  double most_size = 0, most_samples = 0;
  for (size_t i = 0; i < w->count; i++) {
    most_size = fmax(most_size, w->rows[i].size), most_samples = fmax(most_samples, w->rows[i].samples);
  }
  // the largest run; twice the size; and four times the samples too
  w->at[0] = (tt_observation){.size = most_size, .samples = most_samples, .steps = NAN, .flops = NAN};
  w->at[1] = w->at[2] = w->at[0];
  w->at[1].size *= 2, w->at[2].size *= 2, w->at[2].samples *= 4;
  return true;
}

// One relative error of a loss.
static double scatter(const world *w, uint64_t key, uint32_t i, uint32_t group) {
  if (w->kind->low > 0 && !strcmp(w->kind->name, "table")) {
    // residuals of the table, a little smoothed: a few were made 0 by the fit
    return w->residual[(int)(uniform(key, 2, i) * w->count)] + 5e-4 * normal(key, 0, i);
  }
  double e = w->kind->run * normal(key, 1, group) + w->kind->point * normal(key, 0, i);
  return !strcmp(w->kind->name, "sweep-outliers") && uniform(key, 2, i) < 0.1 ? 5 * e : e;
}

static void simulate(world *w, int set) {
  uint64_t key = tt_stream(20240613, set, 1);
  for (size_t i = 0; i < w->count; i++)
    w->rows[i].loss = w->law[i] * exp(scatter(w, key, i, w->rows[i].group));
  for (int p = 0; p < POINTS; p++) w->at[p].loss = exp(scatter(w, key, MOST + p, MOST + p)); // times the law
}

// What was counted: hits of n, of the default interval and of percentiles; misses on either side of the
// default.
typedef struct {
  int n, hit, percentile, below, above;
} tally;

static void count(tally *t, double truth, tt_range range, tt_range percentile) {
  t->n++;
  t->hit += range.low <= truth && truth <= range.high;
  t->below += truth<range.low, t->above += truth> range.high;
  t->percentile += percentile.low <= truth && truth <= percentile.high;
}

static int run_set(world *w, const tt_law *law, int set, int resamples, tally tallies[]) {
  static const tt_fit_options fit_options = TT_FIT_OPTIONS;
  tt_interval_options options = {resamples, set, 0.95, TT_INTERVAL_DEFAULT};
  simulate(w, set);
  tt_fit fit;
  tt_intervals v;
  if (tt_fit_solve(law, w->rows, w->count, &fit_options, &fit) != TT_OK ||
      tt_intervals_make(law, w->rows, w->count, &fit_options, &fit, &options, &v) != TT_OK) {
    fprintf(stderr, "data set %d: %s\n", set, tt_error_message());
    return 1;
  }
  tt_intervals_identify(&v, &fit);
  tt_intervals plain = v; // the same refits, read the other way
  plain.plain = true, plain.z = tt_normal_quantile(0.975);
  double *values = malloc(v.count * sizeof *values);
  for (int p = 0; p < law->parameters; p++) {
    for (int b = 0; b < v.count; b++) values[b] = v.replicates[b][p];
    tt_range percentile = tt_intervals_of(&plain, fit.theta[p], values);
    if (fit.identified[p]) count(&tallies[p], w->theta[p], v.parameter[p], percentile);
  }
  free(values);
  for (int p = 0; p < POINTS; p++) {
    tt_prediction a, b;
    double truth = tt_law_predict(law, w->theta, &w->at[p]);
    if (tt_predict(&v, &w->at[p], &a) != TT_OK || tt_predict(&plain, &w->at[p], &b) != TT_OK) return 1;
    count(&tallies[law->parameters + p], truth, a.law, b.law);
    count(&tallies[law->parameters + POINTS + p], truth * w->at[p].loss, a.measured, b.measured);
  }
  tt_intervals_free(&v);
  return 0;
}

// P(X <= k) of a binomial number.
static double binomial_up_to(int k, int n, double p) {
  double sum = 0;
  for (int i = 0; i <= k; i++)
    sum += exp(lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1) + i * log(p) + (n - i) * log1p(-p));
  return sum;
}

// Whether so many hits are possible for an interval whose true share lies between low and high: else one
// chance in 100,000 was met. Of many data sets the share itself must lie there, to half a per cent, so that
// another libm's last digits do not fail it.
static bool possible(const tally *t, double low, double high) {
  const double never = 1e-5, share = (double)t->hit / t->n;
  if (t->n >= 900 && (share < low - 0.005 || share > high + 0.005)) return false;
  if (binomial_up_to(t->hit, t->n, low) < never) return false;
  return high >= 1 || 1 - binomial_up_to(t->hit - 1, t->n, high) > never;
}

// sets, resamples: 0 for the scenario's own
static int run_scenario(const char *name, int sets, int resamples) {
  const tt_law *law = tt_law_find("chinchilla");
  world *w = calloc(1, sizeof *w);
  for (size_t k = 0; k < sizeof scenarios / sizeof *scenarios; k++)
    if (!strcmp(name, scenarios[k].name)) w->kind = &scenarios[k];
  if (!w->kind || !prepare(w, law)) {
    fprintf(stderr, "no scenario %s, or no $TT_TEST_VECTORS/chinchilla_245.csv\n", name);
    free(w);
    return 1;
  }
  bool is_long = getenv("TT_TEST_LONG") != NULL;
  if (sets == 0) sets = is_long ? w->kind->many : w->kind->few;
  if (resamples == 0) resamples = !is_long ? 200 : w->kind->points ? 400 : 1000;
  tally tallies[TT_LAW_PARAMETERS + 2 * POINTS] = {0};
  int failed = 0;
  for (int set = 0; set < sets && !failed; set++) failed = run_set(w, law, set, resamples, tallies);

  const char *names[] = {"law at the largest run",   "law at 2 N",       "law at 2 N, 4 D",
                         "a new run as the largest", "a new run at 2 N", "a new run at 2 N, 4 D"};
  printf("%s: %d data sets of %zu points, %d resamples\n%-26s %10s %17s %6s %6s %11s\n", name, sets, w->count,
         resamples, "95 % interval of", "identified", "default", "below", "above", "percentile");
  for (int p = 0; p < law->parameters + 2 * POINTS; p++) {
    tally *t = &tallies[p];
    const char *what = p < law->parameters ? law->parameter[p] : names[p - law->parameters];
    if (t->n == 0) {
      printf("%-26s %9.1f%%\n", what, 0.0);
      continue;
    }
    double share = (double)t->hit / t->n;
    bool good = possible(t, w->kind->low, w->kind->high);
    printf("%-26s %9.1f%% %8.1f%% +-%4.1f%% %5.1f%% %5.1f%% %10.1f%%%s\n", what, 100.0 * t->n / sets,
           100 * share, 100 * sqrt(share * (1 - share) / t->n), 100.0 * t->below / t->n,
           100.0 * t->above / t->n, 100.0 * t->percentile / t->n, good ? "" : "  <- not what it promises");
    failed += !good;
  }
  fflush(stdout);
  free(w);
  return failed > 0;
}

int main(int argc, char **argv) {
  bool is_long = getenv("TT_TEST_LONG") != NULL;
  const char *sets = getenv("TT_TEST_SETS"), *resamples = getenv("TT_TEST_RESAMPLES");
  int failed = argc < 2;
  for (int i = 1; i < argc && (i == 1 || is_long); i++)
    failed |= run_scenario(argv[i], sets ? atoi(sets) : 0, resamples ? atoi(resamples) : 0);
  return failed;
}
