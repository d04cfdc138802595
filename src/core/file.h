// Files that are complete or absent: written under a temporary name, synced, renamed, directory synced.
#ifndef TT_CORE_FILE_H
#define TT_CORE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"

// The temporary name under which `path` is to be written ("path.tmp.<pid>", same directory). The caller
// writes it with whatever library, closes it, then calls tt_file_commit or tt_file_abandon.
void tt_file_temporary(const char *path, char *temporary, size_t size);

// Where a file that somebody named is to be written: `path`, or what it leads to where it is a symbolic link,
// so that the link stays. TT_ERR_IO, with advice, where nothing can be written: an empty name, a folder, a
// device or pipe, a link to nothing, a folder that is not there.
tt_status tt_file_target(const char *path, char *target, size_t size);

// fsync(temporary), rename to path, fsync of the directory. On failure, and where
// path is a folder, device or pipe, the temporary is removed (TT_ERR_IO).
tt_status tt_file_commit(const char *temporary, const char *path);

void tt_file_abandon(const char *temporary); // removes it, if it is there

// Removes what killed processes left half-written of `path` (tt_file_temporary's names), as far as it can be.
// Only for the one job that may write it: the temporaries of a process that lives go too.
void tt_file_tidy(const char *path);

// Replaces `path` by these bytes, all or nothing. TT_ERR_IO on failure (disk full, no permission).
tt_status tt_file_replace(const char *path, const void *data, size_t bytes);

// Reads a whole file; *data gets a terminating 0 that *bytes does not count; free() it. TT_ERR_IO.
tt_status tt_file_read(const char *path, char **data, size_t *bytes);

bool tt_file_exists(const char *path);

// Makes a directory and its parents, each synced into the one above; fine if it is there already. TT_ERR_IO.
tt_status tt_make_directories(const char *path);

#endif
