// What `twotrack sweep` says.
#ifndef TT_CLI_SWEEP_PRINT_H
#define TT_CLI_SWEEP_PRINT_H

#include "sweep/runner.h"

typedef struct {
  const tt_sweep *sweep;
  const tt_sweep_runs *runs;
  const tt_sweep_status *statuses; // (runs->count)
  const double *seconds;           // (runs->count), of sweep/estimate.h
  int jobs;
  const char *array;               // of script.h; "": nothing is left; NULL: nothing was written
  const tt_sweep_outcome *outcome; // NULL: nothing was run
} tt_cli_sweep_view;

// A table, what is left and how to train it.
void tt_cli_sweep_print(const tt_cli_sweep_view *s);

// The same as one JSON object on stdout. TT_ERR_MEMORY.
tt_status tt_cli_sweep_json(const tt_cli_sweep_view *s);

#endif
