#include "train/checkpoint_import.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "torch/torch_file.h"
#include "train/checkpoint_parts.h"

enum { SIDE_MOST = 16384 }; // of what is read from shapes: far above any model, so that products fit an int

static const double means_off_most = 0.05; // rounding to bfloat16 shifts the centres by up to 0.0295

static const char *const heads[] = {"lm_head.", "movement_pred_head."};
enum { HEADS = sizeof heads / sizeof *heads };

typedef struct {
  const char *path;
  const tt_import_options *options;
  tt_import_report *report;
  tt_torch_file file;
  const tt_py *weights; // name -> tensor
  bool head_missing[HEADS];
  tt_parameters parameters;
  float *values;
  tt_progress_state state; // of the file to be written
} import;

static bool starts(const char *text, const char *start) {
  return strncmp(text, start, strlen(start)) == 0;
}

// A parallel run may have put "module." before every name.
static const char *plain_name(const char *name) {
  return starts(name, "module.") ? name + 7 : name;
}

static const tt_py *find(const tt_py *dict, const char *name) {
  char longer[120];
  const tt_py *found = tt_py_get(dict, name);
  snprintf(longer, sizeof longer, "module.%s", name);
  return found ? found : tt_py_get(dict, longer);
}

// ---- what the file is

static tt_status find_weights(import *m) {
  const tt_py *root = m->file.pickle.root, *average = tt_py_get(tt_py_get(root, "ema"), "params");
  m->report->has_average = average != NULL;
  if (m->options->average && !average)
    return tt_fail(TT_ERR_FORMAT, "%s holds no moving average of its weights (\"ema\")", m->path);
  m->weights = m->options->average ? average : tt_py_get(root, "model");
  if (!m->weights) m->weights = root; // a state dict alone
  if (m->weights->kind == TT_PY_DICT && find(m->weights, "embed_tokens.weight")) return TT_OK;
  return tt_fail(TT_ERR_FORMAT,
                 "%s is no checkpoint of Uni-Mol2: it has no embed_tokens.weight, neither under "
                 "\"model\" nor at the top",
                 m->path);
}

// Settings that the weights do not show and that this program knows one value of.
static tt_status check_settings(const import *m) {
  static const struct {
    const char *name;
    double wanted;
  } numbers[] = {{"gaussian_mean_start", 0}, {"gaussian_mean_stop", 9}, {"gaussian_std_width", 1}};
  const tt_py *args = tt_py_get(m->file.pickle.root, "args");
  for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
    const tt_py *v = tt_py_get(args, numbers[k].name);
    if (!v || (v->kind != TT_PY_INT && v->kind != TT_PY_FLOAT)) continue;
    double value = v->kind == TT_PY_INT ? (double)v->number : v->real;
    if (value != numbers[k].wanted)
      return tt_fail(TT_ERR_FORMAT, "%s was trained with %s = %g; this program has %g only", m->path,
                     numbers[k].name, value, numbers[k].wanted);
  }
  const tt_py *activation = tt_py_get(args, "activation_fn");
  if (activation && activation->kind == TT_PY_TEXT && strcmp(activation->text, "gelu") != 0)
    return tt_fail(TT_ERR_FORMAT, "%s was trained with activation_fn = %.40s; this program has gelu only",
                   m->path, activation->text);
  return TT_OK;
}

static int64_t updates_done(const import *m) {
  const tt_py *history = tt_py_get(m->file.pickle.root, "optimizer_history");
  if (!history || history->kind != TT_PY_LIST || history->count == 0) return -1;
  const tt_py *updates = tt_py_get(history->items[history->count - 1], "num_updates");
  return updates && updates->kind == TT_PY_INT ? updates->number : -1;
}

// ---- the model, from the shapes

static tt_status side_of(const import *m, const char *name, int side, int *size) {
  tt_torch_tensor t;
  const tt_py *v = find(m->weights, name);
  if (!v) return tt_fail(TT_ERR_FORMAT, "%s is no checkpoint of Uni-Mol2: it has no %s", m->path, name);
  TT_TRY(tt_torch_describe(&m->file, v, name, &t));
  if (t.dims != 2 || t.shape[side] < 1 || t.shape[side] > SIDE_MOST)
    return tt_fail(TT_ERR_FORMAT, "%s is no checkpoint of Uni-Mol2: its %s has an impossible shape", m->path,
                   name);
  *size = (int)t.shape[side];
  return TT_OK;
}

static int count_layers(const tt_py *weights) {
  int layers = 0;
  for (size_t k = 0; k < weights->count; k += 2) {
    int layer;
    const tt_py *name = weights->items[k];
    // each layer has several tensors, so this bounds what is made of a name
    if (name->kind == TT_PY_TEXT && sscanf(plain_name(name->text), "encoder.layers.%4d.", &layer) == 1 &&
        layer >= layers && (size_t)layer < weights->count / 2)
      layers = layer + 1;
  }
  return layers;
}

