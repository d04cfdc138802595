#include "scaling/run_settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

// What a validation loss depends on beside the weights.
static const char *const of_evaluation[] = {"model.scaling_length",
                                            "data.mask_probability",
                                            "data.noise",
                                            "data.noise_scale",
                                            "data.noise_probability",
                                            "data.drop_features_probability",
                                            "data.coordinates_2d_probability",
                                            "train.token_loss_weight",
                                            "train.position_loss_weight",
                                            "train.distance_loss_weight",
                                            "validation.molecules",
                                            "validation.seed",
                                            NULL};

// What has a column of its own, and what changes a curve by no more than another order of the data or of its
// sums would. Every key that is in neither list is a setting of the training.
static const char *const of_neither[] = {"model.preset",
                                         "model.layers",
                                         "model.embed_dim",
                                         "model.heads",
                                         "model.pair_dim",
                                         "model.pair_hidden",
                                         "model.ffn_dim",
                                         "data.store",
                                         "data.lanes",
                                         "data.read_ahead",
                                         "data.bad_chunks",
                                         "data.max_atoms",
                                         "train.seed",
                                         "train.device",
                                         "train.steps",
                                         "train.batch_size",
                                         "train.micro_batches",
                                         "train.recompute",
                                         "train.max_pairs",
                                         "train.log_every",
                                         "train.checkpoint_every",
                                         "train.checkpoint_keep",
                                         "train.checkpoint_writer",
                                         "train.replica_check_every",
                                         "train.hang_limit",
                                         "train.hang_limit_start",
                                         "train.silent_check_every",
                                         "train.spike_window",
                                         "train.spike_z",
                                         "train.non_finite",
                                         "train.skip_batches",
                                         "train.skip_limit",
                                         "optimizer.learning_rate",
                                         "optimizer.schedule",
                                         "optimizer.warmup_steps",
                                         "optimizer.cooldown_steps",
                                         "validation.every",
                                         "parallel.tensor",
                                         "parallel.share_gpu",
                                         "parallel.exchange",
                                         "parallel.reduction",
                                         NULL};

static bool is_in(const char *const *list, const char *word) {
  for (; *list; list++)
    if (strcmp(*list, word) == 0) return true;
  return false;
}

// Cuts "  key = value;" out of the text of a configuration, which has one key a line, the value without
// quotes. False for lines of another kind.
static bool take_key(const char *line, size_t length, const char *group, char *key, size_t key_size,
                     char *value, size_t value_size) {
  const char *equals = memchr(line, '=', length);
  if (length < 3 || line[0] != ' ' || !equals || equals == line || line[length - 1] != ';') return false;
  const char *name = line + strspn(line, " "), *first = equals + 1, *end = line + length - 1;
  while (first < end && (*first == ' ' || *first == '"')) first++;
  while (end > first && end[-1] == '"') end--;
  snprintf(key, key_size, "%s.%.*s", group, (int)strcspn(name, " ="), name);
  snprintf(value, value_size, "%.*s", (int)(end - first), first);
  return true;
}

// "key=value; key=value" of the keys that are settings of the evaluation, or of the training.
static tt_status settings_text(const char *config, const char *first, bool evaluation, char **text) {
  size_t bytes;
  FILE *out = open_memstream(text, &bytes);
  if (!out) return tt_fail(TT_ERR_MEMORY, "out of memory for the settings of a run");
  fputs(first, out);
  char group[64] = "", key[128], value[128];
  for (const char *line = config; *line;) {
    size_t length = strcspn(line, "\n");
    if (take_key(line, length, group, key, sizeof key, value, sizeof value)) {
      bool wanted =
          evaluation ? is_in(of_evaluation, key) : !is_in(of_evaluation, key) && !is_in(of_neither, key);
      if (wanted) fprintf(out, "%s%s=%s", ftell(out) ? "; " : "", key, value);
    } else if (*line != ' ' && *line != '}')
      snprintf(group, sizeof group, "%.*s", (int)strcspn(line, " \n"), line);
    line += length + (line[length] == '\n');
  }
  if (fclose(out) == 0) return TT_OK;
  return tt_fail(TT_ERR_MEMORY, "out of memory for the settings of a run");
}

