// The report of a fit as text.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/fit_format.h"
#include "cli/fit_report.h"
#include "core/version.h"
#include "scaling/lettering.h"

enum { MOST_HELD_OUT = 40 }; // more held-out points than these: the last of each run only

static void print_data(const tt_fit_result *r) {
  const tt_observations *o = &r->observations;
  const tt_fit_options *options = &r->arguments->fit;
  char low[32], high[32], r_squared[40];
  double smallest = INFINITY, largest = 0;
  for (size_t i = 0; i < r->count; i++)
    smallest = fmin(smallest, r->rows[i].size), largest = fmax(largest, r->rows[i].size);
  tt_lettering_number(low, sizeof low, smallest);
  tt_lettering_number(high, sizeof high, largest);
  printf("data        %s\n", o->source);
  printf("points      %s\n", o->chosen);
  printf("schedule    %s\n", o->schedule[0] ? o->schedule : "not known");
  printf("size        %s\n", o->size_kind);
  printf("fitted      %zu points of %d size%s, %s to %s, in %d independent group%s", r->count, r->sizes,
         r->sizes == 1 ? "" : "s", low, high, tt_fit_result_groups(r),
         tt_fit_result_groups(r) == 1 ? "" : "s");
  if (r->held_out) printf("; %zu points of the largest %d held out", r->held_out->count, r->held_out->sizes);
  printf("\nobjective   Huber's function of log loss, delta %g, summed: %.8g\n", options->huber_delta,
         r->fit->objective);
  printf("            %d of %d starts ended there\n", r->fit->starts_at_optimum, r->fit->starts);
  if (r->arguments->at_given)
    printf("            %.8g at %s\n", r->at_objective, tt_fit_arguments_at_source(r->arguments));
  tt_fit_format_r_squared(r_squared, sizeof r_squared, r->fit->r_squared);
  printf("goodness    R2 %s, rms of log residuals %.2g, mean relative error %.2g %%\n", r_squared,
         r->fit->rmse_log, 100 * r->fit->mean_relative_error);
}

static void print_constants(const tt_fit_result *r) {
  const tt_law *law = r->law;
  char heading[40];
  bool at = r->arguments->at_given;
  snprintf(heading, sizeof heading, "%g %% interval", 100 * r->arguments->interval.confidence);
  printf("\n%-9s %12s %12s   %-*s", "constant", "value", "std. error", at ? 26 : 0, heading);
  printf(at ? " %12s\n" : "\n", r->arguments->at_name);
  for (int p = 0; p < law->parameters; p++) {
    char value[40], error[40], range[90] = "-", other[40];
    double se = r->fit->standard_error[p];
    if (r->fit->identified[p]) {
      tt_fit_format_value(value, sizeof value, r->fit->theta[p], se);
      tt_fit_format_error(error, sizeof error, se);
      if (r->intervals)
        tt_fit_format_range(range, sizeof range, r->intervals->parameter[p].low,
                            r->intervals->parameter[p].high, se);
      printf("%-9s %12s %12s   %-*s", law->parameter[p], value, error, at ? 26 : 0, range);
    } else
      printf("%-9s %-*s", law->parameter[p], at ? 52 : 0, "not identified");
    tt_fit_format_value(other, sizeof other, r->arguments->at[p], NAN);
    printf(at ? " %12s\n" : "\n", other);
  }
  for (int p = 0; p < law->parameters; p++) {
    char names[80];
    if (r->fit->identified[p]) continue;
    int count = tt_fit_result_unknown(r, p, names, sizeof names);
    printf("%s not identified: %s\n", names, r->fit->reason[p]);
    p += count - 1;
  }
  if (r->intervals) printf("intervals: %s\n", r->intervals->method);
}

static void print_correlation(const tt_fit_result *r) {
  const tt_law *law = r->law;
  int known = 0;
  for (int p = 0; p < law->parameters; p++) known += r->fit->identified[p];
  if (known < 2) return;
  printf("\n%-12s", "correlation");
  for (int p = 0; p < law->parameters; p++)
    if (r->fit->identified[p]) printf(" %7s", law->parameter[p]);
  printf("\n");
  for (int p = 0; p < law->parameters; p++) {
    if (!r->fit->identified[p]) continue;
    printf("%-12s", law->parameter[p]);
    for (int q = 0; q <= p; q++)
      if (r->fit->identified[q]) {
        if (isnan(r->fit->correlation[p][q]))
          printf(" %7s", "-");
        else
          printf(" %7.3f", r->fit->correlation[p][q]);
      }
    printf("\n");
  }
}

static void print_optimal(const tt_fit_result *r) {
  char value[40], range[90];
  double se = (r->optimal_range.high - r->optimal_range.low) / 4;
  if (isnan(r->optimal)) return;
  tt_fit_format_value(value, sizeof value, r->optimal, se);
  tt_fit_format_range(range, sizeof range, r->optimal_range.low, r->optimal_range.high, se);
  printf("for C proportional to N D the best size grows as C^a, a = beta / (alpha + beta) = %s, %s\n", value,
         range);
}

// "run 41k-seed1, step 500": where a point is from.
static void print_place(const tt_fit_result *r, const tt_observation *at) {
  const tt_observations *o = &r->observations;
  printf("%s", at->group >= 0 && at->group < o->groups ? o->group_names[at->group] : "?");
  if (isfinite(at->steps)) printf(", step %.0f", at->steps);
}

