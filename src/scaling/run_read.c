// A run from its log.
#include "scaling/run_table.h"

#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/memory.h"
#include "core/utf8.h"
#include "train/runlog.h"

static double number(const json_t *record, const char *key) {
  const json_t *value = json_object_get(record, key);
  return json_is_number(value) ? json_number_value(value) : NAN;
}

static bool is_type(const json_t *record, const char *type) {
  const char *text = json_string_value(json_object_get(record, "type"));
  return text && strcmp(text, type) == 0;
}

static void read_record(tt_run_record *r, const json_t *record) {
  static const char *const loss[TT_TERMS] = {"loss", "loss_token", "loss_position", "loss_distance"};
  static const char *const error[TT_TERMS] = {"loss_se", "loss_token_se", "loss_position_se",
                                              "loss_distance_se"};
  static const char *const baseline[TT_TERMS] = {"baseline_loss", "baseline_token", "baseline_position",
                                                 "baseline_distance"};
  *r = (tt_run_record){.valid = is_type(record, "valid"),
                       .step = number(record, "step"),
                       .samples = number(record, "samples"),
                       .atoms = number(record, "atoms"),
                       .pairs = number(record, "pairs"),
                       .flops_executed = number(record, "flops_executed"),
                       .flops_reference = number(record, "flops_reference"),
                       .molecules = number(record, "count"),
                       .masked = number(record, "masked"),
                       .learning_rate = number(record, "lr"),
                       .gradient_norm = number(record, "grad_norm"),
                       .samples_per_s = number(record, "samples_per_s"),
                       .data_s = number(record, "data_s")};
  for (int t = 0; t < TT_TERMS; t++) {
    r->loss[t] = number(record, loss[t]);
    r->loss_se[t] = number(record, error[t]);
    r->baseline[t] = number(record, baseline[t]);
  }
}

static double between(double a, double b, double share) {
  return share == 0 ? a : a + (b - a) * share; // the record itself where there is one, bit by bit
}

// What a validation lacks, from the step records before and after it: `low` and `high` (NULL: there is none).
static void fill(tt_run_record *valid, const tt_run_record *low, const tt_run_record *high) {
  static const tt_run_record start = {0};
  if (!low && !high) return; // no step record at all
  if (!low) low = &start;
  if (!high) high = low, low = &start; // past the last: what a molecule has cost so far
  double share = (valid->samples - low->samples) / (high->samples - low->samples);
  if (!isfinite(share)) return;
  if (share == 1) low = high, share = 0;
  valid->atoms = between(low->atoms, high->atoms, share);
  valid->pairs = between(low->pairs, high->pairs, share);
  valid->flops_executed = between(low->flops_executed, high->flops_executed, share);
  valid->flops_reference = between(low->flops_reference, high->flops_reference, share);
}

// The log is in the order of steps, but a validation may stand before or after the step record of its step.
static void fill_validations(tt_run *run) {
  const tt_run_record *low = NULL, *high = NULL;
  size_t next = 0; // behind `high`
  for (size_t i = 0; i < run->count; i++) {
    tt_run_record *valid = &run->records[i];
    if (!valid->valid) continue;
    while (next < run->count && (!high || high->samples < valid->samples)) {
      const tt_run_record *r = &run->records[next++];
      if (r->valid || !(r->samples > 0)) continue;
      low = high, high = r;
    }
    bool beyond = high && high->samples < valid->samples;
    fill(valid, beyond ? high : low, beyond ? NULL : high);
  }
}

static tt_status read_records(tt_run *run, const json_t *log) {
  size_t i, room = json_array_size(log);
  const json_t *record;
  TT_TRY(tt_alloc(&run->records, room ? room : 1, sizeof *run->records, "the records of a run log"));
  json_array_foreach(log, i, record) {
    if (is_type(record, "step") || is_type(record, "valid")) read_record(&run->records[run->count++], record);
  }
  fill_validations(run);
  return TT_OK;
}

static tt_status read_header(tt_run *run, const json_t *header) {
  const json_t *parameters = json_object_get(header, "parameters");
  run->size_total = number(parameters, "total");
  run->size_without_embeddings = number(parameters, "without_embeddings");
  run->store_train_records = number(header, "store_train_records");
  run->store_valid_records = number(header, "store_valid_records");
  run->started_unix = number(header, "started_unix");
  const char *digest = json_string_value(json_object_get(header, "store_digest"));
  snprintf(run->store_digest, sizeof run->store_digest, "%s", digest ? digest : "");
  const char *config = json_string_value(json_object_get(header, "config"));
  if (!config) return TT_OK;
  run->config = strdup(config);
  return run->config ? TT_OK : tt_fail(TT_ERR_MEMORY, "out of memory for a configuration");
}

// "runs/a/" and "runs/a/run.jsonl" are both called "a"; "b.jsonl" is called "b".
static tt_status name_run(char *name, size_t size, const char *file) {
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
  char bytes[NAME_MAX + 1];
  snprintf(bytes, sizeof bytes, "%.*s", (int)length, base);
  char *plain = tt_utf8_text(bytes); // readers of tables and pictures take nothing else
  if (!plain) return tt_fail(TT_ERR_MEMORY, "out of memory for the name of a run");
  snprintf(name, size, "%s", plain);
  free(plain);
  return TT_OK;
}

tt_status tt_run_read(tt_run *run, const char *path) {
  *run = (tt_run){.size_total = NAN,
                  .size_without_embeddings = NAN,
                  .store_train_records = NAN,
                  .store_valid_records = NAN,
                  .started_unix = NAN,
                  .learning_rate = NAN};
  char file[PATH_MAX];
  struct stat s;
  const char *inside = stat(path, &s) == 0 && S_ISDIR(s.st_mode) ? "/run.jsonl" : "";
  if (snprintf(file, sizeof file, "%s%s", path, inside) >= (int)sizeof file)
    return tt_fail(TT_ERR_IO, "the path %.60s... is too long", path);
  json_t *log = NULL;
  TT_TRY(tt_runlog_read(file, &log));
  tt_status status = name_run(run->name, sizeof run->name, file);
  run->log = strdup(file);
  if (status == TT_OK && !run->log) status = tt_fail(TT_ERR_MEMORY, "out of memory for a run log");
  if (status == TT_OK) status = read_header(run, json_array_get(log, 0));
  if (status == TT_OK) status = read_records(run, log);
  json_decref(log);
  if (status != TT_OK) tt_run_free(run);
  return status;
}

void tt_run_free(tt_run *run) {
  free(run->log), free(run->config);
  free(run->evaluation), free(run->training);
  free(run->records);
  *run = (tt_run){0};
}
