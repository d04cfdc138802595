// Counting calls, and what happens at the n-th.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long counted;
static bool full; // the disk, from now on

static bool mine(void) {
  const char *only = getenv("TT_CRASH_RANK"), *rank = getenv("OMPI_COMM_WORLD_RANK");
  return !only || (rank && strcmp(only, rank) == 0);
}

// Past the functions of this library: it would count itself.
static void report(tt_kind kind, const char *call, const char *path) {
  const char *name = getenv("TT_CRASH_REPORT");
  int file =
      name ? (int)syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
  if (file < 0) return;
  char line[5000];
  int n = snprintf(line, sizeof line, "%c\t%s\t%s\n", (char)kind, call, path);
  if (n < (int)sizeof line) (void)!syscall(SYS_write, file, line, (size_t)n);
  syscall(SYS_close, file);
}

void tt_crash_kill(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

static tt_verdict decide(tt_kind kind, const char *call, const char *path) {
  const char *kinds = getenv("TT_CRASH_KINDS"), *at = getenv("TT_CRASH_AT"), *how = getenv("TT_CRASH_HOW");
  if (!mine() || !kinds || !strchr(kinds, (char)kind)) return GO_ON;
  if (full) return errno = ENOSPC, FAIL;
  counted++;
  if (!at) return report(kind, call, path), GO_ON;
  if (counted != atol(at)) return GO_ON;
  report(kind, call, path);
  if (strcmp(how, "kill") == 0) tt_crash_kill();
  if (strcmp(how, "tear") == 0) return HALF_THEN_KILL;
  if (strcmp(how, "fail") == 0) return errno = EIO, FAIL;
  full = true;
  return kind == KIND_DATA ? (errno = ENOSPC, HALF) : (errno = ENOSPC, FAIL);
}

tt_verdict tt_crash_begin(tt_kind kind, const char *call, const char *path) {
  pthread_mutex_lock(&lock);
  tt_journal_open();
  return decide(kind, call, path);
}

void tt_crash_end(void) {
  int kept = errno;
  tt_journal_close();
  pthread_mutex_unlock(&lock);
  errno = kept;
}
