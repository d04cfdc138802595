// Whether a run is to stop before its last update: a signal came, or the job's time is nearly over. All ranks
// decide together, so that they stop at the same place.
#ifndef TT_TRAIN_STOPPING_H
#define TT_TRAIN_STOPPING_H

#include "comm/comm.h"

enum { TT_STOPPING_RECENT = 16 };

// A zeroed one, but for `comm`, heeds signals only.
typedef struct {
  const tt_comm *comm;
  double end_time;     // of the job, Unix seconds; 0: none. Rank 0's counts
  double save_seconds; // the longest save so far; before the first, a guess
  double recent[TT_STOPPING_RECENT];
  int next;        // in recent: seconds between two looks, which are an update or a validation batch apart
  double last;     // when it was looked last, tt_now(); 0: not yet
  char reason[80]; // once it is decided: "SIGTERM on rank 1" or "time limit"
} tt_stopping;

// Collective, cheap (one number is exchanged): TT_STOPPED on all ranks, or TT_OK on all. Called between
// updates, between batches of a validation, and between the phases of a start; NULL: TT_OK. Once it is
// decided, it stays so.
//
// By time: what is left is less than 2 x save_seconds + 2 x the longest of the recent updates and validation
// batches + 5 s.
tt_status tt_stopping_look(tt_stopping *s);

// What was seen so far says nothing of what follows: the start is over.
void tt_stopping_forget(tt_stopping *s);

#endif
