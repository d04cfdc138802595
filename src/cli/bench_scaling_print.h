// How the figures of 'bench scaling' are shown.
#ifndef TT_CLI_BENCH_SCALING_PRINT_H
#define TT_CLI_BENCH_SCALING_PRINT_H

#include "train/bench_scaling.h"

// What was measured, for both.
typedef struct {
  const tt_bench_scaling *result;
  const tt_scaling_request *request;
  const tt_config *config;
  int ranks; // of the job
} tt_scaling_report;

void tt_scaling_print_table(const tt_scaling_report *report);
tt_status tt_scaling_print_json(const tt_scaling_report *report);

#endif
