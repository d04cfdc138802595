// What was done to the files, in order, for disk.py. A record is a line of fields parted by tabs, that of
// `data` followed by its bytes:
//   made FILE PATH      data FILE AT BYTES      size FILE BYTES      synced FILE      synced-folder PATH
//   mkdir PATH      rmdir PATH      unlink PATH      rename PATH TO
// FILE is the number of its inode.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim.h"

static int journal = -1;

// Each record is there when the call is over, and no other process writes in between.
void tt_journal_open(void) {
  const char *name = getenv("TT_CRASH_JOURNAL");
  if (!name) return;
  if (journal < 0)
    journal = (int)syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (journal >= 0) flock(journal, LOCK_EX);
}

void tt_journal_close(void) {
  if (journal >= 0) flock(journal, LOCK_UN);
}

// Past the functions of this library.
static void put(const void *data, size_t bytes) {
  for (const char *p = data; bytes;) {
    long n = syscall(SYS_write, journal, p, bytes);
    if (n <= 0) abort(); // a journal with holes would prove nothing
    p += n, bytes -= (size_t)n;
  }
}

#define PUT(...)                                                                                             \
  do {                                                                                                       \
    char line[9000];                                                                                         \
    int length = snprintf(line, sizeof line, __VA_ARGS__);                                                   \
    if (length >= (int)sizeof line) abort();                                                                 \
    put(line, (size_t)length);                                                                               \
  } while (0)

static long long number_of(int file) {
  struct stat s;
  return fstat(file, &s) == 0 ? (long long)s.st_ino : -1;
}

void tt_journal_made(int file, const char *path) {
  if (journal >= 0) PUT("made\t%lld\t%s\n", number_of(file), path);
}

void tt_journal_data(int file, off_t at, const void *data, size_t bytes) {
  if (journal < 0) return;
  PUT("data\t%lld\t%lld\t%zu\n", number_of(file), (long long)at, bytes);
  put(data, bytes);
}

void tt_journal_size(int file, off_t size) {
  if (journal >= 0) PUT("size\t%lld\t%lld\n", number_of(file), (long long)size);
}

void tt_journal_synced(int file, const char *path) {
  struct stat s;
  if (journal < 0 || fstat(file, &s) != 0) return;
  if (S_ISDIR(s.st_mode))
    PUT("synced-folder\t%s\n", path);
  else
    PUT("synced\t%lld\n", (long long)s.st_ino);
}

void tt_journal_names(const char *what, const char *path, const char *to) {
  if (journal < 0) return;
  if (to)
    PUT("%s\t%s\t%s\n", what, path, to);
  else
    PUT("%s\t%s\n", what, path);
}
