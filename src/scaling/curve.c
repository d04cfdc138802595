#include "scaling/curve.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"

bool tt_curve_drawable(double value) {
  return isfinite(value) && value > 0;
}

// One allocation, cut into the columns of the series.
static tt_status take_series(tt_series *series, const tt_run *run, bool valid) {
  size_t capacity = 0;
  for (size_t i = 0; i < run->count; i++) capacity += run->records[i].valid == valid;
  if (!capacity) return TT_OK;
  double *block;
  TT_TRY(tt_alloc(&block, capacity * (1 + 2 * TT_TERMS), sizeof *block, "the points of a run log"));
  series->samples = block;
  for (int t = 0; t < TT_TERMS; t++) {
    series->value[t] = block + capacity * (size_t)(1 + t);
    series->error[t] = block + capacity * (size_t)(1 + TT_TERMS + t);
  }
  for (size_t i = 0; i < run->count; i++) {
    const tt_run_record *r = &run->records[i];
    if (r->valid != valid || !tt_curve_drawable(r->samples)) continue;
    series->samples[series->count] = r->samples;
    for (int t = 0; t < TT_TERMS; t++) {
      series->value[t][series->count] = r->loss[t];
      series->error[t][series->count] = r->loss_se[t];
    }
    series->count++;
  }
  return TT_OK;
}

static void take_constants(tt_curve *curve, const tt_run *run) {
  snprintf(curve->name, sizeof curve->name, "%s", run->name);
  if (tt_curve_drawable(run->size_total)) curve->parameters = run->size_total;
  for (int t = 0; t < TT_TERMS; t++) {
    curve->baseline[t] = NAN;
    for (size_t i = 0; i < run->count; i++)
      if (tt_curve_drawable(run->records[i].baseline[t])) curve->baseline[t] = run->records[i].baseline[t];
  }
}

static size_t drawable_points(const tt_series *series) {
  size_t points = 0;
  for (size_t i = 0; i < series->count; i++) points += tt_curve_drawable(series->value[TT_TERM_TOTAL][i]);
  return points;
}

tt_status tt_curve_read(tt_curve *curve, const char *path) {
  *curve = (tt_curve){0};
  tt_run run;
  TT_TRY(tt_run_read(&run, path));
  tt_status status = take_series(&curve->train, &run, false);
  if (status == TT_OK) status = take_series(&curve->valid, &run, true);
  if (status == TT_OK) {
    take_constants(curve, &run);
    size_t train = drawable_points(&curve->train), valid = drawable_points(&curve->valid);
    if (train < 2 && valid < 2)
      status = tt_fail(TT_ERR_FORMAT,
                       "%s: a curve needs two points with samples > 0 and loss > 0; the log has %zu of "
                       "training and %zu of "
                       "validation; has the run started?",
                       run.log, train, valid);
  }
  tt_run_free(&run);
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
