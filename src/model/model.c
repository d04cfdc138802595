// Making a model, cutting its buffers, and the order of a pass.
#include "model/model.h"

#include <stdlib.h>

#include "core/memory.h"
#include "model/activations.h"

tt_status tt_model_create(tt_model **model, const tt_model_config *config, const tt_ops *ops,
                          const tt_comm *group) {
  if (group != NULL && group->size > 1)
    return tt_fail(TT_ERR_UNSUPPORTED, "parallel.tensor = %d: tensor groups are not built yet", group->size);
  tt_model *m = *model = calloc(1, sizeof *m);
  if (!m) return tt_fail(TT_ERR_MEMORY, "out of memory for the model");
  m->config = *config;
  m->ops = ops;
  tt_gaussian_means(m->means);
  m->gaussian_std = m->means[1] - m->means[0]; // fp32, as upstream
  m->layers = calloc((size_t)config->layers + 1, sizeof *m->layers);
  tt_status status = m->layers ? TT_OK : tt_fail(TT_ERR_MEMORY, "out of memory for the model");
  if (status == TT_OK) status = tt_parameters_build(&m->parameters, config, 1, 0);
  if (status == TT_OK) status = tt_places_find(&m->places, &m->parameters, config->layers);
  if (status != TT_OK) {
    tt_model_free(m);
    *model = NULL;
  }
  return status;
}

void tt_model_free(tt_model *m) {
  if (!m) return;
  tt_places_free(&m->places);
  tt_parameters_free(&m->parameters);
  free(m->layers);
  free(m->memory);
  free(m->scratch);
  free(m);
}

const tt_parameters *tt_model_parameters(const tt_model *m) {
  return &m->parameters;
}
const tt_model_config *tt_model_configuration(const tt_model *m) {
  return &m->config;
}
tt_stopwatch *tt_model_stopwatch(tt_model *m) {
  return &m->watch;
}
size_t tt_model_bytes(const tt_model *m) {
  return m->floats * sizeof(float);
}

void tt_model_set_means(tt_model *m, const float means[TT_GAUSSIANS]) {
  for (int k = 0; k < TT_GAUSSIANS; k++) m->means[k] = means[k];
}

void tt_model_set_recompute(tt_model *m, bool recompute) {
  m->recompute = recompute;
}

void tt_model_set_probe(tt_model *m, tt_probe probe, void *context) {
  m->probe = probe;
  m->probe_context = context;
}

// Hands out consecutive pieces of one allocation; with no memory yet it only counts.
typedef struct {
  float *memory;
  size_t used;
  int64_t statistics; // of it: rows' means and deviations
} cutter;

static float *cut(cutter *c, int64_t rows, int64_t dim) {
  float *p = c->memory ? c->memory + c->used : NULL;
  c->used += ((size_t)(rows * dim) + 15) / 16 * 16; // every buffer starts on a cache line
  return p;
}

static tt_statistics cut_statistics(cutter *c, int64_t rows) {
  tt_statistics s;
  c->statistics += 2 * rows;
  s.mean = cut(c, rows, 1);
  s.rstd = cut(c, rows, 1);
  return s;
}

static int64_t largest(int64_t a, int64_t b) {
  return a > b ? a : b;
}

static void cut_layer(cutter *c, const tt_model_config *k, tt_layer_activations *a, int64_t T, int64_t R) {
  int64_t D = k->embed_dim, C = k->pair_hidden;
  a->qkv = cut(c, T, 3 * D);
  a->prob = cut(c, R, k->heads);
  a->o = cut(c, T, D);
  a->x1 = cut(c, T, D);
  a->ffn_h = cut(c, T, k->ffn_dim);
  a->ab = cut(c, T, 2 * C);
  a->attn_norm = cut_statistics(c, T);
  a->ffn_norm = cut_statistics(c, T);
  a->opm_norm = cut_statistics(c, T);
}

static void cut_pair_track(cutter *c, const tt_model_config *k, tt_layer_activations *a, int64_t R) {
  int64_t P = k->pair_dim, C = k->pair_hidden;
  a->pair1 = cut(c, R, P);
  a->tri_p = cut(c, R, 2 * C);
  a->tri_g = cut(c, R, 2 * C);
  a->t = cut(c, R, C);
  a->gate = cut(c, R, P);
  a->pair2 = cut(c, R, P);
  a->pair_h = cut(c, R, P);
  a->tri_norm = cut_statistics(c, R);
  a->tri_out_norm = cut_statistics(c, R);
  a->pair_ffn_norm = cut_statistics(c, R);
}

