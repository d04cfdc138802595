// What runs differ in, and what that means for a law fitted to them together.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "scaling/choose_parts.h"
#include "scaling/run_settings.h"

enum { DIFFERENCES = 8 };

static const tt_candidate *first_of(const tt_candidates *all) {
  for (int i = 0; i < all->count; i++)
    if (all->of[i].count) return &all->of[i];
  return NULL;
}

// Says once a key in which runs differ from the first, with the first run that does.
static tt_status caution_differences(const tt_candidates *all, bool evaluation) {
  const tt_candidate *first = first_of(all);
  char told[32][64]; // keys
  int count = 0;
  for (int i = 0; first && i < all->count; i++) {
    tt_setting_difference d[DIFFERENCES];
    const tt_run *a = first->run, *b = all->of[i].run;
    if (!all->of[i].count) continue;
    int found = evaluation ? tt_settings_compare(a->evaluation, b->evaluation, d, DIFFERENCES)
                           : tt_settings_compare(a->training, b->training, d, DIFFERENCES);
    for (int k = 0; k < found; k++) {
      bool known = count == 32;
      for (int j = 0; j < count; j++) known |= strcmp(told[j], d[k].key) == 0;
      if (known) continue;
      memcpy(told[count++], d[k].key, sizeof told[0]);
      TT_TRY(tt_observations_caution(
          all->out,
          evaluation ? "losses are not comparable: %s is %s in %s and %s in %s (fitted all the same: --mixed)"
                     : "%s is %s in %s but %s in %s: its influence is mixed with that of size and length",
          d[k].key, d[k].a, a->name, d[k].b, b->name));
    }
  }
  return TT_OK;
}

tt_status tt_candidates_compare(const tt_candidates *all) {
  if (all->choice->mixed) return caution_differences(all, true);
  const tt_candidate *first = first_of(all);
  for (int i = 0; first && i < all->count; i++) {
    tt_setting_difference d;
    const tt_run *a = first->run, *b = all->of[i].run;
    if (!all->of[i].count || !tt_settings_compare(a->evaluation, b->evaluation, &d, 1)) continue;
    return tt_fail(
        TT_ERR_DATA,
        "the losses of %s and %s are not comparable: %s is %s and %s; leave one of them out, or fit "
        "them all the same with --mixed",
        a->name, b->name, d.key, d.a, d.b);
  }
  return TT_OK;
}

static tt_status caution_rates(const tt_candidates *all) {
  tt_observations *o = all->out;
  if (all->choice->best_rate) {
    if (!all->rates_at_edge) return TT_OK;
    return tt_observations_caution(o,
                                   "at %d of the sizes and lengths the best learning rate is the smallest or "
                                   "largest that was tried: a better one may lie beyond",
                                   all->rates_at_edge);
  }
  int sizes = 0;
  char example[200] = "";
  for (int i = 0; i < all->count; i++) {
    const tt_candidate *a = &all->of[i], *other = NULL;
    bool first = a->count > 0;
    for (int k = 0; k < all->count && first; k++) {
      const tt_candidate *b = &all->of[k];
      if (!b->count || !tt_runs_same_shape(a->run, b->run)) continue;
      first = k >= i;
      if (!other && b->run->learning_rate != a->run->learning_rate) other = b;
    }
    if (!first || !other) continue;
    if (!sizes++)
      snprintf(example, sizeof example, "%.60s: %g, %.60s: %g", a->run->name, a->run->learning_rate,
               other->run->name, other->run->learning_rate);
  }
  if (!sizes) return TT_OK;
  return tt_observations_caution(o,
                                 "at %d of the sizes runs differ in learning rate (%s): all of them are "
                                 "fitted; --best-rate keeps the best",
                                 sizes, example);
}

static tt_status caution_batches(const tt_candidates *all) {
  int64_t low = 0, high = 0;
  for (int i = 0; i < all->count; i++) {
    int64_t batch = all->of[i].run->batch_size;
    if (!all->of[i].count) continue;
    if (!low || batch < low) low = batch;
    if (batch > high) high = batch;
  }
  if (!all->choice->law_in_steps || low == high) return TT_OK;
  return tt_observations_caution(
      all->out,
      "batch sizes from %lld to %lld molecules: a step is not the same everywhere, "
      "but the law counts steps",
      (long long)low, (long long)high);
}

