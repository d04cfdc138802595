#include "scaling/choose.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "scaling/choose_parts.h"

void tt_append(char *text, size_t size, const char *format, ...) {
  size_t length = strlen(text);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text + length, size - length, format, arguments);
  va_end(arguments);
}

void tt_name_list_add(tt_name_list *list, const char *name) {
  enum { NAMED = 3 };
  if (list->count < NAMED) tt_append(list->text, sizeof list->text, "%s%.80s", list->count ? ", " : "", name);
  list->count++;
}

const char *tt_name_list_text(tt_name_list *list) {
  if (list->count > 3) tt_append(list->text, sizeof list->text, " and %d more", list->count - 3);
  return list->text;
}

tt_choice tt_choice_default(void) {
  return (tt_choice){.from_step = NAN, .skip_fraction = NAN};
}

// Closes the gaps that rows left out have made: groups without rows go.
static tt_status close_groups(tt_observations *o) {
  int *number;
  TT_TRY(tt_alloc(&number, (size_t)o->groups + 1, sizeof *number, "groups"));
  for (size_t i = 0; i < o->count; i++) number[o->rows[i].group] = 1;
  int groups = 0;
  for (int g = 0; g < o->groups; g++) {
    if (!number[g]) continue;
    memmove(o->group_names[groups], o->group_names[g], sizeof *o->group_names);
    number[g] = groups++;
  }
  for (size_t i = 0; i < o->count; i++) o->rows[i].group = number[o->rows[i].group];
  o->groups = groups;
  free(number);
  return TT_OK;
}

tt_status tt_observations_leave_out(tt_observations *o, int highest) {
  if (highest > 0 && (size_t)highest >= o->count)
    return tt_fail(TT_ERR_DATA, "leaving out the %d highest losses leaves none of %zu points", highest,
                   o->count);
  for (int k = 0; k < highest; k++) {
    size_t worst = 0;
    for (size_t i = 1; i < o->count; i++)
      if (o->rows[i].loss > o->rows[worst].loss) worst = i;
    memmove(o->rows + worst, o->rows + worst + 1, (o->count - worst - 1) * sizeof *o->rows);
    o->count--;
  }
  return close_groups(o);
}

static tt_status nothing_left(const tt_candidates *all) {
  size_t early = 0, lost = 0, waiting = 0, validations = 0;
  for (int i = 0; i < all->count; i++) {
    const tt_candidate *c = &all->of[i];
    early += c->early, lost += c->lost, waiting += c->waiting;
  }
  validations = early + lost + waiting;
  if (!validations)
    return tt_fail(TT_ERR_DATA, "none of the %d runs has a validation after its first step", all->count);
  return tt_fail(
      TT_ERR_DATA,
      "no point of the %d runs counts: of %zu validations %zu are early (see --from-step), %zu have no "
      "finite loss, %zu are of runs whose learning rate decays and that are not at their end (see "
      "--points)",
      all->count, validations, early, lost, waiting);
}

// A law takes logarithms; what has none is not known.
static double known(double value) {
  return isfinite(value) && value > 0 ? value : NAN;
}

static tt_status make_rows(const tt_candidates *all) {
  tt_observations *o = all->out;
  size_t count = 0;
  for (int i = 0; i < all->count; i++) count += all->of[i].count;
  if (!count) return nothing_left(all);
  TT_TRY(tt_alloc(&o->rows, count, sizeof *o->rows, "the points of a fit"));
  TT_TRY(tt_alloc(&o->group_names, (size_t)all->count, sizeof *o->group_names, "the points of a fit"));
  for (int i = 0; i < all->count; i++) {
    const tt_candidate *c = &all->of[i];
    if (!c->count) continue;
    snprintf(o->group_names[o->groups], sizeof *o->group_names, "%.127s", c->run->name);
    for (size_t k = 0; k < c->count; k++) {
      const tt_run_record *r = c->points[k];
      o->rows[o->count++] = (tt_observation){.size = c->size,
                                             .samples = known(r->samples),
                                             .steps = r->step,
                                             .flops = known(r->flops_executed),
                                             .loss = r->loss[all->choice->term],
                                             .loss_se = known(r->loss_se[all->choice->term]),
                                             .group = o->groups};
    }
    o->groups++;
  }
  return TT_OK;
}

tt_status tt_choice_check(const tt_choice *c) {
  if (!isnan(c->from_step) && !isnan(c->skip_fraction))
    return tt_fail(TT_ERR_ARGUMENT, "--from-step and --skip-fraction say one thing twice: give one of them");
  if (!isnan(c->from_step) && !(c->from_step >= 0))
    return tt_fail(TT_ERR_ARGUMENT, "--from-step %g: it must not be negative", c->from_step);
  if (!isnan(c->skip_fraction) && !(c->skip_fraction >= 0 && c->skip_fraction < 1))
    return tt_fail(TT_ERR_ARGUMENT, "--skip-fraction %g: it must be at least 0 and below 1",
                   c->skip_fraction);
  if (c->leave_out_highest < 0)
    return tt_fail(TT_ERR_ARGUMENT, "--leave-out-highest %d: it must not be negative", c->leave_out_highest);
  return TT_OK;
}

static tt_status observe(tt_candidates *all, const tt_run_table *table, const tt_choice *choice,
                         const char *name, tt_observations *o) {
  static const char *const sizes[] = {"all parameters", "parameters without embeddings",
                                      "executed FLOPs a molecule"};
  TT_TRY(tt_choice_check(choice));
  TT_TRY(tt_candidates_take(all, table, choice, o));
  TT_TRY(tt_candidates_compare(all));
  if (choice->best_rate) TT_TRY(tt_candidates_best_rates(all));
  TT_TRY(make_rows(all));
  TT_TRY(tt_observations_leave_out(o, choice->leave_out_highest));
  snprintf(o->source, sizeof o->source, "%d run%s%s%.200s", o->groups, o->groups == 1 ? "" : "s",
           name ? " of " : "", name ? name : "");
  snprintf(o->size_kind, sizeof o->size_kind, "%s", sizes[choice->size]);
  tt_candidates_describe(all);
  return tt_candidates_caution(all);
}

tt_status tt_choose(const tt_run_table *table, const tt_choice *choice, const char *name,
                    tt_observations *o) {
  *o = (tt_observations){0};
  tt_candidates all = {0};
  tt_status status = observe(&all, table, choice, name, o);
  tt_candidates_free(&all);
  if (status != TT_OK) tt_observations_free(o);
  return status;
}

tt_status tt_observe_runs(const char *const *runs, int count, const tt_choice *choice, tt_observations *o) {
  *o = (tt_observations){0};
  tt_run_table table;
  if (choice->columns) return tt_fail(TT_ERR_ARGUMENT, "--columns is for a --table, not for runs");
  TT_TRY(tt_run_table_read(&table, runs, count));
  tt_status status = tt_choose(&table, choice, NULL, o);
  tt_run_table_free(&table);
  return status;
}
