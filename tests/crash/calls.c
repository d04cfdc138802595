// The system's calls that change files, each with the fault that is due. The names are the C library's.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "shim.h"

// The C library's own.
#define REAL(name, type, ...)                                                                                \
  static type (*real)(__VA_ARGS__);                                                                          \
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, name)

// ---- opening ----

static int real_openat(int at, const char *path, int flags, mode_t mode) {
  REAL("openat", int, int, const char *, int, ...);
  return real(at, path, flags, mode);
}

static int open_counted(int at, const char *name, int flags, mode_t mode) {
  char room[PATH_MAX];
  const char *path = tt_crash_path(at, name, room);
  if (!path) return real_openat(at, name, flags, mode);
  struct stat s;
  bool there = stat(path, &s) == 0, to_write = (flags & O_ACCMODE) != O_RDONLY,
       makes = (flags & O_CREAT) && !there;
  bool empties = there && (flags & O_TRUNC) && s.st_size > 0;
  if (!to_write && !makes) {
    int file = real_openat(at, name, flags, mode);
    if (file >= 0) tt_crash_opened(file, path, false);
    return file;
  }
  tt_verdict v = tt_crash_begin(makes ? KIND_MAKE : empties ? KIND_DATA : KIND_OPEN, "open", path);
  int file = -1;
  if (v == GO_ON) file = real_openat(at, name, flags, mode);
  if (file >= 0) {
    tt_crash_opened(file, path, true);
    if (makes) tt_journal_made(file, path);
    if (empties) tt_journal_size(file, 0);
  }
  if (v == HALF_THEN_KILL) tt_crash_kill();
  tt_crash_end();
  return file;
}

#define TAKE_MODE(mode, flags)                                                                               \
  mode_t mode = 0;                                                                                           \
  if ((flags)&O_CREAT) {                                                                                     \
    va_list rest;                                                                                            \
    va_start(rest, flags);                                                                                   \
    mode = va_arg(rest, mode_t);                                                                             \
    va_end(rest);                                                                                            \
  }

