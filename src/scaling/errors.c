#include "scaling/errors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "scaling/quantile.h"

// Half of the residuals are within it, or delta. The density of residuals around 0, which stands for psi' on
// average, is taken from this window: within delta alone there are often too few.
static double window_of(const double *residual, size_t count, double delta, int free_parameters,
                        double *sorted) {
  size_t middle = count / 2 > 2 * (size_t)free_parameters ? count / 2 : 2 * (size_t)free_parameters;
  for (size_t i = 0; i < count; i++) sorted[i] = fabs(residual[i]);
  tt_sort(sorted, count);
  return fmax(delta, sorted[middle < count ? middle : count - 1]);
}

// Sums of scores a group: score[groups][TT_N], and of psi alone: sum[groups].
typedef struct {
  int groups, seen; // numbers up to `groups`; of them with rows
  double *score, *sum, *residual, *sorted;
  bool *here;
} group_sums;

static tt_status group_room(const tt_observation *rows, size_t count, group_sums *g) {
  *g = (group_sums){0};
  for (size_t i = 0; i < count; i++)
    if (rows[i].group >= g->groups) g->groups = rows[i].group + 1;
  g->score = calloc(g->groups * (TT_N + 1) + 2 * count, sizeof *g->score);
  g->here = calloc(g->groups, sizeof *g->here);
  if (!g->score || !g->here) {
    free(g->score), free(g->here);
    return tt_fail(TT_ERR_MEMORY, "no memory for the errors of a fit of %zu rows", count);
  }
  g->sum = g->score + (size_t)g->groups * TT_N, g->residual = g->sum + g->groups,
  g->sorted = g->residual + count;
  return TT_OK;
}

// Inverse of J'J in the units of its diagonal, by its eigenvectors; directions without curvature are left out
// and their coordinates marked.
static void invert(double a[TT_N][TT_N], const bool *active, int n, double inverse[TT_N][TT_N],
                   bool *undetermined) {
  double scaled[TT_N][TT_N], vector[TT_N][TT_N], value[TT_N], unit[TT_N];
  memset(inverse, 0, sizeof(double[TT_N][TT_N]));
  for (int p = 0; p < n; p++)
    unit[p] = active[p] && a[p][p] > 0 ? sqrt(a[p][p]) : 0, undetermined[p] = !unit[p] && active[p];
  for (int p = 0; p < n; p++)
    for (int q = 0; q < n; q++) scaled[p][q] = unit[p] && unit[q] ? a[p][q] / unit[p] / unit[q] : 0;
  tt_eigen(scaled, n, value, vector);
  for (int e = 0; e < n; e++) {
    bool flat = value[e] < 1e-12;
    for (int p = 0; p < n; p++) {
      if (!unit[p]) continue;
      if (flat && fabs(vector[p][e]) > 0.1) undetermined[p] = true;
      for (int q = 0; q < n && !flat; q++)
        if (unit[q]) inverse[p][q] += vector[p][e] * vector[q][e] / value[e] / unit[p] / unit[q];
    }
  }
}

// (sum of psi' j j')^-1. Rows in the window count alike, not each with the same psi', since rows may err
// differently (Powell's estimate). False when the window holds too little to tell.
static bool bread_of(const tt_fitter *f, const tt_solution *s, const double *residual, double window,
                     double bread[TT_N][TT_N]) {
  int n = f->law.parameters;
  double curvature[TT_N][TT_N] = {{0}}, weight = f->delta / window;
  bool undetermined[TT_N];
  for (size_t i = 0; i < f->count; i++) {
    double j[TT_N];
    if (fabs(residual[i]) > window) continue;
    tt_solve_row(f, s, i, j);
    for (int p = 0; p < n; p++)
      for (int q = 0; q < n; q++) curvature[p][q] += weight * j[p] * j[q];
  }
  invert(curvature, s->active, n, bread, undetermined);
  for (int p = 0; p < n; p++)
    if (undetermined[p]) return false;
  return true;
}

tt_status tt_errors_at(const tt_fitter *f, const tt_observation *rows, const tt_solution *s,
                       tt_errors *errors) {
  int n = f->law.parameters, free_parameters = 0;
  size_t count = f->count, inside = 0;
  double information[TT_N][TT_N] = {{0}}, bread[TT_N][TT_N], meat[TT_N][TT_N] = {{0}},
         half[TT_N][TT_N] = {{0}};
  double squares = 0, clustered = 0;
  group_sums g;
  *errors = (tt_errors){0};
  TT_TRY(group_room(rows, count, &g));
  for (int p = 0; p < n; p++) free_parameters += s->active[p];
  for (size_t i = 0; i < count; i++) {
    double j[TT_N], r = g.residual[i] = tt_solve_row(f, s, i, j), psi = fmin(fmax(r, -f->delta), f->delta);
    int group = rows[i].group;
    g.seen += !g.here[group], g.here[group] = true;
    g.sum[group] += psi, squares += psi * psi;
    for (int p = 0; p < n; p++) {
      g.score[group * TT_N + p] += psi * j[p];
      for (int q = 0; q < n; q++) information[p][q] += j[p] * j[q];
    }
  }
  for (int group = 0; group < g.groups; group++) {
    clustered += g.sum[group] * g.sum[group];
    for (int p = 0; p < n; p++)
      for (int q = 0; q < n; q++) meat[p][q] += g.score[group * TT_N + p] * g.score[group * TT_N + q];
  }
  invert(information, s->active, n, bread, errors->undetermined);
  double window = window_of(g.residual, count, f->delta, free_parameters, g.sorted);
  for (size_t i = 0; i < count; i++) inside += fabs(g.residual[i]) <= window;
  errors->groups = g.seen;
  double left = (double)count - free_parameters, slope = f->delta / window * inside / count;
  double together = squares > 0 ? fmax(1, clustered / squares) : 1;
  errors->noise = left > 0 ? squares / left / slope * together : INFINITY;
  errors->known = left > 0 && g.seen > free_parameters && bread_of(f, s, g.residual, window, bread);
  double correction = g.seen / (g.seen - 1.0) * (count - 1.0) / left;
  for (int p = 0; p < n && errors->known; p++)
    for (int q = 0; q < n; q++)
      for (int k = 0; k < n; k++) half[p][q] += bread[p][k] * meat[k][q];
  for (int p = 0; p < n && errors->known; p++)
    for (int q = 0; q < n; q++)
      for (int k = 0; k < n; k++) errors->covariance[p][q] += half[p][k] * bread[k][q] * correction;
  free(g.score), free(g.here);
  return TT_OK;
}

void tt_errors_natural(const tt_fitter *f, const tt_solution *s, const tt_errors *errors,
                       double out[TT_N][TT_N]) {
  int n = f->law.parameters;
  double change[TT_N][TT_N] = {{0}}, theta[TT_N], half[TT_N][TT_N] = {{0}};
  tt_solution_theta(f, s, theta);
  if (f->law.offset) change[0][0] = theta[0];
  for (int k = 0; k < f->law.terms; k++) {
    int c = tt_law_coefficient(&f->law, k), p = tt_law_exponent(&f->law, k);
    change[c][c] = theta[c], change[c][p] = -theta[c] * f->center[k];
    change[p][p] = f->law.sign[k];
  }
  for (int p = 0; p < n; p++)
    for (int q = 0; q < n; q++)
      for (int k = 0; k < n; k++) half[p][q] += change[p][k] * errors->covariance[k][q];
  for (int p = 0; p < n; p++)
    for (int q = 0; q < n; q++) {
      out[p][q] = 0;
      for (int k = 0; k < n; k++) out[p][q] += half[p][k] * change[q][k];
    }
}
