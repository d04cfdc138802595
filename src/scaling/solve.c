// From a start to the minimum next to it.
#include "scaling/solve.h"

#include <cminpack.h>
#include <math.h>
#include <string.h>

// Share of the loss below which E or a term is asked whether it wants to be 0; where the solver got stuck all
// are.
static const double small_share = 0.02;

// ---- the far part: lmder ----

typedef struct {
  tt_fitter *fitter;
  tt_solution *solution; // coordinates in play come from lmder
} lm_problem;

static void scatter(const tt_fitter *f, tt_solution *s, const double *x) {
  for (int p = 0, j = 0; p < f->law.parameters; p++)
    if (s->active[p]) s->u[p] = x[j++];
  tt_solve_hold(f, s);
}

// s(r) = sign(r) sqrt(2 huber(r)): half its square is the term of the objective, and it is smooth to first
// order.
static int lm_function(void *pointer, int m, int n, const double *x, double *fvec, double *fjac, int ld,
                       int flag) {
  lm_problem *problem = pointer;
  tt_fitter *f = problem->fitter;
  tt_solution *s = problem->solution;
  (void)n;
  scatter(f, s, x);
  for (int i = 0; i < m; i++) {
    double gradient[TT_N], r = tt_solve_row(f, s, i, gradient), a = fabs(r), root = sqrt(f->weight[i]);
    double size = a <= f->delta ? a : sqrt(2 * tt_huber(r, f->delta));
    if (flag == 1) {
      fvec[i] = isfinite(r) ? copysign(root * size, r) : 1e100;
      continue;
    }
    double slope = a <= f->delta ? root : root * f->delta / size; // ds/dr
    for (int p = 0, j = 0; p < f->law.parameters; p++)
      if (s->active[p]) fjac[i + (size_t)ld * j++] = -slope * gradient[p];
  }
  return 0;
}

static void run_lmder(tt_fitter *f, tt_solution *s) {
  int m = (int)f->count, n = 0, nfev, njev, ipvt[TT_N];
  double x[TT_N], diag[TT_N], qtf[TT_N], wa1[TT_N], wa2[TT_N], wa3[TT_N];
  for (int p = 0; p < f->law.parameters; p++)
    if (s->active[p]) x[n++] = s->u[p];
  if (!n) return;
  double *fvec = f->room, *wa4 = fvec + m, *fjac = wa4 + m;
  lm_problem problem = {f, s};
  __cminpack_func__(lmder)(lm_function, &problem, m, n, x, fvec, fjac, m, 1e-9, 1e-9, 0, 200, diag, 1, 10, 0,
                           &nfev, &njev, ipvt, qtf, wa1, wa2, wa3, wa4);
  scatter(f, s, x);
}

// ---- the near part: damped Newton ----

// Coordinates that may move: those in play, without exponents that are pressed against their limit.
static void movable(const tt_fitter *f, const tt_solution *s, const tt_slope *slope, bool *move) {
  memcpy(move, s->active, sizeof s->active);
  for (int k = 0; k < f->law.terms; k++) {
    int p = tt_law_exponent(&f->law, k);
    if (s->u[p] >= 0 && slope->gradient[p] < 0) move[p] = false;
    if (s->u[p] <= -f->steepest[k] && slope->gradient[p] > 0) move[p] = false;
  }
}

// Levenberg's damping on the exact Hessian: lmder sees the curvature of the rows beyond delta only through
// J'J and converges slowly where most rows are there, as with the usual delta.
static bool newton(tt_fitter *f, tt_solution *s) {
  int n = f->law.parameters;
  double damping = 1e-4, nothing = 1e-31 * f->count;
  tt_slope slope;
  s->objective = tt_solve_evaluate(f, s, &slope);
  for (int round = 0; round < 200; round++) {
    bool move[TT_N];
    double l[TT_N][TT_N], add[TT_N], minus[TT_N], step[TT_N];
    if (!isfinite(s->objective)) return false;
    if (s->objective <= nothing) return true;
    movable(f, s, &slope, move);
    for (int p = 0; p < n; p++) {
      if (!(slope.scale[p] > 0)) move[p] = false;
      add[p] = damping * slope.scale[p], minus[p] = -slope.gradient[p];
    }
    if (!tt_cholesky(slope.hessian, add, move, n, l)) {
      damping *= 4;
      if (damping > 1e16) return false;
      continue;
    }
    tt_cholesky_solve(l, move, n, minus, step);
    double promise = 0; // of the undamped quadratic model, at least
    for (int p = 0; p < n; p++) promise += 0.5 * step[p] * minus[p];
    if (promise <= 1e-15 * s->objective && damping < 1) return true;
    tt_solution next = *s;
    for (int p = 0; p < n; p++) next.u[p] += step[p];
    tt_solve_hold(f, &next);
    tt_slope there;
    next.objective = tt_solve_evaluate(f, &next, &there);
    double gain = s->objective - next.objective;
    if (!(gain > 0)) { // no better than rounding allows: done
      if (promise <= 1e-13 * s->objective) return true;
      damping = fmax(4 * damping, 1e-8);
      if (damping > 1e16) return false;
      continue;
    }
    damping = gain > 0.5 * promise ? damping / 16 : gain < 0.1 * promise ? damping * 4 : damping;
    *s = next, slope = there;
  }
  return false;
}

// ---- bounds ----

double tt_solve_share(const tt_fitter *f, const tt_solution *s, int c) {
  double most = 0, gradient[TT_N];
  for (size_t i = 0; i < f->count; i++) {
    if (!(f->weight[i] > 0)) continue;
    tt_solve_row(f, s, i, gradient);
    most = fmax(most, gradient[c]);
  }
  return most;
}

// Puts E or a term out of play when the rest does as well without it: its minimum is at 0, which the
// logarithm only ever creeps towards.
static void try_zero(tt_fitter *f, tt_solution *s, int c, bool *converged) {
  if (!s->active[c] || (*converged && tt_solve_share(f, s, c) > small_share)) return;
  tt_solution without = *s;
  bool is_offset = f->law.offset && c == 0;
  without.active[c] = false;
  if (!is_offset) without.active[c + 1] = false;
  bool there = newton(f, &without);
  if (without.objective > s->objective * (1 + 1e-9) + 1e-28 * f->count) return;
  *s = without, *converged = there;
}

bool tt_solve_from(tt_fitter *f, tt_solution *s, bool far) {
  bool converged = false;
  for (int round = 0; round < 3 && !converged; round++) {
    if (far || round) run_lmder(f, s);
    converged = newton(f, s);
  }
  if (f->law.offset) try_zero(f, s, 0, &converged);
  for (int k = 0; k < f->law.terms; k++) try_zero(f, s, tt_law_coefficient(&f->law, k), &converged);
  return converged && isfinite(s->objective);
}

tt_status tt_fit_refit(tt_fitter *f, const double *weights, const double *start, double *theta,
                       double *objective) {
  tt_solution s;
  if (weights)
    memcpy(f->weight, weights, f->count * sizeof *weights);
  else
    for (size_t i = 0; i < f->count; i++) f->weight[i] = 1;
  tt_solution_from(f, start, true, &s);
  bool converged = tt_solve_from(f, &s, false);
  tt_solution_theta(f, &s, theta);
  *objective = s.objective;
  return converged ? TT_OK
                   : tt_fail(TT_ERR_NUMERIC, "the fit of %s did not converge from this start", f->law.name);
}