static void print_residuals(const tt_fit_result *r) {
  if (!r->residual_count) return;
  printf("\n%-23s %6s %9s %9s %9s  %s\n", "ln(loss / law) by size", "points", "mean", "rms", "worst",
         "where");
  for (int i = 0; i < r->residual_count; i++) {
    const tt_residual_row *row = &r->residuals[i];
    char low[32], high[32], size[80];
    tt_lettering_number(low, sizeof low, row->smallest);
    tt_lettering_number(high, sizeof high, row->largest);
    snprintf(size, sizeof size, strcmp(low, high) ? "%s to %s" : "%s", low, high);
    printf("%-23s %6zu %+9.4f %9.4f %+9.4f  ", size, row->count, row->mean, row->rms, row->worst);
    print_place(r, &r->rows[row->worst_row]);
    printf("\n");
  }
}

// The variables that the law has, and always size.
static bool shown(const tt_law *law, tt_variable v) {
  if (v == TT_VARIABLE_SIZE) return true;
  for (int k = 0; k < law->terms; k++)
    if (law->variable[k] == v || (law->variable[k] == TT_VARIABLE_SIZE_STEPS && v == TT_VARIABLE_STEPS))
      return true;
  return false;
}

static void print_variables(const tt_law *law, const tt_observation *at) { // NULL: their names
  for (int v = 0; v < TT_VARIABLE_SIZE_STEPS; v++) {
    char text[32];
    if (!shown(law, (tt_variable)v)) continue;
    double value = at ? tt_variable_value((tt_variable)v, at) : NAN;
    if (!at)
      snprintf(text, sizeof text, "%s", tt_variable_name((tt_variable)v));
    else if (isnan(value))
      snprintf(text, sizeof text, "-");
    else
      tt_lettering_number(text, sizeof text, value);
    printf("%-9s ", text);
  }
}

// Losses have no natural number of digits: as many as the standard error leaves, a quarter of the interval's
// width.
static void print_prediction(const tt_prediction *p) {
  char value[40], range[90];
  double se = (p->measured.high - p->measured.low) / 4;
  tt_fit_format_value(value, sizeof value, p->loss, se);
  tt_fit_format_range(range, sizeof range, p->measured.low, p->measured.high, se);
  printf(" %10s  %-20s", value, range);
}

static void print_held_out(const tt_fit_result *r) {
  const tt_holdout *h = r->held_out;
  if (!h) return;
  bool all = h->count <= MOST_HELD_OUT;
  const tt_holdout_point *points = all ? h->points : h->last;
  size_t count = all ? h->count : h->last_count;
  char fitted[32], from[32];
  tt_lettering_number(fitted, sizeof fitted, h->fitted_size);
  tt_lettering_number(from, sizeof from, h->from_size);
  printf("\nheld out: %d size%s from %s on, predicted by the law of sizes up to %s%s\n", h->sizes,
         h->sizes == 1 ? "" : "s", from, fitted, all ? "" : " (last points only; --json has all)");
  print_variables(r->law, NULL);
  printf(" %9s %10s  %-20s %9s  %s\n", "measured", "predicted", "interval", "error", "inside");
  for (size_t i = 0; i < count; i++) {
    char error[40], loss[40];
    const tt_range *m = &points[i].predicted.measured;
    tt_fit_format_value(loss, sizeof loss, points[i].at.loss, (m->high - m->low) / 4);
    tt_fit_format_percent(error, sizeof error, points[i].relative_error);
    print_variables(r->law, &points[i].at);
    printf(" %9s", loss);
    print_prediction(&points[i].predicted);
    printf(" %9s  %s\n", error, points[i].inside ? "yes" : "no");
  }
  printf("mean relative error %.2f %% of %zu points", 100 * h->mean_relative_error, h->count);
  if (h->last_count < h->count) printf(", %.2f %% of the last of each run", 100 * h->last_relative_error);
  printf("; %zu of %zu inside the %g %% prediction interval\n", h->inside, h->count,
         100 * r->arguments->interval.confidence);
}

static void print_predictions(const tt_fit_result *r) {
  if (!r->prediction_count) return;
  printf("\npredictions\n");
  print_variables(r->law, NULL);
  if (r->has_data) printf(" %10s  %-20s", "loss", "of a measured loss");
  printf(r->arguments->at_given ? " %10s\n" : "\n", r->arguments->at_name);
  for (int i = 0; i < r->prediction_count; i++) {
    const tt_fit_prediction *p = &r->predictions[i];
    print_variables(r->law, &p->at);
    if (p->predicted) print_prediction(&p->ours);
    if (r->arguments->at_given) printf(" %10.5g", p->other);
    printf("\n");
    if (p->extrapolation[0]) printf("            %s\n", p->extrapolation);
  }
}

void tt_fit_report_print(const tt_fit_result *r) {
  const tt_observations *o = &r->observations;
  printf("twotrack %s, law %s: %s\n\n", tt_version(), r->law->name, r->law->formula);
  if (r->has_data) {
    print_data(r);
    print_constants(r);
    print_correlation(r);
    print_optimal(r);
    print_residuals(r);
    print_held_out(r);
  } else {
    printf("law at %s:", tt_fit_arguments_at_source(r->arguments));
    for (int p = 0; p < r->law->parameters; p++)
      printf(" %s %.6g", r->law->parameter[p], r->arguments->at[p]);
    printf("\n");
  }
  print_predictions(r);
  if (o->caution_count) printf("\ncautions\n");
  for (int i = 0; i < o->caution_count; i++) printf("- %s\n", o->cautions[i]);
}
