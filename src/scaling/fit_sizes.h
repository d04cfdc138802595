// The sizes in a figure of a fitted law, a colour each: from light (small) to dark (large).
#ifndef TT_SCALING_FIT_SIZES_H
#define TT_SCALING_FIT_SIZES_H

#include <stdbool.h>
#include <stddef.h>

#include "scaling/canvas.h"
#include "scaling/fit_figure.h"

enum { TT_FIT_SIZES_NAMED = 14 }; // more sizes than these get a colour bar in place of names

typedef struct {
  double *value; // [count] ascending; sizes equal to one part in a million are one
  bool *held_out;
  size_t count;
  bool on_axis; // size is the x axis, which tells them: one colour, no names
} tt_fit_sizes;

// The sizes of all points. TT_ERR_MEMORY. Release with tt_fit_sizes_free.
tt_status tt_fit_sizes_find(tt_fit_sizes *sizes, const tt_fit_figure *figure);
void tt_fit_sizes_free(tt_fit_sizes *sizes);

// Named sizes get colours in equal steps, so that neighbours can be told apart; a colour bar is even in the
// logarithm.
tt_color tt_fit_sizes_color(const tt_fit_sizes *sizes, double size);

// The names, or the bar, in a box right of the frame; `key` above them.
void tt_fit_sizes_draw(tt_canvas *canvas, const tt_fit_sizes *sizes, tt_box box, const char *key);

// A ring: a point that was not fitted.
void tt_fit_ring(tt_canvas *canvas, tt_point centre, double radius, tt_color color);

#endif
