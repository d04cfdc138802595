#include "scaling/identify.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "scaling/errors.h"
#include "scaling/quantile.h"

// What a power law needs before its constants mean something.
enum { LEAST_VALUES = 4 }; // distinct values: an offset, a coefficient, an exponent, and one to disagree
static const double least_range = 10;   // from the smallest to the largest
static const double least_share = 1e-5; // of the loss, which is not known better than that
// Points of chi-squared with one and two degrees of freedom: 99 % for E, and 99.9 % for a term, whose
// exponent was searched for.
static const double chi2_1 = 6.635, chi2_2 = 13.816;
static const double widest = 100; // a coefficient whose 95 % interval spans more is not known

// The first reason stays.
static void __attribute__((format(printf, 3, 4))) refuse(tt_fit *fit, int p, const char *format, ...) {
  if (!fit->identified[p]) return;
  va_list list;
  va_start(list, format);
  vsnprintf(fit->reason[p], sizeof fit->reason[p], format, list);
  va_end(list);
  fit->identified[p] = false;
}

static void refuse_term(tt_fit *fit, const tt_law *law, int k, const char *why) {
  refuse(fit, tt_law_coefficient(law, k), "%s", why);
  refuse(fit, tt_law_exponent(law, k), "%s", why);
}

// Distinct values and range of each variable. sorted: room for [count].
static void check_variables(const tt_fitter *f, tt_fit *fit, double *sorted) {
  for (int k = 0; k < f->law.terms; k++) {
    char why[160];
    int distinct = 1;
    for (size_t i = 0; i < f->count; i++) sorted[i] = f->z[i * f->law.terms + k];
    tt_sort(sorted, f->count);
    for (size_t i = 1; i < f->count; i++) distinct += sorted[i] - sorted[i - 1] > 1e-3;
    const char *name = tt_variable_name(f->law.variable[k]);
    double range = exp(f->high[k] - f->low[k]);
    if (distinct < LEAST_VALUES)
      snprintf(why, sizeof why, "%d distinct value%s of %s; at least %d are needed", distinct,
               distinct == 1 ? "" : "s", name, LEAST_VALUES);
    else if (range < least_range * (1 + 1e-9))
      snprintf(why, sizeof why, "%s spans only a factor of %.3g; more than a decade is needed", name, range);
    else
      continue;
    refuse_term(fit, &f->law, k, why);
  }
}

// The least objective without E or without a term; E then takes the place of the term, also where it was at
// 0.
static double objective_without(tt_fitter *f, const tt_solution *best, int first, int last) {
  double least = INFINITY;
  for (int far = 0; far < 2; far++) {
    tt_solution s = *best;
    bool some = false;
    if (f->law.offset && far) s.active[0] = true, s.u[0] = f->mean;
    for (int p = first; p <= last; p++) s.active[p] = false;
    for (int p = 0; p < f->law.parameters; p++) some |= s.active[p];
    if (!some) continue;
    tt_solve_from(f, &s, far);
    if (s.objective < least) least = s.objective;
  }
  return least;
}

// A term that the data do as well without, that does not fall, or that runs to a limit.
static void check_term(tt_fitter *f, const tt_solution *best, const tt_errors *errors, int k, tt_fit *fit) {
  const tt_law *law = &f->law;
  int c = tt_law_coefficient(law, k), p = tt_law_exponent(law, k);
  const char *name = tt_variable_name(law->variable[k]);
  char why[160];
  if (!best->active[c]) {
    snprintf(why, sizeof why, "the fit puts %s at 0: the loss shows no such dependence on %s",
             law->parameter[c], name);
    refuse_term(fit, law, k, why);
    return;
  }
  double share = tt_solve_share(f, best, c);
  if (share < least_share) {
    snprintf(why, sizeof why, "its term is nowhere more than %.1g of the loss", share);
    refuse_term(fit, law, k, why);
    return;
  }
  if (best->u[p] >= -1e-9)
    snprintf(why, sizeof why, "%s runs to its limit 0: its term does not fall with %s", law->parameter[p],
             name);
  else if (best->u[p] <= -f->steepest[k] * (1 - 1e-9))
    snprintf(why, sizeof why, "%s runs to its limit: its term fits one value of %s alone", law->parameter[p],
             name);
  else if (2 * (objective_without(f, best, c, p) - best->objective) <= chi2_2 * errors->noise)
    snprintf(why, sizeof why,
             "the data are fitted as well without its term: the dependence on %s is within noise", name);
  else
    return;
  refuse_term(fit, law, k, why);
}

static void check_offset(tt_fitter *f, const tt_solution *best, const tt_errors *errors, tt_fit *fit) {
  const tt_law *law = &f->law;
  if (!best->active[0]) {
    refuse(fit, 0, "the fit puts it at 0: the data show no floor");
    return;
  }
  double share = tt_solve_share(f, best, 0);
  if (share < least_share) refuse(fit, 0, "it is nowhere more than %.1g of the loss", share);
  for (int k = 0; k < law->terms; k++)
    if (!fit->identified[tt_law_exponent(law, k)])
      refuse(fit, 0, "it cannot be told from the term of %s, which is not identified",
             tt_variable_name(law->variable[k]));
  if (errors->undetermined[0])
    refuse(fit, 0, "the Jacobian is singular: other parameters can make up for any change of it");
  if (!fit->identified[0]) return;
  double loses = objective_without(f, best, 0, 0) - best->objective;
  if (2 * loses <= chi2_1 * errors->noise)
    refuse(fit, 0, "the data are fitted as well with %s = 0", law->parameter[0]);
}

