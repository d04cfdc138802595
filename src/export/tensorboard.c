#include "export/tensorboard.h"

#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/file.h"
#include "export/event_file.h"

// No time, host or process in it, so that a second export replaces the first.
static const char file_name[] = "events.out.tfevents.twotrack";

typedef struct {
  bool valid;    // of validations; else of training steps
  size_t offset; // of a double in tt_run_record
  const char *tag, *description;
} column;

#define OF(field) offsetof(tt_run_record, field)
#define TERM(t) ((t) * sizeof(double))
#define TRAINING "Training: the batch of this step before its update. "
#define VALIDATION "Validation: molecules, masks and noise are the same for all runs of one validation seed. "

// What comes before "/" is one section of TensorBoard's page: a loss of training lies beside that of
// validation.
static const column columns[] = {
    {false, OF(loss) + TERM(TT_TERM_TOTAL), "loss/train", TRAINING "Weighted sum of the three terms."},
    {true, OF(loss) + TERM(TT_TERM_TOTAL), "loss/valid", VALIDATION "Weighted sum of the three terms."},
    {false, OF(loss) + TERM(TT_TERM_TOKEN), "loss_token/train", TRAINING "Nats per masked atom."},
    {true, OF(loss) + TERM(TT_TERM_TOKEN), "loss_token/valid", VALIDATION "Nats per masked atom."},
    {false, OF(loss) + TERM(TT_TERM_POSITION), "loss_position/train",
     TRAINING "Å, |x| + |y| + |z| per atom."},
    {true, OF(loss) + TERM(TT_TERM_POSITION), "loss_position/valid",
     VALIDATION "Å, |x| + |y| + |z| per atom."},
    {false, OF(loss) + TERM(TT_TERM_DISTANCE), "loss_distance/train", TRAINING "Å per pair of atoms."},
    {true, OF(loss) + TERM(TT_TERM_DISTANCE), "loss_distance/valid", VALIDATION "Å per pair of atoms."},
    {true, OF(loss_se) + TERM(TT_TERM_TOTAL), "standard_error/loss", "Of loss/valid, over molecules."},
    {true, OF(loss_se) + TERM(TT_TERM_TOKEN), "standard_error/loss_token", "Of loss_token/valid."},
    {true, OF(loss_se) + TERM(TT_TERM_POSITION), "standard_error/loss_position", "Of loss_position/valid."},
    {true, OF(loss_se) + TERM(TT_TERM_DISTANCE), "standard_error/loss_distance", "Of loss_distance/valid."},
    {false, OF(learning_rate), "optimizer/lr", "Learning rate of this step."},
    {false, OF(gradient_norm), "optimizer/grad_norm", "Norm of the gradient before clipping."},
    {false, OF(samples), "work/samples", "Molecules trained on so far."},
    {false, OF(atoms), "work/atoms", "Atoms trained on so far."},
    {false, OF(pairs), "work/pairs", "Pair rows so far: the sum of (atoms + 1) squared."},
    {false, OF(flops_executed), "work/flops_executed", "FLOPs so far, as executed (docs/model.md)."},
    {false, OF(flops_reference), "work/flops_reference",
     "FLOPs so far, had the outer product been formed (docs/model.md)."},
    {false, OF(samples_per_s), "speed/samples_per_s", "Molecules a second, over the last seconds."},
    {false, OF(data_s), "speed/data_s", "Seconds that training waited for molecules since the last point."},
};
enum { COLUMNS = sizeof columns / sizeof *columns };

static double value_of(const tt_run_record *record, const column *c) {
  double value;
  memcpy(&value, (const char *)record + c->offset, sizeof value);
  return value;
}

// A number that was not finite is NaN, which TensorBoard marks on the curve; but a field that no record has
// is no curve. The total loss always is one: a run may have diverged from the first record on.
static bool is_curve(const tt_run *run, const column *c) {
  if (c->offset == OF(loss) + TERM(TT_TERM_TOTAL)) return true;
  for (const tt_run_record *r = run->records; r < run->records + run->count; r++)
    if (r->valid == c->valid && isfinite(value_of(r, c))) return true;
  return false;
}

// Times that the log does not have: from the start of the run on, molecules over the speed last logged.
typedef struct {
  double time, samples, seconds_a_sample;
} watch;

