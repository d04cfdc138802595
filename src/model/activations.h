// Private to the model room: the buffers of one piece, and one pass over it.
#ifndef TT_MODEL_ACTIVATIONS_H
#define TT_MODEL_ACTIVATIONS_H

#include "device/batch_upload.h"
#include "model/model.h"
#include "model/places.h"

// Rows: T tokens and R pairs of the own molecules, T' and R' of all molecules of the tensor group's piece,
// rank by rank. The atom track works on T' rows with the own part of heads and columns: on n ranks h = H / n
// heads, d = D h / H channels, f = F / n hidden channels. A rank alone has T' = T, R' = R, h = H, d = D, f =
// F.

// Of type tt_activation is what the backend keeps in its own numbers, of type float what is fp32 everywhere.

// What the backward of one layer needs; the rest is computed again.
typedef struct {
  tt_activation *x_all, *x, *pair;    // inputs (T', D), of which x are the own rows (T, D); (R, P). Layer l +
                                      // 1's are layer l's outputs
  tt_activation *qkv, *prob, *o;      // (T', 3d), (R' * h), (T', d)
  tt_activation *x1_all, *x1, *ffn_h; // after attention (T', D), own rows (T, D); before GELU (T', f)
  tt_activation *ab;                  // outer product's a, b (T, 2C)
  tt_activation *pair1, *tri_p, *tri_g; // after the outer product (R, P); (R, 2C) each
  tt_activation *t, *gate, *pair2;      // triangle product (R, C), gate (R, P), after the triangle (R, P)
  tt_activation *pair_h;                // before GELU (R, P)
  tt_statistics attn_norm, ffn_norm;    // of T' rows
  tt_statistics opm_norm, tri_norm, tri_out_norm, pair_ffn_norm;
} tt_layer_activations;

struct tt_model {
  tt_model_config config;
  tt_parameters parameters;
  tt_places places;
  const tt_ops *ops;
  float *means; // (TT_GAUSSIANS), the backend's memory
  float gaussian_std;
  bool recompute; // see tt_model_set_recompute
  tt_layer_done layer_done;
  void *layer_done_context;
  tt_probe probe;
  void *probe_context;
  tt_status probe_status; // of memory for what it is shown
  tt_stopwatch watch;

  // The ranks that share a piece (NULL: this one alone), how many, and which of them this is; token and pair
  // rows of each rank in the piece in hand.
  const tt_comm *group;
  int ranks, place;
  int first_head, own_heads;
  int64_t *token_rows, *pair_rows; // (ranks)

  // one allocation of the backend, cut anew for each piece; scratch is one by itself, of the largest piece's
  // exact size, so that a sanitizer sees what is written past it
  char *memory;
  size_t room, scratch_room, used;      // bytes allocated of each; used by the largest piece so far
  tt_device_batch own_batch, all_batch; // the piece in hand

  float *x_embed, *pair_embed; // (T, D), (R, P)
  tt_statistics x_norm, pair_norm;
  float *gaussian, *gauss_h;           // (A, 128): kernel values; before GELU
  tt_layer_activations *layers;        // L + 1; the last one has only x and pair
  tt_activation *move_qkv, *move_prob; // (T', 3d), (R' * h)
  float *move;                         // (T, 3)
  tt_statistics move_norm;             // of T' rows
  tt_statistics move_pair_norm, lm_norm;
  tt_activation *lm_x, *lm_h, *logits; // (masked, D), (masked, D), (masked, 128); rows up to T
  tt_activation *dx, *dpair;           // running gradients (T, D), (R, P)
  // temporaries; tt_singles(...) of them: (T, D) and (R, max(P, 128)); of dpair, when the layers are done
  // with it, (A, 128)
  tt_activation *token1, *token2;     // (T, max(3D, 2C, 128)) or (T', 3d)
  tt_activation *pair1, *pair2;       // (R, max(P, 128))
  tt_activation *pair_c;              // (R, C)
  tt_activation *bias, *bias_all;     // attention bias (R, H), and (R', h), the same array for a rank alone
  tt_activation *dprob;               // (R' * h)
  tt_activation *rows_all, *exchange; // temporary (T', D) and room for other ranks' rows; in a group only
  float *scratch;
};

// One pass over a piece.
typedef struct {
  tt_model *m;
  const tt_ops *ops;
  const tt_batch *batch;     // own molecules, where operations can read them
  const tt_batch *batch_all; // the group's; the same for a rank alone
  const float *w;            // weights
  float *g;                  // gradients, same places
  bool dropout;
  uint64_t seed, step;
} tt_pass;

// Dropout sites within a layer; the movement head counts as layer L. Part of the random streams' names: never
// reorder.
enum {
  TT_SITE_ATTENTION,
  TT_SITE_ATTENTION_OUT,
  TT_SITE_FFN_INNER,
  TT_SITE_FFN,
  TT_SITE_OUTER,
  TT_SITE_TRIANGLE,
  TT_SITE_PAIR_FFN_INNER,
  TT_SITE_PAIR_FFN
};

