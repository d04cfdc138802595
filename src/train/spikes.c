#include "train/spikes.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"
#include "core/progress.h"
#include "train/worst.h"

tt_status tt_spikes_init(tt_spikes *s, int window, double threshold) {
  *s = (tt_spikes){.threshold = threshold};
  if (threshold <= 0) return TT_OK;
  TT_TRY(tt_alloc(&s->losses, (size_t)window, sizeof *s->losses, "losses to compare with"));
  s->room = window;
  return TT_OK;
}

void tt_spikes_free(tt_spikes *s) {
  free(s->losses);
  *s = (tt_spikes){0};
}

static int least(const tt_spikes *s) {
  return s->room / 4 > 8 ? s->room / 4 : 8;
}

// In two passes and in no order that matters: rounding cannot reach a threshold.
static tt_spike compare(const tt_spikes *s, double loss) {
  tt_spike spike = {.loss = loss, .count = s->count};
  double squares = 0;
  for (int k = 0; k < s->count; k++) spike.mean += s->losses[k] / s->count;
  for (int k = 0; k < s->count; k++) squares += (s->losses[k] - spike.mean) * (s->losses[k] - spike.mean);
  if (s->count > 1) spike.deviation = sqrt(squares / (s->count - 1));
  if (spike.deviation > 0) spike.z = (loss - spike.mean) / spike.deviation;
  return spike;
}

static void keep(tt_spikes *s, double loss) {
  s->losses[s->next] = loss;
  s->next = (s->next + 1) % s->room;
  if (s->count < s->room) s->count++;
}

bool tt_spikes_add(tt_spikes *s, double loss, tt_spike *spike) {
  if (s->room == 0) return false;
  *spike = compare(s, loss);
  bool found = s->count >= least(s) && spike->z >= s->threshold;
  keep(s, loss);
  return found;
}

// ---- from the log ----

typedef struct {
  tt_spikes *spikes;
  int64_t before, step; // step of the last record that was kept; the last one that counts
} refill;

static tt_status take(void *user, json_t *record, const char *line, size_t length) {
  (void)line, (void)length;
  refill *r = user;
  const json_t *loss = json_object_get(record, "loss");
  int64_t step = json_integer_value(json_object_get(record, "step"));
  if (!tt_runlog_is(record, "step") || step > r->step || !json_is_number(loss)) return TT_OK;
  if (step != r->before + 1) r->spikes->count = r->spikes->next = 0;
  keep(r->spikes, json_number_value(loss));
  r->before = step;
  return TT_OK;
}

tt_status tt_spikes_refill(tt_spikes *s, const char *run, int64_t step) {
  if (s->room == 0) return TT_OK;
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/run.jsonl", run);
  refill r = {.spikes = s, .step = step};
  s->count = s->next = 0;
  TT_TRY(tt_runlog_each(path, take, &r));
  if (r.before != step) s->count = s->next = 0; // older ones say nothing of the updates to come
  return TT_OK;
}

// ---- telling ----

static json_t *records_of(const tt_global_batch *b) {
  json_t *all = json_array();
  for (int i = 0; all && i < b->count; i++)
    if (json_array_append_new(all, json_integer((json_int_t)b->record[i])) != 0) {
      json_decref(all);
      all = NULL;
    }
  return all;
}

static void warn(const tt_spike *s, int64_t step, int64_t batch, const tt_worst *worst, int count) {
  tt_progress_clear();
  fprintf(
      stderr,
      "twotrack: warning: step %lld: the loss %.4g is %.1f standard deviations (%.3g) above the mean %.4g "
      "of the %d before; batch %lld, most of it from",
      (long long)step, s->loss, s->z, s->deviation, s->mean, s->count, (long long)batch);
  for (int k = 0; k < count && k < 3; k++)
    fprintf(stderr, "%s record %llu (%.0f %%)", k ? "," : "", (unsigned long long)worst[k].record,
            100 * worst[k].share / s->loss);
  fprintf(stderr, "; see the log's record \"spike\"\n");
}

tt_status tt_spikes_watch(tt_spikes *s, const tt_trainer *t, const tt_global_batch *b, const tt_update *u,
                          tt_runlog *log) {
  tt_spike spike;
  if (!tt_spikes_add(s, u->losses.loss, &spike)) return TT_OK;
  tt_worst worst[TT_WORST];
  int count = tt_worst_find(t, b, TT_WORST, worst);
  warn(&spike, t->state.step, b->number, worst, count);
  return tt_runlog_append(log, json_pack("{s:s, s:I, s:o, s:o, s:o, s:o, s:i, s:o, s:I, s:o, s:o}", "type",
                                         "spike", "step", (json_int_t)t->state.step, "z",
                                         tt_runlog_number(spike.z), "loss", tt_runlog_number(spike.loss),
                                         "mean", tt_runlog_number(spike.mean), "deviation",
                                         tt_runlog_number(spike.deviation), "count", spike.count, "grad_norm",
                                         tt_runlog_number(u->gradient_norm), "batch", (json_int_t)b->number,
                                         "worst", tt_worst_json(worst, count), "records", records_of(b)));
}
