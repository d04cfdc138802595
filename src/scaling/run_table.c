// Runs found, named and put into a table.
#include "scaling/run_table.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/memory.h"
#include "core/utf8.h"
#include "scaling/run_settings.h"

typedef struct {
  tt_run_table *table;
  char **given; // [table->count] the paths by which the runs were found
  size_t capacity, given_capacity;
} collection;

static tt_status add(collection *c, const char *path) {
  size_t count = (size_t)c->table->count;
  TT_TRY(tt_reserve(&c->table->runs, &c->capacity, count + 1, sizeof *c->table->runs, "a table of runs"));
  TT_TRY(tt_reserve(&c->given, &c->given_capacity, count + 1, sizeof *c->given, "a table of runs"));
  tt_run *run = &c->table->runs[count];
  TT_TRY(tt_run_read(run, path));
  c->given[count] = tt_utf8_text(path);
  c->table->count++; // from here on it is released with the table
  if (!c->given[count]) return tt_fail(TT_ERR_MEMORY, "out of memory for a table of runs");
  char *given = c->given[count];
  for (size_t n = strlen(given); n > 1 && given[n - 1] == '/'; n--) given[n - 1] = 0;
  return tt_run_configure(run);
}

static int by_name(const void *a, const void *b) {
  return strverscmp(*(char *const *)a, *(char *const *)b);
}

// The runs inside a folder that is none itself.
static tt_status add_inside(collection *c, const char *folder) {
  DIR *directory = opendir(folder);
  if (!directory) return tt_fail(TT_ERR_IO, "cannot look into %s", folder);
  char **found = NULL;
  size_t count = 0, capacity = 0;
  tt_status status = TT_OK;
  for (struct dirent *e; status == TT_OK && (e = readdir(directory));) {
    char path[PATH_MAX], log[PATH_MAX + 16];
    if (e->d_name[0] == '.') continue;
    if (snprintf(path, sizeof path, "%s/%s", folder, e->d_name) >= (int)sizeof path) continue;
    snprintf(log, sizeof log, "%s/run.jsonl", path);
    if (!tt_file_exists(log)) continue;
    status = tt_reserve(&found, &capacity, count + 1, sizeof *found, "the names of runs");
    if (status == TT_OK && !(found[count++] = strdup(path)))
      count--, status = tt_fail(TT_ERR_MEMORY, "out of memory for the names of runs");
  }
  closedir(directory);
  if (count) qsort(found, count, sizeof *found, by_name);
  if (status == TT_OK && !count)
    status = tt_fail(TT_ERR_IO, "%s holds no run.jsonl, and none of its folders does: has the run started?",
                     folder);
  for (size_t i = 0; i < count && status == TT_OK; i++) status = add(c, found[i]);
  for (size_t i = 0; i < count; i++) free(found[i]);
  free(found);
  return status;
}

static tt_status add_path(collection *c, const char *path) {
  struct stat s;
  char log[PATH_MAX + 16];
  if (!*path) return tt_fail(TT_ERR_ARGUMENT, "the name of a run is empty");
  snprintf(log, sizeof log, "%.*s/run.jsonl", PATH_MAX, path);
  bool folder = stat(path, &s) == 0 && S_ISDIR(s.st_mode) && !tt_file_exists(log);
  return folder ? add_inside(c, path) : add(c, path);
}

static bool same_file(const char *a, const char *b) {
  struct stat s, t;
  return stat(a, &s) == 0 && stat(b, &t) == 0 && s.st_dev == t.st_dev && s.st_ino == t.st_ino;
}

// Runs of one name are told apart by their paths.
static tt_status tell_apart(const collection *c) {
  tt_run *runs = c->table->runs;
  bool *shared;
  TT_TRY(tt_alloc(&shared, (size_t)c->table->count + 1, sizeof *shared, "the names of runs"));
  tt_status status = TT_OK;
  for (int i = 0; i < c->table->count && status == TT_OK; i++)
    for (int k = 0; k < i && status == TT_OK; k++) {
      if (strcmp(runs[i].name, runs[k].name) != 0) continue;
      shared[i] = shared[k] = true;
      if (same_file(runs[i].log, runs[k].log))
        status = tt_fail(TT_ERR_ARGUMENT, "%s and %s are one run: name it once", c->given[k], c->given[i]);
    }
  for (int i = 0; i < c->table->count; i++)
    if (shared[i]) { // the end of a path says more than its beginning
      size_t length = strlen(c->given[i]), room = sizeof runs[i].name - 1;
      snprintf(runs[i].name, sizeof runs[i].name, "%s", c->given[i] + (length > room ? length - room : 0));
    }
  free(shared);
  return status;
}

tt_status tt_run_table_read(tt_run_table *table, const char *const *paths, int count) {
  *table = (tt_run_table){0};
  collection c = {.table = table};
  tt_status status = TT_OK;
  for (int i = 0; i < count && status == TT_OK; i++) status = add_path(&c, paths[i]);
  if (status == TT_OK) status = tell_apart(&c);
  for (int i = 0; i < table->count; i++) free(c.given[i]);
  free(c.given);
  if (status != TT_OK) tt_run_table_free(table);
  return status;
}

void tt_run_table_free(tt_run_table *table) {
  for (int i = 0; i < table->count; i++) tt_run_free(&table->runs[i]);
  free(table->runs);
  *table = (tt_run_table){0};
}
