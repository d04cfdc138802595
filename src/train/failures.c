#include "train/failures.h"

#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "comm/comm.h"
#include "core/file.h"
#include "core/utf8.h"

enum { ALLOWED = 1 }; // failures from one checkpoint before the run stays stopped

static struct {
  char path[PATH_MAX];
  int rank;
  int64_t checkpoint;
  const int64_t *step;
} watched;

static void path_of(const char *run, char path[PATH_MAX]) {
  if (snprintf(path, PATH_MAX, "%s/failures.jsonl", run) >= PATH_MAX) path[0] = 0;
}

// Its last writer was killed in the middle: that line is lost, the next one must not be.
static bool ends_within_a_line(int file) {
  char last = '\n';
  off_t size = lseek(file, 0, SEEK_END);
  return size > 0 && pread(file, &last, 1, size - 1) == 1 && last != '\n';
}

static void note(const char *message) {
  json_t *record =
      json_pack("{s:I, s:I, s:i, s:o}", "checkpoint", (json_int_t)watched.checkpoint, "step",
                (json_int_t)*watched.step, "rank", watched.rank, "message", tt_utf8_json(message));
  char *text = record ? json_dumps(record, JSON_COMPACT) : NULL, *line = NULL;
  json_decref(record);
  int file = text ? open(watched.path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
  int length = file < 0 ? -1 : asprintf(&line, "%s%s\n", ends_within_a_line(file) ? "\n" : "", text);
  free(text);
  if (length >= 0) {
    off_t before = lseek(file, 0, SEEK_END);
    ssize_t written = write(file, line, (size_t)length);
    // a part of a line would spoil the next one
    if (written > 0 && written < length && before >= 0 && ftruncate(file, before) != 0) written = -1;
    free(line);
  }
  if (file >= 0) close(file);
}

void tt_failures_watch(const char *run, int rank, const int64_t *step) {
  path_of(run, watched.path);
  watched.rank = rank, watched.checkpoint = *step, watched.step = step;
  tt_comm_on_error(note);
}

void tt_failures_end_watch(void) {
  tt_comm_on_error(NULL);
}

static tt_status refuse(const char *path, int failures, int64_t checkpoint, const json_t *last) {
  const char *message = json_string_value(json_object_get(last, "message"));
  char where[80] = "its start";
  if (checkpoint) snprintf(where, sizeof where, "its checkpoint of update %lld", (long long)checkpoint);
  return tt_fail(
      TT_ERR_DATA,
      "the run has failed %d times from %s, the last time after update %lld on rank %lld: '%.1200s'. "
      "Mend the cause, then remove %s%s",
      failures, where, (long long)json_integer_value(json_object_get(last, "step")),
      (long long)json_integer_value(json_object_get(last, "rank")), message ? message : "", path,
      checkpoint ? "; or go on from an older checkpoint by moving the newer ones away" : "");
}

// Calls `take` for each record; a line that is none does not count.
static tt_status for_each(const char *path, void (*take)(void *user, json_t *record), void *user) {
  char *text;
  size_t bytes;
  if (!tt_file_exists(path)) return TT_OK;
  TT_TRY(tt_file_read(path, &text, &bytes));
  for (char *line = text, *end = text + bytes, *feed; line < end; line = feed + 1) {
    feed = memchr(line, '\n', (size_t)(end - line));
    if (!feed) feed = end;
    json_t *record = json_loadb(line, (size_t)(feed - line), 0, NULL);
    if (json_is_integer(json_object_get(record, "checkpoint"))) take(user, record);
    json_decref(record);
  }
  free(text);
  return TT_OK;
}

typedef struct {
  int64_t checkpoint;
  int failures;
  json_t *last;
} of_checkpoint;

static void count(void *user, json_t *record) {
  of_checkpoint *c = user;
  if (json_integer_value(json_object_get(record, "checkpoint")) != c->checkpoint) return;
  json_decref(c->last);
  c->last = json_incref(record);
  c->failures++;
}

tt_status tt_failures_check(const char *run, int64_t checkpoint) {
  char path[PATH_MAX];
  path_of(run, path);
  of_checkpoint c = {.checkpoint = checkpoint};
  TT_TRY(for_each(path, count, &c));
  tt_status status = c.failures > ALLOWED ? refuse(path, c.failures, checkpoint, c.last) : TT_OK;
  json_decref(c.last);
  return status;
}

static void keep(void *user, json_t *record) {
  tt_failure *f = user;
  const char *message = json_string_value(json_object_get(record, "message"));
  f->count++;
  f->step = json_integer_value(json_object_get(record, "step"));
  snprintf(f->message, sizeof f->message, "%s", message ? message : "");
}

tt_status tt_failures_last(const char *run, tt_failure *failure) {
  char path[PATH_MAX];
  path_of(run, path);
  *failure = (tt_failure){0};
  return for_each(path, keep, failure);
}
