// The heads (movement, masked tokens), the losses, and where the backward starts (docs/model.md, Heads and
// losses).
#include "model/activations.h"

// Movement: all tokens of the group's piece, own heads. Their sum is the movement.
typedef struct {
  int D, P, H, d, h, head; // d, h: own part of the channels and heads; head: channels of one
  tt_dropout drop;
} movement_view;

static movement_view view(const tt_pass *p) {
  const tt_model_config *c = &p->m->config;
  int head = c->embed_dim / c->heads;
  movement_view v = {c->embed_dim,
                     c->pair_dim,
                     c->heads,
                     p->m->own_heads * head,
                     p->m->own_heads,
                     head,
                     tt_site(p, c->movement_dropout, c->layers, TT_SITE_ATTENTION)};
  v.drop.first = (uint32_t)p->m->first_head;
  return v;
}

static void movement_forward(const tt_pass *p) {
  tt_model *m = p->m;
  const tt_places *at = &m->places;
  const tt_layer_activations *last = &m->layers[m->config.layers];
  movement_view v = view(p);
  tt_gather_tokens(p, v.D, last->x_all);
  tt_norm_map(p, last->x_all, p->batch_all->tokens, v.D, at->move_norm, m->move_norm, 3 * v.d,
              (tt_affine){at->move_q, -1}, m->move_qkv);
  tt_norm_map(p, last->pair, p->batch->pairs, v.P, at->move_pair_norm, m->move_pair_norm, v.H, at->move_bias,
              m->bias);
  tt_bias_to_heads(p);
  p->ops->attention(p->batch_all, 1, v.h, v.head, m->move_qkv, m->bias_all, m->move_prob, m->scratch);
  tt_show(p, "movement_attn_prob", TT_PROBE_PROBABILITIES, v.h, m->move_prob);
  float *move = tt_alone(p) ? m->move : tt_singles(m->rows_all);
  p->ops->movement(p->batch_all, v.h, v.head, m->move_prob, &v.drop, m->move_qkv, p->w + at->force, move,
                   m->scratch);
  if (!tt_alone(p)) tt_sum_movements(p, move, m->move);
  tt_show_single(p, "movement", TT_PROBE_TOKENS, 3, m->move);
}

// dmove (T', 3): own rows in.
static void movement_backward(const tt_pass *p, float *dmove) {
  tt_model *m = p->m;
  const tt_places *at = &m->places;
  const tt_layer_activations *last = &m->layers[m->config.layers];
  movement_view v = view(p);
  tt_activation *dqkv = m->token2;
  tt_gather_movements(p, dmove);
  p->ops->movement_backward(p->batch_all, v.h, v.head, m->move_prob, &v.drop, m->move_qkv, p->w + at->force,
                            dmove, m->dprob, dqkv, p->g + at->force, m->scratch);
  p->ops->attention_backward(p->batch_all, 1, v.h, v.head, m->move_qkv, m->move_prob, m->dprob, dqkv,
                             m->bias_all, m->scratch);
  tt_bias_to_pairs(p);
  tt_norm_map_backward(p, m->bias, last->pair, p->batch->pairs, v.P, at->move_pair_norm, m->move_pair_norm,
                       v.H, at->move_bias, m->dpair);
  tt_token_map_backward(p, dqkv, last->x_all, at->move_norm, m->move_norm, 3 * v.d,
                        (tt_affine){at->move_q, -1});
}

static void tokens_forward(const tt_pass *p) {
  tt_model *m = p->m;
  const tt_places *at = &m->places;
  int D = m->config.embed_dim;
  int64_t n = p->batch->masked;
  p->ops->gather_masked(p->batch, D, m->layers[m->config.layers].x, m->lm_x);
  tt_norm_map(p, m->lm_x, n, D, at->lm_norm, m->lm_norm, D, at->lm_dense, m->lm_h);
  p->ops->gelu(m->lm_h, n * D, m->token1);
  tt_affine decoder = {at->lm_weight, at->lm_bias};
  p->ops->linear(m->token1, n, D, TT_TOKENS, tt_at(p, decoder), m->logits, m->scratch);
  tt_show(p, "logits", TT_PROBE_MASKED, TT_TOKENS, m->logits);
}

static void tokens_backward(const tt_pass *p, const tt_activation *dlogits) {
  tt_model *m = p->m;
  const tt_places *at = &m->places;
  int D = m->config.embed_dim;
  int64_t n = p->batch->masked;
  tt_show_gradient(p, "logits", TT_PROBE_MASKED, TT_TOKENS, dlogits);
  // token1 has room for 3 (T, D)
  tt_activation *y = m->token1, *dh = tt_step(p->ops, m->token1, p->batch->tokens * D), *dx = m->token1;
  tt_affine decoder = {at->lm_weight, at->lm_bias};
  p->ops->gelu(m->lm_h, n * D, y);
  p->ops->linear_backward(dlogits, y, n, D, TT_TOKENS, p->w + at->lm_weight, dh, false,
                          tt_gradients_at(p, decoder), m->scratch);
  p->ops->gelu_backward(m->lm_h, n * D, dh);
  p->ops->zero_activations(dx, n * D);
  tt_norm_map_backward(p, dh, m->lm_x, n, D, at->lm_norm, m->lm_norm, D, at->lm_dense, dx);
  p->ops->scatter_masked(p->batch, D, dx, m->dx);
}

void tt_heads(const tt_pass *p, const tt_loss_scale *scale, const tt_piece_losses *losses) {
  tt_model *m = p->m;
  const tt_batch *b = p->batch;
  movement_forward(p);
  tokens_forward(p);
  if (!scale) {
    p->ops->cross_entropy(b, m->logits, 0, losses->token, NULL);
    p->ops->position_losses(b, m->move, 0, 0, losses->position, losses->distance, NULL);
    return;
  }
  p->ops->zero_activations(m->dx, b->tokens * m->config.embed_dim);
  p->ops->zero_activations(m->dpair, b->pairs * m->config.pair_dim);
  p->ops->cross_entropy(b, m->logits, scale->token, losses->token, m->token2);
  tokens_backward(p, m->token2);
  float *all = tt_singles(tt_alone(p) ? m->token1 : m->rows_all), *dmove = all + 3 * tt_rows_before(p);
  p->ops->position_losses(b, m->move, scale->position, scale->distance, losses->position, losses->distance,
                          dmove);
  tt_show_single_gradient(p, "movement", TT_PROBE_TOKENS, 3, dmove);
  movement_backward(p, all);
}
