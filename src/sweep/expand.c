#include "sweep/expand.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/keys.h"
#include "core/file.h"
#include "model/flops.h"
#include "model/parameters.h"

enum { MOST_RUNS = 10000, TYPICAL_ATOMS = 24 };

// ---- one run ----

// What one run of a size is told to be; NULL: as the configuration says.
typedef struct {
  const int64_t *steps;
  const double *rate;
  const int64_t *seed;
} variant;

static tt_status load(const tt_sweep *sweep, const tt_sweep_size *size, const variant *v, tt_config *config) {
  const char **sets = malloc(((size_t)size->set_count + 3) * sizeof *sets);
  if (!sets) return tt_fail(TT_ERR_MEMORY, "out of memory for the runs of %s", sweep->path);
  int count = 0;
  char steps[80], rate[80], seed[80];
  while (count < size->set_count) sets[count] = size->sets[count], count++;
  if (v->steps)
    snprintf(steps, sizeof steps, "train.steps=%lld", (long long)*v->steps), sets[count++] = steps;
  if (v->rate) snprintf(rate, sizeof rate, "optimizer.learning_rate=%.17g", *v->rate), sets[count++] = rate;
  if (v->seed) snprintf(seed, sizeof seed, "train.seed=%lld", (long long)*v->seed), sets[count++] = seed;
  tt_status status = tt_config_load(config, sweep->base, sets, count);
  free(sets);
  if (status == TT_ERR_IO) return tt_fail_in(status, "%s: base", sweep->path);
  if (status == TT_ERR_CONFIG)
    return tt_fail_in(status, "%s:%d: size %s", sweep->path, size->line, size->name);
  return status;
}

// SIZE, and what of it the sweep lists.
static tt_status name_it(tt_sweep_run *run, const tt_sweep_size *size, const variant *v) {
  char steps[32] = "", rate[48] = "", seed[32] = "";
  if (v->steps) snprintf(steps, sizeof steps, "-%lldsteps", (long long)*v->steps);
  if (v->seed) snprintf(seed, sizeof seed, "-seed%lld", (long long)*v->seed);
  if (v->rate) {
    const tt_config_key *key = &tt_config_keys[tt_config_find("optimizer", "learning_rate")];
    char *value = tt_config_format(&run->config, key);
    if (!value) return tt_fail(TT_ERR_MEMORY, "out of memory for the name of a run");
    size_t n = strlen(value);
    if (n > 2 && strcmp(value + n - 2, ".0") == 0)
      value[n - 2] = 0; // how the file has to write a real number
    snprintf(rate, sizeof rate, "-lr%.40s", value);
    free(value);
  }
  snprintf(run->size, sizeof run->size, "%s", size->name);
  snprintf(run->name, sizeof run->name, "%s%s%s%s", size->name, steps, rate, seed);
  return TT_OK;
}

static tt_status choose_store(tt_config *config, const tt_sweep *sweep, const char *store) {
  if (!store) store = sweep->store;
  if (*store) {
    free(config->data.store);
    config->data.store = strdup(store);
    if (!config->data.store) return tt_fail(TT_ERR_MEMORY, "out of memory for the runs of %s", sweep->path);
  }
  if (config->data.store && *config->data.store) return TT_OK;
  return tt_fail(TT_ERR_CONFIG, "%s names no store: write store = \"...\"; or give --store DIR", sweep->path);
}

static tt_status make_run(tt_sweep_run *run, const tt_sweep *sweep, const tt_sweep_size *size,
                          const variant *v, const char *store) {
  TT_TRY(load(sweep, size, v, &run->config));
  TT_TRY(choose_store(&run->config, sweep, store));
  TT_TRY(tt_config_print(&run->config, &run->text));
  TT_TRY(name_it(run, size, v));
  tt_parameters table;
  TT_TRY(tt_parameters_build(&table, &run->config.model, 1, 0));
  run->parameters = table.whole;
  tt_parameters_free(&table);
  double masked = run->config.data.mask_probability * TYPICAL_ATOMS;
  run->flops = 3 * tt_flops_executed(&run->config.model, TYPICAL_ATOMS, masked);
  return TT_OK;
}

// ---- all of them ----

static double work(const tt_sweep_run *run) {
  return run->flops * run->config.train.batch_size * (double)run->config.train.steps;
}

// Where several are trained at once, a long one that starts last would be waited for alone.
static int longest_first(const void *a, const void *b) {
  const tt_sweep_run *x = a, *y = b;
  double p = work(x), q = work(y);
  return p != q ? (p < q) - (p > q) : x->number - y->number; // number: the order of the file, here
}

static int by_name(const void *a, const void *b) {
  const char *const *x = a, *const *y = b;
  return strcmp(*x, *y);
}

// A size "a" that lists steps and a size "a-100steps" that does not can meet in one name.
static tt_status check_names(const tt_sweep_runs *runs, const tt_sweep *sweep) {
  const char **names = malloc((size_t)runs->count * sizeof *names);
  if (!names) return tt_fail(TT_ERR_MEMORY, "out of memory for the runs of %s", sweep->path);
  for (int i = 0; i < runs->count; i++) names[i] = runs->list[i].name;
  qsort(names, (size_t)runs->count, sizeof *names, by_name);
  tt_status status = TT_OK;
  for (int i = 1; i < runs->count && status == TT_OK; i++)
    if (strcmp(names[i - 1], names[i]) == 0)
      status =
          tt_fail(TT_ERR_CONFIG, "%s: two of its runs would have the folder %s: name the sizes otherwise",
                  sweep->path, names[i]);
  free(names);
  return status;
}

