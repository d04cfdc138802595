#include "cli/fit_result.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "scaling/canvas.h"
#include "scaling/table_csv.h"

static tt_status caution(tt_fit_result *r, const char *text) {
  return text[0] ? tt_observations_caution(&r->observations, "%s", text) : TT_OK;
}

static void range_of(const tt_observation *rows, size_t count, tt_variable variable, double *low,
                     double *high) {
  *low = INFINITY, *high = 0;
  for (size_t i = 0; i < count; i++) {
    double value = tt_variable_value(variable, &rows[i]);
    *low = fmin(*low, value), *high = fmax(*high, value);
  }
}

// The law power is of samples, or of size where all points have one number of samples or none.
static void choose_variable(tt_fit_result *r) {
  const tt_fit_arguments *a = r->arguments;
  double low, high;
  r->law = a->law;
  if (strcmp(a->law->name, "power") != 0 || a->variable_given) return;
  range_of(r->observations.rows, r->observations.count, TT_VARIABLE_SAMPLES, &low, &high);
  if (!(high > 1.001 * low)) r->law = tt_law_power(TT_VARIABLE_SIZE);
}

// Points that lack a variable of the law are left out, and that is said; all of them are an error.
static tt_status leave_out_unknown(tt_fit_result *r) {
  tt_observations *o = &r->observations;
  for (int k = 0; k < r->law->terms; k++) {
    size_t known = 0;
    for (size_t i = 0; i < o->count; i++)
      known += isfinite(tt_variable_value(r->law->variable[k], &o->rows[i]));
    if (o->count && !known)
      return tt_fail(TT_ERR_DATA, "%s have no %s, which the law %s needs%s", o->source,
                     tt_variable_name(r->law->variable[k]), r->law->name,
                     r->arguments->table ? " (--columns says which column it is)" : "");
    if (known < o->count)
      TT_TRY(tt_observations_caution(o, "%zu of %zu points are left out: their %s are not known",
                                     o->count - known, o->count, tt_variable_name(r->law->variable[k])));
    size_t kept = 0;
    for (size_t i = 0; i < o->count; i++)
      if (isfinite(tt_variable_value(r->law->variable[k], &o->rows[i]))) o->rows[kept++] = o->rows[i];
    o->count = kept;
  }
  return TT_OK;
}

static tt_status choose_points(tt_fit_result *r) {
  const tt_fit_arguments *a = r->arguments;
  if (a->table)
    TT_TRY(tt_observe_table(a->table, &a->choice, &r->observations));
  else
    TT_TRY(tt_observe_runs((const char *const *)a->runs, a->run_count, &a->choice, &r->observations));
  choose_variable(r);
  TT_TRY(leave_out_unknown(r));
  const tt_observations *o = &r->observations;
  if (o->count < (size_t)r->law->parameters)
    return tt_fail(TT_ERR_DATA, "%s: %zu point%s for the %d constants of the law %s are too few (%s)",
                   o->source, o->count, o->count == 1 ? "" : "s", r->law->parameters, r->law->name,
                   o->chosen);
  return tt_fit_arguments_check_predictions(a, r->law);
}

int tt_fit_result_groups(const tt_fit_result *r) {
  return r->intervals ? r->intervals->groups : r->fit->groups;
}

// What was fitted: rows of sizes that were not held out.
static tt_status keep_rows(tt_fit_result *r) {
  const tt_observations *o = &r->observations;
  TT_TRY(tt_alloc(&r->rows, o->count, sizeof *r->rows, "points"));
  for (size_t i = 0; i < o->count; i++)
    if (!r->held_out || o->rows[i].size < r->held_out->from_size) r->rows[r->count++] = o->rows[i];
  for (size_t i = 0; i < r->count; i++) {
    size_t k = 0;
    while (k < i && !tt_same_size(r->rows[k].size, r->rows[i].size)) k++;
    r->sizes += k == i && r->rows[i].size > 0;
  }
  return TT_OK;
}

