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

static tt_ffn atom_ffn(const tt_pass *p, const layer_view *v, int l) {
  const tt_model_config *c = &p->m->config;
  return (tt_ffn){.drop = {p->batch, TT_ROWS_TOKENS, tt_site(p, c->dropout, l, TT_SITE_FFN)},
                  .inner = tt_site(p, c->activation_dropout, l, TT_SITE_FFN_INNER),
                  .rows = v->T,
                  .dim = v->D,
                  .hidden = v->F,
                  .norm = tt_at(p, v->at->ffn_norm),
                  .first = tt_at(p, v->at->ffn1),
                  .second = tt_at(p, v->at->ffn2)};
}

static tt_ffn pair_ffn(const tt_pass *p, const layer_view *v, int l) {
  const tt_model_config *c = &p->m->config;
  return (tt_ffn){.drop = {p->batch, TT_ROWS_PAIRS, tt_site(p, c->dropout, l, TT_SITE_PAIR_FFN)},
                  .inner = tt_site(p, c->activation_dropout, l, TT_SITE_PAIR_FFN_INNER),
                  .rows = v->R,
                  .dim = v->P,
                  .hidden = v->P,
                  .norm = tt_at(p, v->at->pair_ffn_norm),
                  .first = tt_at(p, v->at->pair_ffn1),
                  .second = tt_at(p, v->at->pair_ffn2)};
}

static tt_affine qkv_place(const layer_view *v) {
  return (tt_affine){v->at->q, -1};
}

// Steps 3 and 4 of a block, also where the backward computes them `again`. The branch is computed once more
// without the residual where somebody wants to see it.
static void outer_product_forward(const tt_pass *p, const layer_view *v, int l, bool again) {
  tt_model *m = p->m;
  tt_layer_activations *a = v->a;
  tt_weights out = tt_at(p, v->at->opm_out);
  tt_drop drop = {p->batch, TT_ROWS_PAIRS, tt_site(p, m->config.dropout, l, TT_SITE_OUTER)};
  if (m->probe && !again) {
    p->ops->outer_product(&drop, v->C, v->P, a->ab, out, NULL, m->pair1, m->scratch);
    tt_show_layer(p, false, l, "opm", TT_PROBE_PAIRS, v->P, m->pair1);
  }
  p->ops->outer_product(&drop, v->C, v->P, a->ab, out, a->pair, a->pair1, m->scratch);
}

static void triangle_forward(const tt_pass *p, const layer_view *v, int l, bool again) {
  tt_model *m = p->m;
  tt_layer_activations *a = v->a;
  tt_drop drop = {p->batch, TT_ROWS_PAIRS_SHARED, tt_site(p, m->config.pair_dropout, l, TT_SITE_TRIANGLE)};
  tt_map maps[] = {{2 * v->C, tt_at(p, v->at->tri_p), a->tri_p},
                   {2 * v->C, tt_at(p, v->at->tri_g), a->tri_g},
                   {v->P, tt_at(p, v->at->tri_gate), a->gate}};
  p->ops->norm_linear(a->pair1, v->R, v->P, tt_at(p, v->at->tri_norm), a->tri_norm, maps, 3, m->scratch);
  p->ops->triangle(p->batch, v->C, a->tri_p, a->tri_g, a->t, m->scratch);
  tt_weights norm = tt_at(p, v->at->tri_out_norm), z = tt_at(p, v->at->tri_z);
  if (m->probe && !again) {
    p->ops->triangle_out(&drop, v->C, v->P, a->t, norm, a->tri_out_norm, z, a->gate, NULL, m->pair1,
                         m->scratch);
    tt_show_layer(p, false, l, "pair_tri_mul", TT_PROBE_PAIRS, v->P, m->pair1);
  }
  p->ops->triangle_out(&drop, v->C, v->P, a->t, norm, a->tri_out_norm, z, a->gate, a->pair1, a->pair2,
                       m->scratch);
}