static tt_status caution_repeated_data(const tt_candidates *all) {
  double passes = 0, records = 0;
  int runs = 0;
  for (int i = 0; i < all->count; i++) {
    const tt_candidate *c = &all->of[i];
    double most = 0, has = c->run->store_train_records;
    for (size_t k = 0; k < c->count; k++) most = fmax(most, c->points[k]->samples / has);
    if (!(most > 1) || !isfinite(most)) continue;
    runs++;
    if (most > passes) passes = most, records = has;
  }
  if (!runs) return TT_OK;
  return tt_observations_caution(all->out,
                                 "%d run%s saw molecules more than once, at most %.3g times the %.0f of the "
                                 "store: samples are molecules seen, not different ones",
                                 runs, runs == 1 ? "" : "s", passes, records);
}

// Runs that are not at their end, or have lost points.
static tt_status caution_progress(const tt_candidates *all) {
  tt_observations *o = all->out;
  tt_name_list empty = {0}, waiting = {0}, unfinished = {0}, beaten = {0}, without = {0}, lost = {0},
               decaying = {0};
  for (int i = 0; i < all->count; i++) {
    const tt_candidate *c = &all->of[i];
    char named[200];
    snprintf(named, sizeof named, "%.60s at step %.0f of %lld", c->run->name, c->reached,
             (long long)c->run->steps_planned);
    bool unfinished_run = c->reached < (double)c->run->steps_planned;
    bool decays = all->choice->points == TT_POINTS_AUTO && strcmp(c->run->schedule, "constant") != 0;
    if (c->reached <= 0)
      tt_name_list_add(&empty, c->run->name);
    else if (c->count && unfinished_run)
      tt_name_list_add(&unfinished, named);
    else if (c->beaten && unfinished_run)
      tt_name_list_add(&beaten, named);
    else if (!c->count && !c->beaten && !c->lost)
      tt_name_list_add(unfinished_run && decays ? &waiting : &without, named);
    if (c->lost) tt_name_list_add(&lost, c->run->name);
    if (c->count && c->decaying) tt_name_list_add(&decaying, c->run->name);
  }
#define SAY(list, ...)                                                                                       \
  if ((list).count) TT_TRY(tt_observations_caution(o, __VA_ARGS__, (list).count, tt_name_list_text(&(list))))
  SAY(empty, "%d of the runs have not trained a step and are left out: %s");
  SAY(waiting, "%d of the runs, whose learning rate decays, have not come to their end and are left out: %s");
  SAY(without, "%d of the runs have no validation that counts and are left out: %s");
  SAY(beaten, "%d of the runs have not finished and lost to another learning rate by the loss so far: "
              "--best-rate may "
              "choose another when they have: %s");
  SAY(unfinished, "%d of the runs have not finished: %s");
  SAY(lost, "points without a finite loss are left out in %d of the runs (did they diverge?): %s");
  SAY(decaying,
      "points before the end of a falling learning rate count in %d of the runs: a run of that length "
      "would have reached a lower loss: %s");
#undef SAY
  return TT_OK;
}

// The same experiment twice gives no new point.
static tt_status caution_twins(const tt_candidates *all) {
  for (int i = 0; i < all->count; i++)
    for (int k = 0; k < i; k++) {
      const tt_run *a = all->of[k].run, *b = all->of[i].run;
      if (!all->of[i].count || !all->of[k].count || !tt_runs_same_shape(a, b)) continue;
      bool same = a->seed == b->seed && a->learning_rate == b->learning_rate &&
                  a->batch_size == b->batch_size && a->steps_planned == b->steps_planned &&
                  a->warmup_steps == b->warmup_steps && a->cooldown_steps == b->cooldown_steps &&
                  strcmp(a->schedule, b->schedule) == 0 && strcmp(a->evaluation, b->evaluation) == 0 &&
                  strcmp(a->training, b->training) == 0;
      if (same)
        TT_TRY(
            tt_observations_caution(all->out,
                                    "%s and %s are one experiment twice, down to the seed: they are counted "
                                    "as two",
                                    a->name, b->name));
    }
  return TT_OK;
}

static tt_status caution_schedules(const tt_candidates *all) {
  const tt_candidate *first = first_of(all);
  for (int i = 0; first && i < all->count; i++) {
    const tt_run *a = first->run, *b = all->of[i].run;
    if (all->of[i].count && strcmp(a->schedule, b->schedule) != 0)
      return tt_observations_caution(
          all->out,
          "the schedule of the learning rate is %s in %s but %s in %s: at the same "
          "step the losses of such runs differ",
          a->schedule, a->name, b->schedule, b->name);
  }
  return TT_OK;
}

tt_status tt_candidates_caution(const tt_candidates *all) {
  TT_TRY(caution_progress(all));
  TT_TRY(caution_schedules(all));
  TT_TRY(caution_rates(all));
  TT_TRY(caution_batches(all));
  TT_TRY(caution_differences(all, false));
  TT_TRY(caution_repeated_data(all));
  return caution_twins(all);
}
