// Learning-rate schedules and Adam's bias correction, as scalars of one update.
#ifndef TT_OPTIM_SCHEDULE_H
#define TT_OPTIM_SCHEDULE_H

#include <stdint.h>

#include "config/config.h"

// Learning rate of update `update` (0-based) of a run of `steps` updates. Warm-up as upstream's polynomial
// schedule: peak * update / warmup_steps while update <= warmup_steps (so the very first update has rate 0
// when there is a warm-up); then
//   linear    peak * (1 - (update - warmup) / (steps - warmup))
//   constant  peak
//   cooldown  peak until the last cooldown_steps, then linearly to 0 at `steps`
double tt_learning_rate(const tt_optimizer_config *config, int64_t steps, int64_t update);

// Adam's step size with bias correction, lr * sqrt(1 - beta2^t) / (1 - beta1^t), t = 1, 2, ... (eps is added
// to the uncorrected sqrt(v), as upstream does).
double tt_adam_rate(double learning_rate, double beta1, double beta2, int64_t t);

#endif