int open(const char *path, int flags, ...) {
  TAKE_MODE(mode, flags)
  return open_counted(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  TAKE_MODE(mode, flags)
  return open_counted(AT_FDCWD, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...) {
  TAKE_MODE(mode, flags)
  return open_counted(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...) {
  TAKE_MODE(mode, flags)
  return open_counted(at, path, flags, mode);
}

int close(int file) {
  REAL("close", int, int);
  if (!tt_crash_file(file)) return real(file);
  bool counts = tt_crash_written_to(file);
  tt_verdict v = counts ? tt_crash_begin(KIND_CLOSE, "close", tt_crash_file(file)) : GO_ON;
  int why = errno;
  tt_crash_closed(file);
  int failed = real(file); // a close that fails has closed all the same
  if (v == FAIL) failed = -1, errno = why;
  if (counts) tt_crash_end();
  return failed;
}

// ---- contents ----

static ssize_t real_pwrite(int file, const void *data, size_t bytes, off_t at) {
  REAL("pwrite", ssize_t, int, const void *, size_t, off_t);
  return real(file, data, bytes, at);
}

static ssize_t real_write(int file, const void *data, size_t bytes) {
  REAL("write", ssize_t, int, const void *, size_t);
  return real(file, data, bytes);
}

// at < 0: where the file stands, or its end.
static ssize_t write_counted(int file, const void *data, size_t bytes, off_t at, const char *call) {
  tt_verdict v = tt_crash_begin(KIND_DATA, call, tt_crash_file(file));
  off_t place = at;
  if (at < 0) place = fcntl(file, F_GETFL) & O_APPEND ? lseek(file, 0, SEEK_END) : lseek(file, 0, SEEK_CUR);
  size_t some = v == GO_ON ? bytes : bytes / 2;
  ssize_t n = -1;
  if (v == HALF && some == 0)
    errno = ENOSPC;
  else if (v != FAIL)
    n = at < 0 ? real_write(file, data, some) : real_pwrite(file, data, some, at);
  if (n > 0) tt_journal_data(file, place, data, (size_t)n);
  if (v == HALF_THEN_KILL) tt_crash_kill();
  tt_crash_end();
  return n;
}

ssize_t write(int file, const void *data, size_t bytes) {
  return tt_crash_file(file) ? write_counted(file, data, bytes, -1, "write") : real_write(file, data, bytes);
}

ssize_t pwrite(int file, const void *data, size_t bytes, off_t at) {
  return tt_crash_file(file) ? write_counted(file, data, bytes, at, "pwrite")
                             : real_pwrite(file, data, bytes, at);
}

ssize_t pwrite64(int file, const void *data, size_t bytes, off_t at) {
  return pwrite(file, data, bytes, at);
}

// Nobody here writes several pieces in one call; should a library begin to, the tests must not pass because
// of it.
ssize_t writev(int file, const struct iovec *pieces, int count) {
  REAL("writev", ssize_t, int, const struct iovec *, int);
  if (tt_crash_file(file)) tt_crash_kill();
  return real(file, pieces, count);
}

static int resize(int file, off_t size, bool allocate, const char *call) {
  REAL("ftruncate", int, int, off_t);
  static int (*real_allocate)(int, int, off_t, off_t);
  if (!real_allocate) *(void **)&real_allocate = dlsym(RTLD_NEXT, "fallocate");
  if (!tt_crash_file(file)) return allocate ? real_allocate(file, 0, 0, size) : real(file, size);
  struct stat s;
  off_t before = fstat(file, &s) == 0 ? s.st_size : 0;
  bool larger = size > before;
  tt_verdict v = tt_crash_begin(KIND_DATA, call, tt_crash_file(file));
  int failed = -1;
  if (v == GO_ON) failed = allocate ? real_allocate(file, 0, 0, size) : real(file, size);
  if (v == HALF && !larger && !allocate) failed = real(file, size); // needs no room
  if (!failed && (larger || !allocate)) tt_journal_size(file, size);
  if (v == HALF_THEN_KILL) tt_crash_kill();
  tt_crash_end();
  return failed;
}

int ftruncate(int file, off_t size) {
  return resize(file, size, false, "ftruncate");
}

int ftruncate64(int file, off_t size) {
  return resize(file, size, false, "ftruncate");
}

// Only as this program calls it: from the beginning.
int fallocate(int file, int mode, off_t at, off_t size) {
  if (tt_crash_file(file) && (mode || at)) tt_crash_kill();
  return resize(file, size, true, "fallocate");
}

int fallocate64(int file, int mode, off_t at, off_t size) {
  return fallocate(file, mode, at, size);
}

// ---- syncing ----

static int sync_counted(int file, int (*real)(int), const char *call) {
  if (!tt_crash_file(file)) return real(file);
  tt_verdict v = tt_crash_begin(KIND_SYNC, call, tt_crash_file(file));
  int failed = v == GO_ON ? real(file) : -1;
  if (!failed) tt_journal_synced(file, tt_crash_file(file));
  tt_crash_end();
  return failed;
}

int fsync(int file) {
  REAL("fsync", int, int);
  return sync_counted(file, real, "fsync");
}

int fdatasync(int file) {
  REAL("fdatasync", int, int);
  return sync_counted(file, real, "fdatasync");
}

// ---- names ----

int rename(const char *from, const char *to) {
  REAL("rename", int, const char *, const char *);
  char room[PATH_MAX], room_to[PATH_MAX];
  const char *path = tt_crash_path(AT_FDCWD, from, room), *path_to = tt_crash_path(AT_FDCWD, to, room_to);
  if (!path || !path_to) return real(from, to);
  int failed = tt_crash_begin(KIND_NAME, "rename", path) == GO_ON ? real(from, to) : -1;
  if (!failed) tt_journal_names("rename", path, path_to);
  tt_crash_end();
  return failed;
}

// Removes a name, or makes a folder.
static int change_name(int at, const char *name, int flags, mode_t mode, const char *call) {
  char room[PATH_MAX];
  const char *path = tt_crash_path(at, name, room);
  bool folder = call[0] == 'm';
  REAL("unlinkat", int, int, const char *, int);
  static int (*real_mkdir)(int, const char *, mode_t);
  if (!real_mkdir) *(void **)&real_mkdir = dlsym(RTLD_NEXT, "mkdirat");
  struct stat s; // one that changes nothing does not count
  if (!path || (lstat(path, &s) == 0) == folder)
    return folder ? real_mkdir(at, name, mode) : real(at, name, flags);
  int failed = -1;
  if (tt_crash_begin(folder ? KIND_MAKE : KIND_NAME, call, path) == GO_ON)
    failed = folder ? real_mkdir(at, name, mode) : real(at, name, flags);
  if (!failed) tt_journal_names(call, path, NULL);
  tt_crash_end();
  return failed;
}

int unlinkat(int at, const char *path, int flags) {
  return change_name(at, path, flags, 0, flags & AT_REMOVEDIR ? "rmdir" : "unlink");
}

int unlink(const char *path) {
  return change_name(AT_FDCWD, path, 0, 0, "unlink");
}

int rmdir(const char *path) {
  return change_name(AT_FDCWD, path, AT_REMOVEDIR, 0, "rmdir");
}

int mkdir(const char *path, mode_t mode) {
  return change_name(AT_FDCWD, path, 0, mode, "mkdir");
}
