// The table of parameters (Uni-Mol2's state dict) and their initial values.
//
// Upstream's per-layer initialisers are all overwritten by one last pass: Linear and Embedding weights
// N(0, 0.02^2), padding rows and biases 0, LayerNorm 1 and 0. Only lm_head.weight escapes it (it belongs to
// no Linear module) and keeps torch's uniform default. The table below records that outcome.
#include "model/parameters.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/group.h"
#include "core/memory.h"
#include "core/philox.h"

enum { ATOM_ROWS = 512, DEGREE_ROWS = 128, EDGE_ROWS = 64, PATH_ROWS = 512, GAUSSIAN_ROWS = 512 };

// The first failure sticks in `status`; later additions are then no-ops, so that the list below reads as a
// list.
typedef struct {
  tt_parameters *table;
  size_t capacity;
  char prefix[32];          // of every name added
  tt_parameter_split split; // of what is added next
  int parts; // equal parts of its rows or columns that stay together: heads, or hidden channels
  tt_status status;
} builder;

static void set_share(const builder *b, tt_parameter *p) {
  const tt_parameters *t = b->table;
  bool by_columns = p->split == TT_SPLIT_COLUMNS;
  p->width = p->shape[by_columns];
  if (p->split != TT_WHOLE) {
    int part = p->width / b->parts;
    p->first = part * (int)tt_group_share(b->parts, t->group, t->place);
    p->width = part * (int)tt_group_share(b->parts, t->group, t->place + 1) - p->first;
  }
  p->count = (int64_t)p->width * p->shape[!by_columns];
}

__attribute__((format(printf, 6, 7))) static void add(builder *b, tt_init init, int dims, int rows,
                                                      int columns, const char *name, ...) {
  if (b->status != TT_OK) return;
  tt_parameters *t = b->table;
  b->status =
      tt_reserve(&t->list, &b->capacity, (size_t)t->count + 1, sizeof *t->list, "the parameter table");
  if (b->status != TT_OK) return;
  tt_parameter *p = &t->list[t->count++];
  *p = (tt_parameter){.dims = dims, .shape = {rows, columns}, .init = init};
  p->split = t->group > 1 ? b->split : TT_WHOLE;
  t->whole += (int64_t)rows * columns;
  set_share(b, p);
  char suffix[sizeof p->name - sizeof b->prefix];
  va_list args;
  va_start(args, name);
  vsnprintf(suffix, sizeof suffix, name, args);
  va_end(args);
  snprintf(p->name, sizeof p->name, "%s%s", b->prefix, suffix);
  size_t length = strlen(p->name);
  // "gaussian.bias.weight" is an embedding table and decays: only the end of a name counts
  p->decayed = dims == 2 && !(length >= 5 && strcmp(p->name + length - 5, ".bias") == 0);
}

static void weight(builder *b, const char *name, int rows, int columns) {
  add(b, TT_INIT_NORMAL, 2, rows, columns, "%s.weight", name);
}

static void table_with_padding(builder *b, const char *name, int rows, int columns) {
  add(b, TT_INIT_PADDED, 2, rows, columns, "%s.weight", name);
}

static void linear(builder *b, const char *name, int out, int in) {
  weight(b, name, out, in);
  // by columns every rank of the group has a part of each sum, to which the bias is added once
  tt_parameter_split split = b->split;
  if (split == TT_SPLIT_COLUMNS) b->split = TT_WHOLE;
  add(b, TT_INIT_ZERO, 1, out, 1, "%s.bias", name);
  b->split = split;
}

static void norm(builder *b, const char *name, int width) {
  add(b, TT_INIT_ONE, 1, width, 1, "%s.weight", name);
  add(b, TT_INIT_ZERO, 1, width, 1, "%s.bias", name);
}

static void set_prefix(builder *b, const char *prefix) {
  snprintf(b->prefix, sizeof b->prefix, "%s", prefix);
}

