// Rows made ready for the solver, the coordinates it moves in, and the objective with its derivatives.
#include "scaling/solve.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// The share of the loss with which E or a term that is 0 comes back into play.
static const double small_share = 1e-3;

static tt_status check_row(const tt_law *law, const tt_observation *row, size_t i) {
  if (!(row->loss > 0) || !isfinite(row->loss))
    return tt_fail(TT_ERR_DATA,
                   "row %zu has loss %g: a law is fitted to the logarithm of positive losses; leave it out",
                   i + 1, row->loss);
  for (int k = 0; k < law->terms; k++) {
    double x = tt_variable_value(law->variable[k], row);
    if (!(x > 0) || !isfinite(x))
      return tt_fail(TT_ERR_DATA, "row %zu has %s %g: the law %s needs a positive number", i + 1,
                     tt_variable_name(law->variable[k]), x, law->name);
  }
  return TT_OK;
}

// Logarithms of the variables, centred.
static void center(tt_fitter *f, const tt_observation *rows) {
  int terms = f->law.terms;
  for (int k = 0; k < terms; k++) {
    double sum = 0;
    for (size_t i = 0; i < f->count; i++)
      sum += f->z[i * terms + k] = log(tt_variable_value(f->law.variable[k], &rows[i]) / f->law.unit[k]);
    f->center[k] = sum / f->count;
    f->low[k] = INFINITY, f->high[k] = -INFINITY;
    for (size_t i = 0; i < f->count; i++) {
      double *z = &f->z[i * terms + k];
      *z -= f->center[k];
      f->low[k] = fmin(f->low[k], *z), f->high[k] = fmax(f->high[k], *z);
    }
    // so that neither c_k nor a term overflows, and far from what a loss does
    f->steepest[k] = fmin(20, 600 / (fabs(f->center[k]) + f->high[k] - f->low[k]));
  }
}

tt_status tt_fitter_create(tt_fitter **fitter, const tt_law *law, const tt_observation *rows, size_t count,
                           double huber_delta) {
  *fitter = NULL;
  if (!(huber_delta > 0))
    return tt_fail(TT_ERR_ARGUMENT, "Huber's delta is %g; it must be above 0", huber_delta);
  if (count < (size_t)law->parameters)
    return tt_fail(TT_ERR_DATA, "%zu rows cannot determine the %d parameters of the law %s", count,
                   law->parameters, law->name);
  for (size_t i = 0; i < count; i++) TT_TRY(check_row(law, &rows[i], i));
  tt_fitter *f = calloc(1, sizeof *f);
  double *memory = f ? malloc(count * (law->terms + 4 + TT_N) * sizeof *memory) : NULL;
  if (!memory) {
    free(f);
    return tt_fail(TT_ERR_MEMORY, "no memory to fit %zu rows", count);
  }
  f->law = *law, f->count = count, f->delta = huber_delta;
  f->z = memory, f->log_loss = f->z + count * law->terms, f->weight = f->log_loss + count;
  f->room = f->weight + count;
  center(f, rows);
  for (size_t i = 0; i < count; i++) {
    f->weight[i] = 1;
    f->mean += f->log_loss[i] = log(rows[i].loss);
  }
  f->mean /= count;
  *fitter = f;
  return TT_OK;
}

void tt_fitter_free(tt_fitter *fitter) {
  if (fitter) free(fitter->z);
  free(fitter);
}

void tt_solution_from(const tt_fitter *f, const double *theta, bool revive, tt_solution *s) {
  double least = f->mean + log(small_share);
  if (f->law.offset) {
    s->active[0] = revive || theta[0] > 0;
    s->u[0] = theta[0] > 0 ? log(theta[0]) : least;
    if (revive) s->u[0] = fmax(s->u[0], least);
  }
  for (int k = 0; k < f->law.terms; k++) {
    int c = tt_law_coefficient(&f->law, k), p = tt_law_exponent(&f->law, k);
    bool here = theta[c] > 0 && isfinite(theta[c]) && isfinite(theta[p]);
    double t = isfinite(theta[p]) ? f->law.sign[k] * theta[p] : -0.5;
    s->u[p] = t;
    s->u[c] = here ? log(theta[c]) + t * f->center[k] : least;
    s->active[c] = s->active[p] = here || revive;
    if (revive) s->u[c] = fmax(s->u[c], least);
  }
  tt_solve_hold(f, s);
}

