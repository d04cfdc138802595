// Who is here: a small file a rank in the folder of the run, renewed each second by a thread that does not
// use MPI. So ranks that were stopped, hang or never came can be named although MPI itself waits for them.
//
// RUN/.preflight-KEY/rank-R holds: a number that grows, the node, what the rank is at and for how many
// seconds, whether it only waits there for others, and the problems that it has found.
#ifndef TT_PREFLIGHT_ATTENDANCE_H
#define TT_PREFLIGHT_ATTENDANCE_H

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>

#include "core/status.h"
#include "preflight/report.h"

enum { TT_ATTENDANCE_PLACE = 128 };

typedef struct {
  tt_launcher launcher;
  char run[PATH_MAX], folder[PATH_MAX + 128];
  double timeout; // seconds that one thing may take; 0: for ever
  double begun;   // of tt_now
  pthread_t thread;
  bool started;
  pthread_mutex_t file_mutex; // of the file, and of these two:
  long beat;                  // how often it was renewed
  double renewed;             // of tt_now
  pthread_mutex_t mutex;      // of what follows
  bool arrived;               // the rank's file is there
  bool ended;
  char place[TT_ATTENDANCE_PLACE]; // what it is at
  bool waits;                      // ... which depends on others
  double since;                    // of tt_now
  const tt_report *report;         // whose problems are told when others cannot be waited for
  char problems[4096];             // their lines, as of the last tt_attendance_at
} tt_attendance;

// Starts the thread. `run`: the run's folder, which need not be there. TT_ERR_MEMORY.
tt_status tt_attendance_start(tt_attendance *a, const tt_launcher *launcher, const char *run, double timeout,
                              const tt_report *report);

// Makes the folders and the rank's file. TT_ERR_IO: it goes on without.
tt_status tt_attendance_arrive(tt_attendance *a);

// What the rank is at from now on. When that takes more than the time-out, or a rank's file is not renewed
// any more, the thread that knows says on stderr who is late, and ends the process with code 1. `waits`:
// depends on others.
void tt_attendance_at(tt_attendance *a, bool waits, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Stops the thread; from then on a signal ends the process when the rest takes more than the time-out.
void tt_attendance_end(tt_attendance *a);

// Removes all of the files (one rank, when all have ended), and what former starts may have left.
void tt_attendance_clear(const tt_attendance *a);

// Whether another rank has found somebody late and said so, or cleared everything away after that.
bool tt_attendance_told(const tt_attendance *a);

// The thread's own sleep, in which the file is renewed.
void tt_attendance_pause(tt_attendance *a, double seconds);

// The path of a rank's file.
void tt_attendance_path(const tt_attendance *a, int rank, char *path, size_t size);

#endif
