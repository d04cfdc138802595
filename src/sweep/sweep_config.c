#include "sweep/sweep_config.h"

#include <libconfig.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/keys.h"

enum { LONGEST_NAME = 64, MOST_SIZES = 1000, MOST_VALUES = 1000 };

// ---- helpers ----

typedef struct {
  const char *path;
  tt_config scratch; // single values are tried on it
} reader;

typedef struct {
  char text[PATH_MAX + 32];
} place;

static place where(const reader *r, const config_setting_t *setting) {
  place p;
  snprintf(p.text, sizeof p.text, "%s:%d", r->path, config_setting_source_line(setting));
  return p;
}

static tt_status no_memory(const reader *r) {
  return tt_fail(TT_ERR_MEMORY, "out of memory reading %s", r->path);
}

static tt_status unknown(const reader *r, const config_setting_t *setting, const char *in,
                         const char *const *valid) {
  char shown[64];
  const char *name = config_setting_name(setting);
  tt_config_quote(shown, sizeof shown, name);
  return tt_fail(TT_ERR_CONFIG, "%s: %s is no key of %s; the nearest is \"%s\"", where(r, setting).text,
                 shown, in, tt_config_nearest_word(name, valid));
}

static tt_status wrong_type(const reader *r, const config_setting_t *setting, const char *key,
                            const char *wanted) {
  return tt_fail(TT_ERR_CONFIG, "%s: %s must be %s", where(r, setting).text, key, wanted);
}

static bool is_list(const config_setting_t *setting) {
  return config_setting_is_list(setting) || config_setting_is_array(setting);
}

static tt_status read_text(const reader *r, const config_setting_t *setting, char **text) {
  tt_config_value v = tt_config_value_of(setting);
  if (v.kind != TT_VALUE_TEXT)
    return wrong_type(r, setting, config_setting_name(setting), "a string, as \"...\"");
  free(*text);
  *text = strdup(v.text);
  return *text ? TT_OK : no_memory(r);
}

// ---- "group.key=value" ----

static tt_status add_set(const reader *r, char ***sets, int *count, const char *set) {
  char **more = realloc(*sets, ((size_t)*count + 1) * sizeof *more);
  if (!more) return no_memory(r);
  *sets = more;
  more[*count] = strdup(set);
  return more[*count] ? ((*count)++, TT_OK) : no_memory(r);
}

// What the sweep itself gives values to.
static tt_status check_not_ours(const reader *r, const config_setting_t *setting, const char *set) {
  static const struct {
    const char *key, *instead;
  } ours[] = {{"optimizer.learning_rate", "learning_rates = [...]"},
              {"train.seed", "seeds = [...]"},
              {"data.store", "store = \"...\", or --store"}};
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
    size_t n = strlen(ours[i].key);
    if (strncmp(set, ours[i].key, n) == 0 && set[n] == '=')
      return tt_fail(TT_ERR_CONFIG, "%s: a sweep does not set %s so: write %s", where(r, setting).text,
                     ours[i].key, ours[i].instead);
  }
  return TT_OK;
}

// Two ways to say how long a run is would leave open which one counts.
static tt_status check_steps(const reader *r, const tt_sweep_size *size) {
  for (int i = 0; i < size->set_count && size->step_count; i++)
    if (strncmp(size->sets[i], "train.steps=", 12) == 0)
      return tt_fail(TT_ERR_CONFIG, "%s:%d: size %s has steps and %s: leave one of them out", r->path,
                     size->line, size->name, size->sets[i]);
  return TT_OK;
}

static tt_status read_sets(reader *r, const config_setting_t *list, char ***sets, int *count) {
  static const char wanted[] = "strings in brackets: [\"train.steps=2000\", ...]";
  if (!is_list(list)) return wrong_type(r, list, "set", wanted);
  for (int i = 0; i < config_setting_length(list); i++) {
    const config_setting_t *item = config_setting_get_elem(list, (unsigned)i);
    tt_config_value v = tt_config_value_of(item);
    if (v.kind != TT_VALUE_TEXT) return wrong_type(r, list, "set", wanted);
    char at[PATH_MAX + 300];
    snprintf(at, sizeof at, "%s: --set %.200s", where(r, list).text, v.text);
    TT_TRY(tt_config_override(&r->scratch, v.text, at, NULL));
    TT_TRY(check_not_ours(r, list, v.text));
    TT_TRY(add_set(r, sets, count, v.text));
  }
  return TT_OK;
}