void tt_solution_theta(const tt_fitter *f, const tt_solution *s, double *theta) {
  if (f->law.offset) theta[0] = s->active[0] ? exp(s->u[0]) : 0;
  for (int k = 0; k < f->law.terms; k++) {
    int c = tt_law_coefficient(&f->law, k), p = tt_law_exponent(&f->law, k);
    theta[c] = s->active[c] ? exp(s->u[c] - s->u[p] * f->center[k]) : 0;
    theta[p] = f->law.sign[k] * s->u[p] + 0.0; // no -0
  }
}

// Values of E and of the terms at row i; returns their sum.
static inline double values(const tt_fitter *f, const tt_solution *s, double offset, size_t i,
                            double *value) {
  int terms = f->law.terms, c = f->law.offset;
  double sum = offset;
  for (int k = 0; k < terms; k++, c += 2) {
    value[k] = s->active[c] ? exp(s->u[c] + s->u[c + 1] * f->z[i * terms + k]) : 0;
    sum += value[k];
  }
  return sum;
}

static double offset_of(const tt_fitter *f, const tt_solution *s) {
  return f->law.offset && s->active[0] ? exp(s->u[0]) : 0;
}

double tt_solve_row(const tt_fitter *f, const tt_solution *s, size_t i, double *gradient) {
  double value[TT_LAW_TERMS], offset = offset_of(f, s), loss = values(f, s, offset, i, value);
  int terms = f->law.terms, c = f->law.offset;
  if (c) gradient[0] = offset / loss;
  for (int k = 0; k < terms; k++, c += 2) {
    gradient[c] = value[k] / loss;
    gradient[c + 1] = s->active[c + 1] ? gradient[c] * f->z[i * terms + k] : 0;
  }
  return f->log_loss[i] - log(loss);
}

double tt_solve_evaluate(const tt_fitter *f, const tt_solution *s, tt_slope *slope) {
  int n = f->law.parameters, terms = f->law.terms;
  double offset = offset_of(f, s), objective = 0, value[TT_LAW_TERMS];
  if (!slope) {
    for (size_t i = 0; i < f->count; i++)
      if (f->weight[i] > 0)
        objective += f->weight[i] * tt_huber(f->log_loss[i] - log(values(f, s, offset, i, value)), f->delta);
    return objective;
  }
  memset(slope, 0, sizeof *slope);
  for (size_t i = 0; i < f->count; i++) {
    double w = f->weight[i], j[TT_N];
    if (!(w > 0)) continue;
    double r = tt_solve_row(f, s, i, j), a = fabs(r);
    bool inside = a <= f->delta;
    double psi = inside ? r : copysign(f->delta, r);
    objective += w * tt_huber(r, f->delta);
    // With s_k the share of term k and a_k = (1, z_k) in its block, the second derivative of log L is
    // sum s_k a_k a_k' - j j'.
    double outer = w * ((inside ? 1 : 0) + psi), own = w * psi, spread = w * (inside ? 1 : f->delta / a);
    for (int p = 0; p < n; p++) {
      slope->gradient[p] -= w * psi * j[p];
      slope->scale[p] += spread * j[p] * j[p];
      for (int q = 0; q <= p; q++) slope->hessian[p][q] += outer * j[p] * j[q];
    }
    if (f->law.offset) slope->hessian[0][0] -= own * j[0];
    for (int k = 0, c = f->law.offset; k < terms; k++, c += 2) {
      slope->hessian[c][c] -= own * j[c];
      slope->hessian[c + 1][c] -= own * j[c + 1];
      slope->hessian[c + 1][c + 1] -= own * j[c + 1] * f->z[i * terms + k];
    }
  }
  for (int p = 0; p < n; p++)
    for (int q = 0; q < p; q++) slope->hessian[q][p] = slope->hessian[p][q];
  return slope->objective = objective;
}

double tt_fit_objective(const tt_law *law, const tt_observation *rows, size_t count, double huber_delta,
                        const double *theta) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) {
    double loss = tt_law_predict(law, theta, &rows[i]);
    if (!(loss > 0)) return INFINITY;
    sum += tt_huber(log(rows[i].loss) - log(loss), huber_delta);
  }
  return sum;
}
