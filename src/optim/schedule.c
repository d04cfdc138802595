#include "optim/schedule.h"

#include <math.h>

double tt_learning_rate(const tt_optimizer_config *c, int64_t steps, int64_t update) {
  double u = (double)update, warmup = (double)c->warmup_steps, end = (double)steps;
  if (c->warmup_steps > 0 && u <= warmup) return c->learning_rate * u / warmup;
  switch (c->schedule) {
  case TT_SCHEDULE_CONSTANT:
    return c->learning_rate;
  case TT_SCHEDULE_COOLDOWN: {
    double cooldown = (double)c->cooldown_steps, left = end - u;
    return left < cooldown ? c->learning_rate * fmax(left, 0) / cooldown : c->learning_rate;
  }
  case TT_SCHEDULE_LINEAR:
    break;
  }
  return u >= end ? 0 : c->learning_rate * (1 - (u - warmup) / (end - warmup));
}

double tt_adam_rate(double learning_rate, double beta1, double beta2, int64_t t) {
  return learning_rate * sqrt(1 - pow(beta2, (double)t)) / (1 - pow(beta1, (double)t));
}
