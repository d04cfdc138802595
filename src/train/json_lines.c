#include "train/json_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/position.h"

tt_status tt_json_lines_each(const char *path, void (*take)(void *user, const json_t *record), void *user) {
  char *text;
  size_t bytes;
  if (!tt_file_exists(path)) return TT_OK;
  TT_TRY(tt_file_read(path, &text, &bytes));
  for (char *line = text, *end = text + bytes, *feed; line < end; line = feed + 1) {
    feed = memchr(line, '\n', (size_t)(end - line));
    if (!feed) feed = end;
    json_t *record = json_loadb(line, (size_t)(feed - line), 0, NULL);
    if (json_is_object(record)) take(user, record);
    json_decref(record);
  }
  free(text);
  return TT_OK;
}

// Its last writer was killed in the middle: that line is lost, the next one must not be.
static bool ends_within_a_line(int file, off_t size) {
  char last = '\n';
  return size > 0 && pread(file, &last, 1, size - 1) == 1 && last != '\n';
}

// 0, or why not.
static int append(const char *path, int file, const char *text) {
  off_t before = lseek(file, 0, SEEK_END);
  char *line;
  int length = asprintf(&line, "%s%s\n", ends_within_a_line(file, before) ? "\n" : "", text);
  if (length < 0) return ENOMEM;
  errno = 0;
  ssize_t written = write(file, line, (size_t)length);
  int why = written == length ? 0 : errno ? errno : ENOSPC;
  free(line);
  // a part of a line would spoil the next one
  if (why && before >= 0 && ftruncate(file, before) != 0) why = errno;
  TT_SYNCING(path);
  return why || fsync(file) == 0 ? why : errno;
}

tt_status tt_json_lines_append(const char *path, json_t *record) {
  char *text = record ? json_dumps(record, JSON_COMPACT) : NULL;
  json_decref(record);
  if (!text) return tt_fail(TT_ERR_MEMORY, "out of memory writing %s", path);
  int file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  int why = file < 0 ? errno : append(path, file, text);
  if (file >= 0) close(file);
  free(text);
  return why ? tt_fail(TT_ERR_IO, "cannot write to %s: %s", path, strerror(why)) : TT_OK;
}
