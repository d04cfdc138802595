// One layer of the two tracks (docs/model.md, Block) and its backward; here the order of its steps and those
// of the pair track, which know of own molecules only. The atom track: attention.c, atom_ffn.c.
#include "model/activations.h"

typedef struct {
  int D, P, C;
  int64_t T, R;
  const tt_layer_places *at;
  tt_layer_activations *a, *next;
} layer_view;

static layer_view view(const tt_pass *p, int l) {
  const tt_model_config *c = &p->m->config;
  return (layer_view){c->embed_dim,     c->pair_dim,         c->pair_hidden,
                      p->batch->tokens, p->batch->pairs,     &p->m->places.layers[l],
                      &p->m->layers[l], &p->m->layers[l + 1]};
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
  layer_view v = view(p, l);
  tt_layer_activations *a = v.a;

  // 1. attention, biased by the pair track
  tt_enter(p, TT_PART_ATTENTION);
  tt_attention_forward(p, l);

  // 2. atom feed-forward
  tt_enter(p, TT_PART_ATOM_FFN);
  tt_atom_ffn_forward(p, l);

  // 3. outer product: atoms speak to pairs
  tt_enter(p, TT_PART_OUTER_PRODUCT);
  tt_norm_map(p, v.next->x, v.T, v.D, v.at->opm_norm, a->opm_norm, 2 * v.C, v.at->opm_in, a->ab);
  outer_product_forward(p, &v, l, false);

  // 4. triangle product
  tt_enter(p, TT_PART_TRIANGLE);
  triangle_forward(p, &v, l, false);

  // 5. pair feed-forward
  tt_enter(p, TT_PART_PAIR_FFN);
  tt_ffn ffn = pair_ffn(p, &v, l);
  if (m->probe) {
    p->ops->ffn(&ffn, a->pair2, NULL, a->pair_h, a->pair_ffn_norm, m->pair1, m->scratch);
    tt_show_layer(p, false, l, "pair_ffn", TT_PROBE_PAIRS, v.P, m->pair1);
  }
  p->ops->ffn(&ffn, a->pair2, a->pair2, a->pair_h, a->pair_ffn_norm, v.next->pair, m->scratch);

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
  tt_activation *dgate = a->gate, *dp = a->tri_p, *dg = a->tri_g,
                *dt = m->pair_c; // in place: this is their last use
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
  tt_activation *dab = m->token1;
  p->ops->outer_product_backward(&drop, v->C, v->P, m->dpair, a->ab, p->w + v->at->opm_out.w, dab,
                                 tt_gradients_at(p, v->at->opm_out), m->scratch);
  tt_norm_map_backward(p, dab, v->next->x, v->T, v->D, v->at->opm_norm, a->opm_norm, 2 * v->C, v->at->opm_in,
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
  tt_atom_ffn_backward(p, l);
  tt_enter(p, TT_PART_ATTENTION);
  tt_attention_backward(p, l);
}