static tt_status solve(tt_fit_result *r) {
  const tt_fit_arguments *a = r->arguments;
  const tt_observations *o = &r->observations;
  if (a->hold_out) {
    TT_TRY(tt_holdout_make(r->law, o->rows, o->count, a->hold_out, &a->fit, &a->interval, &r->holdout));
    r->held_out = &r->holdout;
    r->fit = &r->holdout.fit;
    r->intervals = &r->holdout.intervals;
  } else {
    TT_TRY(tt_fit_solve(r->law, o->rows, o->count, &a->fit, &r->whole_fit));
    r->fit = &r->whole_fit;
    tt_status status = tt_intervals_make(r->law, o->rows, o->count, &a->fit, &r->whole_fit, &a->interval,
                                         &r->whole_intervals);
    if (status == TT_OK) {
      r->intervals = &r->whole_intervals;
      tt_intervals_identify(r->intervals, &r->whole_fit);
    } else if (status != TT_ERR_DATA) // too few groups to resample: the fit stands without intervals
      return status;
    else
      TT_TRY(tt_observations_caution(&r->observations, "no intervals: %s", tt_error_message()));
  }
  return keep_rows(r);
}

// Tells how far beyond the fitted points `at` lies, in each variable of the law. Returns the farthest factor.
static double tell_extrapolation(const tt_fit_result *r, const tt_observation *at, char *text, size_t size) {
  double farthest = 1;
  text[0] = 0;
  for (int v = 0; v < TT_VARIABLE_SIZE_STEPS; v++) {
    bool used = false;
    for (int k = 0; k < r->law->terms; k++) {
      tt_variable u = r->law->variable[k];
      used |= u == (tt_variable)v ||
              (u == TT_VARIABLE_SIZE_STEPS && (v == TT_VARIABLE_SIZE || v == TT_VARIABLE_STEPS));
    }
    double low, high, value = tt_variable_value((tt_variable)v, at);
    range_of(r->rows, r->count, (tt_variable)v, &low, &high);
    bool above = value > high, below = value < low;
    double factor = above ? value / high : low / value;
    if (!used || !(above || below) || factor < 1.01) continue;
    farthest = fmax(farthest, factor);
    size_t n = strlen(text);
    snprintf(text + n, size - n,
             above ? "%s%s is %.3g times the largest fitted" : "%s%s is 1/%.3g of the smallest fitted",
             n ? ", " : "", tt_variable_name((tt_variable)v), factor);
  }
  return farthest;
}

static tt_status predict(tt_fit_result *r) {
  const tt_fit_arguments *a = r->arguments;
  const double far = 10;
  for (int i = 0; i < a->predict_count; i++) {
    tt_fit_prediction *p = &r->predictions[r->prediction_count++];
    *p = (tt_fit_prediction){.at = a->predict[i], .other = NAN};
    if (a->at_given) p->other = tt_law_predict(r->law, a->at, &p->at);
    if (!r->has_data) continue;
    double farthest = tell_extrapolation(r, &p->at, p->extrapolation, sizeof p->extrapolation);
    if (farthest > far)
      TT_TRY(tt_observations_caution(
          &r->observations,
          "a prediction %.3g times beyond the points that were fitted is a guess: its "
          "interval takes the law itself for true",
          farthest));
    p->predicted = r->intervals != NULL;
    p->ours = (tt_prediction){NAN, {NAN, NAN}, {NAN, NAN}};
    if (r->intervals)
      TT_TRY(tt_predict(r->intervals, &p->at, &p->ours));
    else {
      p->predicted = true;
      p->ours.loss = tt_law_predict(r->law, r->fit->theta, &p->at);
    }
  }
  return TT_OK;
}

// Correlation of the logarithms of two variables over what was fitted; NaN where one does not vary.
static double correlation(const tt_fit_result *r, tt_variable a, tt_variable b) {
  double x0 = 0, y0 = 0, xx = 0, xy = 0, yy = 0, n = (double)r->count;
  for (size_t i = 0; i < r->count; i++)
    x0 += log(tt_variable_value(a, &r->rows[i])) / n, y0 += log(tt_variable_value(b, &r->rows[i])) / n;
  for (size_t i = 0; i < r->count; i++) {
    double x = log(tt_variable_value(a, &r->rows[i])) - x0, y = log(tt_variable_value(b, &r->rows[i])) - y0;
    xx += x * x, xy += x * y, yy += y * y;
  }
  bool vary = xx > 1e-20 * n && yy > 1e-20 * n;
  return vary ? xy / sqrt(xx * yy) : NAN;
}