static void name_preset(tt_model_config *c) {
  for (const char *const *name = tt_model_preset_names(); *name; name++) {
    tt_model_config p = *c;
    if (tt_model_preset(&p, *name) == TT_OK && p.layers == c->layers && p.embed_dim == c->embed_dim &&
        p.heads == c->heads && p.pair_dim == c->pair_dim && p.pair_hidden == c->pair_hidden &&
        p.ffn_dim == c->ffn_dim) {
      *c = p;
      return;
    }
  }
  *c->preset = 0;
}

static tt_status find_model(import *m) {
  tt_config defaults;
  TT_TRY(tt_config_defaults(&defaults));
  tt_model_config *c = &m->report->model;
  *c = defaults.model;
  tt_config_free(&defaults);
  c->layers = count_layers(m->weights);
  TT_TRY(side_of(m, "embed_tokens.weight", 1, &c->embed_dim));
  TT_TRY(side_of(m, "edge_feature.edge_encoder.weight", 1, &c->pair_dim));
  TT_TRY(side_of(m, "encoder.layers.0.self_attn.linear_bias.weight", 0, &c->heads));
  TT_TRY(side_of(m, "encoder.layers.0.pair_tri_mul.linear_ab_p.weight", 0, &c->pair_hidden));
  TT_TRY(side_of(m, "encoder.layers.0.ffn.linear_1.weight", 0, &c->ffn_dim));
  if (c->embed_dim % c->heads || c->ffn_dim % c->embed_dim || c->pair_hidden % 2)
    return tt_fail(TT_ERR_FORMAT,
                   "%s is no checkpoint of Uni-Mol2: %d heads and a feed-forward of %d do not fit the "
                   "width %d",
                   m->path, c->heads, c->ffn_dim, c->embed_dim);
  c->pair_hidden /= 2;
  name_preset(c);
  return TT_OK;
}

// ---- tensors

// Complete heads that are missing; a head of which only a part is there is another model's.
static tt_status find_heads(import *m) {
  const tt_parameters *p = &m->parameters;
  for (int h = 0; h < HEADS; h++) {
    int there = 0;
    for (int i = 0; i < p->count; i++)
      there += starts(p->list[i].name, heads[h]) && find(m->weights, p->list[i].name);
    m->head_missing[h] = !there;
    if (there) continue;
    size_t used = strlen(m->report->new_heads);
    snprintf(m->report->new_heads + used, sizeof m->report->new_heads - used, "%s%.*s", used ? " and " : "",
             (int)strlen(heads[h]) - 1, heads[h]);
  }
  if (!*m->report->new_heads || m->options->new_heads) return TT_OK;
  return tt_fail(TT_ERR_FORMAT,
                 "%s has no %s: fine-tuned checkpoints leave out heads of the pretraining. --new-heads "
                 "gives them initial values",
                 m->path, m->report->new_heads);
}

static bool in_new_head(const import *m, const char *name) {
  for (int h = 0; h < HEADS; h++)
    if (m->head_missing[h] && starts(name, heads[h])) return true;
  return false;
}

static void shape_text(const int64_t *shape, int dims, char *text, size_t size) {
  size_t used = 0;
  *text = 0;
  for (int k = 0; k < dims && used < size; k++)
    used += (size_t)snprintf(text + used, size - used, "%s%lld", k ? " x " : "", (long long)shape[k]);
}

// Reads values of the wanted shape, and counts their type.
static tt_status read_tensor(const import *m, const tt_py *v, const char *name, const int64_t *shape,
                             int dims, float *values) {
  tt_torch_tensor t;
  TT_TRY(tt_torch_describe(&m->file, v, name, &t));
  if (t.dims != dims || memcmp(t.shape, shape, (size_t)dims * sizeof *shape) != 0) {
    char here[100], there[100];
    shape_text(t.shape, t.dims, there, sizeof there), shape_text(shape, dims, here, sizeof here);
    return tt_fail(TT_ERR_FORMAT, "%s: its %s is %s, but in a model of its width and layers it is %s",
                   m->path, name, *there ? there : "a single number", here);
  }
  TT_TRY(tt_torch_read(&m->file, &t, name, values));
  m->report->types[t.type]++;
  for (int64_t k = 0; k < t.count; k++)
    if (!isfinite(values[k]))
      return tt_fail(TT_ERR_DATA, "%s: its %s holds a value that is no finite number", m->path, name);
  return TT_OK;
}