// model = { layers = 1; ... }: without a preset among its keys the dimensions stand alone, whatever the
// base's.
static tt_status read_model(reader *r, const config_setting_t *model, tt_sweep_size *size) {
  if (!config_setting_is_group(model)) return wrong_type(r, model, "model", "a group: { layers = 1; ... }");
  if (!config_setting_get_member(model, "preset"))
    TT_TRY(add_set(r, &size->sets, &size->set_count, "model.preset="));
  for (int i = 0; i < config_setting_length(model); i++) {
    const config_setting_t *setting = config_setting_get_elem(model, (unsigned)i);
    const char *name = config_setting_name(setting);
    place at = where(r, setting);
    int key = tt_config_find("model", name);
    if (key < 0) return tt_config_unknown_key(at.text, "model", name);
    TT_TRY(tt_config_set(&r->scratch, &tt_config_keys[key], tt_config_value_of(setting), at.text));
    char set[200], *value = tt_config_format(&r->scratch, &tt_config_keys[key]);
    if (!value) return no_memory(r);
    snprintf(set, sizeof set, "model.%s=%.100s", name, value);
    free(value);
    TT_TRY(add_set(r, &size->sets, &size->set_count, set));
  }
  return TT_OK;
}

// ---- learning rates and seeds ----

static tt_status check_values(reader *r, const config_setting_t *list, const char *key, const char *wanted) {
  if (!is_list(list) || config_setting_length(list) == 0) return wrong_type(r, list, key, wanted);
  if (config_setting_length(list) <= MOST_VALUES) return TT_OK;
  return tt_fail(TT_ERR_CONFIG, "%s: more than %d %s", where(r, list).text, MOST_VALUES, key);
}

static tt_status twice(const reader *r, const config_setting_t *list, int i) {
  return tt_fail(TT_ERR_CONFIG, "%s: %s: value %d is there twice", where(r, list).text,
                 config_setting_name(list), i + 1);
}

static tt_status read_rates(reader *r, const config_setting_t *list, double **rates, int *count) {
  TT_TRY(check_values(r, list, "learning_rates", "numbers in brackets: [0.001, 0.002]"));
  const int n = config_setting_length(list), key = tt_config_find("optimizer", "learning_rate");
  *rates = malloc((size_t)n * sizeof **rates);
  if (!*rates) return no_memory(r);
  for (*count = 0; *count < n; (*count)++) {
    const config_setting_t *item = config_setting_get_elem(list, (unsigned)*count);
    TT_TRY(tt_config_set(&r->scratch, &tt_config_keys[key], tt_config_value_of(item), where(r, list).text));
    (*rates)[*count] = r->scratch.optimizer.learning_rate;
    for (int i = 0; i < *count; i++)
      if ((*rates)[i] == (*rates)[*count]) return twice(r, list, *count);
  }
  return TT_OK;
}

// Seeds, or numbers of updates: as the key `group`.`name` of a configuration takes them.
static tt_status read_integers(reader *r, const config_setting_t *list, const char *group, const char *name,
                               int64_t **values, int *count) {
  TT_TRY(check_values(r, list, config_setting_name(list), "integers in brackets: [1, 2, 3]"));
  const int n = config_setting_length(list);
  const tt_config_key *key = &tt_config_keys[tt_config_find(group, name)];
  *values = malloc((size_t)n * sizeof **values);
  if (!*values) return no_memory(r);
  for (*count = 0; *count < n; (*count)++) {
    const config_setting_t *item = config_setting_get_elem(list, (unsigned)*count);
    tt_config_value value = tt_config_value_of(item);
    TT_TRY(tt_config_set(&r->scratch, key, value, where(r, list).text));
    (*values)[*count] = value.integer;
    for (int i = 0; i < *count; i++)
      if ((*values)[i] == (*values)[*count]) return twice(r, list, *count);
  }
  return TT_OK;
}

