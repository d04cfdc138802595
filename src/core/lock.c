#include "core/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"

tt_status tt_folder_lock(const char *folder, int *lock) {
  *lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (*lock < 0) return tt_fail(TT_ERR_IO, "cannot open the folder %s: %s", folder, strerror(errno));
  for (double begun = tt_now();;) {
    if (flock(*lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return TT_OK; // else: no locks there
    if (tt_now() - begun > 5) break;
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
  }
  close(*lock);
  *lock = -1;
  return tt_fail(TT_ERR_IO, "another job is writing to %s: wait until it ends, or choose another --out",
                 folder);
}

bool tt_folder_is_locked(const char *folder) {
  int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return false;
  // shared, so that two who look do not take each other for a job
  bool locked = flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  close(file);
  return locked;
}
