// Whether a job hangs, and who is to blame. Pure functions of what the ranks have told. Private to the watch
// room.
#ifndef TT_WATCH_JUDGE_H
#define TT_WATCH_JUDGE_H

#include "watch/beat.h"

typedef struct {
  bool left;      // it has said that it is done
  bool heard;     // ever
  double silence; // seconds since it was heard last; since the beginning if never
  tt_beat beat;   // what it said then
} tt_watched_rank;

typedef struct {
  double limit;   // seconds without a move after which a job hangs
  double quiet;   // seconds after which a rank that is not heard counts as silent
  double unheard; // the limit while there are ranks that were never heard: they may well be getting on
} tt_patience;

typedef enum {
  TT_HANG_NONE,
  TT_HANG_STUCK,    // a thread computes, or is in a call of the system, and does not get on
  TT_HANG_SILENT,   // nobody moves, and some ranks are not heard any more: stopped, or their node is gone
  TT_HANG_BEHIND,   // all others wait in MPI, for these, which are not there
  TT_HANG_ODD,      // all are in MPI, most of them in one place, these elsewhere: they left out an exchange
  TT_HANG_APART,    // all are in MPI, in different places, and no place has the majority
  TT_HANG_TOGETHER, // all are in one place of MPI: the network, or MPI itself
} tt_hang;

// late: (count), becomes true for the ranks to be named; none with APART and TOGETHER. `thread` (may be NULL)
// becomes the one that is stuck in the first of them (STUCK).
//
// A rank that waits for others in MPI is no sign of a hang by itself: one that computes long may be on its
// way. So a job hangs when a thread is stuck that waits for nobody, or when all that are heard stand still.
tt_hang tt_watch_judge(const tt_watched_rank *ranks, int count, tt_patience patience, bool *late,
                       tt_thread *thread);

// Whether two ranks are in the same exchange.
bool tt_watch_same_place(const tt_beat *a, const tt_beat *b);

#endif
