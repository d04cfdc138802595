#include "sweep/status.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/lock.h"
#include "train/checkpoint.h"
#include "train/failures.h"

// The end of a log that is looked at: some hundred records. The last ones are what tells how far a run is.
enum { END_BYTES = 1 << 18, RATES = 1000 };

// ---- parts of a log ----

// The first line's record; NULL: there is none (yet: a run may have been stopped while it wrote it). *torn:
// no line.
static json_t *read_header(const char *path, bool *torn) {
  *torn = true;
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  char *line = NULL;
  size_t room = 0;
  ssize_t n = getline(&line, &room, file);
  fclose(file);
  *torn = n <= 0 || line[n - 1] != '\n';
  json_t *record = *torn ? NULL : json_loadb(line, (size_t)n, 0, NULL);
  free(line);
  return record;
}

// The last bytes of a file, from a line's beginning; free() it. NULL when it cannot be read.
static char *read_end(const char *path) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return NULL;
  off_t size = lseek(file, 0, SEEK_END), first = size > END_BYTES ? size - END_BYTES : 0;
  char *text = size < 0 ? NULL : malloc(END_BYTES + 1);
  ssize_t n = text ? pread(file, text, END_BYTES, first) : -1;
  close(file);
  if (n < 0) return free(text), NULL;
  text[n] = 0;
  char *feed = first > 0 ? strchr(text, '\n') : NULL;
  if (feed) memmove(text, feed + 1, strlen(feed + 1) + 1);
  return text;
}

static int64_t integer(const json_t *record, const char *key) {
  return json_integer_value(json_object_get(record, key)); // 0 where it is missing
}

static double number(const json_t *record, const char *key) {
  const json_t *v = json_object_get(record, key);
  return json_is_number(v) ? json_number_value(v) : NAN;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

typedef struct {
  int64_t step, valid, saved; // last update with such a record; -1: none
  double rates[RATES];
  int rate_count;
} end_of_log;

static void take(end_of_log *e, tt_sweep_status *s, const json_t *record) {
  const char *type = json_string_value(json_object_get(record, "type"));
  if (!type) return;
  if (strcmp(type, "step") == 0) {
    e->step = integer(record, "step");
    double rate = number(record, "samples_per_s");
    if (rate > 0) e->rates[e->rate_count++ % RATES] = rate;
  } else if (strcmp(type, "valid") == 0) {
    e->valid = integer(record, "step");
    s->loss = number(record, "loss"), s->loss_se = number(record, "loss_se");
  } else if (strcmp(type, "save") == 0)
    e->saved = integer(record, "step");
}

static void read_records(end_of_log *e, tt_sweep_status *s, const char *path) {
  char *text = read_end(path);
  for (char *line = text, *feed; line && (feed = strchr(line, '\n')); line = feed + 1) {
    json_t *record = json_loadb(line, (size_t)(feed - line), 0, NULL);
    take(e, s, record);
    json_decref(record);
  }
  free(text);
  int n = e->rate_count < RATES ? e->rate_count : RATES;
  qsort(e->rates, (size_t)n, sizeof *e->rates, by_value);
  if (n) s->samples_per_s = e->rates[n / 2];
}

// ---- whose run it is ----

static void other(tt_sweep_status *s, const char *why) {
  s->state = TT_SWEEP_OTHER;
  snprintf(s->why, sizeof s->why, "%s", why);
}

static bool is_ours(tt_sweep_status *s, const tt_sweep_run *run, const json_t *header, const char *digest) {
  const char *config = json_string_value(json_object_get(header, "config"));
  const char *store = json_string_value(json_object_get(header, "store_digest"));
  if (!config) return other(s, "its run.jsonl is not the log of a run"), false;
  if (tt_run_folder_differs(config, run->text, &s->differs)) {
    char why[sizeof s->why];
    snprintf(why, sizeof why, "it was trained with '%.200s', not '%.200s'", s->differs.before,
             s->differs.now);
    return other(s, why), false;
  }
  if (digest && store && strcmp(store, digest) != 0)
    return other(s, "it was trained on another store's molecules"), false;
  return true;
}

// ---- the whole ----

static void decide(tt_sweep_status *s, const tt_sweep_run *run, const end_of_log *e, const char *folder) {
  const int64_t last = run->config.train.steps;
  tt_failure failure;
  s->step = e->step > 0 ? e->step : 0;
  if (tt_folder_is_locked(folder))
    s->state = TT_SWEEP_RUNNING;
  else if (e->step >= last && e->valid >= last && e->saved >= last)
    s->state = TT_SWEEP_DONE;
  else if (tt_failures_last(folder, &failure) == TT_OK && failure.count > 0 && failure.step >= s->step) {
    s->state = TT_SWEEP_FAILED;
    snprintf(s->why, sizeof s->why, "%s", failure.message);
  } else
    s->state = TT_SWEEP_PARTLY;
}

tt_status tt_sweep_status_read(tt_sweep_status *s, const tt_sweep_runs *runs, const tt_sweep_run *run,
                               const char *digest) {
  *s = (tt_sweep_status){.loss = NAN, .loss_se = NAN, .samples_per_s = NAN};
  char folder[PATH_MAX], path[PATH_MAX + 20], checkpoint[PATH_MAX];
  TT_TRY(tt_sweep_run_folder(runs, run, folder, sizeof folder));
  snprintf(path, sizeof path, "%s/run.jsonl", folder);
  if (!tt_file_exists(path)) {
    if (tt_folder_is_locked(folder)) s->state = TT_SWEEP_RUNNING; // about to begin
    return TT_OK;
  }
  bool torn;
  json_t *header = read_header(path, &torn);
  bool locked = torn && tt_folder_is_locked(folder);
  if (torn)
    return s->state = locked ? TT_SWEEP_RUNNING : TT_SWEEP_NOT_STARTED, TT_OK; // training starts over it
  bool ours = is_ours(s, run, header, digest);
  json_decref(header);
  if (!ours) return TT_OK;
  end_of_log *e = calloc(1, sizeof *e);
  if (!e) return tt_fail(TT_ERR_MEMORY, "out of memory reading %s", path);
  e->step = e->valid = e->saved = -1;
  read_records(e, s, path);
  decide(s, run, e, folder);
  free(e);
  if (tt_checkpoint_newest(folder, INT64_MAX, &s->saved, checkpoint, sizeof checkpoint) != TT_OK ||
      s->saved < 0)
    s->saved = 0;
  return TT_OK;
}

bool tt_sweep_is_left(const tt_sweep_status *s) {
  return s->state == TT_SWEEP_NOT_STARTED || s->state == TT_SWEEP_PARTLY || s->state == TT_SWEEP_FAILED;
}

const char *tt_sweep_state_words(tt_sweep_state state) {
  static const char *const words[TT_SWEEP_STATES] = {"not started", "partly done", "done",
                                                     "failed",      "another run", "running"};
  return words[state];
}

const char *tt_sweep_state_name(tt_sweep_state state) {
  static const char *const names[TT_SWEEP_STATES] = {"not_started", "partly_done", "done",
                                                     "failed",      "other",       "running"};
  return names[state];
}
