// One layer of the two tracks (docs/model.md, Block) and its backward.
#include "model/activations.h"

typedef struct {
  int D, H, P, C, F, d;
  int64_t T, R;
  const tt_layer_places *at;
  tt_layer_activations *a, *next;
} layer_view;

static layer_view view(const tt_pass *p, int l) {
  const tt_model_config *c = &p->m->config;
  return (layer_view){c->embed_dim,
                      c->heads,
                      c->pair_dim,
                      c->pair_hidden,
                      c->ffn_dim,
                      c->embed_dim / c->heads,
                      p->batch->tokens,
                      p->batch->pairs,
                      &p->m->places.layers[l],
                      &p->m->layers[l],
                      &p->m->layers[l + 1]};
}

// out = x + dropout(branch)
static void residual(const tt_pass *p, tt_rows kind, int64_t rows, int dim, tt_dropout d, const float *x,
                     const float *branch, float *out) {
  p->ops->copy(x, rows * dim, out);
  p->ops->dropout(p->batch, kind, &d, dim, branch, out, true);
}

// GELU(h) and its inner dropout, into y
static void activate(const tt_pass *p, tt_rows kind, int64_t rows, int dim, tt_dropout inner, const float *h,
                     float *y) {
  p->ops->gelu(h, rows * dim, y);
  if (inner.probability > 0) p->ops->dropout(p->batch, kind, &inner, dim, y, y, false);
}

void tt_block_forward(const tt_pass *p, int l) {
  tt_model *m = p->m;
  const tt_model_config *c = &m->config;
  const tt_ops *ops = p->ops;
  layer_view v = view(p, l);
  tt_layer_activations *a = v.a;

  // 1. attention, biased by the pair track
  tt_enter(p, TT_PART_ATTENTION);
  tt_dropout drop = tt_site(p, c->attention_dropout, l, TT_SITE_ATTENTION);
  tt_norm(p, a->x, v.T, v.D, v.at->attn_norm, a->attn_norm, m->token1);
  ops->linear(m->token1, v.T, v.D, 3 * v.D, p->w + v.at->q, NULL, a->qkv);
  tt_affine_forward(p, a->pair, v.R, v.P, v.H, v.at->bias, m->bias);
  ops->attention(p->batch, 0, v.H, v.d, a->qkv, m->bias, a->prob, m->scratch);
  tt_show_layer(p, false, l, "attn_prob", TT_PROBE_PROBABILITIES, v.H, a->prob);
  ops->attention_values(p->batch, v.H, v.d, a->prob, &drop, a->qkv, a->o, m->scratch);
  tt_affine_forward(p, a->o, v.T, v.D, v.D, v.at->o, m->token1);
  tt_show_layer(p, false, l, "self_attn", TT_PROBE_TOKENS, v.D, m->token1);
  residual(p, TT_ROWS_TOKENS, v.T, v.D, tt_site(p, c->dropout, l, TT_SITE_ATTENTION_OUT), a->x, m->token1,
           a->x1);

  // 2. atom feed-forward
  tt_enter(p, TT_PART_ATOM_FFN);
  tt_norm(p, a->x1, v.T, v.D, v.at->ffn_norm, a->ffn_norm, m->token1);
  tt_affine_forward(p, m->token1, v.T, v.D, v.F, v.at->ffn1, a->ffn_h);
  activate(p, TT_ROWS_TOKENS, v.T, v.F, tt_site(p, c->activation_dropout, l, TT_SITE_FFN_INNER), a->ffn_h,
           m->token2);
  tt_affine_forward(p, m->token2, v.T, v.F, v.D, v.at->ffn2, m->token1);
  tt_show_layer(p, false, l, "ffn", TT_PROBE_TOKENS, v.D, m->token1);
  residual(p, TT_ROWS_TOKENS, v.T, v.D, tt_site(p, c->dropout, l, TT_SITE_FFN), a->x1, m->token1, v.next->x);

  // 3. outer product: atoms speak to pairs
  tt_enter(p, TT_PART_OUTER_PRODUCT);
  tt_norm(p, v.next->x, v.T, v.D, v.at->opm_norm, a->opm_norm, m->token1);
  tt_affine_forward(p, m->token1, v.T, v.D, 2 * v.C, v.at->opm_in, a->ab);
  ops->outer_product(p->batch, v.C, v.P, a->ab, p->w + v.at->opm_out.w, p->w + v.at->opm_out.b, m->pair1,
                     m->scratch);
  tt_show_layer(p, false, l, "opm", TT_PROBE_PAIRS, v.P, m->pair1);
  residual(p, TT_ROWS_PAIRS, v.R, v.P, tt_site(p, c->dropout, l, TT_SITE_OUTER), a->pair, m->pair1, a->pair1);

  // 4. triangle product
  tt_enter(p, TT_PART_TRIANGLE);
  drop = tt_site(p, c->pair_dropout, l, TT_SITE_TRIANGLE);
  tt_norm(p, a->pair1, v.R, v.P, v.at->tri_norm, a->tri_norm, m->pair1);
  tt_affine_forward(p, m->pair1, v.R, v.P, 2 * v.C, v.at->tri_p, a->tri_p);
  tt_affine_forward(p, m->pair1, v.R, v.P, 2 * v.C, v.at->tri_g, a->tri_g);
  tt_affine_forward(p, m->pair1, v.R, v.P, v.P, v.at->tri_gate, a->gate);
  ops->triangle(p->batch, v.C, a->tri_p, a->tri_g, a->t, m->scratch);
  tt_norm(p, a->t, v.R, v.C, v.at->tri_out_norm, a->tri_out_norm, m->pair_c1);
  tt_affine_forward(p, m->pair_c1, v.R, v.C, v.P, v.at->tri_z, m->pair1);
  if (m->probe) {
    ops->zero(m->pair2, v.R * v.P);
    ops->gate_add(p->batch, &(tt_dropout){0}, v.P, a->gate, m->pair1, m->pair2);
    tt_show_layer(p, false, l, "pair_tri_mul", TT_PROBE_PAIRS, v.P, m->pair2);
  }
  ops->copy(a->pair1, v.R * v.P, a->pair2);
  ops->gate_add(p->batch, &drop, v.P, a->gate, m->pair1, a->pair2);

  // 5. pair feed-forward
  tt_enter(p, TT_PART_PAIR_FFN);
  tt_norm(p, a->pair2, v.R, v.P, v.at->pair_ffn_norm, a->pair_ffn_norm, m->pair1);
  tt_affine_forward(p, m->pair1, v.R, v.P, v.P, v.at->pair_ffn1, a->pair_h);
  activate(p, TT_ROWS_PAIRS, v.R, v.P, tt_site(p, c->activation_dropout, l, TT_SITE_PAIR_FFN_INNER),
           a->pair_h, m->pair2);
  tt_affine_forward(p, m->pair2, v.R, v.P, v.P, v.at->pair_ffn2, m->pair1);
  tt_show_layer(p, false, l, "pair_ffn", TT_PROBE_PAIRS, v.P, m->pair1);
  residual(p, TT_ROWS_PAIRS, v.R, v.P, tt_site(p, c->dropout, l, TT_SITE_PAIR_FFN), a->pair2, m->pair1,
           v.next->pair);

  tt_show_layer(p, false, l, "x", TT_PROBE_TOKENS, v.D, v.next->x);
  tt_show_layer(p, false, l, "pair", TT_PROBE_PAIRS, v.P, v.next->pair);
}

