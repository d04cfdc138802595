#include "train/failures.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>

#include "comm/comm.h"
#include "core/utf8.h"
#include "train/json_lines.h"

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

// What cannot be noted is lost, for there is another failure to report: its message stays.
static void note(const char *message) {
  char reported[2048];
  snprintf(reported, sizeof reported, "%s", message);
  json_t *record =
      json_pack("{s:I, s:I, s:i, s:o}", "checkpoint", (json_int_t)watched.checkpoint, "step",
                (json_int_t)*watched.step, "rank", watched.rank, "message", tt_utf8_json(message));
  if (tt_json_lines_append(watched.path, record) != TT_OK) tt_fail(TT_OK, "%s", reported);
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

// The checkpoint that a record names; NULL: it is none of ours.
static const json_t *checkpoint_of(const json_t *record) {
  const json_t *checkpoint = json_object_get(record, "checkpoint");
  return json_is_integer(checkpoint) ? checkpoint : NULL;
}

typedef struct {
  int64_t checkpoint;
  int failures;
  json_t *last;
} of_checkpoint;

static void count(void *user, const json_t *record) {
  of_checkpoint *c = user;
  const json_t *checkpoint = checkpoint_of(record);
  if (!checkpoint || json_integer_value(checkpoint) != c->checkpoint) return;
  json_decref(c->last);
  c->last = json_deep_copy(record);
  c->failures++;
}

tt_status tt_failures_check(const char *run, int64_t checkpoint) {
  char path[PATH_MAX];
  path_of(run, path);
  of_checkpoint c = {.checkpoint = checkpoint};
  TT_TRY(tt_json_lines_each(path, count, &c));
  tt_status status = c.failures > ALLOWED ? refuse(path, c.failures, checkpoint, c.last) : TT_OK;
  json_decref(c.last);
  return status;
}

static void keep(void *user, const json_t *record) {
  tt_failure *f = user;
  if (!checkpoint_of(record)) return;
  const char *message = json_string_value(json_object_get(record, "message"));
  f->count++;
  f->step = json_integer_value(json_object_get(record, "step"));
  snprintf(f->message, sizeof f->message, "%s", message ? message : "");
}

tt_status tt_failures_last(const char *run, tt_failure *failure) {
  char path[PATH_MAX];
  path_of(run, path);
  *failure = (tt_failure){0};
  return tt_json_lines_each(path, keep, failure);
}
