#include "scaling/run_csv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "scaling/run_columns.h"

typedef struct {
  const tt_csv *csv;
  tt_run_table *table;
  int column[TT_RUN_COLUMNS]; // of the file
  size_t capacity;            // of table->runs
  size_t *first;              // [runs] a run's first row
  size_t first_capacity;
  int *run_of; // [rows]
} reader;

bool tt_csv_has_runs(const tt_csv *csv) {
  static const char *const telling[] = {"run", "kind", "step", "evaluation"};
  int found = 0;
  for (int k = 0; k < 4; k++)
    for (int i = 0; i < csv->columns; i++)
      if (strcmp(csv->header[i], telling[k]) == 0) {
        found++;
        break;
      }
  return found == 4;
}

static tt_status find_columns(reader *r) {
  for (int k = 0; k < TT_RUN_COLUMNS; k++) {
    TT_TRY(tt_csv_column(r->csv, tt_run_columns[k].name, &r->column[k]));
    if (r->column[k] < 0)
      return tt_fail(TT_ERR_FORMAT,
                     "%s, line %d: the column '%s' is missing from a table of `twotrack log export`; without "
                     "'evaluation' it would be read as any table",
                     r->csv->file, r->csv->header_line, tt_run_columns[k].name);
  }
  return TT_OK;
}

static tt_status wrong(const reader *r, size_t row, int k, const char *what) {
  return tt_fail(TT_ERR_FORMAT, "%s, line %d, column '%s': '%.60s' is %s", r->csv->file, r->csv->line[row],
                 tt_run_columns[k].name, tt_csv_cell(r->csv, row, r->column[k]), what);
}

static tt_status read_cell(const reader *r, size_t row, int k, void *of) {
  const tt_run_column *column = &tt_run_columns[k];
  const char *text = tt_csv_cell(r->csv, row, r->column[k]);
  char *field = (char *)of + column->offset;
  switch (column->type) {
  case TT_COLUMN_KIND:
    *(bool *)field = strcmp(text, "valid") == 0;
    return *(bool *)field || strcmp(text, "train") == 0 ? TT_OK : wrong(r, row, k, "neither valid nor train");
  case TT_COLUMN_NAME:
    if (!*text) return wrong(r, row, k, "empty");
    if (strlen(text) >= column->size) return wrong(r, row, k, "too long");
    strcpy(field, text);
    return TT_OK;
  case TT_COLUMN_TEXT:
    *(char **)field = strdup(text);
    return *(char **)field ? TT_OK : tt_fail(TT_ERR_MEMORY, "out of memory for %s", r->csv->file);
  case TT_COLUMN_INTEGER:
    return tt_csv_integer(r->csv, row, r->column[k], (int64_t *)field);
  case TT_COLUMN_REAL:
    return tt_csv_real(r->csv, row, r->column[k], (double *)field);
  }
  return TT_OK;
}

static tt_status add_run(reader *r, size_t row) {
  tt_run_table *t = r->table;
  size_t count = (size_t)t->count;
  TT_TRY(tt_reserve(&t->runs, &r->capacity, count + 1, sizeof *t->runs, "a table of runs"));
  TT_TRY(tt_reserve(&r->first, &r->first_capacity, count + 1, sizeof *r->first, "a table of runs"));
  r->first[count] = row;
  t->runs[t->count++] = (tt_run){.configured = true};
  for (int k = 0; k < TT_RUN_COLUMNS; k++)
    if (!tt_run_columns[k].of_record) TT_TRY(read_cell(r, row, k, &t->runs[count]));
  const char *schedule = t->runs[count].schedule;
  bool known = strcmp(schedule, "constant") == 0 || strcmp(schedule, "linear") == 0 ||
               strcmp(schedule, "cooldown") == 0;
  if (!known)
    return tt_fail(TT_ERR_FORMAT, "%s, line %d, column 'schedule': '%s' is no schedule of this program",
                   r->csv->file, r->csv->line[row], schedule);
  return TT_OK;
}

// Rows of one name with different facts are two runs that somebody put into one table.
static tt_status same_facts(const reader *r, size_t row, size_t first) {
  for (int k = 0; k < TT_RUN_COLUMNS; k++) {
    const char *here = tt_csv_cell(r->csv, row, r->column[k]),
               *there = tt_csv_cell(r->csv, first, r->column[k]);
    if (!tt_run_columns[k].of_record && strcmp(here, there) != 0)
      return tt_fail(TT_ERR_FORMAT,
                     "%s, line %d: run '%.60s' has %s '%.60s', but '%.60s' on line %d: two runs need two "
                     "names",
                     r->csv->file, r->csv->line[row], tt_csv_cell(r->csv, row, r->column[0]),
                     tt_run_columns[k].name, here, there, r->csv->line[first]);
  }
  return TT_OK;
}

static tt_status sort_rows(reader *r) {
  tt_run_table *t = r->table;
  TT_TRY(tt_alloc(&r->run_of, r->csv->rows + 1, sizeof *r->run_of, "a table of runs"));
  int run = 0;
  for (size_t row = 0; row < r->csv->rows; row++) {
    const char *name = tt_csv_cell(r->csv, row, r->column[0]);
    if (run >= t->count || strcmp(t->runs[run].name, name) != 0) // else that of the row before
      for (run = 0; run < t->count && strcmp(t->runs[run].name, name) != 0;) run++;
    if (run == t->count)
      TT_TRY(add_run(r, row));
    else
      TT_TRY(same_facts(r, row, r->first[run]));
    r->run_of[row] = run;
    t->runs[run].count++;
  }
  return TT_OK;
}

static tt_status read_records(reader *r) {
  for (int i = 0; i < r->table->count; i++) {
    tt_run *run = &r->table->runs[i];
    TT_TRY(tt_alloc(&run->records, run->count, sizeof *run->records, "the records of a run"));
    run->count = 0;
  }
  for (size_t row = 0; row < r->csv->rows; row++) {
    tt_run *run = &r->table->runs[r->run_of[row]];
    tt_run_record *record = &run->records[run->count++];
    record->baseline[TT_TERM_TOTAL] = NAN; // has no column
    for (int k = 0; k < TT_RUN_COLUMNS; k++)
      if (tt_run_columns[k].of_record) TT_TRY(read_cell(r, row, k, record));
  }
  return TT_OK;
}

tt_status tt_run_table_from_csv(tt_run_table *table, const tt_csv *csv) {
  *table = (tt_run_table){0};
  reader r = {.csv = csv, .table = table};
  tt_status status = find_columns(&r);
  if (status == TT_OK) status = sort_rows(&r);
  if (status == TT_OK) status = read_records(&r);
  free(r.first), free(r.run_of);
  if (status != TT_OK) tt_run_table_free(table);
  return status;
}
