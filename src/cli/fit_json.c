// The report of a fit as one JSON object; its fields are in docs/formats.md.
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/fit_report.h"
#include "core/utf8.h"
#include "core/version.h"

static json_t *number(double value) { // null for what is not known
  return isfinite(value) ? json_real(value) : json_null();
}

static json_t *range(tt_range r) {
  json_t *pair = json_array();
  json_array_append_new(pair, number(r.low));
  json_array_append_new(pair, number(r.high));
  return pair;
}

static json_t *texts(char *const *lines, int count) {
  json_t *all = json_array();
  for (int i = 0; i < count; i++) json_array_append_new(all, tt_utf8_json(lines[i]));
  return all;
}

static json_t *law_json(const tt_law *law) {
  json_t *terms = json_array();
  for (int k = 0; k < law->terms; k++)
    json_array_append_new(
        terms, json_pack("{s:s, s:f, s:s, s:s, s:f}", "variable", tt_variable_name(law->variable[k]), "unit",
                         law->unit[k], "coefficient", law->parameter[tt_law_coefficient(law, k)], "exponent",
                         law->parameter[tt_law_exponent(law, k)], "exponent_sign", law->sign[k]));
  return json_pack("{s:s, s:s, s:b, s:o}", "name", law->name, "formula", law->formula, "offset", law->offset,
                   "terms", terms);
}

static json_t *parameters_json(const tt_fit_result *r) {
  json_t *all = json_array();
  for (int p = 0; p < r->law->parameters; p++) {
    bool known = r->fit->identified[p];
    tt_range none = {NAN, NAN};
    json_array_append_new(all, json_pack("{s:s, s:b, s:o, s:o, s:o, s:o}", "name", r->law->parameter[p],
                                         "identified", known, "value", number(known ? r->fit->theta[p] : NAN),
                                         "standard_error", number(known ? r->fit->standard_error[p] : NAN),
                                         "interval",
                                         range(known && r->intervals ? r->intervals->parameter[p] : none),
                                         "reason", known ? json_null() : json_string(r->fit->reason[p])));
  }
  return all;
}

static json_t *correlation_json(const tt_fit_result *r) {
  json_t *rows = json_array();
  for (int p = 0; p < r->law->parameters; p++) {
    json_t *row = json_array();
    for (int q = 0; q < r->law->parameters; q++)
      json_array_append_new(
          row, number(r->fit->identified[p] && r->fit->identified[q] ? r->fit->correlation[p][q] : NAN));
    json_array_append_new(rows, row);
  }
  return rows;
}

static json_t *place_json(const tt_observation *at) {
  return json_pack("{s:o, s:o, s:o, s:o}", "size", number(at->size), "samples", number(at->samples), "steps",
                   number(at->steps), "flops", number(at->flops));
}

static json_t *measured_json(const tt_fit_result *r, const tt_observation *at) {
  json_t *o = place_json(at);
  bool named = at->group >= 0 && at->group < r->observations.groups;
  json_object_set_new(o, "group", tt_utf8_json(named ? r->observations.group_names[at->group] : ""));
  json_object_set_new(o, "loss", number(at->loss));
  json_object_set_new(o, "loss_se", number(at->loss_se));
  return o;
}

static void set_prediction(json_t *o, const tt_prediction *p) {
  json_object_set_new(o, "predicted", number(p->loss));
  json_object_set_new(o, "prediction_interval", range(p->measured));
  json_object_set_new(o, "law_interval", range(p->law));
}

static json_t *points_json(const tt_fit_result *r) {
  json_t *all = json_array();
  for (size_t i = 0; i < r->count; i++) {
    json_t *o = measured_json(r, &r->rows[i]);
    double law = tt_law_predict(r->law, r->fit->theta, &r->rows[i]);
    json_object_set_new(o, "law", number(law));
    json_object_set_new(o, "residual", number(log(r->rows[i].loss / law)));
    json_array_append_new(all, o);
  }
  return all;
}

static json_t *residuals_json(const tt_fit_result *r) {
  json_t *all = json_array();
  for (int i = 0; i < r->residual_count; i++) {
    const tt_residual_row *row = &r->residuals[i];
    json_array_append_new(all, json_pack("{s:f, s:f, s:I, s:f, s:f, s:f, s:I}", "smallest_size",
                                         row->smallest, "largest_size", row->largest, "points",
                                         (json_int_t)row->count, "mean", row->mean, "rms", row->rms, "worst",
                                         row->worst, "worst_point", (json_int_t)row->worst_row));
  }
  return all;
}

