// The points of each run that count.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "scaling/choose_parts.h"

static bool positive(double value) {
  return isfinite(value) && value > 0;
}

bool tt_runs_same_shape(const tt_run *a, const tt_run *b) {
  return a->size_total == b->size_total && a->layers == b->layers && a->embed_dim == b->embed_dim &&
         a->heads == b->heads && a->pair_dim == b->pair_dim && a->pair_hidden == b->pair_hidden &&
         a->ffn_dim == b->ffn_dim;
}

// Executed FLOPs a molecule. Seeds see molecules in another order, so the runs of one shape are taken
// together: they are of one size.
static double flops_of_shape(const tt_run_table *table, const tt_run *shape) {
  double flops = 0, samples = 0;
  for (int i = 0; i < table->count; i++) {
    const tt_run *run = &table->runs[i];
    if (!tt_runs_same_shape(run, shape)) continue;
    for (size_t k = run->count; k-- > 0;) {
      const tt_run_record *r = &run->records[k];
      if (!positive(r->samples) || !positive(r->flops_executed)) continue;
      flops += r->flops_executed, samples += r->samples;
      break;
    }
  }
  return flops / samples;
}

static tt_status take_size(tt_candidate *c, const tt_run_table *table, tt_size_count count) {
  static const char *const what[] = {"number of parameters", "number of parameters without embeddings",
                                     "number of executed FLOPs"};
  c->size = count == TT_SIZE_TOTAL   ? c->run->size_total
            : count == TT_SIZE_FLOPS ? flops_of_shape(table, c->run)
                                     : c->run->size_without_embeddings;
  if (positive(c->size)) return TT_OK;
  return tt_fail(TT_ERR_DATA, "run %s does not say its %s%s", c->run->name, what[count],
                 count == TT_SIZE_FLOPS ? ": it has logged no training step" : "");
}

static int by_step(const void *a, const void *b) {
  const tt_run_record *x = *(const tt_run_record *const *)a, *y = *(const tt_run_record *const *)b;
  if (x->step != y->step) return x->step < y->step ? -1 : 1;
  return x < y ? -1 : x > y; // the order of the log
}

// The first step that may count: what was asked for, and nothing of the warm-up.
static double first_step(const tt_choice *choice, const tt_run *run) {
  double share = isnan(choice->skip_fraction) ? 0.25 : choice->skip_fraction;
  double from = isnan(choice->from_step) ? share * (double)run->steps_planned : choice->from_step;
  return fmax(from, (double)run->warmup_steps + 1);
}

static tt_status take_points(tt_candidate *c, const tt_choice *choice) {
  const tt_run *run = c->run;
  bool constant = strcmp(run->schedule, "constant") == 0;
  TT_TRY(tt_alloc(&c->points, run->count + 1, sizeof *c->points, "the points of a run"));
  c->from = first_step(choice, run);
  c->last_only = choice->points == TT_POINTS_LAST || (choice->points == TT_POINTS_AUTO && !constant);
  for (size_t i = 0; i < run->count; i++) {
    const tt_run_record *r = &run->records[i];
    if (r->step > c->reached) c->reached = r->step;
    if (!r->valid || !(r->step > 0)) continue;
    if (r->step < c->from)
      c->early++;
    else
      c->points[c->count++] = r;
  }
  qsort(c->points, c->count, sizeof(*c->points), by_step);
  double planned = (double)run->steps_planned;
  if (c->last_only && c->count) c->points[0] = c->points[c->count - 1], c->count = 1;
  if (!constant && choice->points == TT_POINTS_AUTO && c->count && c->points[0]->step < planned)
    c->waiting = c->count, c->count = 0;
  size_t kept = 0;
  for (size_t i = 0; i < c->count; i++) {
    bool known = positive(c->points[i]->loss[choice->term]);
    if (known) c->points[kept++] = c->points[i];
    c->lost += !known;
  }
  c->count = kept;
  double falls = constant                                 ? INFINITY
                 : strcmp(run->schedule, "cooldown") == 0 ? planned - (double)run->cooldown_steps
                                                          : 0;
  for (size_t i = 0; i < kept; i++) c->decaying |= c->points[i]->step > falls && c->points[i]->step < planned;
  return TT_OK;
}

tt_status tt_candidates_take(tt_candidates *all, const tt_run_table *table, const tt_choice *choice,
                             tt_observations *out) {
  *all = (tt_candidates){.choice = choice, .out = out};
  TT_TRY(tt_alloc(&all->of, (size_t)table->count + 1, sizeof *all->of, "a table of runs"));
  for (int i = 0; i < table->count; i++) {
    tt_candidate *c = &all->of[all->count++];
    c->run = &table->runs[i];
    TT_TRY(take_points(c, choice));
    if (c->count) TT_TRY(take_size(c, table, choice->size));
  }
  return TT_OK;
}

void tt_candidates_free(tt_candidates *all) {
  for (int i = 0; i < all->count; i++) free(all->of[i].points);
  free(all->of);
  *all = (tt_candidates){0};
}

static bool same_cell(const tt_candidate *a, const tt_candidate *b) {
  return tt_runs_same_shape(a->run, b->run) && a->run->steps_planned == b->run->steps_planned &&
         a->run->batch_size == b->run->batch_size && strcmp(a->run->schedule, b->run->schedule) == 0;
}

// Over the seeds.
static double mean_last_loss(const tt_candidates *all, const tt_candidate *of) {
  double sum = 0;
  int count = 0;
  for (int i = 0; i < all->count; i++) {
    const tt_candidate *c = &all->of[i];
    if (!c->count || !same_cell(c, of) || c->run->learning_rate != of->run->learning_rate) continue;
    sum += c->points[c->count - 1]->loss[all->choice->term];
    count++;
  }
  return sum / count;
}

tt_status tt_candidates_best_rates(tt_candidates *all) {
  double *mean;
  bool *beaten;
  TT_TRY(tt_alloc(&mean, (size_t)all->count + 1, sizeof *mean, "a table of runs"));
  tt_status status = tt_alloc(&beaten, (size_t)all->count + 1, sizeof *beaten, "a table of runs");
  for (int i = 0; i < all->count && status == TT_OK; i++)
    mean[i] = all->of[i].count ? mean_last_loss(all, &all->of[i]) : NAN;
  for (int i = 0; i < all->count && status == TT_OK; i++) {
    bool first = true, smallest = true, largest = true;
    for (int k = 0; k < all->count; k++) {
      const tt_candidate *a = &all->of[i], *b = &all->of[k];
      if (!a->count || !b->count || !same_cell(a, b)) continue;
      double rate = a->run->learning_rate, other = b->run->learning_rate;
      smallest &= other >= rate, largest &= other <= rate;
      if (other == rate)
        first &= k >= i;
      else // of equals the smaller rate, so that one is left
        beaten[i] |= mean[k] < mean[i] || (mean[k] == mean[i] && other < rate);
    }
    bool one_cell_once = all->of[i].count && first && !beaten[i];
    all->rates_at_edge += one_cell_once && smallest != largest; // both: there is one rate only
  }
  for (int i = 0; i < all->count && status == TT_OK; i++)
    if (beaten[i]) all->of[i].beaten = true, all->of[i].count = 0;
  free(mean), free(beaten);
  return status;
}
