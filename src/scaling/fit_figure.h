// The figure of a fitted law: points and curves, what was held out beside its prediction, residuals, and in
// words what a reader needs to judge it.
#ifndef TT_SCALING_FIT_FIGURE_H
#define TT_SCALING_FIT_FIGURE_H

#include <stdbool.h>

#include "core/status.h"
#include "scaling/holdout.h"
#include "scaling/law.h"
#include "scaling/observations.h"

// A line of the text beside the frames: broken where it is too long. A line with tabs is a row of a table,
// whose columns start at fixed places.
typedef struct {
  char *text;
  bool small; // small print
} tt_fit_line;

typedef struct {
  const char *heading; // "": none
  tt_fit_line *lines;  // [count]
  int count;
} tt_fit_note;

typedef struct {
  const char *title;
  const tt_law *law;
  const double *theta; // [law->parameters]
  const tt_observation *fitted;
  size_t fitted_count;
  const tt_holdout_point *held_out; // [held_out_count]
  size_t held_out_count;
  double confidence;    // of the held-out points' intervals
  const char *size_key; // above the sizes: "parameters"
  const char *x_label;  // "" : the variable's name
  const char *y_label;
  const tt_fit_note *notes;
  int note_count;
} tt_fit_figure;

// Which variable the law is drawn against: what was trained (samples, steps, flops) where the law has it and
// it varies, else size.
tt_variable tt_fit_figure_variable(const tt_fit_figure *figure);

// Draws to `out` (.png, 2 pixels a point, or .svg). TT_ERR_ARGUMENT (ending of `out`; nothing to draw),
// TT_ERR_IO, TT_ERR_MEMORY.
tt_status tt_fit_figure_draw(const tt_fit_figure *figure, const char *out);

#endif
