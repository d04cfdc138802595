#include "sweep/estimate.h"

#include <math.h>

// Molecules a second of this run; NaN: nobody knows.
static double speed(const tt_sweep_runs *runs, const tt_sweep_status *statuses, int run) {
  if (statuses[run].samples_per_s > 0) return statuses[run].samples_per_s;
  double best = INFINITY, rate = NAN;
  for (int i = 0; i < runs->count; i++) {
    double ratio = runs->list[i].flops / runs->list[run].flops, far = fabs(log(ratio));
    if (statuses[i].samples_per_s > 0 && far < best) best = far, rate = statuses[i].samples_per_s * ratio;
  }
  return rate;
}

void tt_sweep_estimate(const tt_sweep_runs *runs, const tt_sweep_status *statuses, double *seconds) {
  for (int i = 0; i < runs->count; i++) {
    const tt_sweep_status *s = &statuses[i];
    const tt_train_config *t = &runs->list[i].config.train;
    seconds[i] = 0;
    if (s->state == TT_SWEEP_DONE || s->state == TT_SWEEP_OTHER) continue;
    int64_t from = s->state == TT_SWEEP_RUNNING ? s->step : s->saved;
    if (from < t->steps) seconds[i] = (double)(t->steps - from) * t->batch_size / speed(runs, statuses, i);
  }
}

double tt_sweep_seconds_left(const double *seconds, int count, int jobs) {
  double sum = 0, longest = 0; // no layout of runs on jobs is faster than these two
  for (int i = 0; i < count; i++) {
    sum += seconds[i];
    if (seconds[i] > longest) longest = seconds[i];
  }
  return fmax(sum / jobs, sum >= 0 ? longest : NAN);
}