static json_t *held_out_json(const tt_fit_result *r) {
  const tt_holdout *h = r->held_out;
  json_t *points = json_array();
  for (size_t i = 0; i < h->count; i++) {
    json_t *o = measured_json(r, &h->points[i].at);
    set_prediction(o, &h->points[i].predicted);
    json_object_set_new(o, "relative_error", number(h->points[i].relative_error));
    json_object_set_new(o, "inside", json_boolean(h->points[i].inside));
    bool last = true; // of its run: rows of a run stand together
    for (size_t k = i + 1; k < h->count; k++) last &= h->points[k].at.group != h->points[i].at.group;
    json_object_set_new(o, "last", json_boolean(last));
    json_array_append_new(points, o);
  }
  return json_pack("{s:i, s:f, s:f, s:o, s:o, s:I, s:o}", "sizes", h->sizes, "from_size", h->from_size,
                   "largest_fitted_size", h->fitted_size, "mean_relative_error",
                   number(h->mean_relative_error), "last_relative_error", number(h->last_relative_error),
                   "inside", (json_int_t)h->inside, "points", points);
}

static json_t *predictions_json(const tt_fit_result *r) {
  json_t *all = json_array();
  for (int i = 0; i < r->prediction_count; i++) {
    const tt_fit_prediction *p = &r->predictions[i];
    json_t *o = place_json(&p->at);
    if (p->predicted) {
      set_prediction(o, &p->ours);
      json_object_set_new(o, "extrapolation",
                          p->extrapolation[0] ? json_string(p->extrapolation) : json_null());
    }
    if (r->arguments->at_given) json_object_set_new(o, "at", number(p->other));
    json_array_append_new(all, o);
  }
  return all;
}

static json_t *at_json(const tt_fit_result *r) {
  const tt_fit_arguments *a = r->arguments;
  json_t *constants = json_object();
  for (int p = 0; p < r->law->parameters; p++)
    json_object_set_new(constants, r->law->parameter[p], number(a->at[p]));
  bool paper = strcmp(a->at_name, "paper") == 0;
  return json_pack("{s:s, s:o, s:o, s:o}", "name", a->at_name, "published_by",
                   paper ? json_string(r->law->published_by) : json_null(), "parameters", constants,
                   "objective", number(r->at_objective));
}

static json_t *data_json(const tt_fit_result *r) {
  const tt_observations *o = &r->observations;
  // names of files, columns and runs are in these texts
  return json_pack("{s:o, s:o, s:o, s:o, s:s, s:I, s:i, s:i}", "source", tt_utf8_json(o->source), "chosen",
                   tt_utf8_json(o->chosen), "schedule",
                   o->schedule[0] ? tt_utf8_json(o->schedule) : json_null(), "size",
                   tt_utf8_json(o->size_kind), "loss", tt_fit_result_loss(r), "points", (json_int_t)r->count,
                   "sizes", r->sizes, "groups", tt_fit_result_groups(r));
}

static void set_fit(json_t *all, const tt_fit_result *r) {
  const tt_fit_arguments *a = r->arguments;
  json_object_set_new(all, "data", data_json(r));
  json_object_set_new(all, "huber_delta", json_real(a->fit.huber_delta));
  json_object_set_new(all, "seed", json_integer((json_int_t)a->fit.seed));
  json_object_set_new(all, "objective", number(r->fit->objective));
  json_object_set_new(all, "starts", json_integer(r->fit->starts));
  json_object_set_new(all, "starts_at_optimum", json_integer(r->fit->starts_at_optimum));
  json_object_set_new(all, "parameters", parameters_json(r));
  json_object_set_new(all, "confidence", json_real(a->interval.confidence));
  json_object_set_new(all, "interval_method", r->intervals ? json_string(r->intervals->method) : json_null());
  json_object_set_new(all, "resamples", json_integer(r->intervals ? r->intervals->count : 0));
  json_object_set_new(all, "correlation", correlation_json(r));
  json_object_set_new(all, "optimal_size_exponent", number(r->optimal));
  json_object_set_new(all, "optimal_size_exponent_interval",
                      range(isnan(r->optimal) ? (tt_range){NAN, NAN} : r->optimal_range));
  json_object_set_new(all, "r_squared", number(r->fit->r_squared));
  json_object_set_new(all, "rms_log_residual", number(r->fit->rmse_log));
  json_object_set_new(all, "mean_relative_error", number(r->fit->mean_relative_error));
  json_object_set_new(all, "residuals_by_size", residuals_json(r));
  json_object_set_new(all, "hold_out", r->held_out ? held_out_json(r) : json_null());
  json_object_set_new(all, "points", points_json(r));
}

tt_status tt_fit_report_json(const tt_fit_result *r) {
  json_t *all = json_pack("{s:s, s:o}", "code_version", tt_version(), "law", law_json(r->law));
  if (!all) return tt_fail(TT_ERR_MEMORY, "out of memory");
  if (r->has_data) set_fit(all, r);
  if (r->arguments->at_given) json_object_set_new(all, "at", at_json(r));
  json_object_set_new(all, "predictions", predictions_json(r));
  json_object_set_new(all, "cautions", texts(r->observations.cautions, r->observations.caution_count));
  json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
  putchar('\n');
  json_decref(all);
  return TT_OK;
}