static void embeddings(builder *b, const tt_model_config *c) {
  const int D = c->embed_dim, P = c->pair_dim;
  set_prefix(b, "");
  table_with_padding(b, "embed_tokens", TT_TOKENS, D);
  table_with_padding(b, "atom_feature.atom_encoder", ATOM_ROWS, D);
  table_with_padding(b, "atom_feature.degree_encoder", DEGREE_ROWS, D);
  weight(b, "atom_feature.vnode_encoder", 1, D);
  table_with_padding(b, "edge_feature.edge_encoder", EDGE_ROWS, P);
  table_with_padding(b, "edge_feature.shorest_path_encoder", PATH_ROWS, P); // upstream's spelling
  weight(b, "edge_feature.vnode_virtual_distance", 1, P);
  norm(b, "encoder.layer_norm", D);
  norm(b, "encoder.pair_layer_norm", P);
}

static void layer(builder *b, const tt_model_config *c, int index) {
  const int D = c->embed_dim, H = c->heads, P = c->pair_dim, C = c->pair_hidden, F = c->ffn_dim / D * D;
  snprintf(b->prefix, sizeof b->prefix, "encoder.layers.%d.", index);
  b->parts = H;
  b->split = TT_SPLIT_ROWS;
  weight(b, "self_attn.linear_q", D, D); // q, k, v back to back: one (3D, D) matrix product serves all three
  weight(b, "self_attn.linear_k", D, D);
  weight(b, "self_attn.linear_v", D, D);
  b->split = TT_SPLIT_COLUMNS;
  linear(b, "self_attn.linear_o", D, D);
  b->split = TT_WHOLE;
  linear(b, "self_attn.linear_bias", H, P);
  norm(b, "self_attn_layer_norm", D);
  b->parts = F;
  b->split = TT_SPLIT_ROWS;
  linear(b, "ffn.linear_1", F, D);
  b->split = TT_SPLIT_COLUMNS;
  linear(b, "ffn.linear_2", D, F);
  b->split = TT_WHOLE;
  norm(b, "final_layer_norm", D);
  norm(b, "x_layer_norm_opm", D);
  linear(b, "opm.linear_in", 2 * C, D);
  linear(b, "opm.linear_out", P, C * C);
  norm(b, "pair_layer_norm_ffn", P);
  linear(b, "pair_ffn.linear_1", P, P);
  linear(b, "pair_ffn.linear_2", P, P);
  norm(b, "pair_layer_norm_trimul", P);
  linear(b, "pair_tri_mul.linear_ab_p", 2 * C, P);
  linear(b, "pair_tri_mul.linear_ab_g", 2 * C, P);
  linear(b, "pair_tri_mul.linear_g", P, P);
  linear(b, "pair_tri_mul.linear_z", P, C);
  norm(b, "pair_tri_mul.layer_norm_out", C);
}

static void heads(builder *b, const tt_model_config *c) {
  const int D = c->embed_dim, H = c->heads, P = c->pair_dim, K = TT_GAUSSIANS;
  set_prefix(b, "lm_head.");
  add(b, TT_INIT_UNIFORM, 2, TT_TOKENS, D, "weight");
  add(b, TT_INIT_ZERO, 1, TT_TOKENS, 1, "bias");
  linear(b, "dense", D, D);
  norm(b, "layer_norm", D);
  set_prefix(b, "se3_invariant_kernel.");
  table_with_padding(b, "gaussian.mul", GAUSSIAN_ROWS, 1);
  table_with_padding(b, "gaussian.bias", GAUSSIAN_ROWS, 1);
  linear(b, "out_proj.layer1", K, K);
  linear(b, "out_proj.layer2", P, K);
  set_prefix(b, "movement_pred_head.");
  norm(b, "layer_norm", D);
  b->parts = H;
  b->split = TT_SPLIT_ROWS;
  weight(b, "q_proj", D, D);
  weight(b, "k_proj", D, D);
  weight(b, "v_proj", D, D);
  b->split = TT_SPLIT_COLUMNS;
  weight(b, "force_proj1", 1, D);
  b->split = TT_WHOLE;
  linear(b, "linear_bias", H, P);
  norm(b, "pair_layer_norm", P);
}