static void advance(watch *w, const tt_run_record *record) {
  if (!record->valid && record->samples_per_s > 0) w->seconds_a_sample = 1 / record->samples_per_s;
  double passed = (record->samples - w->samples) * w->seconds_a_sample;
  if (isfinite(record->samples)) w->samples = record->samples;
  if (passed > 0 && isfinite(w->time + passed)) w->time += passed;
}

static tt_status write_records(tt_event_file *file, const tt_run *run, double start) {
  bool curve[COLUMNS], described[COLUMNS] = {false};
  for (int c = 0; c < COLUMNS; c++) curve[c] = is_curve(run, columns + c);
  watch w = {.time = start};
  for (const tt_run_record *r = run->records; r < run->records + run->count; r++) {
    if (!(r->step >= 0 && r->step < 0x1p62))
      return tt_fail(TT_ERR_FORMAT, "%s: record %zu has no step", run->log ? run->log : run->name,
                     (size_t)(r - run->records) + 1);
    advance(&w, r);
    tt_event_scalar scalars[COLUMNS];
    int count = 0;
    for (int c = 0; c < COLUMNS; c++) {
      if (columns[c].valid != r->valid || !curve[c]) continue;
      scalars[count++] = (tt_event_scalar){columns[c].tag, value_of(r, columns + c),
                                           described[c] ? NULL : columns[c].description};
      described[c] = true;
    }
    TT_TRY(tt_event_file_scalars(file, w.time, (int64_t)r->step, scalars, count));
  }
  return TT_OK;
}

static tt_status write_hparams(tt_event_file *file, const tt_run *run, double start) {
  tt_event_hparam h[16];
  int count = 0;
  if (isfinite(run->size_total)) h[count++] = (tt_event_hparam){"size_total", NULL, run->size_total};
  if (isfinite(run->size_without_embeddings))
    h[count++] = (tt_event_hparam){"size_without_embeddings", NULL, run->size_without_embeddings};
  if (run->configured) {
    h[count++] = (tt_event_hparam){"layers", NULL, (double)run->layers};
    h[count++] = (tt_event_hparam){"embed_dim", NULL, (double)run->embed_dim};
    h[count++] = (tt_event_hparam){"pair_dim", NULL, (double)run->pair_dim};
    h[count++] = (tt_event_hparam){"seed", NULL, (double)run->seed};
    h[count++] = (tt_event_hparam){"learning_rate", NULL, run->learning_rate};
    h[count++] = (tt_event_hparam){"schedule", run->schedule, 0};
    h[count++] = (tt_event_hparam){"warmup_steps", NULL, (double)run->warmup_steps};
    h[count++] = (tt_event_hparam){"batch_size", NULL, (double)run->batch_size};
    h[count++] = (tt_event_hparam){"steps", NULL, (double)run->steps_planned};
  }
  return tt_event_file_hparams(file, start, h, count);
}

static tt_status write_run(const tt_run *run, const char *folder) {
  char path[PATH_MAX];
  if (snprintf(path, sizeof path, "%s/%s", folder, run->name) >= (int)(sizeof path - sizeof file_name - 1))
    return tt_fail(TT_ERR_IO, "the path %.60s... is too long", folder);
  TT_TRY(tt_make_directories(path));
  strcat(strcat(path, "/"), file_name);
  double start = isfinite(run->started_unix) ? run->started_unix : 0;
  tt_event_file *file;
  TT_TRY(tt_event_file_create(&file, path, start));
  tt_status status = write_hparams(file, run, start);
  if (status == TT_OK) status = write_records(file, run, start);
  if (status == TT_OK) return tt_event_file_close(file, true);
  (void)tt_event_file_close(file, false);
  return status;
}

// A name may be a path: then it is one of folders inside folders, or it leads somewhere else.
static bool stays_inside(const char *name) {
  for (const char *part = name;; part++) {
    size_t length = strcspn(part, "/");
    if (length == 2 && memcmp(part, "..", 2) == 0) return false;
    part += length;
    if (!*part) return *name != '/';
  }
}

tt_status tt_export_tensorboard(const tt_run_table *table, const char *folder) {
  for (const tt_run *run = table->runs; run < table->runs + table->count; run++)
    if (!stays_inside(run->name))
      return tt_fail(
          TT_ERR_ARGUMENT,
          "the run %s cannot have a folder of its own in %s: two runs have the last part of this "
          "path as their name, and the whole path leads out of it; export them one by one, or name "
          "them from a folder that holds both",
          run->name, folder);
  for (const tt_run *run = table->runs; run < table->runs + table->count; run++)
    TT_TRY(write_run(run, folder));
  return TT_OK;
}
