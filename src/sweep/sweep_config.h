// SWEEP.cfg: a file in the syntax of configurations that describes many runs (docs/sweep.md), read as
// strictly.
#ifndef TT_SWEEP_SWEEP_CONFIG_H
#define TT_SWEEP_SWEEP_CONFIG_H

#include <stdint.h>

#include "core/status.h"

// One entry of "sizes"; what it does not say has been taken from the whole sweep.
typedef struct {
  char *name;  // goes into names of folders: letters, digits and . _ + -, at most 64
  int line;    // of the file
  char **sets; // "group.key=value", in the order in which they count: model, the sweep's, its own
  int set_count;
  // What the runs of this size differ in; none: what the configuration says.
  double *rates; // learning rates
  int rate_count;
  int64_t *steps; // updates
  int step_count;
  int64_t *seeds;
  int seed_count;
} tt_sweep_size;

typedef struct {
  char *path;        // of the file
  char *base;        // the runs' configuration, as seen from here; NULL: none, all keys have their defaults
  char *out, *store; // "" where the file names none
  tt_sweep_size *sizes;
  int size_count; // at least 1
} tt_sweep;

// TT_ERR_IO; TT_ERR_CONFIG with file, line and the nearest key for unknown keys, wrong types, names that no
// folder can have, a size or value that is there twice, and single values that the configuration does
// not take. *sweep is empty then. What a run's keys are together is for tt_sweep_expand to check.
tt_status tt_sweep_read(tt_sweep *sweep, const char *path);

void tt_sweep_free(tt_sweep *sweep);

#endif