// Shapes may say anything: memory is taken for no more weights than the file has bytes.
static tt_status check_size(const import *m) {
  int64_t needed = 0;
  for (int i = 0; i < m->parameters.count; i++)
    if (!in_new_head(m, m->parameters.list[i].name)) needed += m->parameters.list[i].count;
  if (needed <= m->file.zip.size) return TT_OK;
  return tt_fail(TT_ERR_FORMAT, "%s has %lld bytes, too few for the %lld weights that its shapes speak of",
                 m->path, (long long)m->file.zip.size, (long long)needed);
}

static tt_status read_weights(import *m) {
  for (int i = 0; i < m->parameters.count; i++) {
    const tt_parameter *p = &m->parameters.list[i];
    const int64_t shape[2] = {p->shape[0], p->shape[1]};
    const tt_py *v = find(m->weights, p->name);
    if (v)
      TT_TRY(read_tensor(m, v, p->name, shape, p->dims, m->values + p->offset));
    else if (!in_new_head(m, p->name))
      return tt_fail(TT_ERR_FORMAT, "%s has no %s (a model of %d layers): the file is not complete", m->path,
                     p->name, m->report->model.layers);
  }
  return TT_OK;
}

static tt_status check_names(import *m) {
  for (size_t k = 0; k < m->weights->count; k += 2) {
    const tt_py *key = m->weights->items[k];
    const char *name = key->kind == TT_PY_TEXT ? plain_name(key->text) : "a tensor without a name";
    if (strcmp(name, TT_CHECKPOINT_BUFFER) == 0 || tt_parameters_find(&m->parameters, name)) continue;
    if (!starts(name, "classification_heads."))
      return tt_fail(TT_ERR_FORMAT, "%s holds another model: it has %.80s, Uni-Mol2 does not", m->path, name);
    m->report->left_out++;
  }
  return TT_OK;
}

// The centres are kept as they are: the weights have been trained with them.
static tt_status read_means(import *m) {
  const int64_t shape[1] = {TT_GAUSSIANS};
  float ours[TT_GAUSSIANS];
  tt_gaussian_means(ours);
  memcpy(m->state.means, ours, sizeof ours);
  const tt_py *v = find(m->weights, TT_CHECKPOINT_BUFFER);
  if (!v) v = find(tt_py_get(m->file.pickle.root, "model"), TT_CHECKPOINT_BUFFER);
  if (!v) return TT_OK;
  TT_TRY(read_tensor(m, v, TT_CHECKPOINT_BUFFER, shape, 1, m->state.means));
  m->report->has_means = true;
  for (int k = 0; k < TT_GAUSSIANS; k++)
    m->report->means_off = fmax(m->report->means_off, fabs((double)m->state.means[k] - (double)ours[k]));
  if (m->report->means_off <= means_off_most) return TT_OK;
  return tt_fail(TT_ERR_FORMAT,
                 "%s: the centres of its Gaussian kernel (%s) are up to %.3g from linspace(0, 9, 128), "
                 "more than rounding explains; this program has no other kernel",
                 m->path, TT_CHECKPOINT_BUFFER, m->report->means_off);
}

// ---- all of it

static tt_status write_out(import *m, const char *out) {
  tt_config config;
  TT_TRY(tt_config_defaults(&config));
  config.model = m->report->model;
  tt_status status = tt_config_print(&config, &m->state.config);
  if (status == TT_OK) status = tt_checkpoint_write_weights(out, &m->parameters, m->values, &m->state);
  free(m->state.config);
  tt_config_free(&config);
  return status;
}

static tt_status run(import *m, const char *out) {
  TT_TRY(find_weights(m));
  TT_TRY(check_settings(m));
  m->report->updates = updates_done(m);
  TT_TRY(find_model(m));
  TT_TRY(tt_parameters_build(&m->parameters, &m->report->model, 1, 0));
  TT_TRY(check_names(m));
  TT_TRY(find_heads(m));
  m->report->tensors = m->parameters.count, m->report->parameters = m->parameters.total;
  TT_TRY(read_means(m));
  TT_TRY(check_size(m));
  TT_TRY(tt_alloc(&m->values, (size_t)m->parameters.total, sizeof *m->values, "the weights"));
  if (*m->report->new_heads) tt_parameters_init(&m->parameters, 1, m->values);
  TT_TRY(read_weights(m));
  return write_out(m, out);
}

tt_status tt_checkpoint_import(const char *path, const char *out, const tt_import_options *options,
                               tt_import_report *report) {
  *report = (tt_import_report){0};
import m = {.path = path, .options = options, .report = report };
  tt_status status = tt_torch_open(path, &m.file);
  if (status == TT_OK) status = run(&m, out);
  tt_torch_close(&m.file);
  tt_parameters_free(&m.parameters);
  free(m.values);
  return status;
}
