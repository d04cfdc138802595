// A frame with two axes, logarithmic ones but for those that say otherwise.
#ifndef TT_SCALING_AXES_H
#define TT_SCALING_AXES_H

#include "scaling/canvas.h"

// One axis: the numbers low..high (0 < low < high unless linear) lie on the sheet from `start` to `end`.
typedef struct {
  double low, high, start, end;
  bool linear; // for numbers that may be negative, such as residuals
} tt_axis;

typedef struct {
  double value;
  char label[32]; // "" for a minor tick
} tt_tick;

enum { TT_TICKS = 96 };

// Sets low and high to a range of data widened by `margin` of its logarithmic length on both sides, and at
// least to a factor of 1.25, below which a logarithmic axis has nothing to show. (Logarithmic axes only.)
void tt_axis_range(tt_axis *axis, double low, double high, double margin);

double tt_axis_at(const tt_axis *axis, double value);

// Chooses ticks (labelled ones at round numbers: powers of ten where they suffice, else 1-2-5, else equal
// steps, which a linear axis always has) and writes at most TT_TICKS of them; labels need `room` from one to
// the next. Returns their number.
int tt_axis_ticks(const tt_axis *axis, double room, tt_tick *ticks);

// The frame, grid, ticks and labels. `x_label` may be "": the ticks then still have their numbers.
void tt_axes_draw(tt_canvas *canvas, const tt_axis *x, const tt_axis *y, const char *x_label,
                  const char *y_label);

#endif
