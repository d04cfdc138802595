// Attention of a layer (docs/model.md, Block, step 1): all tokens of the group's piece, own heads.
#include "model/activations.h"

typedef struct {
  int D, P, H, d, h, head; // d, h: own part of the channels and heads; head: channels of one
  int64_t T, R, T_all;
  const tt_layer_places *at;
  tt_layer_activations *a;
  tt_dropout drop;  // of the probabilities
  tt_drop drop_out; // of the output, own rows
} attention_view;

static attention_view view(const tt_pass *p, int l) {
  const tt_model_config *c = &p->m->config;
  int head = c->embed_dim / c->heads;
  attention_view v = {
      .D = c->embed_dim,
      .P = c->pair_dim,
      .H = c->heads,
      .d = p->m->own_heads * head,
      .h = p->m->own_heads,
      .head = head,
      .T = p->batch->tokens,
      .R = p->batch->pairs,
      .T_all = p->batch_all->tokens,
      .at = &p->m->places.layers[l],
      .a = &p->m->layers[l],
      .drop = tt_site(p, c->attention_dropout, l, TT_SITE_ATTENTION),
      .drop_out = {p->batch, TT_ROWS_TOKENS, tt_site(p, c->dropout, l, TT_SITE_ATTENTION_OUT)}};
  v.drop.first = (uint32_t)p->m->first_head;
  return v;
}

static tt_affine qkv_place(const attention_view *v) {
  return (tt_affine){v->at->q, -1};
}

// x1 = x + dropout(W_o o + b), of own rows.
static void output_alone(const tt_pass *p, const attention_view *v, int l) {
  tt_model *m = p->m;
  tt_layer_activations *a = v->a;
  tt_weights at = tt_at(p, v->at->o);
  if (m->probe) {
    p->ops->linear_residual(&v->drop_out, a->o, v->T, v->D, v->D, at, NULL, m->token1, m->scratch);
    tt_show_layer(p, false, l, "self_attn", TT_PROBE_TOKENS, v->D, m->token1);
  }
  p->ops->linear_residual(&v->drop_out, a->o, v->T, v->D, v->D, at, a->x, a->x1, m->scratch);
}

// In a group the own heads make a part of every row's sum.
static void output_in_group(const tt_pass *p, const attention_view *v, int l) {
  tt_model *m = p->m;
  tt_layer_activations *a = v->a;
  tt_weights at = tt_at(p, v->at->o);
  p->ops->linear(a->o, v->T_all, v->d, v->D, (tt_weights){at.w, NULL}, m->rows_all, m->scratch);
  tt_sum_tokens(p, v->D, m->rows_all, m->token1);
  if (m->probe) {
    p->ops->bias_residual(&v->drop_out, m->token1, v->T, v->D, at.b, NULL, m->token2);
    tt_show_layer(p, false, l, "self_attn", TT_PROBE_TOKENS, v->D, m->token2);
  }
  p->ops->bias_residual(&v->drop_out, m->token1, v->T, v->D, at.b, a->x, a->x1);
}

void tt_attention_forward(const tt_pass *p, int l) {
  tt_model *m = p->m;
  attention_view v = view(p, l);
  tt_layer_activations *a = v.a;
  tt_gather_tokens(p, v.D, a->x_all);
  tt_norm_map(p, a->x_all, v.T_all, v.D, v.at->attn_norm, a->attn_norm, 3 * v.d, qkv_place(&v), a->qkv);
  p->ops->linear(a->pair, v.R, v.P, v.H, tt_at(p, v.at->bias), m->bias, m->scratch);
  tt_bias_to_heads(p);
  p->ops->attention(p->batch_all, 0, v.h, v.head, a->qkv, m->bias_all, a->prob, m->scratch);
  tt_show_layer(p, false, l, "attn_prob", TT_PROBE_PROBABILITIES, v.h, a->prob);
  p->ops->attention_values(p->batch_all, v.h, v.head, a->prob, &v.drop, a->qkv, a->o, m->scratch);
  if (tt_alone(p))
    output_alone(p, &v, l);
  else
    output_in_group(p, &v, l);
}

// From m->dx to the gradient of o (T', d), in token1.
static void output_backward(const tt_pass *p, const attention_view *v) {
  tt_model *m = p->m;
  tt_gradients gradient = tt_gradients_at(p, v->at->o);
  const float *w = p->w + v->at->o.w;
  if (tt_alone(p)) {
    p->ops->linear_residual_backward(&v->drop_out, m->dx, v->a->o, v->T, v->D, v->D, w, m->token1, gradient,
                                     m->scratch);
    return;
  }
  p->ops->bias_residual_backward(&v->drop_out, m->dx, v->T, v->D, tt_own_tokens(p, m->rows_all, v->D),
                                 gradient.b);
  tt_gather_tokens(p, v->D, m->rows_all);
  p->ops->linear_backward(m->rows_all, v->a->o, v->T_all, v->d, v->D, w, m->token1, false,
                          (tt_gradients){gradient.w, NULL}, m->scratch);
}

void tt_attention_backward(const tt_pass *p, int l) {
  tt_model *m = p->m;
  attention_view v = view(p, l);
  tt_layer_activations *a = v.a;
  tt_activation *dout = m->token1, *dqkv = m->token2;
  output_backward(p, &v);
  p->ops->attention_values_backward(p->batch_all, v.h, v.head, a->prob, &v.drop, a->qkv, dout, m->dprob, dqkv,
                                    m->scratch);
  p->ops->attention_backward(p->batch_all, 0, v.h, v.head, a->qkv, a->prob, m->dprob, dqkv, m->bias_all,
                             m->scratch);
  tt_bias_to_pairs(p);
  p->ops->linear_backward(m->bias, a->pair, v.R, v.P, v.H, p->w + v.at->bias.w, m->dpair, true,
                          tt_gradients_at(p, v.at->bias), m->scratch);
  tt_token_map_backward(p, dqkv, a->x_all, v.at->attn_norm, a->attn_norm, 3 * v.d, qkv_place(&v));
}
