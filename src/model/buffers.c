// The buffers of a piece: how large they are, and cutting them from one allocation.
#include <stdlib.h>

#include "core/memory.h"
#include "model/activations.h"

// Hands out consecutive pieces of one allocation; with no memory yet it only counts. Bytes.
typedef struct {
  char *memory;
  size_t used, start, activation; // every buffer begins on a multiple of `start`; of one activation
} cutter;

static cutter cut_for(const tt_ops *ops, char *memory) {
  enum { CACHE_LINE = 64, DEVICE_LINES = 256 };
  return (cutter){memory, 0, ops->device ? DEVICE_LINES : CACHE_LINE, ops->activation_size};
}

static void *cut_bytes(cutter *c, size_t bytes) {
  char *p = c->memory ? c->memory + c->used : NULL;
  c->used += (bytes + c->start - 1) / c->start * c->start;
  return p;
}

static tt_activation *cut(cutter *c, int64_t rows, int64_t dim) {
  return cut_bytes(c, (size_t)(rows * dim) * c->activation);
}

static float *cut_singles(cutter *c, int64_t rows, int64_t dim) {
  return cut_bytes(c, (size_t)(rows * dim) * sizeof(float));
}

// As many activations, or as many floats: tt_singles.
static tt_activation *cut_for_both(cutter *c, int64_t activations, int64_t floats) {
  size_t bytes = (size_t)activations * c->activation, other = (size_t)floats * sizeof(float);
  return cut_bytes(c, bytes > other ? bytes : other);
}

static tt_statistics cut_statistics(cutter *c, int64_t rows) {
  tt_statistics s;
  s.mean = cut_singles(c, rows, 1);
  s.rstd = cut_singles(c, rows, 1);
  return s;
}

static int64_t largest(int64_t a, int64_t b) {
  return a > b ? a : b;
}

// Own parts of channels, heads and hidden channels: d, h, f as in activations.h.
typedef struct {
  int64_t d, h, f;
} shares;

static shares shares_of(const tt_model *m) {
  int head = m->config.embed_dim / m->config.heads;
  return (shares){m->own_heads * head, m->own_heads, m->config.ffn_dim / m->ranks};
}

