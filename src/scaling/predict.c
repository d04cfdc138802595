#include "scaling/predict.h"

#include <math.h>
#include <stdlib.h>

#include "scaling/quantile.h"

enum { STRATA = 200 };

static tt_status check(const tt_law *law, const tt_observation *at) {
  for (int k = 0; k < law->terms; k++) {
    double x = tt_variable_value(law->variable[k], at);
    if (!(x > 0) || !isfinite(x))
      return tt_fail(TT_ERR_DATA, "a prediction of the law %s needs its %s, a positive number", law->name,
                     tt_variable_name(law->variable[k]));
  }
  return TT_OK;
}

// The share of sums (a law's log loss + a residual) that are <= x.
static double share(const double *laws, const tt_intervals *v, double x) {
  double sum = 0;
  for (int i = 0; i < STRATA; i++) sum += tt_sorted_up_to(v->scatter, v->scatter_count, x - laws[i]);
  return sum / ((double)STRATA * v->scatter_count);
}

static double sum_quantile(const double *laws, const tt_intervals *v, double p) {
  double low = laws[0] + v->scatter[0], high = laws[STRATA - 1] + v->scatter[v->scatter_count - 1];
  for (int i = 0; i < 60; i++) {
    double middle = 0.5 * (low + high);
    if (share(laws, v, middle) < p)
      low = middle;
    else
      high = middle;
  }
  return 0.5 * (low + high);
}

tt_status tt_predict(const tt_intervals *v, const tt_observation *at, tt_prediction *prediction) {
  TT_TRY(check(&v->law, at));
  double *logs = malloc(v->count * sizeof *logs);
  if (!logs) return tt_fail(TT_ERR_MEMORY, "no memory for %d predictions", v->count);
  for (int b = 0; b < v->count; b++) {
    logs[b] = log(tt_law_predict(&v->law, v->replicates[b], at));
    if (isnan(logs[b])) logs[b] = INFINITY;
  }
  prediction->loss = tt_law_predict(&v->law, v->theta, at);
  double estimate = log(prediction->loss);
  tt_range law = tt_intervals_of(v, estimate, logs);
  prediction->law = (tt_range){exp(law.low), exp(law.high)};
  prediction->measured = (tt_range){NAN, NAN};
  if (v->scatter_count > 0) {
    // where the law lies, in equal shares: with every residual it makes one possible loss
    double laws[STRATA], tail = 0.5 * (1 - v->options.confidence),
                         wider = v->z / tt_normal_quantile(1 - tail);
    for (int i = 0; i < STRATA; i++)
      laws[i] = tt_intervals_at(v, estimate, logs, wider * tt_normal_quantile((i + 0.5) / STRATA));
    // never inside the law's own interval, where that has one long tail
    prediction->measured = (tt_range){fmin(exp(sum_quantile(laws, v, tail)), prediction->law.low),
                                      fmax(exp(sum_quantile(laws, v, 1 - tail)), prediction->law.high)};
  }
  free(logs);
  if (!isfinite(prediction->loss))
    return tt_fail(TT_ERR_DATA, "the law %s gives no finite loss at this point", v->law.name);
  return TT_OK;
}
