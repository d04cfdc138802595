#include "scaling/curve.h"

#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/memory.h"
#include "train/runlog.h"

static const char *const loss_keys[TT_TERMS] = {"loss", "loss_token", "loss_position", "loss_distance"};
static const char *const error_keys[TT_TERMS] = {"loss_se", "loss_token_se", "loss_position_se",
                                                 "loss_distance_se"};
static const char *const baseline_keys[TT_TERMS] = {"baseline_loss", "baseline_token", "baseline_position",
                                                    "baseline_distance"};

bool tt_curve_drawable(double value) {
  return isfinite(value) && value > 0;
}

static double number(const json_t *record, const char *key) {
  const json_t *value = json_object_get(record, key);
  return json_is_number(value) ? json_number_value(value) : NAN;
}

static bool is_type(const json_t *record, const char *type) {
  const char *text = json_string_value(json_object_get(record, "type"));
  return text && strcmp(text, type) == 0;
}

// One allocation, cut into the columns of the series.
static tt_status read_series(tt_series *series, const json_t *records, const char *type) {
  size_t capacity = 0, i;
  const json_t *record;
  json_array_foreach(records, i, record) capacity += is_type(record, type);
  if (!capacity) return TT_OK;
  double *block;
  TT_TRY(tt_alloc(&block, capacity * (1 + 2 * TT_TERMS), sizeof *block, "the points of a run log"));
  series->samples = block;
  for (int t = 0; t < TT_TERMS; t++) {
    series->value[t] = block + capacity * (size_t)(1 + t);
    series->error[t] = block + capacity * (size_t)(1 + TT_TERMS + t);
  }
  json_array_foreach(records, i, record) {
    double samples = number(record, "samples");
    if (!is_type(record, type) || !tt_curve_drawable(samples)) continue;
    series->samples[series->count] = samples;
    for (int t = 0; t < TT_TERMS; t++) {
      series->value[t][series->count] = number(record, loss_keys[t]);
      series->error[t][series->count] = number(record, error_keys[t]);
    }
    series->count++;
  }
  return TT_OK;
}

static void read_constants(tt_curve *curve, const json_t *records) {
  size_t i;
  const json_t *record;
  for (int t = 0; t < TT_TERMS; t++) curve->baseline[t] = NAN;
  json_array_foreach(records, i, record) {
    for (int t = 0; t < TT_TERMS; t++) {
      double baseline = number(record, baseline_keys[t]);
      if (tt_curve_drawable(baseline)) curve->baseline[t] = baseline;
    }
    if (is_type(record, "run")) {
      double total = number(json_object_get(record, "parameters"), "total");
      if (tt_curve_drawable(total)) curve->parameters = total;
    }
  }
}

static size_t drawable_points(const tt_series *series) {
  size_t points = 0;
  for (size_t i = 0; i < series->count; i++) points += tt_curve_drawable(series->value[TT_TERM_TOTAL][i]);
  return points;
}

// "runs/a/" and "runs/a/run.jsonl" are both called "a"; "b.jsonl" is called "b".
static void name_run(char *name, size_t size, const char *file) {
  char path[PATH_MAX];
  if (!realpath(file, path)) snprintf(path, sizeof path, "%s", file);
  char *last = strrchr(path, '/');
  if (last && strcmp(last, "/run.jsonl") == 0) {
    *last = 0;
    last = strrchr(path, '/');
  }
  const char *base = last ? last + 1 : path;
  size_t length = strlen(base);
  if (length > 6 && strcmp(base + length - 6, ".jsonl") == 0) length -= 6;
  snprintf(name, size, "%.*s", (int)length, base);
}

tt_status tt_curve_read(tt_curve *curve, const char *path) {
  *curve = (tt_curve){0};
  char file[PATH_MAX];
  struct stat s;
  const char *inside = stat(path, &s) == 0 && S_ISDIR(s.st_mode) ? "/run.jsonl" : "";
  if (snprintf(file, sizeof file, "%s%s", path, inside) >= (int)sizeof file)
    return tt_fail(TT_ERR_IO, "the path %.60s... is too long", path);
  json_t *records = NULL;
  TT_TRY(tt_runlog_read(file, &records));
  tt_status status = read_series(&curve->train, records, "step");
  if (status == TT_OK) status = read_series(&curve->valid, records, "valid");
  if (status == TT_OK) {
    read_constants(curve, records);
    name_run(curve->name, sizeof curve->name, file);
    size_t train = drawable_points(&curve->train), valid = drawable_points(&curve->valid);
    if (train < 2 && valid < 2)
      status = tt_fail(TT_ERR_FORMAT,
                       "%s: a curve needs two points with samples > 0 and loss > 0; the log has %zu of "
                       "training and %zu of "
                       "validation; has the run started?",
                       file, train, valid);
  }
  json_decref(records);
  if (status != TT_OK) tt_curve_free(curve);
  return status;
}

void tt_curve_free(tt_curve *curve) {
  free(curve->train.samples);
  free(curve->valid.samples);
  *curve = (tt_curve){0};
}

size_t tt_curve_smooth(const double *samples, const double *values, size_t count, int per_decade, double *x,
                       double *y) {
  size_t bins = 0, in_bin = 0;
  long current = 0;
  double sum = 0, sum_log = 0;
  for (size_t i = 0; i <= count; i++) {
    bool end = i == count;
    if (!end && !tt_curve_drawable(values[i])) continue;
    long bin = end ? 0 : lround(floor(log10(samples[i]) * per_decade));
    if (in_bin && (end || bin != current)) {
      x[bins] = exp(sum_log / (double)in_bin);
      y[bins++] = sum / (double)in_bin;
      in_bin = 0, sum = 0, sum_log = 0;
    }
    if (end) break;
    current = bin, in_bin++, sum += values[i], sum_log += log(samples[i]);
  }
  return bins;
}
