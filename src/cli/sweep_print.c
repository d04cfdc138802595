#include "cli/sweep_print.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/utf8.h"
#include "core/version.h"
#include "sweep/estimate.h"

// ---- a table ----

static void format_time(char *text, size_t size, double seconds) {
  if (!isfinite(seconds)) {
    snprintf(text, size, "?");
    return;
  }
  long long s = (long long)(seconds + 0.5);
  if (s >= 86400)
    snprintf(text, size, "%lld d %lld:%02lld:%02lld", s / 86400, s / 3600 % 24, s / 60 % 60, s % 60);
  else
    snprintf(text, size, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
}

static void print_run(const tt_cli_sweep_view *all, int i, int width) {
  const tt_sweep_run *r = &all->runs->list[i];
  const tt_sweep_status *s = &all->statuses[i];
  char state[64], loss[40] = "", left[40] = "";
  snprintf(state, sizeof state, "%s", tt_sweep_state_words(s->state));
  if (s->step && s->state != TT_SWEEP_DONE && s->state != TT_SWEEP_OTHER)
    snprintf(state, sizeof state, "%s, step %lld", tt_sweep_state_words(s->state), (long long)s->step);
  if (!isnan(s->loss)) snprintf(loss, sizeof loss, "%.4f +- %.4f", s->loss, s->loss_se);
  if (all->seconds[i] != 0) format_time(left, sizeof left, all->seconds[i]);
  printf("%6d  %-*s  %13lld  %8lld  %-25s  %-17s  %12s\n", r->number, width, r->name,
         (long long)r->parameters, (long long)r->config.train.steps, state, loss, left);
  if (*s->why) printf("%8s%s\n", "", s->why);
}

static void count(const tt_cli_sweep_view *s, int counts[TT_SWEEP_STATES]) {
  memset(counts, 0, TT_SWEEP_STATES * sizeof *counts);
  for (int i = 0; i < s->runs->count; i++) counts[s->statuses[i].state]++;
}

static void print_counts(const tt_cli_sweep_view *s) {
  static const tt_sweep_state order[] = {TT_SWEEP_DONE,        TT_SWEEP_RUNNING, TT_SWEEP_PARTLY,
                                         TT_SWEEP_NOT_STARTED, TT_SWEEP_FAILED,  TT_SWEEP_OTHER};
  int counts[TT_SWEEP_STATES], shown = 0;
  count(s, counts);
  printf("%d run%s: ", s->runs->count, s->runs->count == 1 ? "" : "s");
  for (int i = 0; i < TT_SWEEP_STATES; i++)
    if (counts[order[i]])
      printf("%s%d %s", shown++ ? ", " : "", counts[order[i]], tt_sweep_state_words(order[i]));
  printf("\n");
  if (counts[TT_SWEEP_OTHER])
    printf("What is there of another run is left alone: move it away, or give --out another folder.\n");
}

static int count_left(const tt_cli_sweep_view *s) {
  int left = 0;
  for (int i = 0; i < s->runs->count; i++) left += tt_sweep_is_left(&s->statuses[i]);
  return left;
}

static void print_left(const tt_cli_sweep_view *s) {
  double seconds = tt_sweep_seconds_left(s->seconds, s->runs->count, s->jobs);
  char time[40];
  format_time(time, sizeof time, seconds);
  if (seconds != 0 && isfinite(seconds))
    printf("Time left, %d run%s at once, by the speed logged so far: about %s\n", s->jobs,
           s->jobs > 1 ? "s" : "", time);
  int left = count_left(s);
  if (!left || !s->array) return;
  printf(
      "%d left. Here: the same command with --run. Under Slurm: sbatch %s/sweep.sbatch   (--array=%.60s%s)\n",
      left, s->runs->out, s->array, strlen(s->array) > 60 ? "..." : "");
}

void tt_cli_sweep_print(const tt_cli_sweep_view *s) {
  int width = 3;
  for (int i = 0; i < s->runs->count; i++) {
    int n = (int)strlen(s->runs->list[i].name);
    if (n > width) width = n;
  }
  if (!s->outcome) {
    printf("%6s  %-*s  %13s  %8s  %-25s  %-17s  %12s\n", "number", width, "run", "parameters", "steps",
           "state", "validation loss", "time left");
    for (int i = 0; i < s->runs->count; i++) print_run(s, i, width);
  }
  print_counts(s);
  if (s->outcome) {
    for (int i = 0; i < s->outcome->failed; i++) printf("failed: %s\n", s->outcome->failures[i]);
    if (s->outcome->stopped) printf("Stopped; the same command goes on.\n");
  }
  print_left(s);
}

// ---- JSON ----

static json_t *number(double value) {
  return isfinite(value) ? json_real(value) : json_null();
}

static json_t *run_json(const tt_cli_sweep_view *all, int i) {
  const tt_sweep_run *r = &all->runs->list[i];
  const tt_sweep_status *s = &all->statuses[i];
  json_t *o = json_pack(
      "{s:i, s:s, s:s, s:f, s:I, s:I, s:I, s:s, s:I, s:I, s:o, s:o, s:o, s:o}", "number", r->number, "run",
      r->name, "size", r->size, "learning_rate", r->config.optimizer.learning_rate, "seed",
      (json_int_t)r->config.train.seed, "steps", (json_int_t)r->config.train.steps, "parameters",
      (json_int_t)r->parameters, "state", tt_sweep_state_name(s->state), "step", (json_int_t)s->step,
      "checkpoint", (json_int_t)s->saved, "valid_loss", number(s->loss), "valid_loss_se", number(s->loss_se),
      "samples_per_s", number(s->samples_per_s), "seconds_left", number(all->seconds[i]));
  if (o && *s->why) json_object_set_new(o, "why", tt_utf8_json(s->why));
  if (o && *s->differs.before)
    json_object_set_new(o, "differs",
                        json_pack("{s:o, s:o}", "there", tt_utf8_json(s->differs.before), "here",
                                  tt_utf8_json(s->differs.now)));
  return o;
}

tt_status tt_cli_sweep_json(const tt_cli_sweep_view *s) {
  json_t *list = json_array(), *counts = json_object(), *failures = json_array();
  int n[TT_SWEEP_STATES];
  count(s, n);
  for (int i = 0; i < TT_SWEEP_STATES; i++)
    json_object_set_new(counts, tt_sweep_state_name((tt_sweep_state)i), json_integer(n[i]));
  for (int i = 0; i < s->runs->count; i++) json_array_append_new(list, run_json(s, i));
  for (int i = 0; s->outcome && i < s->outcome->failed; i++)
    json_array_append_new(failures, tt_utf8_json(s->outcome->failures[i]));
  json_t *root = json_pack(
      "{s:s, s:o, s:o, s:o, s:i, s:o, s:o, s:s?, s:o, s:b}", "code_version", tt_version(), "sweep",
      tt_utf8_json(s->sweep->path), "out", tt_utf8_json(s->runs->out), "counts", counts, "left",
      count_left(s), "seconds_left", number(tt_sweep_seconds_left(s->seconds, s->runs->count, s->jobs)),
      "runs", list, "array", s->array, "failures", failures, "stopped", s->outcome && s->outcome->stopped);
  char *text = root ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) : NULL;
  json_decref(root);
  if (!text) return tt_fail(TT_ERR_MEMORY, "out of memory for the JSON of a sweep");
  puts(text);
  free(text);
  return TT_OK;
}
