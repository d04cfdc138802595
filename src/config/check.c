// The relations between keys.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/keys.h"
#include "core/number_set.h"

typedef struct {
  const tt_config *config;
  const tt_config_source *source;
} checker;

// "train.steps = 1000", with a word when nobody wrote it.
static void show(const checker *c, int key, char *text, size_t size) {
  const tt_config_key *k = &tt_config_keys[key];
  char *value = tt_config_format(c->config, k);
  bool written = c->source->of[key].override || c->source->of[key].line;
  snprintf(text, size, "%s.%s = %.100s%s", k->group, k->name, value ? value : "?",
           written ? "" : " (default)");
  free(value);
}

// The place to mend: an override before a line of the file, the first key before the others.
static void locate(const checker *c, const int *keys, int count, char *text, size_t size) {
  for (int i = 0; i < count; i++)
    if (c->source->of[keys[i]].override) {
      snprintf(text, size, "--set %.200s", c->source->of[keys[i]].override);
      return;
    }
  for (int i = 0; i < count; i++)
    if (c->source->of[keys[i]].line) {
      snprintf(text, size, "%s:%d", c->source->path, c->source->of[keys[i]].line);
      return;
    }
  snprintf(text, size, "%s", c->source->path);
}

// "where: a = 1 <relation> b = 2 <and c = 3>: <why>", the keys being given as "group.name".
static tt_status broken(const checker *c, const char *relation, const char *why, int count, ...) {
  int keys[3];
  char shown[3][200], where[512];
  va_list args;
  va_start(args, count);
  for (int i = 0; i < count; i++) {
    const char *group = va_arg(args, const char *), *name = va_arg(args, const char *);
    keys[i] = tt_config_find(group, name);
    show(c, keys[i], shown[i], sizeof shown[i]);
  }
  va_end(args);
  locate(c, keys, count, where, sizeof where);
  return tt_fail(TT_ERR_CONFIG, "%s: %s %s%s%s%s%s: %s", where, shown[0], relation, count > 1 ? " " : "",
                 count > 1 ? shown[1] : "", count > 2 ? " and " : "", count > 2 ? shown[2] : "", why);
}

static tt_status check_model(const checker *c) {
  const tt_model_config *m = &c->config->model;
  static const char *const dimensions[] = {"layers",   "embed_dim",   "heads",
                                           "pair_dim", "pair_hidden", "ffn_dim"};
  for (int i = 0; i < 6 && !*m->preset; i++) {
    int key = tt_config_find("model", dimensions[i]);
    if (!c->source->of[key].line && !c->source->of[key].override)
      return broken(c, "leaves all six dimensions to you, also", "write this one too, or name a preset", 2,
                    "model", "preset", "model", dimensions[i]);
  }
  if (m->embed_dim % m->heads)
    return broken(c, "must be a multiple of", "every head has the same width", 2, "model", "embed_dim",
                  "model", "heads");
  if (m->ffn_dim % m->embed_dim)
    return broken(c, "must be a multiple of", "upstream rounds it down to one in silence", 2, "model",
                  "ffn_dim", "model", "embed_dim");
  return TT_OK;
}

static tt_status check_batches(const checker *c) {
  tt_number_set batches = {0};
  tt_status status = tt_number_set_parse(&batches, c->config->train.skip_batches);
  tt_number_set_free(&batches);
  return status == TT_ERR_ARGUMENT
             ? broken(c, "is no list of batches",
                      "write numbers from 0 on and ranges of them, as in \"12, 500-519\", a million at most",
                      1, "train", "skip_batches")
             : status;
}

static tt_status check_train(const checker *c) {
  const tt_train_config *t = &c->config->train;
  if (t->micro_batches & (t->micro_batches - 1))
    return broken(c, "must be a power of two", "gradients are summed over the micro-batches in a binary tree",
                  1, "train", "micro_batches");
  if (t->batch_size < t->micro_batches)
    return broken(c, "must be at least", "every micro-batch needs a molecule", 2, "train", "batch_size",
                  "train", "micro_batches");
  if (t->batch_size % c->config->data.lanes)
    return broken(c, "must be a multiple of", "every lane gives the same number of molecules to an update", 2,
                  "train", "batch_size", "data", "lanes");
  if (t->token_loss_weight + t->position_loss_weight + t->distance_loss_weight <= 0)
    return broken(c, "must not be 0 together with", "there is nothing to learn", 3, "train",
                  "token_loss_weight", "train", "position_loss_weight", "train", "distance_loss_weight");
  return check_batches(c);
}

static tt_status check_optimizer(const checker *c) {
  const tt_optimizer_config *o = &c->config->optimizer;
  const int64_t steps = c->config->train.steps;
  if (o->warmup_steps >= steps)
    return broken(c, "must be below", "a warm-up as long as the run never trains at the peak learning rate",
                  2, "optimizer", "warmup_steps", "train", "steps");
  if (o->schedule != TT_SCHEDULE_COOLDOWN) return TT_OK;
  if (o->cooldown_steps == 0)
    return broken(c, "does not go with", "set how many of the last steps are the cool-down", 2, "optimizer",
                  "schedule", "optimizer", "cooldown_steps");
  if (o->cooldown_steps > steps - o->warmup_steps)
    return broken(c, "does not fit between", "warm-up and cool-down together must not exceed the run", 3,
                  "optimizer", "cooldown_steps", "optimizer", "warmup_steps", "train", "steps");
  return TT_OK;
}

// A rank of a tensor group has whole heads and an equal share of the FFN's columns, in eights: dropout draws
// eight numbers at once.
static tt_status check_parallel(const checker *c) {
  const tt_model_config *m = &c->config->model;
  const int tensor = c->config->parallel.tensor;
  if (tensor & (tensor - 1))
    return broken(c, "must be a power of two", "gradients are summed over the ranks in a binary tree", 1,
                  "parallel", "tensor");
  if (m->heads % tensor)
    return broken(c, "must divide", "each rank of a tensor group has whole heads", 2, "parallel", "tensor",
                  "model", "heads");
  if (tensor > 1 && m->ffn_dim % (8 * tensor))
    return broken(c, "times 8 must divide", "each rank of a tensor group has whole eights of its columns", 2,
                  "parallel", "tensor", "model", "ffn_dim");
  if (c->config->train.batch_size / c->config->train.micro_batches < tensor)
    return broken(c, "must not exceed the molecules of a micro-batch, that is",
                  "the ranks of a tensor group "
                  "share its molecules",
                  3, "parallel", "tensor", "train", "batch_size", "train", "micro_batches");
  return TT_OK;
}

tt_status tt_config_check(const tt_config *config, const tt_config_source *source) {
  checker c = {config, source};
  TT_TRY(check_model(&c));
  TT_TRY(check_train(&c));
  TT_TRY(check_optimizer(&c));
  return check_parallel(&c);
}