void tt_block_forward(const tt_pass *p, int l) {
  tt_model *m = p->m;
  const tt_model_config *c = &m->config;
  const tt_ops *ops = p->ops;
  layer_view v = view(p, l);
  tt_layer_activations *a = v.a;
  tt_drop tokens = {p->batch, TT_ROWS_TOKENS, tt_site(p, c->dropout, l, TT_SITE_ATTENTION_OUT)};

  // 1. attention, biased by the pair track
  tt_enter(p, TT_PART_ATTENTION);
  tt_dropout drop = tt_site(p, c->attention_dropout, l, TT_SITE_ATTENTION);
  tt_norm_map(p, a->x, v.T, v.D, v.at->attn_norm, a->attn_norm, 3 * v.D, qkv_place(&v), a->qkv);
  ops->linear(a->pair, v.R, v.P, v.H, tt_at(p, v.at->bias), m->bias, m->scratch);
  ops->attention(p->batch, 0, v.H, v.d, a->qkv, m->bias, a->prob, m->scratch);
  tt_show_layer(p, false, l, "attn_prob", TT_PROBE_PROBABILITIES, v.H, a->prob);
  ops->attention_values(p->batch, v.H, v.d, a->prob, &drop, a->qkv, a->o, m->scratch);
  if (m->probe) {
    ops->linear_residual(&tokens, a->o, v.T, v.D, v.D, tt_at(p, v.at->o), NULL, m->token1, m->scratch);
    tt_show_layer(p, false, l, "self_attn", TT_PROBE_TOKENS, v.D, m->token1);
  }
  ops->linear_residual(&tokens, a->o, v.T, v.D, v.D, tt_at(p, v.at->o), a->x, a->x1, m->scratch);

  // 2. atom feed-forward
  tt_enter(p, TT_PART_ATOM_FFN);
  tt_ffn ffn = atom_ffn(p, &v, l);
  if (m->probe) {
    ops->ffn(&ffn, a->x1, NULL, a->ffn_h, a->ffn_norm, m->token1, m->scratch);
    tt_show_layer(p, false, l, "ffn", TT_PROBE_TOKENS, v.D, m->token1);
  }
  ops->ffn(&ffn, a->x1, a->x1, a->ffn_h, a->ffn_norm, v.next->x, m->scratch);

  // 3. outer product: atoms speak to pairs
  tt_enter(p, TT_PART_OUTER_PRODUCT);
  tt_norm_map(p, v.next->x, v.T, v.D, v.at->opm_norm, a->opm_norm, 2 * v.C, v.at->opm_in, a->ab);
  outer_product_forward(p, &v, l, false);

  // 4. triangle product
  tt_enter(p, TT_PART_TRIANGLE);
  triangle_forward(p, &v, l, false);

  // 5. pair feed-forward
  tt_enter(p, TT_PART_PAIR_FFN);
  ffn = pair_ffn(p, &v, l);
  if (m->probe) {
    ops->ffn(&ffn, a->pair2, NULL, a->pair_h, a->pair_ffn_norm, m->pair1, m->scratch);
    tt_show_layer(p, false, l, "pair_ffn", TT_PROBE_PAIRS, v.P, m->pair1);
  }
  ops->ffn(&ffn, a->pair2, a->pair2, a->pair_h, a->pair_ffn_norm, v.next->pair, m->scratch);

  tt_show_layer(p, false, l, "x", TT_PROBE_TOKENS, v.D, v.next->x);
  tt_show_layer(p, false, l, "pair", TT_PROBE_PAIRS, v.P, v.next->pair);
}

void tt_block_recompute(const tt_pass *p, int l) {
  layer_view v = view(p, l);
  tt_enter(p, TT_PART_OUTER_PRODUCT);
  outer_product_forward(p, &v, l, true);
  tt_enter(p, TT_PART_TRIANGLE);
  triangle_forward(p, &v, l, true);
  tt_enter(p, TT_PART_PAIR_FFN);
  tt_norm_map(p, v.a->pair2, v.R, v.P, v.at->pair_ffn_norm, v.a->pair_ffn_norm, v.P, v.at->pair_ffn1,
              v.a->pair_h);
}

static void triangle_backward(const tt_pass *p, const layer_view *v, int l) {
  tt_model *m = p->m;
  tt_layer_activations *a = v->a;
  tt_drop drop = {p->batch, TT_ROWS_PAIRS_SHARED, tt_site(p, m->config.pair_dropout, l, TT_SITE_TRIANGLE)};
  float *dgate = a->gate, *dp = a->tri_p, *dg = a->tri_g, *dt = m->pair_c; // in place: this is their last use
  p->ops->triangle_out_backward(&drop, v->C, v->P, m->dpair, a->t, tt_at(p, v->at->tri_out_norm),
                                a->tri_out_norm, tt_at(p, v->at->tri_z), a->gate, dgate, dt,
                                tt_gradients_at(p, v->at->tri_out_norm), tt_gradients_at(p, v->at->tri_z),
                                m->scratch);
  p->ops->triangle_backward(p->batch, v->C, a->tri_p, a->tri_g, dt, dp, dg, m->scratch);
  tt_map_gradient maps[] = {
      {2 * v->C, tt_at(p, v->at->tri_p), dp, tt_gradients_at(p, v->at->tri_p)},
      {2 * v->C, tt_at(p, v->at->tri_g), dg, tt_gradients_at(p, v->at->tri_g)},
      {v->P, tt_at(p, v->at->tri_gate), dgate, tt_gradients_at(p, v->at->tri_gate)},
  };
  p->ops->norm_linear_backward(a->pair1, v->R, v->P, tt_at(p, v->at->tri_norm), a->tri_norm, maps, 3,
                               m->dpair, tt_gradients_at(p, v->at->tri_norm), m->scratch);
}

