// What the data determine and what they do not, and how well.
#ifndef TT_SCALING_IDENTIFY_H
#define TT_SCALING_IDENTIFY_H

#include "scaling/solve.h"

// Fills standard errors, correlations, `identified` and `reason` of a fit whose other fields are known.
// ends[converged] are where the starts that converged ended, best first; fit->starts_at_optimum of them at
// the optimum. Where none converged, converged is 0 and ends[0] the best point seen. Uses the fitter.
// TT_ERR_MEMORY.
tt_status tt_identify(tt_fitter *fitter, const tt_observation *rows, const tt_solution *ends, int converged,
                      tt_fit *fit);

#endif
