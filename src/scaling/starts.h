// Where the fit starts from.
#ifndef TT_SCALING_STARTS_H
#define TT_SCALING_STARTS_H

#include "scaling/solve.h"

// Writes up to `most` starts and returns their number: first the best of a grid of exponents, each with the E
// and c_k that fit best to it (least squares of relative residuals, none negative: with the exponents given,
// the law is linear in the rest, which leaves only the exponents to search, "variable projection"); then
// `random` ones, whose exponents are drawn instead of taken from the grid and whose E and c_k are shaken by
// factors around 1. A pure function of its arguments.
int tt_starts(const tt_fitter *fitter, int random, uint64_t seed, tt_solution *starts, int most);

enum { TT_GRID_STARTS = 24 }; // of the grid, at most

#endif
