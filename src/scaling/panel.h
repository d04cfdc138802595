// One frame of a figure: curves of one loss term against molecules seen, on logarithmic axes.
#ifndef TT_SCALING_PANEL_H
#define TT_SCALING_PANEL_H

#include "scaling/axes.h"
#include "scaling/canvas.h"
#include "scaling/curve.h"

enum { TT_BINS_PER_DECADE = 12 }; // of the smoothed training line

extern const double tt_panel_dash[2]; // of a dashed training line

// How one curve is drawn.
typedef struct {
  const tt_curve *curve;
  tt_color raw, train, valid; // raw.opacity 0: the logged points are not shown, only their means
  double train_width;
  bool train_dashed;
  const char *const *group; // SVG classes of the raw, mean and validation parts
} tt_panel_curve;

typedef struct {
  tt_box box; // of the frame; labels stand outside: 50 to the left, 36 below
  tt_term term;
  const char *heading, *x_label, *y_label;
} tt_panel;

// Draws the frame with ranges that hold all that is shown, then baselines, curves and points. A term without
// numbers leaves an empty frame that says so. TT_ERR_MEMORY.
tt_status tt_panel_draw(tt_canvas *canvas, const tt_panel *panel, const tt_panel_curve *curves, int count);

#endif