static inline tt_dropout tt_site(const tt_pass *p, double probability, int layer, int site) {
  return (tt_dropout){p->dropout ? probability : 0, p->seed, p->step, (uint32_t)layer, (uint32_t)site, 0};
}

static inline void tt_enter(const tt_pass *p, tt_part part) {
  tt_part_begin(&p->m->watch, part);
}

// A temporary as fp32 numbers.
static inline float *tt_singles(tt_activation *temporary) {
  return (float *)temporary;
}

// ---- the probe (model.h): called with a copy on the host, in fp32; nothing where there is none ----
void tt_show(const tt_pass *p, const char *name, tt_probe_rows rows, int dim, const tt_activation *data);
void tt_show_single(const tt_pass *p, const char *name, tt_probe_rows rows, int dim, const float *data);
void tt_show_gradient(const tt_pass *p, const char *name, tt_probe_rows rows, int dim,
                      const tt_activation *data);
void tt_show_single_gradient(const tt_pass *p, const char *name, tt_probe_rows rows, int dim,
                             const float *data);
void tt_show_layer(const tt_pass *p, bool gradient, int layer, const char *name, tt_probe_rows rows, int dim,
                   const tt_activation *data);

// Weights and gradients at a place.
static inline tt_weights tt_at(const tt_pass *p, tt_affine at) {
  return (tt_weights){p->w + at.w, p->w + at.b};
}
static inline tt_gradients tt_gradients_at(const tt_pass *p, tt_affine at) {
  return (tt_gradients){p->g + at.w, p->g + at.b};
}

// y (rows, out) = LN(x) W^T + b, keeping the statistics; its backward (dx +=). Without a bias: `at`.b < 0.
void tt_norm_map(const tt_pass *p, const tt_activation *x, int64_t rows, int dim, tt_affine norm,
                 tt_statistics s, int out, tt_affine at, tt_activation *y);
void tt_norm_map_backward(const tt_pass *p, const tt_activation *dy, const tt_activation *x, int64_t rows,
                          int dim, tt_affine norm, tt_statistics s, int out, tt_affine at, tt_activation *dx);

// Cuts all buffers for a piece, from more memory if it takes more, and counts the ranks' rows. `shared`:
// layers share the buffers of their pair track. TT_ERR_MEMORY, which in a group ends the job.
tt_status tt_buffers_make(tt_model *m, bool shared, const tt_piece *piece);

// ---- what crosses between the ranks of a group; nothing for a rank alone ----
static inline bool tt_alone(const tt_pass *p) {
  return p->m->ranks == 1;
}
// Token rows of the ranks before this one: where the own rows begin in an array of all.
int64_t tt_rows_before(const tt_pass *p);
static inline tt_activation *tt_own_tokens(const tt_pass *p, tt_activation *all, int64_t dim) {
  return tt_step(p->ops, all, tt_rows_before(p) * dim);
}
// all (T', dim): own rows in, all rows out.
void tt_gather_tokens(const tt_pass *p, int64_t dim, tt_activation *all);
// own (T, dim) = sum over the ranks of their `partial` (T', dim), which is used up. Not for a rank alone.
void tt_sum_tokens(const tt_pass *p, int64_t dim, tt_activation *partial, tt_activation *own);
// The same for movements and their gradients, (T', 3) and (T, 3), which are fp32.
void tt_gather_movements(const tt_pass *p, float *all);
void tt_sum_movements(const tt_pass *p, float *partial, float *own);
// m->bias (R, H) -> m->bias_all (R', h), and back: a rank has the bias of its own pairs, and its heads need
// it for all pairs.
void tt_bias_to_heads(const tt_pass *p);
void tt_bias_to_pairs(const tt_pass *p);

// m->dx += what LN and the map (rows `out` of its matrix are here) of all token rows hand down; dy (T', out).
// Uses rows_all and token1.
void tt_token_map_backward(const tt_pass *p, const tt_activation *dy, const tt_activation *x_all,
                           tt_affine norm, tt_statistics s, int out, tt_affine at);

// ---- the steps of a pass ----
void tt_embedding_forward(const tt_pass *p);
void tt_embedding_backward(const tt_pass *p);
// The atom track of a layer: x -> x1 -> next layer's x. The pair track takes part in the attention alone.
void tt_attention_forward(const tt_pass *p, int layer);
void tt_attention_backward(const tt_pass *p, int layer);
void tt_atom_ffn_forward(const tt_pass *p, int layer);
void tt_atom_ffn_backward(const tt_pass *p, int layer);
void tt_block_forward(const tt_pass *p, int layer);
void tt_block_backward(const tt_pass *p, int layer);
// The pair track's activations of a layer once more, from x, ab and pair of the layer: what its backward
// needs.
void tt_block_recompute(const tt_pass *p, int layer);
// Heads, losses and, when `scale` is given, the gradients that start the backward (dx, dpair).
void tt_heads(const tt_pass *p, const tt_loss_scale *scale, const tt_piece_losses *losses);

#endif
