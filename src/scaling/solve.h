// Inside of the fit: one problem made ready for the solver, and its minimum next to a start.
//
// The solver's coordinates u stand where the parameters do: log E, and for each term the logarithm of its
// value at the geometric mean of its variable and the exponent of x. So u is of order one, its correlations
// are far smaller than those of (log c_k, exponent), and E and c_k stay positive; that they want to be 0 is
// found apart (tt_solve_from). Exponents of x are held between 0, as terms of a scaling law
// fall, and -steepest, where powers are still finite.
#ifndef TT_SCALING_SOLVE_H
#define TT_SCALING_SOLVE_H

#include <math.h>

#include "scaling/dense.h"
#include "scaling/fit.h"

_Static_assert((int)TT_N == (int)TT_LAW_PARAMETERS, "one room for both");

struct tt_fitter {
  tt_law law;
  size_t count;
  double delta;
  double center[TT_LAW_TERMS]; // means of log x over the rows
  double low[TT_LAW_TERMS];    // smallest and largest log x - center
  double high[TT_LAW_TERMS];
  double steepest[TT_LAW_TERMS]; // the exponent of x is in [-steepest, 0]
  double mean;                   // of log loss
  double *log_loss;              // [count]
  double *z;                     // [count][terms], log x - center
  double *weight;                // [count]
  double *room;                  // of lmder: [count] residuals, [count] work, [TT_N][count] Jacobian
};

// A point: the coordinates, which of them are in play (E or a term that is 0 is not), and its objective.
typedef struct {
  double u[TT_N];
  bool active[TT_N];
  double objective;
} tt_solution;

// What a problem looks like at a point.
typedef struct {
  double objective;
  double gradient[TT_N];
  double hessian[TT_N][TT_N]; // exact, where |r| = delta on no row
  double scale[TT_N];         // positive: diagonal of J' W J with the weights of Huber's function
} tt_slope;

// Between the parameters as they are printed and the coordinates. A parameter that is 0 (or not positive
// where it must be) becomes a small share of the loss when `revive`, and is put out of play otherwise.
void tt_solution_from(const tt_fitter *fitter, const double *theta, bool revive, tt_solution *solution);
void tt_solution_theta(const tt_fitter *fitter, const tt_solution *solution, double *theta);

// Huber's function, half-quadratic form.
static inline double tt_huber(double r, double delta) {
  double a = fabs(r);
  return a <= delta ? 0.5 * r * r : delta * (a - 0.5 * delta);
}

// Puts exponents back within their limits.
static inline void tt_solve_hold(const tt_fitter *fitter, tt_solution *solution) {
  for (int k = 0; k < fitter->law.terms; k++) {
    double *t = &solution->u[tt_law_exponent(&fitter->law, k)];
    *t = fmin(fmax(*t, -fitter->steepest[k]), 0);
  }
}

// Objective and, unless NULL, slope. Coordinates out of play have slope 0.
double tt_solve_evaluate(const tt_fitter *fitter, const tt_solution *solution, tt_slope *slope);

// d log L / d u of row i, and its residual.
double tt_solve_row(const tt_fitter *fitter, const tt_solution *solution, size_t i, double *gradient);

// The largest share that coordinate c (E or a coefficient) has in the loss of a row.
double tt_solve_share(const tt_fitter *fitter, const tt_solution *solution, int c);

// The minimum next to the solution's point: cminpack's lmder on the signed square roots of the terms of the
// objective first when `far`, then Newton's steps on the objective itself; coordinates that run to 0 are put
// out of play. False when it did not converge.
bool tt_solve_from(tt_fitter *fitter, tt_solution *solution, bool far);

#endif
