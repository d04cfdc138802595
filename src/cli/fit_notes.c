// The figure of a fit: the words beside it, and what goes to tt_fit_figure_draw.
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/fit_format.h"
#include "cli/fit_report.h"
#include "core/memory.h"
#include "scaling/fit_figure.h"
#include "scaling/lettering.h"

enum { NOTES = 8, HELD_OUT_LINES = 6 };

typedef struct {
  tt_fit_note notes[NOTES];
  size_t capacity[NOTES];
  int count;
  tt_status status;
} writer;

static void begin(writer *w, const char *heading) {
  w->notes[w->count++].heading = heading;
}

// Adds a line to the note that was begun last; a failure is kept for the end.
static void add(writer *w, bool small, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void add(writer *w, bool small, const char *format, ...) {
  tt_fit_note *note = &w->notes[w->count - 1];
  if (w->status != TT_OK) return;
  w->status = tt_reserve(&note->lines, &w->capacity[w->count - 1], (size_t)note->count + 1,
                         sizeof *note->lines, "a figure's text");
  if (w->status != TT_OK) return;
  char *text = NULL;
  va_list list;
  va_start(list, format);
  int length = vasprintf(&text, format, list);
  va_end(list);
  if (length < 0)
    w->status = tt_fail(TT_ERR_MEMORY, "out of memory for a figure's text");
  else
    note->lines[note->count++] = (tt_fit_line){text, small};
}

static void free_notes(writer *w) {
  for (int i = 0; i < w->count; i++) {
    for (int k = 0; k < w->notes[i].count; k++) free(w->notes[i].lines[k].text);
    free(w->notes[i].lines);
  }
}

static void write_constants(writer *w, const tt_fit_result *r, char *heading, size_t size) {
  snprintf(heading, size, r->intervals ? "Constants, %g %% intervals" : "Constants",
           100 * r->arguments->interval.confidence);
  begin(w, heading);
  for (int p = 0; p < r->law->parameters; p++) {
    char value[40], interval[90], names[80];
    double se = r->fit->standard_error[p];
    if (!r->fit->identified[p]) {
      int count = tt_fit_result_unknown(r, p, names, sizeof names);
      add(w, false, "%s%snot identified", names, count > 1 ? ": " : "\t");
      add(w, true, "%s", r->fit->reason[p]);
      p += count - 1;
      continue;
    }
    tt_fit_format_value(value, sizeof value, r->fit->theta[p], se);
    tt_range range = r->intervals ? r->intervals->parameter[p] : (tt_range){NAN, NAN};
    tt_fit_format_range(interval, sizeof interval, range.low, range.high, se);
    add(w, false, "%s\t%s\t%s", r->law->parameter[p], value, r->intervals ? interval : "");
  }
  if (r->intervals) add(w, true, "intervals: %s", r->intervals->method);
}

static void write_data(writer *w, const tt_fit_result *r) {
  const tt_observations *o = &r->observations;
  begin(w, "What was fitted");
  add(w, false, "%s", o->source);
  add(w, false, "%zu points of %d size%s in %d independent group%s", r->count, r->sizes,
      r->sizes == 1 ? "" : "s", tt_fit_result_groups(r), tt_fit_result_groups(r) == 1 ? "" : "s");
  add(w, true, "%s", o->chosen);
  add(w, true, "schedule: %s", o->schedule[0] ? o->schedule : "not known");
  add(w, true, "size: %s", o->size_kind);
}

static void write_quality(writer *w, const tt_fit_result *r) {
  begin(w, "Fit");
  char r_squared[40];
  tt_fit_format_r_squared(r_squared, sizeof r_squared, r->fit->r_squared);
  add(w, false, "objective %.6g, R² %s", r->fit->objective, r_squared);
  add(w, false, "rms of log residuals %.2g", r->fit->rmse_log);
  add(w, true, "Huber's function of log loss, delta %g, summed; %d of %d starts ended there",
      r->arguments->fit.huber_delta, r->fit->starts_at_optimum, r->fit->starts);
  if (r->arguments->at_given)
    add(w, true, "objective %.6g at %s", r->at_objective, tt_fit_arguments_at_source(r->arguments));
}

// What besides its size tells a point from others: the law's first such variable. TT_VARIABLE_SIZE: nothing.
static tt_variable other_variable(const tt_law *law) {
  for (int k = 0; k < law->terms; k++)
    if (law->variable[k] != TT_VARIABLE_SIZE && law->variable[k] != TT_VARIABLE_SIZE_STEPS)
      return law->variable[k];
  return TT_VARIABLE_SIZE;
}

static void write_held_out(writer *w, const tt_fit_result *r) {
  const tt_holdout *h = r->held_out;
  if (!h) return;
  begin(w, "Held out");
  char from[32], fitted[32];
  tt_lettering_number(from, sizeof from, h->from_size);
  tt_lettering_number(fitted, sizeof fitted, h->fitted_size);
  // the last of them are the runs furthest trained
  size_t first = h->last_count > HELD_OUT_LINES ? h->last_count - HELD_OUT_LINES : 0;
  const tt_variable other = other_variable(r->law);
  const bool two = other != TT_VARIABLE_SIZE;
  char some[60] = "";
  if (first) snprintf(some, sizeof some, ", the last %d of %zu", HELD_OUT_LINES, h->last_count);
  add(w, true, "sizes from %s on, predicted by the law of sizes up to %s; size%s%s: loss%s", from, fitted,
      two ? ", " : "", two ? tt_variable_name(other) : "", some);
  for (size_t i = first; i < h->last_count; i++) {
    const tt_holdout_point *p = &h->last[i];
    char size[32], at[32], loss[40], predicted[40], error[40];
    double se = (p->predicted.measured.high - p->predicted.measured.low) / 4;
    tt_lettering_number(size, sizeof size, p->at.size);
    tt_lettering_number(at, sizeof at, tt_variable_value(other, &p->at));
    tt_fit_format_value(loss, sizeof loss, p->at.loss, se);
    tt_fit_format_value(predicted, sizeof predicted, p->predicted.loss, se);
    tt_fit_format_percent(error, sizeof error, p->relative_error);
    add(w, false, "%s%s%s: %s, predicted %s (%s)", size, two ? ", " : "", two ? at : "", loss, predicted,
        error);
  }
  add(w, false, "mean relative error %.2f %%; %zu of %zu inside", 100 * h->mean_relative_error, h->inside,
      h->count);
}

static void write_predictions(writer *w, const tt_fit_result *r) {
  if (!r->prediction_count) return;
  begin(w, "Predictions");
  for (int i = 0; i < r->prediction_count; i++) {
    const tt_fit_prediction *p = &r->predictions[i];
    char at[120] = "", value[40], range[90];
    double se = (p->ours.measured.high - p->ours.measured.low) / 4;
    for (int v = 0; v < TT_VARIABLE_SIZE_STEPS; v++) {
      char number[32];
      double x = tt_variable_value((tt_variable)v, &p->at);
      if (isnan(x)) continue;
      tt_lettering_number(number, sizeof number, x);
      snprintf(at + strlen(at), sizeof at - strlen(at), "%s%s %s", at[0] ? ", " : "",
               tt_variable_name((tt_variable)v), number);
    }
    tt_fit_format_value(value, sizeof value, p->ours.loss, se);
    tt_fit_format_range(range, sizeof range, p->ours.measured.low, p->ours.measured.high, se);
    add(w, false, "%s: %s (%s)", at, value, range);
    if (p->extrapolation[0]) add(w, true, "%s", p->extrapolation);
  }
}

static void write_cautions(writer *w, const tt_fit_result *r) {
  begin(w, "Cautions");
  for (int i = 0; i < r->observations.caution_count; i++) add(w, true, "%s", r->observations.cautions[i]);
}

static void x_label(const tt_fit_result *r, tt_variable variable, char *text, size_t size) {
  switch (variable) {
  case TT_VARIABLE_SAMPLES:
    snprintf(text, size, "D: samples seen");
    break;
  case TT_VARIABLE_STEPS:
    snprintf(text, size, "S: steps");
    break;
  case TT_VARIABLE_FLOPS:
    snprintf(text, size, "C: FLOPs of training");
    break;
  default:
    snprintf(text, size, "N: %s", r->observations.size_kind);
  }
}

tt_status tt_fit_report_draw(const tt_fit_result *r) {
  writer w = {.status = TT_OK};
  char heading[60], title[700], label[160];
  begin(&w, "The law");
  add(&w, false, "%s", r->law->formula);
  write_constants(&w, r, heading, sizeof heading);
  write_data(&w, r);
  write_quality(&w, r);
  write_held_out(&w, r);
  write_predictions(&w, r);
  write_cautions(&w, r);
  snprintf(title, sizeof title, "Law %s of %s", r->law->name, r->observations.source);
  tt_fit_figure figure = {.title = r->arguments->title ? r->arguments->title : title,
                          .law = r->law,
                          .theta = r->fit->theta,
                          .fitted = r->rows,
                          .fitted_count = r->count,
                          .held_out = r->held_out ? r->held_out->points : NULL,
                          .held_out_count = r->held_out ? r->held_out->count : 0,
                          .confidence = r->arguments->interval.confidence,
                          .size_key = r->observations.size_kind,
                          .y_label = tt_fit_result_loss(r),
                          .notes = w.notes,
                          .note_count = w.count};
  x_label(r, tt_fit_figure_variable(&figure), label, sizeof label);
  figure.x_label = label;
  tt_status status = w.status == TT_OK ? tt_fit_figure_draw(&figure, r->arguments->out) : w.status;
  free_notes(&w);
  return status;
}
