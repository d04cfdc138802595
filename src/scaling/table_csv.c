#include "scaling/table_csv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "scaling/choose_parts.h"
#include "scaling/run_csv.h"
#include "scaling/table_columns.h"

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

// A row of the file on its way to an observation.
typedef struct {
  tt_observation at;
  size_t row;   // of the file
  double order; // within its run: steps, else samples; rows that have neither stay as they are, at the end
} draft;

typedef struct {
  const tt_csv *csv;
  const tt_choice *choice;
  tt_table_columns columns;
  tt_observations *out;
  draft *drafts;
  size_t count;
  size_t unknown, start, train; // rows left out: without size or loss, at 0, of training
} table;

static tt_status not_positive(const table *t, size_t row, int column) {
  return tt_fail(TT_ERR_FORMAT, "%s, line %d, column '%.60s': '%.60s' must be above 0", t->csv->file,
                 t->csv->line[row], t->csv->header[column], tt_csv_cell(t->csv, row, column));
}

// A number of a row that must not be negative; NaN where there is no such column.
static tt_status read_value(const table *t, size_t row, tt_role role, double *value) {
  int column = t->columns.of[role];
  *value = NAN;
  if (column < 0) return TT_OK;
  TT_TRY(tt_csv_real(t->csv, row, column, value));
  bool zero_is_wrong = role == TT_ROLE_SIZE || role == TT_ROLE_LOSS;
  return *value < 0 || (zero_is_wrong && *value == 0) ? not_positive(t, row, column) : TT_OK;
}

static tt_status take_row(table *t, size_t row) {
  int kind = t->columns.of[TT_ROLE_KIND];
  if (kind >= 0 && strcmp(tt_csv_cell(t->csv, row, kind), "train") == 0) return t->train++, TT_OK;
  draft d = {.row = row};
  TT_TRY(read_value(t, row, TT_ROLE_SIZE, &d.at.size));
  TT_TRY(read_value(t, row, TT_ROLE_SAMPLES, &d.at.samples));
  TT_TRY(read_value(t, row, TT_ROLE_STEPS, &d.at.steps));
  TT_TRY(read_value(t, row, TT_ROLE_FLOPS, &d.at.flops));
  TT_TRY(read_value(t, row, TT_ROLE_LOSS, &d.at.loss));
  TT_TRY(read_value(t, row, TT_ROLE_LOSS_SE, &d.at.loss_se));
  if (isnan(d.at.size) || isnan(d.at.loss)) return t->unknown++, TT_OK;
  if (d.at.samples == 0 || d.at.steps == 0 || d.at.flops == 0) return t->start++, TT_OK;
  if (t->columns.of[TT_ROLE_SAMPLES] < 0) {
    double derived = d.at.flops / (6 * d.at.size); // nonsense in the file may overflow it, or make it 0
    d.at.samples = derived > 0 && isfinite(derived) ? derived : NAN;
  }
  d.order = !isnan(d.at.steps) ? d.at.steps : !isnan(d.at.samples) ? d.at.samples : INFINITY;
  t->drafts[t->count++] = d;
  return TT_OK;
}

// Rows of one run are one group; without a column of runs each row is one.
static tt_status name_groups(table *t) {
  tt_observations *o = t->out;
  int column = t->columns.of[TT_ROLE_RUN];
  const char **cells; // [groups] names as they stand in the table: group_names may cut them
  TT_TRY(tt_alloc(&o->group_names, t->count + 1, sizeof *o->group_names, "the groups of a table"));
  TT_TRY(tt_alloc(&cells, t->count + 1, sizeof *cells, "the groups of a table"));
  for (size_t i = 0; i < t->count; i++) {
    size_t row = t->drafts[i].row;
    int g = o->groups;
    if (column < 0)
      snprintf(o->group_names[g], sizeof *o->group_names, "line %d", t->csv->line[row]);
    else {
      const char *cell = tt_csv_cell(t->csv, row, column);
      for (g = 0; g < o->groups && strcmp(cells[g], cell) != 0;) g++;
      if (g == o->groups) {
        cells[g] = cell;
        snprintf(o->group_names[g], sizeof *o->group_names, "%.127s", cell);
      }
    }
    if (g == o->groups) o->groups++;
    t->drafts[i].at.group = g;
  }
  free(cells);
  return TT_OK;
}