static void check_pair(const tt_law *law, int coefficient, int exponent, tt_fit *fit) {
  if (!fit->identified[exponent])
    refuse(fit, coefficient, "it means nothing without %s, which is not identified",
           law->parameter[exponent]);
}

// Starts that end as low elsewhere, or in another minimum that the noise cannot tell from the lowest and that
// the standard error does not reach: where size and samples rise together, the two terms change places.
static void check_ends(const tt_fitter *f, const tt_solution *ends, int converged, const tt_errors *errors,
                       tt_fit *fit) {
  for (int p = 0; p < f->law.parameters; p++) {
    double value = fit->theta[p], low = value, high = value, theta[TT_N];
    double error = fit->standard_error[p], reach = fmax(0.02 * fabs(value), 3 * error);
    if (isnan(error)) reach = 0.2 * fabs(value);
    bool higher = false; // some of them are not quite as low
    for (int i = 1; i < converged; i++) {
      bool same = i < fit->starts_at_optimum;
      if (!same && 2 * (ends[i].objective - fit->objective) > chi2_1 * errors->noise) break;
      tt_solution_theta(f, &ends[i], theta);
      double away = fabs(theta[p] - value);
      if (same ? away <= 0.02 * fmax(fabs(theta[p]), fabs(value)) : away <= reach) continue;
      low = fmin(low, theta[p]), high = fmax(high, theta[p]), higher |= !same;
    }
    if (high > low)
      refuse(fit, p, "starts end at %s with values from %.3g to %.3g",
             higher ? "other minima, within noise of the lowest," : "the same objective", low, high);
  }
  for (int k = 0; k < f->law.terms; k++)
    check_pair(&f->law, tt_law_coefficient(&f->law, k), tt_law_exponent(&f->law, k), fit);
}

// Uncertainties so wide that the number says nothing.
static void check_exponent(const tt_errors *errors, const tt_law *law, int k, tt_fit *fit) {
  int c = tt_law_coefficient(law, k), p = tt_law_exponent(law, k);
  double reach = 1.96 * fit->standard_error[p];
  if (errors->undetermined[p])
    refuse(fit, p, "the Jacobian is singular: other parameters can make up for any change of it");
  if (reach >= fabs(fit->theta[p]))
    refuse(fit, p, "its 95 %% interval, %.3g +- %.2g, includes 0", fit->theta[p], reach);
  check_pair(law, c, p, fit);
}

static void check_coefficient(const tt_errors *errors, int c, tt_fit *fit) {
  double span = 2 * 1.96 * fit->standard_error[c] / fit->theta[c];
  if (errors->undetermined[c])
    refuse(fit, c, "the Jacobian is singular: other parameters can make up for any change of it");
  if (span > log(widest)) refuse(fit, c, "its 95 %% interval spans a factor of %.3g", exp(fmin(span, 700)));
}

static void standard_errors(const tt_fitter *f, const tt_solution *best, const tt_errors *errors,
                            tt_fit *fit) {
  int n = f->law.parameters;
  double natural[TT_N][TT_N];
  tt_errors_natural(f, best, errors, natural);
  for (int p = 0; p < n; p++) {
    bool known = errors->known && best->active[p] && !errors->undetermined[p];
    fit->standard_error[p] = known ? sqrt(natural[p][p]) : NAN;
  }
  for (int p = 0; p < n; p++)
    for (int q = 0; q < n; q++) {
      double both = fit->standard_error[p] * fit->standard_error[q]; // NaN where one is not known
      fit->covariance[p][q] = natural[p][q] + 0 * both;
      fit->correlation[p][q] = both > 0 ? natural[p][q] / both : NAN;
    }
}

// What is not identified has no error either.
static void forget(tt_fit *fit, int n) {
  for (int p = 0; p < n; p++) {
    if (fit->identified[p]) continue;
    fit->standard_error[p] = NAN;
    for (int q = 0; q < n; q++)
      fit->covariance[p][q] = fit->covariance[q][p] = fit->correlation[p][q] = fit->correlation[q][p] = NAN;
  }
}

tt_status tt_identify(tt_fitter *f, const tt_observation *rows, const tt_solution *ends, int converged,
                      tt_fit *fit) {
  tt_errors errors;
  double *sorted = malloc(f->count * sizeof *sorted);
  if (!sorted) return tt_fail(TT_ERR_MEMORY, "no memory to judge a fit of %zu rows", f->count);
  for (int p = 0; p < f->law.parameters; p++) fit->identified[p] = true;
  if (f->count <= (size_t)f->law.parameters)
    for (int p = 0; p < f->law.parameters; p++) refuse(fit, p, "there are no more rows than parameters");
  check_variables(f, fit, sorted);
  free(sorted);
  TT_TRY(tt_errors_at(f, rows, &ends[0], &errors));
  fit->groups = errors.groups;
  standard_errors(f, &ends[0], &errors, fit);
  for (int k = 0; k < f->law.terms; k++) check_term(f, &ends[0], &errors, k, fit);
  for (int k = 0; k < f->law.terms; k++) {
    check_exponent(&errors, &f->law, k, fit);
    check_coefficient(&errors, tt_law_coefficient(&f->law, k), fit);
  }
  if (f->law.offset) check_offset(f, &ends[0], &errors, fit);
  check_ends(f, ends, converged, &errors, fit);
  for (int p = 0; p < f->law.parameters && !fit->converged; p++)
    refuse(fit, p, "no start of the fit converged: the objective hardly changes with it");
  forget(fit, f->law.parameters);
  return TT_OK;
}