// Gives the tensors list[first .. end-1] their places: a bucket of the whole ones, then one of the split
// ones.
static void fill_buckets(tt_parameters *t, int first, int end, int layer) {
  for (int split = 0; split < 2; split++) {
    tt_bucket bucket = {.first = t->total, .split = split, .layer = layer};
    for (int i = first; i < end; i++) {
      tt_parameter *p = &t->list[i];
      if ((p->split != TT_WHOLE) != split) continue;
      p->offset = t->total;
      t->total += p->count;
    }
    bucket.count = t->total - bucket.first;
    if (bucket.count) t->bucket[t->buckets++] = bucket;
  }
}

// A layer a bucket, or several where they are small: a message should be worth sending. Embeddings and heads
// (with them the Gaussian kernel, whose gradient is the last) by themselves.
static tt_status cut_buckets(tt_parameters *t, int layers, const int *layer_end) {
  const int64_t least = (int64_t)1 << 22; // elements, before they are split
  TT_TRY(tt_alloc(&t->bucket, 2 * ((size_t)layers + 2), sizeof *t->bucket, "the parameter table"));
  fill_buckets(t, 0, layer_end[0], TT_BUCKET_AT_END);
  for (int l = 0; l < layers;) {
    int first = l;
    for (int64_t count = 0; l < layers && count < least; l++)
      for (int i = layer_end[l]; i < layer_end[l + 1]; i++)
        count += (int64_t)t->list[i].shape[0] * t->list[i].shape[1];
    fill_buckets(t, layer_end[first], layer_end[l], first);
  }
  fill_buckets(t, layer_end[layers], t->count, TT_BUCKET_AT_END);
  return TT_OK;
}

tt_status tt_parameters_build(tt_parameters *parameters, const tt_model_config *config, int group,
                              int place) {
  *parameters = (tt_parameters){.group = group, .place = place};
  builder b = {.table = parameters, .status = TT_OK};
  int *layer_end = NULL; // [l]: tensors before layer l
  b.status = tt_alloc(&layer_end, (size_t)config->layers + 1, sizeof *layer_end, "the parameter table");
  if (b.status == TT_OK) {
    embeddings(&b, config);
    for (int l = 0; l <= config->layers; l++) {
      layer_end[l] = parameters->count;
      if (l < config->layers) layer(&b, config, l);
    }
    heads(&b, config);
  }
  if (b.status == TT_OK) b.status = cut_buckets(parameters, config->layers, layer_end);
  free(layer_end);
  if (b.status != TT_OK) tt_parameters_free(parameters);
  return b.status;
}

void tt_parameters_free(tt_parameters *parameters) {
  free(parameters->list);
  free(parameters->bucket);
  *parameters = (tt_parameters){0};
}

const tt_parameter *tt_parameters_find(const tt_parameters *parameters, const char *name) {
  for (int i = 0; i < parameters->count; i++)
    if (strcmp(parameters->list[i].name, name) == 0) return &parameters->list[i];
  return NULL;
}

// FNV-1a. A stream is named by the parameter, not by its place in the table, so that models of different
// depth start alike where they have the same parameters.
static uint64_t name_hash(const char *name) {
  uint64_t h = 0xCBF29CE484222325u;
  for (; *name; name++) h = (h ^ (unsigned char)*name) * 0x100000001B3u;
  return h;
}

// Place of a tensor's element e in its share, and how many of the elements that follow it in the share also
// follow it in the tensor (with it).
static int64_t element_at(const tt_parameter *p, int64_t local, int64_t *together) {
  int64_t columns = p->shape[1];
  *together = p->count - local;
  if (p->split != TT_SPLIT_COLUMNS) return p->first * columns + local;
  *together = p->width - local % p->width;
  return local / p->width * columns + p->first + local % p->width;
}

