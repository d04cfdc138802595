// Running an update of a run again, from the newest checkpoint before it, and looking into it: the curve is a
// pure function of what checkpoints and stores hold, so it comes out bit by bit as it did, on any ranks.
// Nothing is written. See docs/failures.md.
#ifndef TT_TRAIN_REPLAY_H
#define TT_TRAIN_REPLAY_H

#include <limits.h>

#include "train/activation_statistics.h"
#include "train/parameter_statistics.h"
#include "train/replay_log.h"
#include "train/worst.h"

typedef struct {
  const char *run;      // folder of the run
  int64_t step;         // the update, counted from 1
  const char *store;    // in place of the run's own; NULL
  int tensor;           // in place of its parallel.tensor; 0
  const int64_t *batch; // the batch of the update, one that it was tried with and that was left out; NULL:
                        // the one that it used
  bool from_start; // from the initial weights, when no checkpoint before it is there
} tt_replay_request;

typedef struct {
  int64_t from;              // the checkpoint's update; 0: the start
  char checkpoint[PATH_MAX]; // "" then
  int ranks, layers, molecules;
  int64_t batch; // number of the batch in the order of the data, from 0
  char backend[80];

  bool finite; // else the update was not applied: a loss or the gradient norm is no number
  tt_update update;
  tt_replay_log log; // of updates from + 1 .. the last; rank 0 only
  int64_t same,
      other; // of those before the last one that the log has: as many with its bits, as many without

  tt_activation_statistics activations;
  tt_parameter_statistics parameters;
  tt_worst worst[TT_WORST];
  int worst_count;
} tt_replay;

// Collective. Runs the updates after the checkpoint up to and including the one asked for. An update that
// gives numbers that are not finite ends it well if it is that one. Errors are printed already: TT_ERR_DATA
// when no checkpoint before it is kept (the message says what can be replayed) or it was not tried with that
// batch, TT_ERR_NUMERIC when an update before it fails, and those of loading a checkpoint and opening a
// store. Free with tt_replay_free, also after a failure.
tt_status tt_replay_run(const tt_comm *comm, const tt_replay_request *request, tt_replay *replay);
void tt_replay_free(tt_replay *replay);

#endif