static void cut_layer(cutter *c, const tt_model *m, tt_layer_activations *a, const tt_piece_sizes *s) {
  int64_t D = m->config.embed_dim, C = m->config.pair_hidden;
  shares own = shares_of(m);
  a->qkv = cut(c, s->tokens_all, 3 * own.d);
  a->prob = cut(c, s->pairs_all, own.h);
  a->o = cut(c, s->tokens_all, own.d);
  a->x1_all = cut(c, s->tokens_all, D);
  a->ffn_h = cut(c, s->tokens_all, own.f);
  a->ab = cut(c, s->tokens, 2 * C);
  a->attn_norm = cut_statistics(c, s->tokens_all);
  a->ffn_norm = cut_statistics(c, s->tokens_all);
  a->opm_norm = cut_statistics(c, s->tokens);
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
static void cut_all(cutter *c, tt_model *m, bool shared, const tt_piece_sizes *s) {
  const tt_model_config *k = &m->config;
  int64_t D = k->embed_dim, P = k->pair_dim, C = k->pair_hidden, H = k->heads;
  int64_t T = s->tokens, R = s->pairs, A = s->atom_pairs, T_all = s->tokens_all, R_all = s->pairs_all;
  shares own = shares_of(m);
  int64_t token_wide = largest(3 * D, largest(2 * C, TT_TOKENS)), pair_wide = largest(P, TT_GAUSSIANS);
  int64_t tokens = largest(T * token_wide, T_all * 3 * own.d);
  m->x_embed = cut_singles(c, T, D);
  m->pair_embed = cut_singles(c, R, P);
  m->x_norm = cut_statistics(c, T);
  m->pair_norm = cut_statistics(c, R);
  m->gaussian = cut_singles(c, A, TT_GAUSSIANS);
  m->gauss_h = cut_singles(c, A, TT_GAUSSIANS);
  cutter first = *c;
  for (int l = 0; l <= k->layers; l++) {
    m->layers[l].x_all = cut(c, T_all, D);
    m->layers[l].pair = cut(c, R, P);
    if (l == k->layers) continue;
    if (l == 0) first = *c;
    cutter again = first; // the same place for all layers
    cut_pair_track(shared && l > 0 ? &again : c, k, &m->layers[l], R);
    cut_layer(c, m, &m->layers[l], s);
  }
  m->move_qkv = cut(c, T_all, 3 * own.d);
  m->move_prob = cut(c, R_all, own.h);
  m->move = cut_singles(c, T, 3);
  m->move_norm = cut_statistics(c, T_all);
  m->move_pair_norm = cut_statistics(c, R);
  m->lm_norm = cut_statistics(c, T);
  m->lm_x = cut(c, T, D);
  m->lm_h = cut(c, T, D);
  m->logits = cut(c, T, TT_TOKENS);
  m->dx = cut(c, T, D);
  m->dpair = cut_for_both(c, R * pair_wide, A * TT_GAUSSIANS);
  m->token1 = cut_for_both(c, tokens, T * D);
  m->token2 = cut(c, tokens, 1);
  m->pair1 = cut_for_both(c, 0, R * pair_wide);
  m->pair2 = cut_for_both(c, 0, R * pair_wide);
  m->pair_c = cut(c, R, C);
  m->bias = cut(c, R, H);
  m->dprob = cut(c, R_all, own.h);
  if (m->ranks == 1) {
    m->bias_all = m->bias;
    return;
  }
  m->bias_all = cut(c, R_all, own.h);
  m->rows_all = cut_for_both(c, T_all * D, T_all * 3); // 3: movements
  m->exchange = cut_for_both(c, largest((m->ranks - 1) * T * D, R * (H - own.h)), (m->ranks - 1) * T * 3);
}

// Where the own rows begin in arrays of all rows.
static void find_own_rows(tt_model *m) {
  int64_t first = 0;
  for (int r = 0; r < m->place; r++) first += m->token_rows[r] * m->config.embed_dim;
  for (int l = 0; l <= m->config.layers; l++) {
    tt_layer_activations *a = &m->layers[l];
    a->x = tt_step(m->ops, a->x_all, first);
    if (l < m->config.layers) a->x1 = tt_step(m->ops, a->x1_all, first);
  }
}

// Bytes.
static size_t scratch_of(const tt_model *m, const tt_piece_sizes *b) {
  const tt_model_config *k = &m->config;
  return sizeof(float) * m->ops->scratch(&(tt_sizes){.length = b->max_length,
                                                     .heads = k->heads,
                                                     .embed_dim = k->embed_dim,
                                                     .ffn_dim = k->ffn_dim,
                                                     .pair_dim = k->pair_dim,
                                                     .pair_hidden = k->pair_hidden,
                                                     .tokens = b->tokens_all,
                                                     .pairs = b->pairs_all});
}

tt_status tt_model_room(const tt_model_config *config, const tt_ops *ops, bool recompute,
                        const tt_piece_sizes *piece, tt_piece_room *room) {
  // its pointers are cut from nothing
  tt_model m = {.config = *config, .ops = ops, .ranks = piece->ranks > 1 ? piece->ranks : 1};
  m.own_heads = config->heads / m.ranks;
  tt_piece_sizes sizes = *piece;
  if (m.ranks == 1) sizes.tokens_all = piece->tokens, sizes.pairs_all = piece->pairs;
  TT_TRY(tt_alloc(&m.layers, (size_t)config->layers + 1, sizeof *m.layers, "the layers' buffers"));
  cutter count = cut_for(ops, NULL);
  cut_all(&count, &m, recompute, &sizes);
  *room = (tt_piece_room){(int64_t)count.used, (int64_t)scratch_of(&m, &sizes)};
  free(m.layers);
  return TT_OK;
}

// Old contents are not kept.
static tt_status allocate(const tt_ops *ops, void **memory, size_t *room, size_t bytes, size_t spare,
                          const char *what) {
  ops->release(*memory);
  *room = 0;
  *memory = ops->allocate(bytes + spare);
  if (*memory == NULL && spare > 0) *memory = ops->allocate(bytes), spare = 0;
  if (*memory == NULL)
    return tt_fail(TT_ERR_MEMORY,
                   "out of memory%s: %s needs %zu bytes; use smaller pieces (train.max_pairs), "
                   "train.recompute = \"pair\", a smaller model or more memory",
                   ops->device ? " on the device" : "", what, bytes);
  *room = bytes + spare;
  return TT_OK;
}

// Pieces differ in size: a quarter more than needed is allocated, so that few pieces find no room. The host's
// memory is not touched before it is needed, so it takes none until then; a device's is taken at once, and is
// scarce.
static tt_status make_room(tt_model *m, size_t bytes) {
  void *memory = m->memory;
  m->memory = NULL;
  tt_status status = allocate(m->ops, &memory, &m->room, bytes, bytes / (m->ops->device ? 32 : 4),
                              "activations of one piece");
  m->memory = memory;
  return status;
}

// Grows with the longest molecule so far only, so seldom.
static tt_status make_scratch(tt_model *m, size_t bytes) {
  void *memory = m->scratch;
  m->scratch = NULL;
  tt_status status = allocate(m->ops, &memory, &m->scratch_room, bytes, 0, "scratch of one piece");
  m->scratch = memory;
  return status;
}

static tt_piece_sizes sizes_of(const tt_model *m, const tt_piece *piece) {
  return (tt_piece_sizes){.tokens = piece->own->tokens,
                          .pairs = piece->own->pairs,
                          .atom_pairs = piece->own->atom_pairs,
                          .max_length = piece->all->max_length,
                          .ranks = m->ranks,
                          .tokens_all = piece->all->tokens,
                          .pairs_all = piece->all->pairs};
}

static tt_status make_buffers(tt_model *m, bool shared, const tt_piece *piece) {
  cutter count = cut_for(m->ops, NULL);
  tt_piece_sizes sizes = sizes_of(m, piece);
  cut_all(&count, m, shared, &sizes);
  size_t scratch = scratch_of(m, &sizes);
  if (count.used > m->room) TT_TRY(make_room(m, count.used));
  if (scratch > m->scratch_room) TT_TRY(make_scratch(m, scratch));
  if (count.used + scratch > m->used) m->used = count.used + scratch;
  cutter real = cut_for(m->ops, m->memory);
  cut_all(&real, m, shared, &sizes);
  return TT_OK;
}

static void count_rows(tt_model *m, const tt_piece *piece) {
  int32_t first = 0;
  for (int r = 0; r < m->ranks; r++) {
    int32_t end = m->ranks == 1 ? piece->all->molecules : first + piece->molecules[r];
    m->token_rows[r] = piece->all->token_offset[end] - piece->all->token_offset[first];
    m->pair_rows[r] = piece->all->pair_offset[end] - piece->all->pair_offset[first];
    first = end;
  }
}

tt_status tt_buffers_make(tt_model *m, bool shared, const tt_piece *piece) {
  tt_status status = make_buffers(m, shared, piece);
  if (status == TT_OK) status = tt_batch_upload(m->ops, piece->own, &m->own_batch);
  if (status == TT_OK && piece->all != piece->own)
    status = tt_batch_upload(m->ops, piece->all, &m->all_batch);
  if (status != TT_OK && m->ranks > 1) tt_comm_abort(m->group); // the others are on their way into the pass
  TT_TRY(status);
  count_rows(m, piece);
  find_own_rows(m);
  return TT_OK;
}
