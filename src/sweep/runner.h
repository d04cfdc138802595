// Trains what is left of a sweep here: processes of `twotrack train`, some at a time.
#ifndef TT_SWEEP_RUNNER_H
#define TT_SWEEP_RUNNER_H

#include "sweep/status.h"

typedef struct {
  const char *program; // path of twotrack
  const char *launch;  // words before it, divided by spaces ("mpirun -n 2"); "" or NULL: none, one rank
  const char *digest;  // of the store, as for tt_sweep_status_read
  int jobs;            // runs trained at once, at least 1
} tt_sweep_runner;

typedef struct {
  int done, failed;             // of those that were started here
  int elsewhere;                // left alone, for another process trains them
  bool stopped;                 // by a signal or the time limit, so that some are left
  char (*failures)[200 + 1000]; // (failed) "NAME: message"
} tt_sweep_outcome;

// Starts every run that is left with --resume, in the order of the list, and tells of starts, ends and
// progress on stderr. What a run prints is added to OUT/logs/NAME.log. A run that fails does not stop the
// others. SIGINT, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 are passed on to the runs as SIGUSR1 (which mpirun
// hands to its ranks), and it is waited until all have saved and ended; a second one kills them. A run that
// was stopped otherwise (exit code 75) has not failed, but none is started after it. The runs end with this
// process, however it ends. Holds the lock of OUT meanwhile: TT_ERR_IO when another sweep has it;
// TT_ERR_ARGUMENT when there is no such launcher. statuses: as they are; on return as they have become.
// tt_sweep_outcome_free the outcome.
tt_status tt_sweep_run_here(const tt_sweep_runs *runs, tt_sweep_status *statuses, const tt_sweep_runner *how,
                            tt_sweep_outcome *outcome);

void tt_sweep_outcome_free(tt_sweep_outcome *outcome);

#endif