static int by_group_and_order(const void *a, const void *b) {
  const draft *x = a, *y = b;
  if (x->at.group != y->at.group) return x->at.group < y->at.group ? -1 : 1;
  if (x->order != y->order) return x->order < y->order ? -1 : 1;
  return x->row < y->row ? -1 : x->row > y->row;
}

// What the options leave of the curve drafts[0..count) of a run; returns how many, from the start.
static size_t choose_of_run(const table *t, draft *drafts, size_t count) {
  const tt_choice *c = t->choice;
  double from = !isnan(c->from_step)       ? c->from_step
                : !isnan(c->skip_fraction) ? c->skip_fraction * drafts[count - 1].at.steps
                                           : -INFINITY;
  size_t kept = 0;
  for (size_t i = 0; i < count; i++)
    if (from == -INFINITY || drafts[i].at.steps >= from) drafts[kept++] = drafts[i];
  if (c->points != TT_POINTS_LAST || !kept) return kept;
  drafts[0] = drafts[kept - 1];
  return 1;
}

static void choose_rows(table *t) {
  size_t kept = 0;
  for (size_t first = 0, behind; first < t->count; first = behind) {
    for (behind = first + 1; behind < t->count && t->drafts[behind].at.group == t->drafts[first].at.group;)
      behind++;
    size_t left = choose_of_run(t, t->drafts + first, behind - first);
    memmove(t->drafts + kept, t->drafts + first, left * sizeof *t->drafts);
    kept += left;
  }
  t->count = kept;
}

static tt_status check_options(const table *t) {
  const tt_choice *c = t->choice;
  bool steps = t->columns.of[TT_ROLE_STEPS] >= 0, runs = t->columns.of[TT_ROLE_RUN] >= 0;
  const char *option = c->best_rate                           ? "--best-rate needs learning rates"
                       : !isnan(c->from_step) && !steps       ? "--from-step needs a column of steps"
                       : !isnan(c->skip_fraction) && !steps   ? "--skip-fraction needs a column of steps"
                       : !isnan(c->skip_fraction) && !runs    ? "--skip-fraction needs a column of runs"
                       : c->points == TT_POINTS_LAST && !runs ? "--points last needs a column of runs"
                                                              : NULL;
  if (option)
    return tt_fail(TT_ERR_ARGUMENT, "%s, which %s does not have (see --columns)", option, t->csv->file);
  return tt_choice_check(c);
}

static void describe(table *t, bool derived) {
  tt_observations *o = t->out;
  const tt_choice *c = t->choice;
  const tt_csv *csv = t->csv;
  static const char *const roles[] = {"size", "samples", "steps", "flops", "loss", "standard error", "run"};
  snprintf(o->source, sizeof o->source, "%zu row%s of %.200s", csv->rows, csv->rows == 1 ? "" : "s",
           base_name(csv->file));
  snprintf(o->size_kind, sizeof o->size_kind, "column %.100s", csv->header[t->columns.of[TT_ROLE_SIZE]]);
  tt_append(o->chosen, sizeof o->chosen, c->points == TT_POINTS_LAST ? "each run's last row" : "all rows");
  if (!isnan(c->from_step)) tt_append(o->chosen, sizeof o->chosen, " from step %.15g on", c->from_step);
  if (!isnan(c->skip_fraction))
    tt_append(o->chosen, sizeof o->chosen, " after the first %g %% of a run's steps", 100 * c->skip_fraction);
  for (int role = 0; role <= TT_ROLE_RUN; role++)
    if (t->columns.of[role] >= 0)
      tt_append(o->chosen, sizeof o->chosen, "%s %s '%.40s'", role ? "," : "; columns:", roles[role],
                csv->header[t->columns.of[role]]);
  if (derived) tt_append(o->chosen, sizeof o->chosen, "; samples D = C / (6 N) from flops C and size N");
  if (c->leave_out_highest)
    tt_append(o->chosen, sizeof o->chosen, "; the %d rows with the highest losses left out",
              c->leave_out_highest);
}