// ---- sizes ----

static bool fits_a_folder(const char *name) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-";
  size_t n = strlen(name);
  return n > 0 && n <= LONGEST_NAME && strspn(name, letters) == n && name[0] != '.' && name[0] != '-' &&
         strcmp(name, "configs") != 0 && strcmp(name, "logs") != 0 && strcmp(name, "runs.tsv") != 0 &&
         strcmp(name, "sweep.sbatch") != 0; // these are the sweep's own
}

static tt_status read_name(const reader *r, const config_setting_t *group, const tt_sweep *sweep,
                           tt_sweep_size *size) {
  const config_setting_t *setting = config_setting_get_member(group, "name");
  if (!setting)
    return tt_fail(TT_ERR_CONFIG, "%s: a size needs a name: name = \"41k\";", where(r, group).text);
  TT_TRY(read_text(r, setting, &size->name));
  char shown[64];
  tt_config_quote(shown, sizeof shown, size->name);
  if (!fits_a_folder(size->name))
    return tt_fail(TT_ERR_CONFIG,
                   "%s: the name %s does not do for a folder: 1 to %d letters, digits or . _ + -, "
                   "neither . nor - first, and not configs, logs, runs.tsv or sweep.sbatch",
                   where(r, setting).text, shown, LONGEST_NAME);
  for (int i = 0; i < sweep->size_count; i++)
    if (strcmp(sweep->sizes[i].name, size->name) == 0)
      return tt_fail(TT_ERR_CONFIG, "%s: there is a size %s already, in line %d", where(r, setting).text,
                     shown, sweep->sizes[i].line);
  return TT_OK;
}

// What holds for sizes that do not say it themselves.
typedef struct {
  const config_setting_t *sets, *rates, *steps, *seeds;
} shared;

static tt_status read_size(reader *r, const config_setting_t *group, const shared *all, const tt_sweep *sweep,
                           tt_sweep_size *size) {
  static const char *const keys[] = {"name", "model", "set", "learning_rates", "steps", "seeds", NULL};
  if (!config_setting_is_group(group))
    return wrong_type(r, group, "each size", "a group: { name = \"41k\"; model = { ... }; }");
  for (int i = 0; i < config_setting_length(group); i++) {
    const config_setting_t *s = config_setting_get_elem(group, (unsigned)i);
    bool valid = false;
    for (int k = 0; keys[k]; k++) valid |= strcmp(keys[k], config_setting_name(s)) == 0;
    if (!valid) return unknown(r, s, "a size", keys);
  }
  size->line = config_setting_source_line(group);
  TT_TRY(read_name(r, group, sweep, size));
  const config_setting_t *model = config_setting_get_member(group, "model"),
                         *own = config_setting_get_member(group, "set"),
                         *rates = config_setting_get_member(group, "learning_rates"),
                         *steps = config_setting_get_member(group, "steps"),
                         *seeds = config_setting_get_member(group, "seeds");
  if (model) TT_TRY(read_model(r, model, size));
  if (all->sets) TT_TRY(read_sets(r, all->sets, &size->sets, &size->set_count));
  if (own) TT_TRY(read_sets(r, own, &size->sets, &size->set_count));
  if (!rates) rates = all->rates;
  if (!steps) steps = all->steps;
  if (!seeds) seeds = all->seeds;
  if (rates) TT_TRY(read_rates(r, rates, &size->rates, &size->rate_count));
  if (steps) TT_TRY(read_integers(r, steps, "train", "steps", &size->steps, &size->step_count));
  if (seeds) TT_TRY(read_integers(r, seeds, "train", "seed", &size->seeds, &size->seed_count));
  return check_steps(r, size);
}