static size_t at_least_one(int count) {
  return count ? (size_t)count : 1;
}

static tt_status expand_size(tt_sweep_runs *runs, const tt_sweep *sweep, const tt_sweep_size *size,
                             const char *store) {
  for (size_t n = 0; n < at_least_one(size->step_count); n++)
    for (size_t i = 0; i < at_least_one(size->rate_count); i++)
      for (size_t k = 0; k < at_least_one(size->seed_count); k++) {
        variant v = {size->step_count ? &size->steps[n] : NULL, size->rate_count ? &size->rates[i] : NULL,
                     size->seed_count ? &size->seeds[k] : NULL};
        tt_sweep_run *run = &runs->list[runs->count++];
        run->number = runs->count;
        TT_TRY(make_run(run, sweep, size, &v, store));
      }
  return TT_OK;
}

static tt_status expand(tt_sweep_runs *runs, const tt_sweep *sweep, const char *store) {
  size_t count = 0; // no more than 1000 sizes, and 1000 values of each kind
  for (int s = 0; s < sweep->size_count; s++) {
    const tt_sweep_size *size = &sweep->sizes[s];
    count += at_least_one(size->step_count) * at_least_one(size->rate_count) * at_least_one(size->seed_count);
  }
  if (count > MOST_RUNS)
    return tt_fail(TT_ERR_CONFIG, "%s describes %zu runs, more than %d: divide it", sweep->path, count,
                   MOST_RUNS);
  runs->list = calloc(count, sizeof *runs->list);
  if (!runs->list) return tt_fail(TT_ERR_MEMORY, "out of memory for the runs of %s", sweep->path);
  for (int s = 0; s < sweep->size_count; s++) TT_TRY(expand_size(runs, sweep, &sweep->sizes[s], store));
  TT_TRY(check_names(runs, sweep));
  qsort(runs->list, count, sizeof *runs->list, longest_first);
  for (int i = 0; i < runs->count; i++) runs->list[i].number = 0;
  return TT_OK;
}

tt_status tt_sweep_expand(tt_sweep_runs *runs, const tt_sweep *sweep, const char *out, const char *store) {
  *runs = (tt_sweep_runs){0};
  if (!out) out = sweep->out;
  tt_status status = TT_OK;
  if (!*out)
    status =
        tt_fail(TT_ERR_CONFIG, "%s does not say where its runs are: write out = \"...\"; or give --out DIR",
                sweep->path);
  else if (!(runs->out = strdup(out)))
    status = tt_fail(TT_ERR_MEMORY, "out of memory for the runs of %s", sweep->path);
  if (status == TT_OK) {
    for (size_t n = strlen(runs->out); n > 1 && runs->out[n - 1] == '/'; n--) runs->out[n - 1] = 0;
    status = expand(runs, sweep, store);
  }
  if (status != TT_OK) tt_sweep_runs_free(runs);
  return status;
}

void tt_sweep_runs_free(tt_sweep_runs *runs) {
  for (int i = 0; i < runs->count; i++) tt_config_free(&runs->list[i].config), free(runs->list[i].text);
  free(runs->list), free(runs->out);
  *runs = (tt_sweep_runs){0};
}

// ---- files ----

static tt_status join(char *path, size_t size, const char *out, const char *folder, const char *name,
                      const char *end) {
  int n = snprintf(path, size, "%s/%s%s%s", out, folder, name, end);
  if (n > 0 && (size_t)n < size) return TT_OK;
  return tt_fail(TT_ERR_IO, "the path of %.60s... is too long", out);
}

tt_status tt_sweep_run_folder(const tt_sweep_runs *runs, const tt_sweep_run *run, char *path, size_t size) {
  return join(path, size, runs->out, "", run->name, "");
}

tt_status tt_sweep_run_config(const tt_sweep_runs *runs, const tt_sweep_run *run, char *path, size_t size) {
  return join(path, size, runs->out, "configs/", run->name, ".cfg");
}

tt_status tt_sweep_run_output(const tt_sweep_runs *runs, const tt_sweep_run *run, char *path, size_t size) {
  return join(path, size, runs->out, "logs/", run->name, ".log");
}

tt_status tt_sweep_write_configs(const tt_sweep_runs *runs) {
  char path[PATH_MAX];
  TT_TRY(join(path, sizeof path, runs->out, "configs", "", ""));
  TT_TRY(tt_make_directories(path));
  for (int i = 0; i < runs->count; i++) {
    const tt_sweep_run *run = &runs->list[i];
    TT_TRY(tt_sweep_run_config(runs, run, path, sizeof path));
    char *there = NULL;
    size_t bytes;
    if (tt_file_exists(path)) TT_TRY(tt_file_read(path, &there, &bytes));
    bool same = there && strcmp(there, run->text) == 0;
    free(there);
    if (!same) TT_TRY(tt_file_replace(path, run->text, strlen(run->text)));
  }
  return TT_OK;
}
