// The report of a hang: where every rank is, those at one place together. Private to the watch room.
#ifndef TT_WATCH_REPORT_H
#define TT_WATCH_REPORT_H

#include <stddef.h>

#include "watch/judge.h"

typedef struct {
  char text[64];
} tt_node_name;

// How a hang was found.
typedef struct {
  tt_hang kind;
  const bool *late; // (count)
  tt_thread thread; // STUCK
  int reporter;     // the rank that says it
  const char *key;  // "train.hang_limit", "train.hang_limit_start"
  double limit;     // its value
  double quiet;     // as in tt_patience
} tt_finding;

// Some lines, the first one of the usual form ("twotrack: error: ..."); malloc'ed, NULL when out of memory.
// nodes: (count).
char *tt_watch_report(const tt_watched_rank *ranks, const tt_node_name *nodes, int count,
                      const tt_finding *finding);

#endif
