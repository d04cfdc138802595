#include "sweep/numbers.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"

static const char heading[] = "number\trun\tsize\tlearning_rate\tseed\tsteps\tparameters\n";

typedef struct {
  int number;
  char name[200];
} line;

typedef struct {
  char path[PATH_MAX], *text; // NULL: there is no file
  line *lines;
  int count, highest;
} table;

static tt_status broken(const table *t, int number) {
  return tt_fail(TT_ERR_FORMAT,
                 "%s, line %d: no line of a sweep's runs; put the file back, or remove it where no job waits",
                 t->path, number);
}

static tt_status read_lines(table *t) {
  int number = 0;
  size_t room = 1;
  for (const char *p = t->text; *p; p++) room += *p == '\n';
  t->lines = calloc(room, sizeof *t->lines);
  if (!t->lines) return tt_fail(TT_ERR_MEMORY, "out of memory reading %s", t->path);
  for (const char *p = t->text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
    if (++number == 1 && strncmp(p, heading, sizeof heading - 1) == 0) continue;
    line *l = &t->lines[t->count];
    if (sscanf(*p == '#' ? p + 1 : p, "%9d\t%199[^\t\n]", &l->number, l->name) != 2 || l->number < 1)
      return broken(t, number);
    for (int i = 0; i < t->count; i++)
      if (t->lines[i].number == l->number || strcmp(t->lines[i].name, l->name) == 0) return broken(t, number);
    if (l->number > t->highest) t->highest = l->number;
    t->count++;
  }
  return TT_OK;
}

static void release(table *t) {
  free(t->text), free(t->lines);
}

static tt_status read_table(table *t, const tt_sweep_runs *runs) {
  *t = (table){0};
  if (snprintf(t->path, sizeof t->path, "%s/runs.tsv", runs->out) >= PATH_MAX)
    return tt_fail(TT_ERR_IO, "the path of %.60s... is too long", runs->out);
  if (!tt_file_exists(t->path)) return TT_OK;
  size_t bytes;
  TT_TRY(tt_file_read(t->path, &t->text, &bytes));
  tt_status status = read_lines(t);
  if (status != TT_OK) release(t);
  return status;
}

static const line *find(const table *t, const char *name) {
  for (int i = 0; i < t->count; i++)
    if (strcmp(t->lines[i].name, name) == 0) return &t->lines[i];
  return NULL;
}

tt_status tt_sweep_number(tt_sweep_runs *runs) {
  table t;
  TT_TRY(read_table(&t, runs));
  int next = t.highest;
  for (int i = 0; i < runs->count; i++) {
    const line *l = find(&t, runs->list[i].name);
    runs->list[i].number = l ? l->number : ++next;
  }
  release(&t);
  return TT_OK;
}

static int by_number(const void *a, const void *b) {
  const tt_sweep_run *const *x = a, *const *y = b;
  return ((*x)->number > (*y)->number) - ((*x)->number < (*y)->number);
}

static bool has(const tt_sweep_runs *runs, const char *name) {
  for (int i = 0; i < runs->count; i++)
    if (strcmp(runs->list[i].name, name) == 0) return true;
  return false;
}

static tt_status print(const table *t, const tt_sweep_runs *runs, char **text) {
  size_t bytes;
  const tt_sweep_run **order = malloc((size_t)runs->count * sizeof *order);
  FILE *out = order ? open_memstream(text, &bytes) : NULL;
  if (!out) return free(order), tt_fail(TT_ERR_MEMORY, "out of memory for %s", t->path);
  for (int i = 0; i < runs->count; i++) order[i] = &runs->list[i];
  qsort(order, (size_t)runs->count, sizeof *order, by_number);
  fputs(heading, out);
  for (int i = 0; i < runs->count; i++) {
    const tt_sweep_run *r = order[i];
    fprintf(out, "%d\t%s\t%s\t%.15g\t%llu\t%lld\t%lld\n", r->number, r->name, r->size,
            r->config.optimizer.learning_rate, (unsigned long long)r->config.train.seed,
            (long long)r->config.train.steps, (long long)r->parameters);
  }
  for (int i = 0; i < t->count; i++)
    if (!has(runs, t->lines[i].name)) fprintf(out, "#%d\t%s\n", t->lines[i].number, t->lines[i].name);
  free(order);
  if (fclose(out) == 0) return TT_OK;
  free(*text);
  return tt_fail(TT_ERR_MEMORY, "out of memory for %s", t->path);
}

tt_status tt_sweep_write_numbers(const tt_sweep_runs *runs) {
  table t;
  char *text = NULL;
  TT_TRY(read_table(&t, runs));
  tt_status status = print(&t, runs, &text);
  bool same = status == TT_OK && t.text && strcmp(t.text, text) == 0;
  if (status == TT_OK && !same) status = tt_file_replace(t.path, text, strlen(text));
  free(text);
  release(&t);
  return status;
}
