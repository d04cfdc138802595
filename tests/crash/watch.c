// The files that count: those below TT_CRASH_FOLDER.
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim.h"

enum { FILES = 1024 };

static struct {
  char *path; // NULL: does not count
  bool to_write;
} files[FILES];

static bool below(const char *path) {
  const char *folder = getenv("TT_CRASH_FOLDER");
  size_t n = folder ? strlen(folder) : 0;
  return n && strncmp(path, folder, n) == 0 && (path[n] == 0 || path[n] == '/');
}

// Where a relative path begins.
static bool folder_of(int at, char *room) {
  if (at == AT_FDCWD) return getcwd(room, PATH_MAX) != NULL;
  char link[40];
  snprintf(link, sizeof link, "/proc/self/fd/%d", at);
  ssize_t n = readlink(link, room, PATH_MAX - 1);
  if (n < 0) return false;
  room[n] = 0;
  return true;
}

const char *tt_crash_path(int at, const char *path, char *room) {
  if (!path || !getenv("TT_CRASH_FOLDER")) return NULL;
  if (*path == '/')
    snprintf(room, PATH_MAX, "%s", path);
  else {
    if (!folder_of(at, room)) return NULL;
    size_t n = strlen(room);
    snprintf(room + n, PATH_MAX - n, "/%s", path);
  }
  size_t n = strlen(room);
  while (n > 1 && room[n - 1] == '/') room[--n] = 0;
  return below(room) ? room : NULL;
}

void tt_crash_opened(int file, const char *path, bool to_write) {
  if (file < 0 || file >= FILES) return;
  files[file].path = strdup(path), files[file].to_write = to_write;
}

const char *tt_crash_file(int file) {
  return file >= 0 && file < FILES ? files[file].path : NULL;
}

bool tt_crash_written_to(int file) {
  return tt_crash_file(file) && files[file].to_write;
}

void tt_crash_closed(int file) {
  if (!tt_crash_file(file)) return;
  free(files[file].path);
  files[file].path = NULL;
}
