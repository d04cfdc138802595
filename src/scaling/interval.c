#include "scaling/interval.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scaling/bootstrap.h"
#include "scaling/quantile.h"

// Coverage was measured with as few as these (docs/scaling-laws.md).
enum { FEW_RUNS = 8, FEW_POINTS = 16 };

double tt_intervals_at(const tt_intervals *v, double estimate, const double *sorted, double z) {
  size_t count = v->count;
  if (v->plain) return tt_sorted_quantile(sorted, count, tt_normal_cdf(z));
  // Where the estimate stands among the refits tells the bias of their middle (Efron's bias correction). It
  // matters here: a loss close to absolute deviations makes refits gather on one side of the estimate.
  double below = 0.5 * (tt_sorted_below(sorted, count, estimate) + tt_sorted_up_to(sorted, count, estimate));
  double share = fmin(fmax(below / count, 1.0 / count), 1 - 1.0 / count);
  return tt_sorted_quantile(sorted, count, tt_normal_cdf(2 * tt_normal_quantile(share) + z));
}

tt_range tt_intervals_of(const tt_intervals *v, double estimate, double *values) {
  tt_sort(values, v->count);
  return (tt_range){tt_intervals_at(v, estimate, values, -v->z), tt_intervals_at(v, estimate, values, v->z)};
}

// Share of refits in which a parameter is at its bound, 0.
static double at_bound(const tt_intervals *v, int p) {
  int n = 0;
  for (int b = 0; b < v->count; b++) n += v->replicates[b][p] == 0;
  return (double)n / v->count;
}

// Whether so many refits run to a bound that an end of some interval is there. Bias correction takes refits
// for a smooth image of the estimate's own scatter. At a bound they are not: measured, it then covers too
// little, and plain percentiles hold.
static bool bounded(const tt_intervals *v) {
  for (int p = 0; p < v->law.parameters; p++)
    if (at_bound(v, p) > 0.5 * (1 - v->options.confidence)) return true;
  return false;
}

// Student's quantile in place of the normal one, and a factor for residuals that the fit has made too small.
// That 2 degrees of freedom are given up, not as many as the law has parameters, is what measured coverage
// says: a resample that lacks points differs in its design too, so that refits scatter the more the fewer
// points there are.
static double widened(const tt_intervals *v) {
  double tail = 0.5 * (1 + v->options.confidence);
  if (v->plain) return tt_normal_quantile(tail);
  int freedom = v->groups > 3 ? v->groups - 2 : 1;
  return tt_student_quantile(tail, freedom) * sqrt((double)v->groups / freedom);
}

static tt_status refit_all(tt_intervals *v, tt_fitter *fitter, tt_clusters *clusters) {
  v->replicates = malloc(v->options.resamples * sizeof *v->replicates);
  if (!v->replicates) return tt_fail(TT_ERR_MEMORY, "no memory for %d refits", v->options.resamples);
  memset(v->replicates, 0, v->options.resamples * sizeof *v->replicates);
  for (v->count = 0; v->count < v->options.resamples; v->count++) {
    tt_clusters_draw(clusters, v->options.seed, v->count);
    double objective;
    tt_status status = tt_fit_refit(fitter, clusters->weight, v->theta, v->replicates[v->count], &objective);
    if (status == TT_ERR_NUMERIC)
      v->unconverged++; // left out, the intervals would be too narrow
    else
      TT_TRY(status);
  }
  return TT_OK;
}

// What the law misses of a group when it is fitted without it.
static tt_status leave_out(tt_intervals *v, tt_fitter *fitter, tt_clusters *clusters,
                           const tt_observation *rows) {
  v->scatter = malloc(clusters->count * sizeof *v->scatter);
  if (!v->scatter) return tt_fail(TT_ERR_MEMORY, "no memory for %zu residuals", clusters->count);
  for (int g = 0; g < clusters->groups; g++) {
    double theta[TT_LAW_PARAMETERS], objective;
    tt_clusters_without(clusters, g);
    tt_status status = tt_fit_refit(fitter, clusters->weight, v->theta, theta, &objective);
    if (status != TT_ERR_NUMERIC) TT_TRY(status);
    for (size_t i = 0; i < clusters->count; i++) {
      if (clusters->of_row[i] != g) continue;
      double r = log(rows[i].loss / tt_law_predict(&v->law, theta, &rows[i]));
      if (isfinite(r)) v->scatter[v->scatter_count++] = r;
    }
  }
  tt_sort(v->scatter, v->scatter_count);
  return TT_OK;
}

