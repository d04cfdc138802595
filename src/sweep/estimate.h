// How long what is left of a sweep takes, by the speed that its runs have logged.
#ifndef TT_SWEEP_ESTIMATE_H
#define TT_SWEEP_ESTIMATE_H

#include "sweep/status.h"

// Sets seconds[i] ([runs->count]) for run i, trained as those that logged their speed were: 0 when it is done
// or another run. The speed is its own or that of the run nearest in size, in proportion to the operations of
// a molecule. Updates count from its newest checkpoint, or, while it is trained, from the last one logged.
// NaN: no run has logged a speed.
void tt_sweep_estimate(const tt_sweep_runs *runs, const tt_sweep_status *statuses, double *seconds);

// What is left when `jobs` runs are trained at once; NaN as above.
double tt_sweep_seconds_left(const double *seconds, int count, int jobs);

#endif
