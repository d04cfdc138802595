// The two frames of a figure of a fitted law, one above the other: losses with the law's curves, and
// residuals.
#ifndef TT_SCALING_FIT_FRAMES_H
#define TT_SCALING_FIT_FRAMES_H

#include "scaling/canvas.h"
#include "scaling/fit_figure.h"
#include "scaling/fit_sizes.h"

// Draws losses into the box `losses` and residuals of log loss into `residuals`, which share their x axis;
// labels stand 50 to the left and 36 below. TT_ERR_MEMORY; TT_ERR_ARGUMENT when there is no point to draw.
tt_status tt_fit_frames_draw(tt_canvas *canvas, const tt_fit_figure *figure, const tt_fit_sizes *sizes,
                             tt_box losses, tt_box residuals);

#endif
