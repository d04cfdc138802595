// How long an update takes, by a model whose every assumption is printed (docs/scaling-out.md).
#ifndef TT_PLAN_TIME_H
#define TT_PLAN_TIME_H

#include "plan/machines.h"
#include "plan/memory.h"
#include "plan/traffic.h"

// Seconds of an update; they add up to `step`, but for those in brackets.
typedef struct {
  double compute;   // products of the slowest rank
  double sums;      // gradients cleared and added
  double optimizer; // norm and Adam
  double gradients; // their exchange, as far as no backward hides it (gradients_all: all of it)
  double gradients_all;
  double weights; // gathered
  double tensor;  // token rows and attention bias
  double small;   // losses, norms; records where nothing hides them
  double step;
  double snapshot, save; // of a checkpoint: training waits for the first only; writing
} tt_plan_time;

void tt_plan_time_make(tt_plan_time *time, const tt_config *config, const tt_machine *machine,
                       const tt_layout *layout, const tt_load *load, const tt_plan_memory *memory,
                       const tt_plan_traffic *traffic, int batches, int64_t parameters);

#endif
