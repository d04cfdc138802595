// The loss curve of one run, as its run log has it.
#ifndef TT_SCALING_CURVE_H
#define TT_SCALING_CURVE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"
#include "scaling/run_table.h"

// Values of one kind of record, in the order of the log. NaN where a record lacks a number.
typedef struct {
  size_t count;
  double *samples;         // [count] molecules seen, > 0
  double *value[TT_TERMS]; // [count] losses
  double *error[TT_TERMS]; // [count] their standard errors (validation only)
} tt_series;

typedef struct {
  char name[256];    // the run folder's name
  double parameters; // of the model; 0 when the log does not say
  tt_series train, valid;
  double
      baseline[TT_TERMS]; // the loss of knowing nothing (see docs/formats.md); NaN when the log does not say
} tt_curve;

// Reads a run: its folder, or a run log itself. TT_ERR_IO, TT_ERR_FORMAT (also for fewer than two usable
// points); both name the file. Release with tt_curve_free.
tt_status tt_curve_read(tt_curve *curve, const char *path);

void tt_curve_free(tt_curve *curve);

// Whether a logarithmic axis can show this number.
bool tt_curve_drawable(double value);

// Means of values[0..count) over bins of samples that are equally wide on a logarithmic axis, `per_decade` of
// them to a factor of ten, so that the window grows in proportion to the samples. Writes the geometric mean
// of the samples and the mean value of each bin that is not empty to x and y ([count] each) and returns their
// number. Numbers that a logarithmic axis cannot show are left out.
size_t tt_curve_smooth(const double *samples, const double *values, size_t count, int per_decade, double *x,
                       double *y);

#endif
