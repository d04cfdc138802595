// What the log of a run says of the updates that are run again.
#ifndef TT_TRAIN_REPLAY_LOG_H
#define TT_TRAIN_REPLAY_LOG_H

#include <jansson.h>

#include "store/lanes.h"
#include "train/trainer.h"

typedef struct {
  bool there;       // the log has a record of this update
  tt_update update; // losses without standard errors; NaN where the record has null
} tt_logged_update;

typedef struct {
  int64_t first, last;       // the updates that were asked for
  int64_t end;               // the log's last update
  tt_logged_update *updates; // updates first .. last
  tt_lane_cuts cuts;         // chunks that were left out in updates 1 .. last
  json_t *batches;           // an array: the records of batches that were left out
  int64_t tried;    // the batch that update `last` was tried with first and that was left out then; -1
  char backend[80]; // of the process that ran update `last` ("cpu, v4"); "" unknown
  int ranks;
} tt_replay_log;

// Reads RUN/run.jsonl for updates first .. last. `lanes`: the order of the run's data, for the chunks that it
// left out. Free with tt_replay_log_free, also after a failure. TT_ERR_IO, TT_ERR_FORMAT, TT_ERR_MEMORY.
tt_status tt_replay_log_read(tt_replay_log *log, const char *run, int64_t first, int64_t last,
                             const tt_lanes *lanes);
void tt_replay_log_free(tt_replay_log *log);

// Of update first .. last; there = false for one without a record.
const tt_logged_update *tt_replay_log_at(const tt_replay_log *log, int64_t step);

// As if the log had no record of the last one.
void tt_replay_log_forget(tt_replay_log *log);

// Whether the losses and the gradient norm are the same bits; two that are no number are the same.
bool tt_replay_log_same(const tt_update *logged, const tt_update *now);

#endif
