// What a rank tells of itself each second: where its threads are, and for how long. Private to the watch
// room.
#ifndef TT_WATCH_BEAT_H
#define TT_WATCH_BEAT_H

#include <stdbool.h>

#include "core/position.h"

typedef struct {
  uint8_t busy; // 1: it has something to do, always so for the main thread; 0
  uint8_t kind; // tt_call_kind
  float still;  // seconds for which it has not moved
  char doing[32];
  char call[32]; // "MPI_Waitall", "reading"; "": in none
  char function[32];
  char file[TT_POSITION_FILE];
} tt_beat_thread;

// Sent as it lies in memory, between ranks of one program: in one datagram that no network cuts.
typedef struct {
  uint64_t meetings;
  int64_t step;
  char phase[32];
  tt_beat_thread thread[TT_THREADS];
} tt_beat;
_Static_assert(sizeof(tt_beat) < 1300, "a datagram must fit into one packet");

// What was seen of this process before.
typedef struct {
  uint64_t moves[TT_THREADS];
  double since[TT_THREADS];
} tt_observer;

// Looks at this process. `now`: seconds on a clock of the caller's. Times are as exact as the calls are
// often.
void tt_beat_observe(tt_observer *observer, double now, tt_beat *beat);

// Whether it is one that tt_beat_observe can have made: what comes over a network may be anything.
bool tt_beat_is_good(const tt_beat *beat);

// Seconds for which no thread that is busy has moved.
double tt_beat_still(const tt_beat *beat);

#endif
