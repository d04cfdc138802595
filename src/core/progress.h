// Progress for people: one line that rewrites itself on a terminal, a line now and then otherwise.
#ifndef TT_CORE_PROGRESS_H
#define TT_CORE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  const char *what;    // "training", "validating", "building"
  const char *counter; // what done and total count: "step"; NULL: units
  const char *unit;    // "molecules"
  int64_t done, total; // steps (or units)
  double rate;         // units a second; NaN or 0: not shown
  double waiting;      // share of the time that was waited for data; shown above 5 %
  double seconds_left; // NaN: not shown
  double loss, token, position,
      distance; // loss NaN or 0: none is shown; a term that is NaN: that term is not
} tt_progress;

// Shows the state on stderr: on a terminal rewrites one line (at most 10 times a second, cut to its width),
// else prints a line at once, then at most every 10 s, and at the end (done == total). The end is shown once.
// One rank calls it. Environment: TWOTRACK_PROGRESS=line (or plain) says that stderr leads (or does not lead)
// to a terminal, COLUMNS how wide it is; both for ranks behind mpirun, who cannot find out.
void tt_progress_show(const tt_progress *progress);

// Ends a rewritten line, so that other output starts on a fresh one. Safe to call at any time.
void tt_progress_clear(void);

// The line that a terminal of `width` columns gets, which is at most that long: with less room first the
// terms of the loss go, then most of the bar, the rate with the share waited, and the rest of the bar.
// seconds is the time taken so far, shown at the end. utf8: block characters, otherwise ASCII.
void tt_progress_format(const tt_progress *progress, double seconds, int width, bool utf8, char *line,
                        size_t size);

#endif
