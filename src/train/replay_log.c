#include "train/replay_log.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "train/runlog.h"

static double number(const json_t *record, const char *key) {
  const json_t *value = json_object_get(record, key);
  return json_is_number(value) ? json_number_value(value) : NAN;
}

static void take_step(tt_replay_log *log, const json_t *record, int64_t step) {
  if (step > log->end) log->end = step;
  if (step < log->first || step > log->last) return;
  tt_update *u = &log->updates[step - log->first].update;
  *u = (tt_update){.learning_rate = number(record, "lr"), .gradient_norm = number(record, "grad_norm")};
  u->losses.loss = number(record, "loss");
  u->losses.token = number(record, "loss_token");
  u->losses.position = number(record, "loss_position");
  u->losses.distance = number(record, "loss_distance");
  log->updates[step - log->first].there = true;
}

typedef struct {
  tt_replay_log *log;
  const tt_lanes *lanes;
} reading;

// The record has how many of the chunk's molecules were left out; a cut, how many were kept.
static tt_status take_skip(const reading *r, const json_t *record) {
  tt_lane_cut cut = {.position = (uint64_t)json_integer_value(json_object_get(record, "position"))};
  int64_t out = json_integer_value(json_object_get(record, "records"));
  tt_sample_place unused;
  int64_t all = tt_lane_cut_records(r->lanes, &cut, &unused);
  if (out < 1 || out > all)
    return tt_fail(TT_ERR_FORMAT, "the run's log says that %lld molecules of a chunk of %lld were left out",
                   (long long)out, (long long)all);
  cut.kept = (uint32_t)(all - out);
  return tt_lane_cuts_add(&r->log->cuts, cut);
}

static tt_status take_batch(tt_replay_log *log, json_t *record, int64_t step) {
  const char *policy = json_string_value(json_object_get(record, "policy"));
  bool failed = policy && strcmp(policy, "list") != 0;
  if (failed && step == log->last && log->tried < 0)
    log->tried = json_integer_value(json_object_get(record, "batch"));
  return json_array_append(log->batches, record) == 0 ? TT_OK : tt_fail(TT_ERR_MEMORY, "out of memory");
}

static tt_status take(void *user, json_t *record, const char *line, size_t length) {
  (void)line, (void)length;
  const reading *r = user;
  tt_replay_log *log = r->log;
  int64_t step = json_integer_value(json_object_get(record, "step"));
  const char *backend = json_string_value(json_object_get(record, "backend"));
  // "run", or "resume" before the last update
  if (backend && step < log->last) {
    snprintf(log->backend, sizeof log->backend, "%s", backend);
    log->ranks = (int)json_integer_value(json_object_get(record, "ranks"));
  }
  if (tt_runlog_is(record, "step")) take_step(log, record, step);
  if (tt_runlog_is(record, "skip_batch") || tt_runlog_is(record, "rollback"))
    return take_batch(log, record, step);
  return tt_runlog_is(record, "skip") && step <= log->last ? take_skip(r, record) : TT_OK;
}

tt_status tt_replay_log_read(tt_replay_log *log, const char *run, int64_t first, int64_t last,
                             const tt_lanes *lanes) {
  char path[PATH_MAX];
  *log = (tt_replay_log){.first = first, .last = last, .tried = -1, .batches = json_array()};
  if (!log->batches) return tt_fail(TT_ERR_MEMORY, "out of memory");
  if (snprintf(path, sizeof path, "%s/run.jsonl", run) >= (int)sizeof path)
    return tt_fail(TT_ERR_IO, "the path of the run folder %.60s... is too long", run);
  TT_TRY(tt_alloc(&log->updates, (size_t)(last - first + 1), sizeof *log->updates, "updates of the log"));
  return tt_runlog_each(path, take, &(reading){log, lanes});
}

void tt_replay_log_free(tt_replay_log *log) {
  free(log->updates);
  json_decref(log->batches);
  tt_lane_cuts_free(&log->cuts);
  *log = (tt_replay_log){0};
}

const tt_logged_update *tt_replay_log_at(const tt_replay_log *log, int64_t step) {
  return &log->updates[step - log->first];
}

void tt_replay_log_forget(tt_replay_log *log) {
  log->updates[log->last - log->first].there = false;
}

static bool same(double a, double b) {
  return memcmp(&a, &b, sizeof a) == 0 || (!isfinite(a) && !isfinite(b)); // the log has null for all of those
}

bool tt_replay_log_same(const tt_update *a, const tt_update *b) {
  return same(a->losses.loss, b->losses.loss) && same(a->losses.token, b->losses.token) &&
         same(a->losses.position, b->losses.position) && same(a->losses.distance, b->losses.distance) &&
         same(a->gradient_norm, b->gradient_norm);
}
