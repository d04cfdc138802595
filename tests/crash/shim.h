// A layer between a program and the system's calls that change files, for tests: loaded with LD_PRELOAD, it
// counts the calls on files below one folder, and at the n-th lets it fail, tears it, or kills the process.
// Settings are environment variables:
//
//   TT_CRASH_FOLDER   the folder, an absolute path (with all that is below it)
//   TT_CRASH_RANK     only this rank counts (OMPI_COMM_WORLD_RANK); without it, each process does for itself
//   TT_CRASH_KINDS    which kinds of calls are counted, letters of tt_kind
//   TT_CRASH_AT       n, from 1
//   TT_CRASH_HOW      fail  the n-th call fails with EIO and does nothing
//                     full  the disk is full from the n-th call on: a write hands over half, all that need
//                     room fail with ENOSPC tear  the n-th call, a write, hands over half, and the process is
//                     killed kill  the process is killed before the n-th call
//   TT_CRASH_REPORT   a file that gets a line once it has happened; without TT_CRASH_AT, a line for each
//   call: kind, call, path TT_CRASH_JOURNAL  a file that gets all that was done, in order, by all ranks
//   (journal.c), to see later what a power loss
//                     would have left of it (disk.py)
#ifndef TT_CRASH_SHIM_H
#define TT_CRASH_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef enum {
  KIND_DATA = 'd', // write, truncate, allocate: changes contents, and may need room
  KIND_MAKE = 'm', // makes a file or folder: changes names, and needs room
  KIND_NAME = 'n', // rename, remove: changes names
  KIND_OPEN = 'o', // opens to write what is there
  KIND_SYNC = 's', // of a file or folder
  KIND_CLOSE = 'c' // of a file that was opened to write
} tt_kind;

// What is to become of a call.
typedef enum { GO_ON, FAIL, HALF_THEN_KILL, HALF } tt_verdict;

// fault.c: counts the call and decides; does not return when the process is to be killed before it. With
// FAIL, errno is set. All of a call is under the lock: one at a time, so that the order of the journal is
// that of the disk.
tt_verdict tt_crash_begin(tt_kind kind, const char *call, const char *path);
void tt_crash_end(void); // keeps errno
_Noreturn void tt_crash_kill(void);

// watch.c: which files count.

// The absolute path of `path`, looked up from folder `at` (AT_FDCWD: the current one), if it is below the
// folder; else NULL. `room` holds PATH_MAX.
const char *tt_crash_path(int at, const char *path, char *room);
void tt_crash_opened(int file, const char *path, bool to_write);
const char *tt_crash_file(int file); // its path; NULL: does not count
bool tt_crash_written_to(int file);  // opened to write
void tt_crash_closed(int file);

// journal.c: one record each, after the call succeeded. `file`: the open file.
void tt_journal_open(void); // takes the lock between processes, when there is a journal
void tt_journal_close(void);
void tt_journal_made(int file, const char *path);
void tt_journal_data(int file, off_t at, const void *data, size_t bytes);
void tt_journal_size(int file, off_t size); // as ftruncate
void tt_journal_synced(int file, const char *path);
void tt_journal_names(const char *what, const char *path, const char *to); // mkdir, rmdir, unlink, rename

#endif
