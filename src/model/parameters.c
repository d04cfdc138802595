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

#include "core/memory.h"
#include "core/philox.h"

enum { ATOM_ROWS = 512, DEGREE_ROWS = 128, EDGE_ROWS = 64, PATH_ROWS = 512, GAUSSIAN_ROWS = 512 };

// The first failure sticks in `status`; later additions are then no-ops, so that the list below reads as a
// list.
typedef struct {
  tt_parameters *table;
  size_t capacity;
  char prefix[32]; // of every name added
  tt_status status;
} builder;

__attribute__((format(printf, 6, 7))) static void add(builder *b, tt_init init, int dims, int rows,
                                                      int columns, const char *name, ...) {
  if (b->status != TT_OK) return;
  tt_parameters *t = b->table;
  b->status =
      tt_reserve(&t->list, &b->capacity, (size_t)t->count + 1, sizeof *t->list, "the parameter table");
  if (b->status != TT_OK) return;
  tt_parameter *p = &t->list[t->count++];
  *p = (tt_parameter){.dims = dims, .shape = {rows, columns}, .offset = t->total, .init = init};
  p->count = (int64_t)rows * columns;
  t->total += p->count;
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
  add(b, TT_INIT_ZERO, 1, out, 1, "%s.bias", name);
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
  weight(b, "self_attn.linear_q", D, D); // q, k, v back to back: one (3D, D) matrix product serves all three
  weight(b, "self_attn.linear_k", D, D);
  weight(b, "self_attn.linear_v", D, D);
  linear(b, "self_attn.linear_o", D, D);
  linear(b, "self_attn.linear_bias", H, P);
  norm(b, "self_attn_layer_norm", D);
  linear(b, "ffn.linear_1", F, D);
  linear(b, "ffn.linear_2", D, F);
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
  weight(b, "q_proj", D, D);
  weight(b, "k_proj", D, D);
  weight(b, "v_proj", D, D);
  weight(b, "force_proj1", 1, D);
  linear(b, "linear_bias", H, P);
  norm(b, "pair_layer_norm", P);
}

tt_status tt_parameters_build(tt_parameters *parameters, const tt_model_config *config) {
  *parameters = (tt_parameters){0};
  builder b = {.table = parameters, .status = TT_OK};
  embeddings(&b, config);
  for (int l = 0; l < config->layers; l++) layer(&b, config, l);
  heads(&b, config);
  if (b.status != TT_OK) tt_parameters_free(parameters);
  return b.status;
}

void tt_parameters_free(tt_parameters *parameters) {
  free(parameters->list);
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

// Element e takes word e % 4 of the Philox block e / 4.
static tt_philox4 block_of(uint64_t key, int64_t block) {
  return tt_philox(key, (uint32_t)block, (uint32_t)((uint64_t)block >> 32), 0, 0);
}

static void fill_normal(uint64_t key, int64_t count, double deviation, float *values) {
  for (int64_t e = 0; e < count; e += 4) {
    tt_philox4 r = block_of(key, e / 4);
    double x[4];
    tt_normal2(r.v[0], r.v[1], &x[0], &x[1]);
    tt_normal2(r.v[2], r.v[3], &x[2], &x[3]);
    for (int i = 0; i < 4 && e + i < count; i++) values[e + i] = (float)(deviation * x[i]);
  }
}

static void fill_uniform(uint64_t key, int64_t count, double bound, float *values) {
  for (int64_t e = 0; e < count; e += 4) {
    tt_philox4 r = block_of(key, e / 4);
    for (int i = 0; i < 4 && e + i < count; i++)
      values[e + i] = (float)(bound * (2 * tt_uniform(r.v[i]) - 1));
  }
}

void tt_parameters_init(const tt_parameters *parameters, uint64_t seed, float *values) {
  const uint64_t purpose = 0x696E6974; // "init": keeps these streams apart from others of the same seed
  for (int i = 0; i < parameters->count; i++) {
    const tt_parameter *p = &parameters->list[i];
    float *v = values + p->offset;
    uint64_t key = tt_stream(seed, purpose, name_hash(p->name));
    switch (p->init) {
    case TT_INIT_NORMAL:
      fill_normal(key, p->count, 0.02, v);
      break;
    case TT_INIT_PADDED:
      fill_normal(key, p->count, 0.02, v);
      memset(v, 0, (size_t)p->shape[1] * sizeof *v);
      break;
    case TT_INIT_ZERO:
      memset(v, 0, (size_t)p->count * sizeof *v);
      break;
    case TT_INIT_ONE:
      for (int64_t e = 0; e < p->count; e++) v[e] = 1;
      break;
    case TT_INIT_UNIFORM:
      fill_uniform(key, p->count, 1 / sqrt(p->shape[1]), v);
      break;
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
