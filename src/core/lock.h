// One job a folder.
#ifndef TT_CORE_LOCK_H
#define TT_CORE_LOCK_H

#include <stdbool.h>

#include "core/status.h"

// Locks a folder that is there against every other process that does the same. *lock: the open folder;
// close() it to let go, or just end: the lock goes with the process, however that ends. Waits some seconds,
// for the ranks of a killed job may take a moment to go. A file system without locks lets everyone in.
// TT_ERR_IO (*lock is -1 then): another process has it, or the folder cannot be opened.
tt_status tt_folder_lock(const char *folder, int *lock);

// Whether another process has a folder locked now; false where there is no such folder, or are no locks.
bool tt_folder_is_locked(const char *folder);

#endif
