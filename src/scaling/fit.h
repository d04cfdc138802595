// Fitting a law to observations: the least sum of Huber's function of  r = log L(observed) - log L(law),
// in its half-quadratic form, r^2 / 2 for |r| <= delta and delta (|r| - delta / 2) beyond. A sum, not a mean.
// E >= 0 and c_k >= 0: a solution where the data want less is at the bound, and is said to be.
#ifndef TT_SCALING_FIT_H
#define TT_SCALING_FIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "scaling/law.h"

typedef struct {
  double huber_delta; // on log loss
  int starts;         // random ones, besides those of the grid of exponents; 0 is allowed
  uint64_t seed;      // of the random ones
} tt_fit_options;

#define TT_FIT_OPTIONS                                                                                       \
  { .huber_delta = 1e-3, .starts = 32, .seed = 1 }

typedef struct {
  double theta[TT_LAW_PARAMETERS];
  double objective;

  // Of the parameters as they are printed (not their logarithms). A sandwich estimate, by groups where a
  // group has several rows, as if the law were linear around theta: a quick look; bootstrap intervals are the
  // answer to "how well is it known". NaN for a parameter that is not identified or when groups are too few.
  double standard_error[TT_LAW_PARAMETERS];
  double covariance[TT_LAW_PARAMETERS][TT_LAW_PARAMETERS];
  double correlation[TT_LAW_PARAMETERS][TT_LAW_PARAMETERS];

  // Whether the data determine a parameter, and if not, why: a sentence.
  bool identified[TT_LAW_PARAMETERS];
  char reason[TT_LAW_PARAMETERS][160];

  int starts, starts_at_optimum; // how many there were, and how many ended at this objective
  bool converged; // false: no start did, on data that leave the parameters open; theta is the best point seen
  size_t rows;
  int groups;                 // that the rows are of: numbers without rows do not count
  double r_squared;           // of the loss; NaN where all losses are equal
  double rmse_log;            // root of the mean squared residual of log loss
  double mean_relative_error; // mean of |law - loss| / loss
} tt_fit;

// Fits from all starts. TT_ERR_DATA for rows that no law can be fitted to (the message names the row): a loss
// or a variable of the law that is not positive and finite, fewer rows than parameters; TT_ERR_ARGUMENT for a
// delta that is not positive; TT_ERR_NUMERIC when no start has a finite objective.
tt_status tt_fit_solve(const tt_law *law, const tt_observation *rows, size_t count,
                       const tt_fit_options *options, tt_fit *fit);

// The objective at any point. Infinite where the law is not positive.
double tt_fit_objective(const tt_law *law, const tt_observation *rows, size_t count, double huber_delta,
                        const double *theta);

// Refits from a known start, for bootstraps: logarithms are taken once and all memory is held between calls.
// A fitter serves one thread at a time.
typedef struct tt_fitter tt_fitter;

// The same errors as tt_fit_solve. The rows are copied. Release with tt_fitter_free.
tt_status tt_fitter_create(tt_fitter **fitter, const tt_law *law, const tt_observation *rows, size_t count,
                           double huber_delta);
void tt_fitter_free(tt_fitter *fitter);

// The minimum next to `start` [parameters] when row i counts weights[i] >= 0 times (NULL: once each).
// Allocates nothing. Writes theta [parameters] and the objective. A parameter that ran to its bound is
// written as 0 (E, a coefficient); an exponent may be large when a term has shrunk to a single value of its
// variable. TT_ERR_NUMERIC when the solver did not converge: theta is then the best point it saw.
tt_status tt_fit_refit(tt_fitter *fitter, const double *weights, const double *start, double *theta,
                       double *objective);

#endif
