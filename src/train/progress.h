// Progress for people: one line that rewrites itself on a terminal, a line now and then otherwise.
#ifndef TT_TRAIN_PROGRESS_H
#define TT_TRAIN_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
  const char *what;      // "training", "validating", "building"
  const char *unit;      // "molecules"
  int64_t done, total;   // steps (or molecules, for a build)
  double rate;           // units a second
  double seconds_left;
  double loss, token, position, distance; // NaN: not shown
} tt_progress;

// Shows the state on stderr: on a terminal rewrites one line (at most 10 times a second, cut to its width), else prints a line
// at most every 10 s and at the end (done == total). 
void tt_progress_show(const tt_progress *progress);

// Ends a rewritten line, so that other output starts on a fresh one. Safe to call at any time.
void tt_progress_clear(void);

#endif
