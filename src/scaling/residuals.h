// Residuals of a fitted law by size: where it fits and where not.
#ifndef TT_SCALING_RESIDUALS_H
#define TT_SCALING_RESIDUALS_H

#include "scaling/law.h"

enum { TT_RESIDUAL_ROWS = 14 };

// Residuals ln(loss / law) of the points of one size, or of a range of sizes.
typedef struct {
  double smallest, largest; // sizes of these points
  size_t count;
  double mean, rms;
  double worst;     // the residual farthest from 0
  size_t worst_row; // of the rows given
} tt_residual_row;

// Writes a row for each size, ascending, to table[TT_RESIDUAL_ROWS] and returns their number; more sizes than
// that are gathered into eight ranges that are equally wide on a logarithmic axis. Rows of unknown size are
// left out.
int tt_residuals_by_size(const tt_law *law, const double *theta, const tt_observation *rows, size_t count,
                         tt_residual_row *table);

#endif