// Where every size was trained to D = 20 N, the terms of N and D are one power law twice.
static tt_status caution_together(tt_fit_result *r) {
  const tt_law *law = r->law;
  const double most = 0.95;
  for (int k = 0; k < law->terms; k++)
    for (int l = 0; l < k; l++) {
      tt_variable a = law->variable[l], b = law->variable[k];
      if (a == TT_VARIABLE_SIZE_STEPS || b == TT_VARIABLE_SIZE_STEPS) continue; // has size and steps in it
      double both = correlation(r, a, b);
      if (fabs(both) > most)
        TT_TRY(tt_observations_caution(&r->observations,
                                       "%s and %s go together (their logarithms correlate at %.4f): what "
                                       "tells their terms apart is only how "
                                       "little they do not; train each size to several lengths",
                                       tt_variable_name(a), tt_variable_name(b), both));
    }
  return TT_OK;
}

static tt_status add_cautions(tt_fit_result *r) {
  int unknown = 0;
  for (int p = 0; p < r->law->parameters; p++) unknown += !r->fit->identified[p];
  if (unknown)
    TT_TRY(tt_observations_caution(
        &r->observations,
        "not identified by these points: %d of %d constants; the law describes the points, but says little "
        "beyond them",
        unknown, r->law->parameters));
  TT_TRY(caution_together(r));
  if (r->fit->starts > 1 && r->fit->starts_at_optimum < 2)
    TT_TRY(tt_observations_caution(
        &r->observations,
        "only one of %d starts ended at the optimum: it may not be the lowest; try more --starts",
        r->fit->starts));
  if (!r->intervals) return TT_OK;
  return caution(r, r->intervals->caution);
}

// With C proportional to N D the best size grows as C^(beta / (alpha + beta)). The quotient is better known
// than its parts.
static tt_status find_optimal(tt_fit_result *r) {
  enum { ALPHA = 2, BETA = 4 };
  const double *theta = r->fit->theta;
  const tt_intervals *v = r->intervals;
  if (strcmp(r->law->name, "chinchilla") != 0 || !v) return TT_OK;
  if (!r->fit->identified[ALPHA] || !r->fit->identified[BETA]) return TT_OK;
  double *values;
  TT_TRY(tt_alloc(&values, (size_t)v->count, sizeof *values, "refits"));
  bool finite = true;
  for (int i = 0; i < v->count; i++) {
    values[i] = v->replicates[i][BETA] / (v->replicates[i][ALPHA] + v->replicates[i][BETA]);
    finite &= isfinite(values[i]);
  }
  if (finite) {
    r->optimal = theta[BETA] / (theta[ALPHA] + theta[BETA]);
    r->optimal_range = tt_intervals_of(v, r->optimal, values);
  }
  free(values);
  return TT_OK;
}

tt_status tt_fit_result_make(tt_fit_result *r, const tt_fit_arguments *a) {
  *r = (tt_fit_result){.arguments = a, .law = a->law, .at_objective = NAN, .optimal = NAN};
  if (a->out) TT_TRY(tt_canvas_check(a->out)); // now, not after minutes of refits
  r->has_data = a->run_count > 0 || a->table;
  if (r->has_data) {
    TT_TRY(choose_points(r));
    TT_TRY(solve(r));
    r->residual_count = tt_residuals_by_size(r->law, r->fit->theta, r->rows, r->count, r->residuals);
    if (a->at_given) r->at_objective = tt_fit_objective(r->law, r->rows, r->count, a->fit.huber_delta, a->at);
    TT_TRY(find_optimal(r));
    TT_TRY(add_cautions(r));
  }
  return predict(r);
}

void tt_fit_result_free(tt_fit_result *r) {
  tt_holdout_free(&r->holdout);
  tt_intervals_free(&r->whole_intervals);
  tt_observations_free(&r->observations);
  free(r->rows);
}

int tt_fit_result_unknown(const tt_fit_result *r, int first, char *names, size_t size) {
  int p = first;
  size_t used = 0;
  for (; p < r->law->parameters && used < size; p++) {
    if (r->fit->identified[p] || strcmp(r->fit->reason[p], r->fit->reason[first]) != 0) break;
    used += (size_t)snprintf(names + used, size - used, "%s%s", p > first ? ", " : "", r->law->parameter[p]);
  }
  return p - first;
}

const char *tt_fit_result_loss(const tt_fit_result *r) {
  static const char *const names[TT_TERMS] = {"total validation loss", "token validation loss",
                                              "position validation loss", "distance validation loss"};
  // the tables of others have one column of losses, of which nothing is known
  return r->observations.schedule[0] || !r->arguments->table ? names[r->arguments->choice.term] : "loss";
}