// The tensor that has this place of the flat array.
static int tensor_at(const tt_parameters *t, int64_t offset) {
  for (int i = 0; i < t->count; i++)
    if (offset >= t->list[i].offset && offset < t->list[i].offset + t->list[i].count) return i;
  return -1;
}

tt_run_of_elements tt_parameters_run(const tt_parameters *t, int64_t offset, int64_t end) {
  tt_run_of_elements run = {.index = tensor_at(t, offset), .offset = offset};
  const tt_parameter *p = &t->list[run.index];
  run.element = element_at(p, offset - p->offset, &run.count);
  if (run.count > end - offset) run.count = end - offset;
  return run;
}

// Element e takes word e % 4 of the Philox block e / 4.
static tt_philox4 block_of(uint64_t key, int64_t block) {
  return tt_philox(key, (uint32_t)block, (uint32_t)((uint64_t)block >> 32), 0, 0);
}

// Elements first .. first + count - 1 of a tensor.
static void fill_normal(uint64_t key, int64_t first, int64_t count, double deviation, float *values) {
  for (int64_t e = first - first % 4; e < first + count; e += 4) {
    tt_philox4 r = block_of(key, e / 4);
    double x[4];
    tt_normal2(r.v[0], r.v[1], &x[0], &x[1]);
    tt_normal2(r.v[2], r.v[3], &x[2], &x[3]);
    for (int i = 0; i < 4; i++)
      if (e + i >= first && e + i < first + count) values[e + i - first] = (float)(deviation * x[i]);
  }
}

static void fill_uniform(uint64_t key, int64_t first, int64_t count, double bound, float *values) {
  for (int64_t e = first; e < first + count; e++)
    values[e - first] = (float)(bound * (2 * tt_uniform(block_of(key, e / 4).v[e % 4]) - 1));
}

static void fill(const tt_parameter *p, uint64_t key, int64_t first, int64_t count, float *values) {
  switch (p->init) {
  case TT_INIT_NORMAL:
    fill_normal(key, first, count, 0.02, values);
    break;
  case TT_INIT_PADDED:
    fill_normal(key, first, count, 0.02, values);
    for (int64_t e = first; e < first + count && e < p->shape[1]; e++) values[e - first] = 0;
    break;
  case TT_INIT_ZERO:
    memset(values, 0, (size_t)count * sizeof *values);
    break;
  case TT_INIT_ONE:
    for (int64_t e = 0; e < count; e++) values[e] = 1;
    break;
  case TT_INIT_UNIFORM:
    fill_uniform(key, first, count, 1 / sqrt(p->shape[1]), values);
    break;
  }
}

void tt_parameters_init(const tt_parameters *t, uint64_t seed, float *values) {
  const uint64_t purpose = 0x696E6974; // "init": keeps these streams apart from others of the same seed
  for (int i = 0; i < t->count; i++) {
    const tt_parameter *p = &t->list[i];
    uint64_t key = tt_stream(seed, purpose, name_hash(p->name));
    for (int64_t local = 0, together; local < p->count; local += together) {
      int64_t first = element_at(p, local, &together);
      fill(p, key, first, together, values + p->offset + local);
    }
  }
}

// torch.linspace(0, 9, 128) to the last bit, as its CPU code rounds: blocks of 8 whose first value counts
// from the nearer end, the others ahead of the first. The Gaussians are 0.07 wide, and checkpoints carry
// these values.
void tt_gaussian_means(float means[TT_GAUSSIANS]) {
  const float step = 9.0f / (TT_GAUSSIANS - 1);
  for (int k = 0; k < TT_GAUSSIANS; k++) {
    int first = k - k % 8;
    float start = first < TT_GAUSSIANS / 2 ? (float)((double)step * first)
                                           : (float)(9.0 - (double)step * (TT_GAUSSIANS - 1 - first));
    float ahead = (float)((double)step * (k - first)); // rounded by itself: no fused multiply-add here
    means[k] = start + ahead;
  }
}
