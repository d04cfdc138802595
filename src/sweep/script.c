#include "sweep/script.h"

#include <ctype.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"

static const char array_line[] = "#SBATCH --array=";

// ---- which runs ----

static int by_value(const void *a, const void *b) {
  return *(const int *)a - *(const int *)b;
}

// "1-5,7" of what is left; "" for nothing.
static tt_status list_left(const tt_sweep_runs *runs, const tt_sweep_status *statuses, char **text) {
  size_t bytes;
  int count = 0, *numbers = malloc((size_t)runs->count * sizeof *numbers);
  FILE *out = numbers ? open_memstream(text, &bytes) : NULL;
  if (!out) return free(numbers), tt_fail(TT_ERR_MEMORY, "out of memory for the runs that are left");
  for (int i = 0; i < runs->count; i++)
    if (tt_sweep_is_left(&statuses[i])) numbers[count++] = runs->list[i].number;
  qsort(numbers, (size_t)count, sizeof *numbers, by_value);
  for (int i = 0, last; i < count; i = last + 1) {
    for (last = i; last + 1 < count && numbers[last + 1] == numbers[last] + 1;) last++;
    fprintf(out, "%s%d", i ? "," : "", numbers[i]);
    if (last > i) fprintf(out, "-%d", numbers[last]);
  }
  free(numbers);
  if (fclose(out) == 0) return TT_OK;
  free(*text);
  return tt_fail(TT_ERR_MEMORY, "out of memory for the runs that are left");
}

static tt_status add_limit(char **array, int at_once) {
  char *with = NULL;
  if (at_once <= 0) return TT_OK;
  if (asprintf(&with, "%s%%%d", *array, at_once) < 0)
    return tt_fail(TT_ERR_MEMORY, "out of memory for the runs that are left");
  free(*array);
  *array = with;
  return TT_OK;
}

// ---- a fresh script ----

typedef struct {
  const char *key;
  char text[4 * PATH_MAX + 16];
} value;
enum { SCRIPT, SWEEP, JOB, ARRAY, OUTPUT, HERE, OUT, TWOTRACK, VALUES };

// A word of the shell, whatever its characters.
static void quote(value *v, const char *text) {
  char *p = v->text;
  *p++ = '\'';
  for (; *text; text++) {
    if (*text == '\'')
      p = stpcpy(p, "'\\''");
    else
      *p++ = *text;
  }
  strcpy(p, "'");
}

// A name of a file for sbatch, in which %x stands for something.
static void quote_output(value *v, const char *folder) {
  char *p = v->text;
  *p++ = '"';
  for (; *folder; folder++) {
    if (*folder == '%') *p++ = '%';
    if (*folder == '"' || *folder == '\\') *p++ = '\\';
    *p++ = *folder;
  }
  strcpy(p, "/logs/slurm-%A-%a.log\"");
}

// In a comment, which ends with the line.
static void tell(value *v, const char *text) {
  size_t n = 0;
  for (; *text && n + 1 < sizeof v->text; text++) v->text[n++] = iscntrl((unsigned char)*text) ? '?' : *text;
  v->text[n] = 0;
}

// The sweep's name for a job: of its file, without its end.
static void name_job(value *v, const char *sweep) {
  char copy[PATH_MAX];
  snprintf(copy, sizeof copy, "%s", sweep);
  const char *name = basename(copy);
  size_t n = strcspn(name, ".");
  snprintf(v->text, sizeof v->text, "%.*s", (int)n, n ? name : "sweep");
  for (char *p = v->text; *p; p++)
    if (!isalnum((unsigned char)*p) && !strchr("-_+", *p)) *p = '_';
}

static void put_line(FILE *out, const char *line, const value *values) {
  while (*line) {
    const value *found = NULL;
    size_t length = *line == '@' ? strcspn(line + 1, "@") : 0;
    for (int k = 0; length && k < VALUES; k++)
      if (strlen(values[k].key) == length && strncmp(line + 1, values[k].key, length) == 0)
        found = &values[k];
    if (found)
      fputs(found->text, out), line += length + 2;
    else
      fputc(*line++, out);
  }
}