// Backward of y = x + dropout(W2 dropout'(GELU(W1 LN(x)))): adds to `d`, which holds dL/dy on entry, dL/dx on
// return.
static void ffn_backward(const tt_pass *p, tt_rows kind, int64_t rows, int dim, int hidden, tt_affine norm,
                         tt_statistics s, tt_affine first, tt_affine second, tt_dropout outer,
                         tt_dropout inner, const float *x, const float *h, float *d, float *t1, float *t2,
                         float *t3) {
  p->ops->dropout(p->batch, kind, &outer, dim, d, t1, false);
  activate(p, kind, rows, hidden, inner, h, t2);
  tt_affine_backward(p, t1, t2, rows, hidden, dim, second, t3, false);
  if (inner.probability > 0) p->ops->dropout(p->batch, kind, &inner, hidden, t3, t3, false);
  p->ops->gelu_backward(h, rows * hidden, t3);
  tt_norm_again(p, x, rows, dim, norm, s, t1);
  tt_affine_backward(p, t3, t1, rows, dim, hidden, first, t2, false);
  tt_norm_backward(p, t2, x, rows, dim, norm, s, d);
}

static void triangle_backward(const tt_pass *p, const layer_view *v, int l) {
  tt_model *m = p->m;
  tt_layer_activations *a = v->a;
  tt_dropout drop = tt_site(p, m->config.pair_dropout, l, TT_SITE_TRIANGLE);
  float *u = m->pair1, *dgate = m->pair2, *tn = m->pair_c1, *dt = m->pair_c2;
  tt_norm_again(p, a->t, v->R, v->C, v->at->tri_out_norm, a->tri_out_norm, tn);
  tt_affine_forward(p, tn, v->R, v->C, v->P, v->at->tri_z, u);
  p->ops->gate_backward(p->batch, &drop, v->P, m->dpair, a->gate, u, dgate, u);
  float *dtn = m->pair3; // (R, C) fits
  tt_affine_backward(p, u, tn, v->R, v->C, v->P, v->at->tri_z, dtn, false);
  p->ops->zero(dt, v->R * v->C);
  tt_norm_backward(p, dtn, a->t, v->R, v->C, v->at->tri_out_norm, a->tri_out_norm, dt);
  // dt is (R, C) in the first half of pair_c2; the products' gradients (R, 2C) go to pair_c1 and pair3
  float *dp = m->pair_c1, *dg = m->pair3;
  p->ops->triangle_backward(p->batch, v->C, a->tri_p, a->tri_g, dt, dp, dg, m->scratch);
  float *z = m->pair1, *dz = m->pair4;
  tt_norm_again(p, a->pair1, v->R, v->P, v->at->tri_norm, a->tri_norm, z);
  tt_affine_backward(p, dgate, z, v->R, v->P, v->P, v->at->tri_gate, dz, false);
  tt_affine_backward(p, dp, z, v->R, v->P, 2 * v->C, v->at->tri_p, dz, true);
  tt_affine_backward(p, dg, z, v->R, v->P, 2 * v->C, v->at->tri_g, dz, true);
  tt_norm_backward(p, dz, a->pair1, v->R, v->P, v->at->tri_norm, a->tri_norm, m->dpair);
}

