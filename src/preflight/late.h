// Who is late, found out from the files of attendance.h when waiting has become pointless. Private to the
// room.
#ifndef TT_PREFLIGHT_LATE_H
#define TT_PREFLIGHT_LATE_H

#include "preflight/attendance.h"

// What a rank's file said last.
typedef struct {
  bool there;
  long beat;
  char node[TT_NODE_NAME], place[TT_ATTENDANCE_PLACE], problems[4096];
  double seconds; // at that place
  bool waits;
} tt_attendance_entry;

void tt_late_read(const tt_attendance *a, int rank, tt_attendance_entry *entry);

// Says on stderr who is late, unless a rank below this one is alive, which will do so. Reads the files twice,
// some seconds apart. Without `late` nobody has waited for too long yet: only a rank that is dead is told of.
// True when something was said (and all others shall end too).
bool tt_late_tell(tt_attendance *a, bool late);

#endif