static int by_numbers(const void *a, const void *b) {
  const tt_observation *x = a, *y = b;
  const double of_x[] = {x->loss, x->size, x->samples, x->steps, x->flops},
               of_y[] = {y->loss, y->size, y->samples, y->steps, y->flops};
  for (int i = 0; i < 5; i++)
    if (of_x[i] != of_y[i] && !(isnan(of_x[i]) && isnan(of_y[i])))
      return isnan(of_x[i]) || of_x[i] > of_y[i] ? 1 : -1;
  return 0;
}

// A run that stands twice in a table passes for two.
static tt_status caution_repeated(const table *t) {
  tt_observations *o = t->out;
  tt_observation *sorted;
  size_t repeated = 0;
  TT_TRY(tt_alloc(&sorted, o->count, sizeof *sorted, "the rows of a table"));
  memcpy(sorted, o->rows, o->count * sizeof *sorted);
  qsort(sorted, o->count, sizeof *sorted, by_numbers);
  for (size_t i = 1; i < o->count; i++) repeated += by_numbers(&sorted[i - 1], &sorted[i]) == 0;
  free(sorted);
  if (!repeated) return TT_OK;
  return tt_observations_caution(o,
                                 "%zu row%s another in all its numbers: if the same run stands there twice, "
                                 "errors and intervals are too small",
                                 repeated, repeated == 1 ? " repeats" : "s repeat");
}

static tt_status caution(const table *t) {
  if (t->unknown)
    TT_TRY(tt_observations_caution(t->out, "%zu rows without a size or a loss are left out", t->unknown));
  if (t->start)
    TT_TRY(tt_observations_caution(t->out, "%zu rows at the start of training (0) are left out", t->start));
  if (t->train)
    TT_TRY(tt_observations_caution(
        t->out, "%zu rows of kind 'train' are left out: laws are fitted to validation losses", t->train));
  return caution_repeated(t);
}

static tt_status observe_rows(table *t) {
  tt_observations *o = t->out;
  TT_TRY(tt_table_columns_find(&t->columns, t->csv, t->choice));
  TT_TRY(check_options(t));
  TT_TRY(tt_alloc(&t->drafts, t->csv->rows + 1, sizeof *t->drafts, "the rows of a table"));
  for (size_t row = 0; row < t->csv->rows; row++) TT_TRY(take_row(t, row));
  TT_TRY(name_groups(t));
  qsort(t->drafts, t->count, sizeof *t->drafts, by_group_and_order);
  choose_rows(t);
  if (!t->count) return tt_fail(TT_ERR_DATA, "%s: none of its %zu rows counts", t->csv->file, t->csv->rows);
  TT_TRY(tt_alloc(&o->rows, t->count, sizeof *o->rows, "the rows of a table"));
  for (size_t i = 0; i < t->count; i++) o->rows[i] = t->drafts[i].at;
  o->count = t->count;
  TT_TRY(tt_observations_leave_out(o, t->choice->leave_out_highest));
  describe(t, t->columns.of[TT_ROLE_SAMPLES] < 0 && t->columns.of[TT_ROLE_FLOPS] >= 0);
  return caution(t);
}

static tt_status observe_own(const tt_csv *csv, const tt_choice *choice, tt_observations *o) {
  if (choice->columns)
    return tt_fail(
        TT_ERR_ARGUMENT,
        "%s is a table of `twotrack log export`, whose columns are known: leave --columns out (--term "
        "and --size choose among them)",
        csv->file);
  tt_run_table runs;
  TT_TRY(tt_run_table_from_csv(&runs, csv));
  tt_status status = tt_choose(&runs, choice, base_name(csv->file), o);
  tt_run_table_free(&runs);
  return status;
}

tt_status tt_observe_table(const char *file, const tt_choice *choice, tt_observations *o) {
  *o = (tt_observations){0};
  tt_csv csv;
  TT_TRY(tt_csv_read(&csv, file));
  table t = {.csv = &csv, .choice = choice, .out = o};
  tt_status status = tt_csv_has_runs(&csv) ? observe_own(&csv, choice, o) : observe_rows(&t);
  free(t.drafts);
  tt_csv_free(&csv);
  if (status != TT_OK) tt_observations_free(o);
  return status;
}
