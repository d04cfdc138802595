#include "train/runlog.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/position.h"

enum { FAULT = PATH_MAX + 300 }; // room for a message

struct tt_runlog {
  int file;
  char path[PATH_MAX];
  int64_t validated;
};

static tt_status path_of(const char *run, char path[PATH_MAX]) {
  if (snprintf(path, PATH_MAX, "%s/run.jsonl", run) >= PATH_MAX)
    return tt_fail(TT_ERR_IO, "the path of the run folder %.60s... is too long", run);
  return TT_OK;
}

static tt_status open_to_append(tt_runlog **log, const char *path) {
  tt_runlog *l = calloc(1, sizeof *l);
  if (!l) return tt_fail(TT_ERR_MEMORY, "out of memory opening %s", path);
  snprintf(l->path, sizeof l->path, "%s", path);
  l->validated = -1;
  l->file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
  if (l->file < 0) {
    free(l);
    return tt_fail(TT_ERR_IO, "cannot open %s: %s", path, strerror(errno));
  }
  *log = l;
  return TT_OK;
}

bool tt_runlog_is(const json_t *record, const char *type) {
  const char *s = json_string_value(json_object_get(record, "type"));
  return s && (!type || strcmp(s, type) == 0);
}

// The record as a line with its line feed; NULL when out of memory.
static char *line_of(const json_t *record, size_t *length) {
  char *text = json_dumps(record, JSON_COMPACT | JSON_REAL_PRECISION(17));
  if (!text) return NULL;
  *length = strlen(text) + 1;
  char *line = realloc(text, *length + 1);
  if (!line) return free(text), NULL;
  memcpy(line + *length - 1, "\n", 2);
  return line;
}

tt_status tt_runlog_create(tt_runlog **log, const char *run, json_t *header) {
  *log = NULL;
  size_t length = 0;
  bool ours = tt_runlog_is(header, "run");
  char *line = ours ? line_of(header, &length) : NULL, path[PATH_MAX];
  json_decref(header);
  tt_status status = path_of(run, path);
  if (status == TT_OK && !line)
    status = ours ? tt_fail(TT_ERR_MEMORY, "out of memory writing %s", path)
                  : tt_fail(TT_ERR_ARGUMENT, "the first record of %s must be of type \"run\"", path);
  if (status == TT_OK && tt_file_exists(path))
    status = tt_fail(TT_ERR_IO, "%s exists: resume that run or choose another run folder", path);
  if (status == TT_OK) status = tt_file_replace(path, line, length);
  if (status == TT_OK) status = open_to_append(log, path);
  free(line);
  return status;
}

tt_status tt_runlog_append(tt_runlog *log, json_t *record) {
  if (!tt_runlog_is(record, NULL)) {
    json_decref(record);
    return tt_fail(TT_ERR_ARGUMENT, "a record for %s is no JSON object with a type", log->path);
  }
  TT_WRITING(log->path);
  size_t length = 0;
  char *line = line_of(record, &length);
  json_decref(record);
  if (!line) return tt_fail(TT_ERR_MEMORY, "out of memory writing %s", log->path);
  off_t before = lseek(log->file, 0, SEEK_END);
  ssize_t written;
  do written = write(log->file, line, length);
  while (written < 0 && errno == EINTR);
  free(line);
  if (written == (ssize_t)length) return TT_OK;
  int why = written < 0 ? errno : ENOSPC; // a short write: the room ended in the middle
  if (written > 0 && before >= 0 && ftruncate(log->file, before) != 0) why = errno;
  return tt_fail(TT_ERR_IO, "cannot write to %s: %s", log->path, strerror(why));
}

tt_status tt_runlog_sync(tt_runlog *log) {
  TT_SYNCING(log->path);
  if (fdatasync(log->file) == 0) return TT_OK;
  return tt_fail(TT_ERR_IO, "cannot sync %s: %s", log->path, strerror(errno));
}

void tt_runlog_close(tt_runlog *log) {
  if (!log) return;
  close(log->file);
  free(log);
}

int64_t tt_runlog_validated(const tt_runlog *log) {
  return log->validated;
}

json_t *tt_runlog_number(double value) {
  return isfinite(value) ? json_real(value) : json_null();
}

// As tt_runlog_take, but for a complete line that holds no record it is called too: with NULL, and what is
// wrong.
typedef tt_status take_line(void *user, json_t *record, const char *line, size_t length, const char *fault);

static tt_status for_each_line(const char *path, take_line *take, void *user) {
  char *text;
  size_t bytes;
  TT_TRY(tt_file_read(path, &text, &bytes));
  tt_status status = TT_OK;
  int number = 0;
  for (char *line = text, *end = text + bytes; line < end && status == TT_OK; number++) {
    char *feed = memchr(line, '\n', (size_t)(end - line)), fault[FAULT];
    if (!feed) break; // torn: its writer was stopped in the middle
    size_t length = (size_t)(feed - line);
    json_error_t error;
    json_t *record = json_loadb(line, length, JSON_REJECT_DUPLICATES, &error);
    bool last = feed + 1 == end;
    const char *what = record ? "a record must be an object with a type" : error.text;
    snprintf(fault, sizeof fault, "%s, line %d: %s", path, number + 1, what);
    if (number == 0 && !tt_runlog_is(record, "run"))
      status = tt_fail(TT_ERR_FORMAT, "%s, line 1: this is not the first record of a run log", path);
    else if (tt_runlog_is(record, NULL))
      status = take(user, record, line, length, "");
    else if (!last)
      status = take(user, NULL, line, length, fault);
    json_decref(record);
    line = feed + 1;
  }
  if (status == TT_OK && number == 0) status = tt_fail(TT_ERR_FORMAT, "%s holds no complete record", path);
  free(text);
  return status;
}

