// Standard errors of a fit: a sandwich estimate, clustered by groups.
#ifndef TT_SCALING_ERRORS_H
#define TT_SCALING_ERRORS_H

#include "scaling/solve.h"

// Covariance of the coordinates u at a solution, and how the noise compares with Huber's function.
typedef struct {
  double covariance[TT_N][TT_N]; // 0 where a coordinate is out of play or undetermined
  bool undetermined[TT_N]; // takes part in a direction along which no row changes: the Jacobian is singular
  bool known;              // false: too few rows or groups for a covariance
  int groups;              // that the rows are of
  // Twice a difference of objectives over this has about a chi-squared distribution: E[psi^2] / E[psi'],
  // corrected for degrees of freedom and for rows of one group that err together.
  double noise;
} tt_errors;

// The rows are those of the fitter, for their groups. TT_ERR_MEMORY.
tt_status tt_errors_at(const tt_fitter *fitter, const tt_observation *rows, const tt_solution *solution,
                       tt_errors *errors);

// From the covariance of the coordinates to that of the parameters as they are printed:
// out[parameters][TT_N].
void tt_errors_natural(const tt_fitter *fitter, const tt_solution *solution, const tt_errors *errors,
                       double out[TT_N][TT_N]);

#endif