// `shared`: layers share the buffers of their pair track.
static void cut_all(cutter *c, tt_model *m, bool shared, int64_t T, int64_t R, int64_t A) {
  const tt_model_config *k = &m->config;
  int64_t D = k->embed_dim, P = k->pair_dim, C = k->pair_hidden, H = k->heads;
  int64_t token_wide = largest(3 * D, largest(2 * C, TT_TOKENS)), pair_wide = largest(P, TT_GAUSSIANS);
  m->x_embed = cut(c, T, D);
  m->pair_embed = cut(c, R, P);
  m->x_norm = cut_statistics(c, T);
  m->pair_norm = cut_statistics(c, R);
  m->gaussian = cut(c, A, TT_GAUSSIANS);
  m->gauss_h = cut(c, A, TT_GAUSSIANS);
  cutter first = *c;
  for (int l = 0; l <= k->layers; l++) {
    m->layers[l].x = cut(c, T, D);
    m->layers[l].pair = cut(c, R, P);
    if (l == k->layers) continue;
    if (l == 0) first = *c;
    cutter again = first; // the same place for all layers
    cut_pair_track(shared && l > 0 ? &again : c, k, &m->layers[l], R);
    cut_layer(c, k, &m->layers[l], T, R);
  }
  m->move_qkv = cut(c, T, 3 * D);
  m->move_prob = cut(c, R, H);
  m->move = cut(c, T, 3);
  m->move_norm = cut_statistics(c, T);
  m->move_pair_norm = cut_statistics(c, R);
  m->lm_norm = cut_statistics(c, T);
  m->lm_x = cut(c, T, D);
  m->lm_h = cut(c, T, D);
  m->logits = cut(c, T, TT_TOKENS);
  m->dx = cut(c, T, D);
  m->dpair = cut(c, R, pair_wide);
  m->token1 = cut(c, T, token_wide);
  m->token2 = cut(c, T, token_wide);
  m->pair1 = cut(c, R, pair_wide);
  m->pair2 = cut(c, R, pair_wide);
  m->pair_c = cut(c, R, C);
  m->bias = cut(c, R, H);
  m->dprob = cut(c, R, H);
}

static size_t scratch_of(const tt_model *m, const tt_piece_sizes *b) {
  const tt_model_config *k = &m->config;
  return m->ops->scratch(&(tt_sizes){.length = b->max_length,
                                     .heads = k->heads,
                                     .embed_dim = k->embed_dim,
                                     .ffn_dim = k->ffn_dim,
                                     .pair_dim = k->pair_dim,
                                     .pair_hidden = k->pair_hidden,
                                     .tokens = b->tokens,
                                     .pairs = b->pairs});
}

tt_status tt_model_room(const tt_model_config *config, const tt_ops *ops, bool recompute,
                        const tt_piece_sizes *piece, tt_piece_room *room) {
  tt_model m = {.config = *config, .ops = ops}; // its pointers are cut from nothing
  TT_TRY(tt_alloc(&m.layers, (size_t)config->layers + 1, sizeof *m.layers, "the layers' buffers"));
  cutter count = {0};
  cut_all(&count, &m, recompute, piece->tokens, piece->pairs, piece->atom_pairs);
  *room = (tt_piece_room){(int64_t)count.used, count.statistics, (int64_t)scratch_of(&m, piece)};
  free(m.layers);
  return TT_OK;
}

// Pieces differ in size: a quarter more than needed is allocated, so that few pieces find no room, and not
// touched before it is needed, so that it takes no memory until then. Old contents are not kept.
static tt_status make_room(tt_model *m, size_t floats) {
  free(m->memory);
  m->memory = NULL;
  m->room = 0;
  return tt_reserve(&m->memory, &m->room, floats + floats / 4, sizeof(float), "activations of one piece");
}

// Grows with the longest molecule so far only, so seldom.
static tt_status make_scratch(tt_model *m, size_t floats) {
  free(m->scratch);
  m->scratch = NULL;
  m->scratch_room = 0;
  return tt_reserve(&m->scratch, &m->scratch_room, floats, sizeof(float), "scratch of one piece");
}

static tt_status prepare(tt_model *m, bool shared, const tt_batch *b) {
  cutter count = {0};
  cut_all(&count, m, shared, b->tokens, b->pairs, b->atom_pairs);
  size_t scratch = scratch_of(m, &(tt_piece_sizes){b->tokens, b->pairs, b->atom_pairs, b->max_length});
  if (count.used > m->room) TT_TRY(make_room(m, count.used));
  if (scratch > m->scratch_room) TT_TRY(make_scratch(m, scratch));
  if (count.used + scratch > m->floats) m->floats = count.used + scratch;
  cutter real = {.memory = m->memory};
  cut_all(&real, m, shared, b->tokens, b->pairs, b->atom_pairs);
  return TT_OK;
}

static tt_status run(const tt_pass *p, const tt_loss_scale *scale, const tt_piece_losses *losses) {
  tt_model *m = p->m;
  TT_TRY(prepare(m, m->recompute || !scale, p->batch));
  tt_enter(p, TT_PART_EMBEDDING);
  tt_embedding_forward(p);
  for (int l = 0; l < m->config.layers; l++) tt_block_forward(p, l);
  tt_enter(p, TT_PART_HEADS);
  tt_heads(p, scale, losses);
  if (scale) {
    for (int l = m->config.layers - 1; l >= 0; l--) {
      if (m->recompute && l < m->config.layers - 1)
        tt_block_recompute(p, l); // the last layer's are still there
      tt_block_backward(p, l);
    }
    tt_enter(p, TT_PART_EMBEDDING);
    tt_embedding_backward(p);
  }
  tt_enter(p, TT_PART_OTHER);
  return TT_OK;
}

tt_status tt_model_evaluate(tt_model *m, const float *weights, const tt_batch *batch,
                            const tt_piece_losses *losses) {
  return run(&(tt_pass){.m = m, .ops = m->ops, .batch = batch, .w = weights}, NULL, losses);
}

tt_status tt_model_train(tt_model *m, const float *weights, const tt_batch *batch, uint64_t seed,
                         uint64_t step, const tt_loss_scale *scale, float *gradient,
                         const tt_piece_losses *losses) {
  tt_pass pass = {m, m->ops, batch, weights, gradient, true, seed, step};
  return run(&pass, scale, losses);
}