typedef struct {
  tt_runlog_take *take;
  void *user;
} taker;

static tt_status take_record(void *user, json_t *record, const char *line, size_t length, const char *fault) {
  const taker *t = user;
  return record ? t->take(t->user, record, line, length) : tt_fail(TT_ERR_FORMAT, "%s", fault);
}

tt_status tt_runlog_each(const char *path, tt_runlog_take *take, void *user) {
  return for_each_line(path, take_record, &(taker){take, user});
}

static tt_status note_save(void *user, json_t *record, const char *line, size_t length, const char *fault) {
  int64_t *step = user;
  (void)line, (void)length, (void)fault;
  if (record && tt_runlog_is(record, "save")) *step = json_integer_value(json_object_get(record, "step"));
  return TT_OK;
}

tt_status tt_runlog_saved(const char *path, int64_t *step) {
  *step = 0;
  return for_each_line(path, note_save, step);
}

static tt_status append_to_array(void *user, json_t *record, const char *line, size_t length) {
  (void)line, (void)length;
  return json_array_append(user, record) == 0 ? TT_OK : tt_fail(TT_ERR_MEMORY, "out of memory for a run log");
}

tt_status tt_runlog_read(const char *path, json_t **records) {
  *records = json_array();
  if (!*records) return tt_fail(TT_ERR_MEMORY, "out of memory for a run log");
  tt_status status = tt_runlog_each(path, append_to_array, *records);
  if (status == TT_OK) return TT_OK;
  json_decref(*records);
  *records = NULL;
  return status;
}

// What stays of a log that goes on after `step`. What follows the last checkpoint was not synced, and a power
// loss may have left anything in its place: there, and only there, lines that hold no record go too.
typedef struct {
  int64_t step, reached; // reached: the last step or stop record's
  int64_t validated;     // the last valid record's that stays, or -1
  char fault[FAULT];     // the first line without a record; "" for none
  bool rollbacks;        // they stay, whatever their step
  char *text;
  size_t length, capacity;
} rest;

static tt_status damaged(const char *fault, int64_t step) {
  return tt_fail(TT_ERR_FORMAT,
                 "%s. The log is damaged before the checkpoint of update %lld, and the run cannot go on "
                 "without it: put a copy back, or start a new run with --init-from",
                 fault, (long long)step);
}

static tt_status keep(void *user, json_t *record, const char *line, size_t length, const char *fault) {
  rest *r = user;
  if (!record) {
    if (r->reached < r->step) return damaged(fault, r->step);
    if (!*r->fault) snprintf(r->fault, sizeof r->fault, "%s", fault);
    return TT_OK;
  }
  const json_t *step = json_object_get(record, "step");
  int64_t at = json_is_integer(step) ? json_integer_value(step) : 0;
  if ((tt_runlog_is(record, "step") || tt_runlog_is(record, "stop")) && at > r->reached) r->reached = at;
  if (at > r->step && !(r->rollbacks && tt_runlog_is(record, "rollback"))) return TT_OK;
  // the curve up to a checkpoint is on the disk before it: what is damaged among that was not lost with the
  // power
  if (*r->fault && (tt_runlog_is(record, "step") || tt_runlog_is(record, "valid")))
    return damaged(r->fault, r->step);
  if (tt_runlog_is(record, "valid")) r->validated = at;
  if (r->length + length + 1 > r->capacity) {
    size_t capacity = 2 * (r->length + length + 1);
    char *larger = realloc(r->text, capacity);
    if (!larger) return tt_fail(TT_ERR_MEMORY, "out of memory for a run log");
    r->text = larger, r->capacity = capacity;
  }
  memcpy(r->text + r->length, line, length);
  r->length += length;
  r->text[r->length++] = '\n';
  return TT_OK;
}

// Rewrites the log at `path` without the records past `step`.
static tt_status cut_off(const char *path, int64_t step, bool rollbacks, int64_t *validated) {
  rest r = {.step = step, .validated = -1, .rollbacks = rollbacks};
  tt_status status = for_each_line(path, keep, &r);
  if (status == TT_OK && r.reached < step)
    status =
        tt_fail(TT_ERR_FORMAT, "%s ends at step %lld, before the checkpoint's step %lld: it is another run's",
                path, (long long)r.reached, (long long)step);
  // also when nothing goes: what a torn line leaves behind must not stay before the next record
  if (status == TT_OK) status = tt_file_replace(path, r.text, r.length);
  free(r.text);
  *validated = r.validated;
  return status;
}

tt_status tt_runlog_resume(tt_runlog **log, const char *run, int64_t step) {
  *log = NULL;
  char path[PATH_MAX];
  TT_TRY(path_of(run, path));
  if (!tt_file_exists(path))
    return tt_fail(TT_ERR_IO,
                   "%s is missing, and the run cannot go on without its log: put it back, or start a new run "
                   "with --init-from",
                   path);
  int64_t validated;
  TT_TRY(cut_off(path, step, false, &validated));
  TT_TRY(open_to_append(log, path));
  (*log)->validated = validated;
  return TT_OK;
}

tt_status tt_runlog_rewind(tt_runlog *log, int64_t step) {
  TT_TRY(cut_off(log->path, step, true, &log->validated));
  int file = open(log->path, O_WRONLY | O_APPEND | O_CLOEXEC);
  if (file < 0) return tt_fail(TT_ERR_IO, "cannot open %s: %s", log->path, strerror(errno));
  close(log->file);
  log->file = file;
  return TT_OK;
}