static tt_status take_facts(tt_run *run, tt_config *c) {
  static const char *const schedules[] = {[TT_SCHEDULE_LINEAR] = "linear",
                                          [TT_SCHEDULE_CONSTANT] = "constant",
                                          [TT_SCHEDULE_COOLDOWN] = "cooldown"};
  run->layers = c->model.layers, run->embed_dim = c->model.embed_dim, run->heads = c->model.heads;
  run->pair_dim = c->model.pair_dim, run->pair_hidden = c->model.pair_hidden;
  run->ffn_dim = c->model.ffn_dim;
  run->seed = (int64_t)c->train.seed, run->batch_size = c->train.batch_size;
  run->steps_planned = c->train.steps, run->warmup_steps = c->optimizer.warmup_steps;
  run->cooldown_steps = c->optimizer.cooldown_steps;
  run->learning_rate = c->optimizer.learning_rate;
  snprintf(run->schedule, sizeof run->schedule, "%s", schedules[c->optimizer.schedule]);
  // a batch's longest molecule scales all its losses there, so who is in it counts
  char first[128], batch[64] = "", *text;
  if (c->model.scaling_length == TT_SCALING_BATCH)
    snprintf(batch, sizeof batch, "; train.batch_size=%d", c->train.batch_size);
  snprintf(first, sizeof first, "store=%.40s%s", *run->store_digest ? run->store_digest : "unknown", batch);
  // 0 stands for all, and so does more than there are
  double all = run->store_valid_records;
  if (all >= 1 && (c->validation.molecules == 0 || (double)c->validation.molecules > all))
    c->validation.molecules = (int64_t)all;
  TT_TRY(tt_config_print(c, &text));
  tt_status status = settings_text(text, first, true, &run->evaluation);
  if (status == TT_OK) status = settings_text(text, "", false, &run->training);
  free(text);
  return status;
}

tt_status tt_run_configure(tt_run *run) {
  if (!run->config)
    return tt_fail(TT_ERR_FORMAT,
                   "%s: its first record holds no configuration, so the run cannot be compared", run->log);
  char where[512];
  snprintf(where, sizeof where, "%.400s, its configuration", run->log);
  tt_config config;
  TT_TRY(tt_config_load_text(&config, where, run->config));
  tt_status status = take_facts(run, &config);
  tt_config_free(&config);
  run->configured = status == TT_OK;
  return status;
}

// One "key=value" of a text; returns the place behind it, NULL at the end.
static const char *next_pair(const char *at, const char **key, int *key_length, const char **value,
                             int *value_length) {
  at += strspn(at, "; ");
  if (!*at) return NULL;
  size_t length = strcspn(at, ";"), equals = strcspn(at, "=;");
  *key = at, *key_length = (int)equals;
  *value = at + equals + (equals < length), *value_length = (int)(length - equals - (equals < length));
  return at + length;
}

static bool find_value(const char *text, const char *key, int length, const char **value, int *value_length) {
  const char *other;
  int other_length;
  while ((text = next_pair(text, &other, &other_length, value, value_length)))
    if (other_length == length && memcmp(other, key, (size_t)length) == 0) return true;
  return false;
}

int tt_settings_compare(const char *a, const char *b, tt_setting_difference *differences, int room) {
  int found = 0;
  for (int side = 0; side < 2; side++) { // the keys of a, then those that b alone has
    const char *at = side ? b : a, *other = side ? a : b, *key, *value, *other_value;
    int key_length, length, other_length;
    while (found < room && (at = next_pair(at, &key, &key_length, &value, &length))) {
      bool both = find_value(other, key, key_length, &other_value, &other_length);
      if (both && (side || (length == other_length && memcmp(value, other_value, (size_t)length) == 0)))
        continue;
      tt_setting_difference *d = &differences[found++];
      snprintf(d->key, sizeof d->key, "%.*s", key_length, key);
      snprintf(side ? d->b : d->a, sizeof d->a, "%.*s", length, value);
      snprintf(side ? d->a : d->b, sizeof d->b, "%.*s", both ? other_length : 9,
               both ? other_value : "(nothing)");
    }
  }
  return found;
}