static void outer_product_backward(const tt_pass *p, const layer_view *v, int l) {
  tt_model *m = p->m;
  tt_layer_activations *a = v->a;
  tt_dropout drop = tt_site(p, m->config.dropout, l, TT_SITE_OUTER);
  p->ops->dropout(p->batch, TT_ROWS_PAIRS, &drop, v->P, m->dpair, m->pair1, false);
  float *dab = m->token1, *y = m->token2, *dy = m->token3;
  p->ops->outer_product_backward(p->batch, v->C, v->P, m->pair1, a->ab, p->w + v->at->opm_out.w, dab,
                                 p->g + v->at->opm_out.w, p->g + v->at->opm_out.b, m->scratch);
  tt_norm_again(p, v->next->x, v->T, v->D, v->at->opm_norm, a->opm_norm, y);
  tt_affine_backward(p, dab, y, v->T, v->D, 2 * v->C, v->at->opm_in, dy, false);
  tt_norm_backward(p, dy, v->next->x, v->T, v->D, v->at->opm_norm, a->opm_norm, m->dx);
}

static void attention_backward(const tt_pass *p, const layer_view *v, int l) {
  tt_model *m = p->m;
  tt_layer_activations *a = v->a;
  tt_dropout drop = tt_site(p, m->config.attention_dropout, l, TT_SITE_ATTENTION);
  tt_dropout outer = tt_site(p, m->config.dropout, l, TT_SITE_ATTENTION_OUT);
  float *dout = m->token1, *dqkv = m->token2, *y = m->token1, *dy = m->token3;
  p->ops->dropout(p->batch, TT_ROWS_TOKENS, &outer, v->D, m->dx, m->token2, false);
  tt_affine_backward(p, m->token2, a->o, v->T, v->D, v->D, v->at->o, dout, false);
  p->ops->attention_values_backward(p->batch, v->H, v->d, a->prob, &drop, a->qkv, dout, m->dprob, dqkv,
                                    m->scratch);
  p->ops->attention_backward(p->batch, 0, v->H, v->d, a->qkv, a->prob, m->dprob, dqkv, m->bias, m->scratch);
  tt_affine_backward(p, m->bias, a->pair, v->R, v->P, v->H, v->at->bias, m->dpair, true);
  tt_norm_again(p, a->x, v->T, v->D, v->at->attn_norm, a->attn_norm, y);
  p->ops->linear_backward(dqkv, y, v->T, v->D, 3 * v->D, p->w + v->at->q, dy, false, p->g + v->at->q, NULL);
  tt_norm_backward(p, dy, a->x, v->T, v->D, v->at->attn_norm, a->attn_norm, m->dx);
}

// m->dx and m->dpair: gradients of the layer's outputs on entry, of its inputs on return.
void tt_block_backward(const tt_pass *p, int l) {
  tt_model *m = p->m;
  const tt_model_config *c = &m->config;
  layer_view v = view(p, l);
  tt_layer_activations *a = v.a;
  tt_show_layer(p, true, l, "pair", TT_PROBE_PAIRS, v.P, m->dpair);
  tt_enter(p, TT_PART_PAIR_FFN);
  ffn_backward(p, TT_ROWS_PAIRS, v.R, v.P, v.P, v.at->pair_ffn_norm, a->pair_ffn_norm, v.at->pair_ffn1,
               v.at->pair_ffn2, tt_site(p, c->dropout, l, TT_SITE_PAIR_FFN),
               tt_site(p, c->activation_dropout, l, TT_SITE_PAIR_FFN_INNER), a->pair2, a->pair_h, m->dpair,
               m->pair1, m->pair2, m->pair3);
  tt_enter(p, TT_PART_TRIANGLE);
  triangle_backward(p, &v, l);
  tt_enter(p, TT_PART_OUTER_PRODUCT);
  outer_product_backward(p, &v, l);
  // the outer product reads the layer's output x, so only now is that tensor's gradient whole
  tt_show_layer(p, true, l, "x", TT_PROBE_TOKENS, v.D, m->dx);
  tt_enter(p, TT_PART_ATOM_FFN);
  ffn_backward(p, TT_ROWS_TOKENS, v.T, v.D, v.F, v.at->ffn_norm, a->ffn_norm, v.at->ffn1, v.at->ffn2,
               tt_site(p, c->dropout, l, TT_SITE_FFN),
               tt_site(p, c->activation_dropout, l, TT_SITE_FFN_INNER), a->x1, a->ffn_h, m->dx, m->token1,
               m->token2, m->token3);
  tt_enter(p, TT_PART_ATTENTION);
  attention_backward(p, &v, l);
}
