// The runs of a sweep: every size with each of its numbers of steps, learning rates and seeds, as whole
// checked configurations.
#ifndef TT_SWEEP_EXPAND_H
#define TT_SWEEP_EXPAND_H

#include "config/config.h"
#include "sweep/sweep_config.h"

typedef struct {
  char name[200]; // of its folder: SIZE-STEPSsteps-lrRATE-seedSEED, without what the sweep does not list; as
                  // RATE the shortest decimal that reads back
  char size[80];  // the name of its size
  tt_config config;   // resolved
  char *text;         // the same, as RUN/config.cfg has it
  int64_t parameters; // of the model
  double flops;       // a molecule of typical size costs in training: to compare runs by (model/flops.h)
  int number;         // its line in OUT/runs.tsv, from 1; 0 until numbers.h gives it one
} tt_sweep_run;

typedef struct {
  tt_sweep_run *list; // the longest to train first
  int count;
  char *out; // folder of the run folders
} tt_sweep_runs;

// `out`, `store`: in place of what the file names; NULL: that. A run is what `twotrack train BASE --out
// OUT/NAME --store STORE --set ...` with model, set, steps, learning rate and seed makes. Writes nothing.
// TT_ERR_CONFIG with the size's file and line before the configuration's own message; also when there is no
// out or no store, or more than 10,000 runs.
tt_status tt_sweep_expand(tt_sweep_runs *runs, const tt_sweep *sweep, const char *out, const char *store);

// OUT/NAME; OUT/configs/NAME.cfg, which `twotrack train` takes without further options; OUT/logs/NAME.log.
// TT_ERR_IO when a path is too long.
tt_status tt_sweep_run_folder(const tt_sweep_runs *runs, const tt_sweep_run *run, char *path, size_t size);
tt_status tt_sweep_run_config(const tt_sweep_runs *runs, const tt_sweep_run *run, char *path, size_t size);
tt_status tt_sweep_run_output(const tt_sweep_runs *runs, const tt_sweep_run *run, char *path, size_t size);

// Writes the configurations that are not there as they should be.
tt_status tt_sweep_write_configs(const tt_sweep_runs *runs);

void tt_sweep_runs_free(tt_sweep_runs *runs);

#endif