static tt_status read_sizes(reader *r, const config_setting_t *list, const shared *all, tt_sweep *sweep) {
  const int n = list && is_list(list) ? config_setting_length(list) : 0;
  if (n == 0 || n > MOST_SIZES)
    return tt_fail(TT_ERR_CONFIG,
                   "%s: sizes must be a list of 1 to %d groups: sizes = ( { name = \"41k\"; } );",
                   list ? where(r, list).text : r->path, MOST_SIZES);
  sweep->sizes = calloc((size_t)n, sizeof *sweep->sizes);
  if (!sweep->sizes) return no_memory(r);
  for (int i = 0; i < n; i++) {
    tt_status status = read_size(r, config_setting_get_elem(list, (unsigned)i), all, sweep, &sweep->sizes[i]);
    sweep->size_count = i + 1; // also what was read in part is to be freed
    TT_TRY(status);
  }
  return TT_OK;
}

// ---- the whole ----

// The base is relative to the sweep's file, so that the two can be kept in one place and used from anywhere.
static tt_status place_base(const reader *r, const config_setting_t *setting, char **base) {
  TT_TRY(read_text(r, setting, base));
  if (!**base) return wrong_type(r, setting, "base", "the name of a configuration file");
  if (**base == '/') return TT_OK;
  char *copy = strdup(r->path), *joined = NULL;
  if (!copy || asprintf(&joined, "%s/%s", dirname(copy), *base) < 0) joined = NULL;
  free(copy);
  if (!joined) return no_memory(r);
  free(*base);
  *base = joined;
  return TT_OK;
}

static tt_status read_root(reader *r, const config_setting_t *root, tt_sweep *sweep) {
  static const char *const keys[] = {"base",  "out",   "store", "set", "learning_rates",
                                     "steps", "seeds", "sizes", NULL};
  enum { BASE, OUT, STORE, SET, RATES, STEPS, SEEDS, SIZES, KEYS };
  const config_setting_t *at[KEYS] = {0};
  for (int i = 0; i < config_setting_length(root); i++) {
    const config_setting_t *s = config_setting_get_elem(root, (unsigned)i);
    int k = 0;
    while (keys[k] && strcmp(keys[k], config_setting_name(s)) != 0) k++;
    if (!keys[k]) return unknown(r, s, "a sweep", keys);
    at[k] = s;
  }
  if (at[BASE]) TT_TRY(place_base(r, at[BASE], &sweep->base));
  if (at[OUT]) TT_TRY(read_text(r, at[OUT], &sweep->out));
  if (at[STORE]) TT_TRY(read_text(r, at[STORE], &sweep->store));
  return read_sizes(r, at[SIZES], &(shared){at[SET], at[RATES], at[STEPS], at[SEEDS]}, sweep);
}

tt_status tt_sweep_read(tt_sweep *sweep, const char *path) {
  *sweep = (tt_sweep){0};
  if (!*path) return tt_fail(TT_ERR_ARGUMENT, "the name of the file that describes a sweep is empty");
  *sweep = (tt_sweep){.path = strdup(path), .out = strdup(""), .store = strdup("")};
  reader r = {.path = path};
  config_t parsed;
  tt_status status = tt_config_defaults(&r.scratch);
  if (status == TT_OK && (!sweep->path || !sweep->out || !sweep->store)) status = no_memory(&r);
  if (status == TT_OK && (status = tt_config_read(path, &parsed)) == TT_OK) {
    status = read_root(&r, config_root_setting(&parsed), sweep);
    config_destroy(&parsed);
  }
  tt_config_free(&r.scratch);
  if (status != TT_OK) tt_sweep_free(sweep);
  return status;
}

void tt_sweep_free(tt_sweep *sweep) {
  for (int i = 0; i < sweep->size_count; i++) {
    tt_sweep_size *s = &sweep->sizes[i];
    for (int k = 0; k < s->set_count; k++) free(s->sets[k]);
    free(s->sets), free(s->name), free(s->rates), free(s->steps), free(s->seeds);
  }
  free(sweep->sizes), free(sweep->path), free(sweep->base), free(sweep->out), free(sweep->store);
  *sweep = (tt_sweep){0};
}