static void outer_product_backward(const tt_pass *p, const layer_view *v, int l) {
  tt_model *m = p->m;
  tt_layer_activations *a = v->a;
  tt_drop drop = {p->batch, TT_ROWS_PAIRS, tt_site(p, m->config.dropout, l, TT_SITE_OUTER)};
  float *dab = m->token1;
  p->ops->outer_product_backward(&drop, v->C, v->P, m->dpair, a->ab, p->w + v->at->opm_out.w, dab,
                                 tt_gradients_at(p, v->at->opm_out), m->scratch);
  tt_norm_map_backward(p, dab, v->next->x, v->T, v->D, v->at->opm_norm, a->opm_norm, 2 * v->C, v->at->opm_in,
                       m->dx);
}

static void attention_backward(const tt_pass *p, const layer_view *v, int l) {
  tt_model *m = p->m;
  tt_layer_activations *a = v->a;
  tt_dropout drop = tt_site(p, m->config.attention_dropout, l, TT_SITE_ATTENTION);
  tt_drop outer = {p->batch, TT_ROWS_TOKENS, tt_site(p, m->config.dropout, l, TT_SITE_ATTENTION_OUT)};
  float *dout = m->token1, *dqkv = m->token2;
  p->ops->linear_residual_backward(&outer, m->dx, a->o, v->T, v->D, v->D, p->w + v->at->o.w, dout,
                                   tt_gradients_at(p, v->at->o), m->scratch);
  p->ops->attention_values_backward(p->batch, v->H, v->d, a->prob, &drop, a->qkv, dout, m->dprob, dqkv,
                                    m->scratch);
  p->ops->attention_backward(p->batch, 0, v->H, v->d, a->qkv, a->prob, m->dprob, dqkv, m->bias, m->scratch);
  p->ops->linear_backward(m->bias, a->pair, v->R, v->P, v->H, p->w + v->at->bias.w, m->dpair, true,
                          tt_gradients_at(p, v->at->bias), m->scratch);
  tt_norm_map_backward(p, dqkv, a->x, v->T, v->D, v->at->attn_norm, a->attn_norm, 3 * v->D, qkv_place(v),
                       m->dx);
}

// m->dx and m->dpair: gradients of the layer's outputs on entry, of its inputs on return.
void tt_block_backward(const tt_pass *p, int l) {
  tt_model *m = p->m;
  layer_view v = view(p, l);
  tt_layer_activations *a = v.a;
  tt_show_layer(p, true, l, "pair", TT_PROBE_PAIRS, v.P, m->dpair);
  tt_enter(p, TT_PART_PAIR_FFN);
  tt_ffn ffn = pair_ffn(p, &v, l);
  p->ops->ffn_backward(&ffn, a->pair2, a->pair_h, a->pair_ffn_norm, m->dpair,
                       tt_gradients_at(p, v.at->pair_ffn_norm), tt_gradients_at(p, v.at->pair_ffn1),
                       tt_gradients_at(p, v.at->pair_ffn2), m->scratch);
  tt_enter(p, TT_PART_TRIANGLE);
  triangle_backward(p, &v, l);
  tt_enter(p, TT_PART_OUTER_PRODUCT);
  outer_product_backward(p, &v, l);
  // the outer product reads the layer's output x, so only now is that tensor's gradient whole
  tt_show_layer(p, true, l, "x", TT_PROBE_TOKENS, v.D, m->dx);
  tt_enter(p, TT_PART_ATOM_FFN);
  ffn = atom_ffn(p, &v, l);
  p->ops->ffn_backward(&ffn, a->x1, a->ffn_h, a->ffn_norm, m->dx, tt_gradients_at(p, v.at->ffn_norm),
                       tt_gradients_at(p, v.at->ffn1), tt_gradients_at(p, v.at->ffn2), m->scratch);
  tt_enter(p, TT_PART_ATTENTION);
  attention_backward(p, &v, l);
}
