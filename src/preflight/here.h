// What a rank can check by itself, without MPI: that it can read the store and write into the run's folder.
#ifndef TT_PREFLIGHT_HERE_H
#define TT_PREFLIGHT_HERE_H

#include "preflight/attendance.h"

// The manifest, the shards with their sizes (each rank of a node takes its share of them), and one chunk of
// molecules against its checksums. Fills store_digest and store_system.
void tt_here_store(const char *store, tt_attendance *a, tt_report *report);

// The run's folder, which is made: locks, and a file written, synced, renamed, read back and removed. Fills
// folder_system, folder_free, write_seconds, folder_works and locks_work. To be called after
// tt_attendance_arrive succeeded.
void tt_here_folder(tt_attendance *a, tt_report *report);

#endif
