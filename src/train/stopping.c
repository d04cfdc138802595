#include "train/stopping.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/interrupt.h"

static const double spare_seconds = 5;

static double unix_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool time_is_over(const tt_stopping *s) {
  if (s->end_time <= 0 || s->comm->rank != 0) return false;
  double longest = 0;
  for (int k = 0; k < TT_STOPPING_RECENT; k++) longest = fmax(longest, s->recent[k]);
  return s->end_time - unix_now() < 2 * s->save_seconds + 2 * longest + spare_seconds;
}

// A rank's vote in one number, so that the greatest of all decides: nothing is 0, the time limit less than
// any signal; of ranks with the same signal the lowest. Exact in a double.
enum { RANKS = 1 << 24 };

static double vote(const tt_stopping *s) {
  int signal = tt_interrupt_signal();
  if (signal) return (double)signal * RANKS + (RANKS - 1 - s->comm->rank);
  return time_is_over(s) ? 1 : 0;
}

static void note_reason(tt_stopping *s, double vote) {
  int signal = (int)(vote / RANKS);
  if (!signal)
    snprintf(s->reason, sizeof s->reason, "time limit");
  else
    snprintf(s->reason, sizeof s->reason, "%s on rank %d", tt_interrupt_name(signal),
             RANKS - 1 - (int)(vote - (double)signal * RANKS));
}

tt_status tt_stopping_look(tt_stopping *s) {
  if (!s) return TT_OK;
  if (!*s->reason) {
    double now = tt_now();
    if (s->last > 0) s->recent[s->next++ % TT_STOPPING_RECENT] = now - s->last;
    s->last = now;
    double greatest = vote(s);
    TT_TRY(tt_comm_greatest(s->comm, &greatest, 1));
    if (greatest == 0) return TT_OK;
    note_reason(s, greatest);
  }
  return tt_fail(TT_STOPPED, "stopped: %s", s->reason);
}

void tt_stopping_forget(tt_stopping *s) {
  memset(s->recent, 0, sizeof s->recent);
  s->last = tt_now();
}
