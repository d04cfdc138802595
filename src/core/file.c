#include "core/file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/position.h"

void tt_file_temporary(const char *path, char *temporary, size_t size) {
  snprintf(temporary, size, "%s.tmp.%ld", path, (long)getpid());
}

// What is there already must be a file: a rename over a device would take its place.
static tt_status check_plain(const char *path) {
  struct stat s;
  if (stat(path, &s) != 0 || S_ISREG(s.st_mode)) return TT_OK;
  if (S_ISDIR(s.st_mode)) return tt_fail(TT_ERR_IO, "cannot write %s: it is a folder; name a file", path);
  return tt_fail(TT_ERR_IO, "cannot write %s: it is a device or a pipe; name a file", path);
}

tt_status tt_file_target(const char *path, char *target, size_t size) {
  TT_WRITING(path);
  struct stat s;
  char folder[PATH_MAX], led[PATH_MAX];
  if (!*path) return tt_fail(TT_ERR_IO, "the name of the file to write is empty");
  TT_TRY(check_plain(path));
  if (lstat(path, &s) == 0 && S_ISLNK(s.st_mode)) {
    if (!realpath(path, led))
      return tt_fail(TT_ERR_IO,
                     "cannot write %s: it is a symbolic link to nothing; remove it, or name a file", path);
    path = led;
  }
  if (snprintf(folder, sizeof folder, "%s", path) >= (int)sizeof folder || strlen(path) >= size)
    return tt_fail(TT_ERR_IO, "the path %.60s... is too long", path);
  snprintf(target, size, "%s", path);
  if (stat(dirname(folder), &s) == 0 && S_ISDIR(s.st_mode)) return TT_OK;
  return tt_fail(TT_ERR_IO, "cannot write %s: there is no folder %s", path, folder);
}

static int sync_path(const char *path, int flags) {
  TT_SYNCING(path);
  int fd = open(path, flags);
  if (fd < 0) return -1;
  int failed = fsync(fd);
  // some network file systems cannot sync a directory and say so; the rename itself has succeeded there
  if (failed && (flags & O_DIRECTORY) && (errno == EINVAL || errno == ENOTSUP)) failed = 0;
  int saved = errno;
  close(fd);
  errno = saved;
  return failed;
}

tt_status tt_file_commit(const char *temporary, const char *path) {
  const char *step = "sync";
  TT_WRITING(path);
  char folder[PATH_MAX];
  tt_status plain = check_plain(path);
  if (plain != TT_OK) return unlink(temporary), plain;
  snprintf(folder, sizeof folder, "%s", path);
  if (sync_path(temporary, O_RDONLY) == 0) {
    step = "rename";
    if (rename(temporary, path) == 0) {
      step = "sync the folder of";
      if (sync_path(dirname(folder), O_RDONLY | O_DIRECTORY) == 0) return TT_OK;
    }
  }
  int why = errno;
  unlink(temporary);
  return tt_fail(TT_ERR_IO, "cannot %s %s: %s", step, path, strerror(why));
}

void tt_file_abandon(const char *temporary) {
  unlink(temporary);
}

// "NAME.tmp.123", whoever 123 was.
static bool is_temporary_of(const char *name, const char *found) {
  size_t n = strlen(name);
  if (strncmp(found, name, n) != 0 || strncmp(found + n, ".tmp.", 5) != 0) return false;
  const char *number = found + n + 5;
  while (isdigit((unsigned char)*number)) number++;
  return number > found + n + 5 && !*number;
}

void tt_file_tidy(const char *path) {
  char folder[PATH_MAX], name[PATH_MAX];
  snprintf(folder, sizeof folder, "%s", path), snprintf(name, sizeof name, "%s", path);
  const char *last = basename(name);
  DIR *d = opendir(dirname(folder));
  if (!d) return;
  for (const struct dirent *e; (e = readdir(d));)
    if (is_temporary_of(last, e->d_name)) (void)unlinkat(dirfd(d), e->d_name, 0);
  closedir(d);
}

tt_status tt_file_replace(const char *path, const void *data, size_t bytes) {
  TT_WRITING(path);
  char temporary[PATH_MAX];
  tt_file_temporary(path, temporary, sizeof temporary);
  int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (fd < 0) return tt_fail(TT_ERR_IO, "cannot write %s: %s", path, strerror(errno));
  const char *p = data;
  size_t left = bytes;
  while (left) {
    ssize_t n = write(fd, p, left);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    p += n, left -= (size_t)n;
  }
  int why = errno;
  if (close(fd) != 0 && !left) why = errno, left = 1;
  if (left) {
    unlink(temporary);
    return tt_fail(TT_ERR_IO, "cannot write %s: %s", path, strerror(why));
  }
  return tt_file_commit(temporary, path);
}

tt_status tt_file_read(const char *path, char **data, size_t *bytes) {
  TT_READING(path);
  *data = NULL, *bytes = 0;
  FILE *f = fopen(path, "rb");
  if (!f) return tt_fail(TT_ERR_IO, "cannot open %s: %s", path, strerror(errno));
  size_t used = 0, capacity = 1 << 16;
  char *buffer = malloc(capacity + 1);
  while (buffer) {
    used += fread(buffer + used, 1, capacity - used, f);
    if (used < capacity) break;
    char *larger = realloc(buffer, (capacity *= 2) + 1);
    if (!larger) free(buffer);
    buffer = larger;
  }
  int failed = ferror(f), why = errno;
  fclose(f);
  if (!buffer) return tt_fail(TT_ERR_MEMORY, "out of memory reading %s", path);
  if (failed) {
    free(buffer);
    return tt_fail(TT_ERR_IO, "cannot read %s: %s", path, strerror(why));
  }
  buffer[used] = 0;
  *data = buffer, *bytes = used;
  return TT_OK;
}

bool tt_file_exists(const char *path) {
  return access(path, F_OK) == 0;
}

// A folder's name is in the folder above it, and is there after a power loss once that was synced. Where that
// may not be read, nothing can be done.
static tt_status make_directory(const char *path) {
  char above[PATH_MAX];
  if (mkdir(path, 0777) != 0)
    return errno == EEXIST ? TT_OK
                           : tt_fail(TT_ERR_IO, "cannot create the folder %s: %s", path, strerror(errno));
  snprintf(above, sizeof above, "%s", path);
  if (sync_path(dirname(above), O_RDONLY | O_DIRECTORY) == 0 || errno == EACCES) return TT_OK;
  return tt_fail(TT_ERR_IO, "cannot sync the folder of %s: %s", path, strerror(errno));
}

tt_status tt_make_directories(const char *path) {
  TT_WRITING(path);
  char part[PATH_MAX];
  if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
    return tt_fail(TT_ERR_IO, "the path %.60s... is too long", path);
  for (char *p = part + 1;; p++) {
    if (*p != '/' && *p) continue;
    char kept = *p;
    *p = 0;
    TT_TRY(make_directory(part));
    *p = kept;
    if (!kept) break;
  }
  struct stat s;
  if (stat(path, &s) != 0 || !S_ISDIR(s.st_mode)) return tt_fail(TT_ERR_IO, "%s is not a folder", path);
  return TT_OK;
}