// Parameter p of a term with these two parameters (E: twice itself). A term that is often 0, or does not
// change with its variable, has neither a coefficient nor an exponent.
static void judge(tt_intervals *v, int p, int coefficient, int exponent) {
  double low = v->parameter[p].low, high = v->parameter[p].high, percent = 100 * v->options.confidence;
  int worse = at_bound(v, exponent) > at_bound(v, coefficient) ? exponent : coefficient;
  double bound = at_bound(v, worse), allowed = 0.5 * (1 - v->options.confidence);
  char *reason = v->reason[p];
  size_t room = sizeof v->reason[p];
  if (bound > allowed)
    snprintf(reason, room, "%s is 0 in %.0f %% of the refits to resampled data", v->law.parameter[worse],
             100 * bound);
  else if (!isfinite(low) || !isfinite(high))
    snprintf(reason, room, "its refits to resampled data run to infinity");
  else if (low <= 0 && high >= 0)
    snprintf(reason, room, "its %g %% interval, %.3g to %.3g, includes 0", percent, low, high);
  else if (fmax(fabs(low), fabs(high)) > 10 * fmin(fabs(low), fabs(high)))
    snprintf(reason, room, "its %g %% interval, %.3g to %.3g, spans more than a factor of ten", percent, low,
             high);
  v->identified[p] = !reason[0];
}

static tt_status all_parameters(tt_intervals *v) {
  double *values = malloc(v->count * sizeof *values);
  if (!values) return tt_fail(TT_ERR_MEMORY, "no memory for %d refits", v->count);
  for (int p = 0; p < v->law.parameters; p++) {
    for (int b = 0; b < v->count; b++) values[b] = v->replicates[b][p];
    v->parameter[p] = tt_intervals_of(v, v->theta[p], values);
  }
  free(values);
  if (v->law.offset) judge(v, 0, 0, 0);
  for (int k = 0; k < v->law.terms; k++) {
    int c = tt_law_coefficient(&v->law, k), e = tt_law_exponent(&v->law, k);
    judge(v, c, c, e);
    judge(v, e, c, e);
  }
  return TT_OK;
}

// Adds a sentence to the caution.
static void caution(tt_intervals *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void caution(tt_intervals *v, const char *format, ...) {
  size_t at = strlen(v->caution), room = sizeof v->caution;
  if (at > 0 && at + 2 < room) at += snprintf(v->caution + at, room - at, "; ");
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(v->caution + at, room - at, format, arguments);
  va_end(arguments);
}

static void describe(tt_intervals *v) {
  const char *what = v->clustered ? "runs" : "points";
  const char *how = !v->plain                                     ? ", widened for their number"
                    : v->options.method == TT_INTERVAL_PERCENTILE ? ""
                                                                  : " (not corrected: refits run to a bound)";
  snprintf(v->method, sizeof v->method, "%s of %d refits to %d %s drawn with replacement%s, seed %llu",
           v->plain ? "percentiles" : "bias-corrected percentiles", v->count, v->groups, what, how,
           (unsigned long long)v->options.seed);
  if (v->groups < (v->clustered ? FEW_RUNS : FEW_POINTS))
    caution(v, "intervals come from %d %s only, fewer than their coverage was measured for", v->groups, what);
  if (v->unconverged > v->count / 20)
    caution(v, "%d of %d refits did not converge", v->unconverged, v->count);
}

tt_status tt_intervals_make(const tt_law *law, const tt_observation *rows, size_t count,
                            const tt_fit_options *fit_options, const tt_fit *fit,
                            const tt_interval_options *options, tt_intervals *v) {
  *v = (tt_intervals){.law = *law, .options = *options};
  if (options->resamples < 20 || options->resamples > 10000000)
    return tt_fail(TT_ERR_ARGUMENT, "%d resamples: from 20 to 10000000 are possible", options->resamples);
  if (!(options->confidence > 0 && options->confidence < 1))
    return tt_fail(TT_ERR_ARGUMENT, "confidence %g: it must lie between 0 and 1, for instance 0.95",
                   options->confidence);
  memcpy(v->theta, fit->theta, sizeof v->theta);
  tt_fitter *fitter = NULL;
  tt_clusters clusters = {0};
  tt_status status;
  TT_TRY_GOTO(status, tt_fitter_create(&fitter, law, rows, count, fit_options->huber_delta), end);
  TT_TRY_GOTO(status, tt_clusters_create(&clusters, rows, count), end);
  v->groups = clusters.groups, v->clustered = (size_t)clusters.groups < count;
  if (v->groups < 2) {
    status = tt_fail(TT_ERR_DATA, "all %zu rows are of one run: intervals need several runs", count);
    goto end;
  }
  TT_TRY_GOTO(status, refit_all(v, fitter, &clusters), end);
  v->plain = options->method == TT_INTERVAL_PERCENTILE || bounded(v);
  v->z = widened(v);
  TT_TRY_GOTO(status, leave_out(v, fitter, &clusters, rows), end);
  TT_TRY_GOTO(status, all_parameters(v), end);
  describe(v);
end:
  tt_fitter_free(fitter);
  tt_clusters_free(&clusters);
  if (status != TT_OK) tt_intervals_free(v);
  return status;
}

void tt_intervals_free(tt_intervals *v) {
  free(v->replicates), free(v->scatter);
  *v = (tt_intervals){0};
}

void tt_intervals_identify(const tt_intervals *v, tt_fit *fit) {
  for (int p = 0; p < v->law.parameters; p++) {
    if (v->identified[p] || !fit->identified[p]) continue;
    fit->identified[p] = false;
    memcpy(fit->reason[p], v->reason[p], sizeof fit->reason[p]);
  }
}