static tt_status fresh(const char *path, const tt_sweep *sweep, const tt_sweep_runs *runs,
                       const char *program, const char *array, char **text) {
  char here[PATH_MAX], out_folder[PATH_MAX];
  if (!getcwd(here, sizeof here) || !realpath(runs->out, out_folder))
    return tt_fail(TT_ERR_IO, "cannot find out where %s is", runs->out);
  value *v = calloc(VALUES, sizeof *v);
  size_t bytes;
  FILE *out = v ? open_memstream(text, &bytes) : NULL;
  if (!out) return free(v), tt_fail(TT_ERR_MEMORY, "out of memory for %s", path);
  static const char *const keys[VALUES] = {"SCRIPT", "SWEEP", "JOB", "ARRAY",
                                           "OUTPUT", "HERE",  "OUT", "TWOTRACK"};
  for (int k = 0; k < VALUES; k++) v[k].key = keys[k];
  tell(&v[SCRIPT], path), tell(&v[SWEEP], sweep->path);
  name_job(&v[JOB], sweep->path);
  quote_output(&v[OUTPUT], out_folder);
  quote(&v[HERE], here), quote(&v[OUT], out_folder), quote(&v[TWOTRACK], program);
  for (int i = 0; tt_sweep_template[i]; i++) {
    size_t n = sizeof array_line - 1;
    if (strncmp(tt_sweep_template[i], array_line, n) == 0)
      fprintf(out, "%s%s\n", array_line, array); // as long as it needs to be
    else
      put_line(out, tt_sweep_template[i], v);
  }
  free(v);
  if (fclose(out) == 0) return TT_OK;
  free(*text);
  return tt_fail(TT_ERR_MEMORY, "out of memory for %s", path);
}

// ---- one that is there ----

// The place after "#SBATCH --array=" in a script; NULL unless there is exactly one such line.
static const char *find_array(const char *script) {
  const char *found = NULL;
  for (const char *line = script; *line; line += strcspn(line, "\n"), line += *line == '\n')
    if (strncmp(line, array_line, sizeof array_line - 1) == 0) {
      if (found) return NULL;
      found = line + sizeof array_line - 1;
    }
  return found;
}

static tt_status renew(const char *path, const char *script, char **array, int at_once, char **text) {
  const char *at = find_array(script);
  if (!at)
    return tt_fail(TT_ERR_FORMAT,
                   "%s must have one line '%s...' to be renewed: mend it, or remove the file for a fresh one",
                   path, array_line);
  size_t old = strcspn(at, "\n");
  const char *limit = memchr(at, '%', old);
  if (at_once <= 0 && limit) at_once = atoi(limit + 1);
  TT_TRY(add_limit(array, at_once));
  if (asprintf(text, "%.*s%s%s", (int)(at - script), script, *array, at + old) >= 0) return TT_OK;
  return tt_fail(TT_ERR_MEMORY, "out of memory for %s", path);
}

tt_status tt_sweep_write_script(const tt_sweep *sweep, const tt_sweep_runs *runs,
                                const tt_sweep_status *statuses, const char *program, int at_once,
                                char **array) {
  char path[PATH_MAX], logs[PATH_MAX], *there = NULL, *text = NULL;
  size_t bytes;
  *array = NULL;
  int n = snprintf(path, sizeof path, "%s/sweep.sbatch", runs->out);
  if (n < 0 || (size_t)n >= sizeof path)
    return tt_fail(TT_ERR_IO, "the path of %.60s... is too long", runs->out);
  snprintf(logs, sizeof logs, "%s/logs", runs->out);
  TT_TRY(tt_make_directories(logs));
  tt_status status = list_left(runs, statuses, array);
  if (status != TT_OK || !**array) return status;
  if (tt_file_exists(path)) {
    status = tt_file_read(path, &there, &bytes);
    if (status == TT_OK) status = renew(path, there, array, at_once, &text);
  } else {
    status = add_limit(array, at_once);
    if (status == TT_OK) status = fresh(path, sweep, runs, program, *array, &text);
  }
  if (status == TT_OK && (!there || strcmp(there, text) != 0))
    status = tt_file_replace(path, text, strlen(text));
  free(there), free(text);
  if (status != TT_OK) free(*array), *array = NULL;
  return status;
}
