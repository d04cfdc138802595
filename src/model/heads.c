// The heads (movement, masked tokens), the losses, and where the backward starts (docs/model.md, Heads and
// losses).
#include "model/activations.h"

static void movement_forward(const tt_pass *p, const tt_dropout *drop) {
  tt_model *m = p->m;
  const tt_places *at = &m->places;
  const tt_batch *b = p->batch;
  int D = m->config.embed_dim, P = m->config.pair_dim, H = m->config.heads;
  const tt_layer_activations *last = &m->layers[m->config.layers];
  tt_norm(p, last->x, b->tokens, D, at->move_norm, m->move_norm, m->token1);
  p->ops->linear(m->token1, b->tokens, D, 3 * D, p->w + at->move_q, NULL, m->move_qkv);
  tt_norm(p, last->pair, b->pairs, P, at->move_pair_norm, m->move_pair_norm, m->pair1);
  tt_affine_forward(p, m->pair1, b->pairs, P, H, at->move_bias, m->bias);
  p->ops->attention(b, 1, H, D / H, m->move_qkv, m->bias, m->move_prob, m->scratch);
  tt_show(p, "movement_attn_prob", TT_PROBE_PROBABILITIES, H, m->move_prob);
  p->ops->movement(b, H, D / H, m->move_prob, drop, m->move_qkv, p->w + at->force, m->move, m->scratch);
  tt_show(p, "movement", TT_PROBE_TOKENS, 3, m->move);
}

static void movement_backward(const tt_pass *p, const tt_dropout *drop, const float *dmove) {
  tt_model *m = p->m;
  const tt_places *at = &m->places;
  const tt_batch *b = p->batch;
  int D = m->config.embed_dim, P = m->config.pair_dim, H = m->config.heads;
  const tt_layer_activations *last = &m->layers[m->config.layers];
  float *dqkv = m->token2, *y = m->token1, *dy = m->token3, *z = m->pair1, *dz = m->pair2;
  p->ops->movement_backward(b, H, D / H, m->move_prob, drop, m->move_qkv, p->w + at->force, dmove, m->dprob,
                            dqkv, p->g + at->force, m->scratch);
  p->ops->attention_backward(b, 1, H, D / H, m->move_qkv, m->move_prob, m->dprob, dqkv, m->bias, m->scratch);
  tt_norm_again(p, last->pair, b->pairs, P, at->move_pair_norm, m->move_pair_norm, z);
  tt_affine_backward(p, m->bias, z, b->pairs, P, H, at->move_bias, dz, false);
  tt_norm_backward(p, dz, last->pair, b->pairs, P, at->move_pair_norm, m->move_pair_norm, m->dpair);
  tt_norm_again(p, last->x, b->tokens, D, at->move_norm, m->move_norm, y);
  p->ops->linear_backward(dqkv, y, b->tokens, D, 3 * D, p->w + at->move_q, dy, false, p->g + at->move_q,
                          NULL);
  tt_norm_backward(p, dy, last->x, b->tokens, D, at->move_norm, m->move_norm, m->dx);
}

static void tokens_forward(const tt_pass *p) {
  tt_model *m = p->m;
  const tt_places *at = &m->places;
  int D = m->config.embed_dim;
  int64_t n = p->batch->masked;
  p->ops->gather_masked(p->batch, D, m->layers[m->config.layers].x, m->lm_x);
  tt_norm(p, m->lm_x, n, D, at->lm_norm, m->lm_norm, m->token1);
  tt_affine_forward(p, m->token1, n, D, D, at->lm_dense, m->lm_h);
  p->ops->gelu(m->lm_h, n * D, m->token1);
  p->ops->linear(m->token1, n, D, TT_TOKENS, p->w + at->lm_weight, p->w + at->lm_bias, m->logits);
  tt_show(p, "logits", TT_PROBE_MASKED, TT_TOKENS, m->logits);
}

static void tokens_backward(const tt_pass *p, const float *dlogits) {
  tt_model *m = p->m;
  const tt_places *at = &m->places;
  int D = m->config.embed_dim;
  int64_t n = p->batch->masked;
  tt_show_gradient(p, "logits", TT_PROBE_MASKED, TT_TOKENS, dlogits);
  p->ops->gelu(m->lm_h, n * D, m->token1);
  p->ops->linear_backward(dlogits, m->token1, n, D, TT_TOKENS, p->w + at->lm_weight, m->token3, false,
                          p->g + at->lm_weight, p->g + at->lm_bias);
  p->ops->gelu_backward(m->lm_h, n * D, m->token3);
  tt_norm_again(p, m->lm_x, n, D, at->lm_norm, m->lm_norm, m->token1);
  tt_affine_backward(p, m->token3, m->token1, n, D, D, at->lm_dense, m->token2, false);
  p->ops->zero(m->token1, n * D);
  tt_norm_backward(p, m->token2, m->lm_x, n, D, at->lm_norm, m->lm_norm, m->token1);
  p->ops->scatter_masked(p->batch, D, m->token1, m->dx);
}

void tt_heads(const tt_pass *p, const tt_loss_scale *scale, const tt_piece_losses *losses) {
  tt_model *m = p->m;
  const tt_batch *b = p->batch;
  tt_dropout drop = tt_site(p, m->config.movement_dropout, m->config.layers, TT_SITE_ATTENTION);
  movement_forward(p, &drop);
  tokens_forward(p);
  if (!scale) {
    p->ops->cross_entropy(b, m->logits, 0, losses->token, NULL);
    p->ops->position_losses(b, m->move, 0, 0, losses->position, losses->distance, NULL);
    return;
  }
  p->ops->zero(m->dx, b->tokens * m->config.embed_dim);
  p->ops->zero(m->dpair, b->pairs * m->config.pair_dim);
  p->ops->cross_entropy(b, m->logits, scale->token, losses->token, m->token2);
  tokens_backward(p, m->token2);
  float *dmove = m->token1;
  p->ops->position_losses(b, m->move, scale->position, scale->distance, losses->position, losses->distance,
                          dmove);
  tt_show_gradient(p, "movement", TT_PROBE_TOKENS, 3, dmove);
  movement_backward(p, &drop, dmove);
}
