// Figures of loss curves.
#ifndef TT_SCALING_PLOT_H
#define TT_SCALING_PLOT_H

#include "core/status.h"

// Draws the losses of `count` runs (folders or run logs) against molecules seen to `out` (.png: 1600 x 1000
// pixels, or .svg). One run: four frames, the total loss and its three terms. Several: the total loss, one
// colour a run. `title` may be NULL: the run's name and size. TT_ERR_ARGUMENT (ending of `out`), TT_ERR_IO,
// TT_ERR_FORMAT naming the file.
tt_status tt_plot_runs(const char *const *runs, int count, const char *title, const char *out);

#endif
