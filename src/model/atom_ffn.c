// Feed-forward of the atom track (docs/model.md, Block, step 2): all tokens of the group's piece, own hidden
// channels.
#include "model/activations.h"

// `places`: of the layer. In a group its second product is a part of every row's sum, whose bias and dropout
// follow once the parts are added.
static tt_ffn branch(const tt_pass *p, int l) {
  const tt_model_config *c = &p->m->config;
  const tt_layer_places *at = &p->m->places.layers[l];
  bool alone = tt_alone(p);
  tt_ffn f = {.drop = {p->batch_all, TT_ROWS_TOKENS, tt_site(p, alone ? c->dropout : 0, l, TT_SITE_FFN)},
              .inner = tt_site(p, c->activation_dropout, l, TT_SITE_FFN_INNER),
              .rows = p->batch_all->tokens,
              .dim = c->embed_dim,
              .hidden = c->ffn_dim / p->m->ranks,
              .norm = tt_at(p, at->ffn_norm),
              .first = tt_at(p, at->ffn1),
              .second = tt_at(p, at->ffn2),
              .branch_only = !alone};
  f.inner.first = (uint32_t)(f.hidden * p->m->place);
  if (!alone) f.second.b = NULL;
  return f;
}

// Dropout of the branch's end, own rows.
static tt_drop drop_out(const tt_pass *p, int l) {
  return (tt_drop){p->batch, TT_ROWS_TOKENS, tt_site(p, p->m->config.dropout, l, TT_SITE_FFN)};
}

static void forward_alone(const tt_pass *p, const tt_ffn *f, tt_layer_activations *a, tt_activation *out,
                          int l) {
  tt_model *m = p->m;
  if (m->probe) {
    p->ops->ffn(f, a->x1, NULL, a->ffn_h, a->ffn_norm, m->token1, m->scratch);
    tt_show_layer(p, false, l, "ffn", TT_PROBE_TOKENS, f->dim, m->token1);
  }
  p->ops->ffn(f, a->x1, a->x1, a->ffn_h, a->ffn_norm, out, m->scratch);
}

static void forward_in_group(const tt_pass *p, const tt_ffn *f, tt_layer_activations *a, tt_activation *out,
                             int l) {
  tt_model *m = p->m;
  tt_drop drop = drop_out(p, l);
  const float *bias = p->w + m->places.layers[l].ffn2.b;
  tt_gather_tokens(p, f->dim, a->x1_all);
  p->ops->ffn(f, a->x1_all, NULL, a->ffn_h, a->ffn_norm, m->rows_all, m->scratch);
  tt_sum_tokens(p, f->dim, m->rows_all, m->token1);
  if (m->probe) {
    p->ops->bias_residual(&drop, m->token1, p->batch->tokens, f->dim, bias, NULL, m->token2);
    tt_show_layer(p, false, l, "ffn", TT_PROBE_TOKENS, f->dim, m->token2);
  }
  p->ops->bias_residual(&drop, m->token1, p->batch->tokens, f->dim, bias, a->x1, out);
}

void tt_atom_ffn_forward(const tt_pass *p, int l) {
  tt_ffn f = branch(p, l);
  tt_layer_activations *a = &p->m->layers[l];
  tt_activation *out = p->m->layers[l + 1].x;
  if (tt_alone(p))
    forward_alone(p, &f, a, out, l);
  else
    forward_in_group(p, &f, a, out, l);
}

// m->dx goes through the residual as it is, and its part through the branch is added.
static void backward_in_group(const tt_pass *p, const tt_ffn *f, const tt_layer_activations *a, int l) {
  tt_model *m = p->m;
  const tt_layer_places *at = &m->places.layers[l];
  tt_drop drop = drop_out(p, l);
  tt_gradients second = tt_gradients_at(p, at->ffn2);
  p->ops->bias_residual_backward(&drop, m->dx, p->batch->tokens, f->dim,
                                 tt_own_tokens(p, m->rows_all, f->dim), second.b);
  tt_gather_tokens(p, f->dim, m->rows_all);
  p->ops->ffn_backward(f, a->x1_all, a->ffn_h, a->ffn_norm, m->rows_all, tt_gradients_at(p, at->ffn_norm),
                       tt_gradients_at(p, at->ffn1), (tt_gradients){second.w, NULL}, m->scratch);
  tt_sum_tokens(p, f->dim, m->rows_all, m->token1);
  p->ops->add_activations(m->token1, p->batch->tokens * f->dim, m->dx);
}

void tt_atom_ffn_backward(const tt_pass *p, int l) {
  tt_model *m = p->m;
  const tt_layer_places *at = &m->places.layers[l];
  const tt_layer_activations *a = &m->layers[l];
  tt_ffn f = branch(p, l);
  if (tt_alone(p))
    p->ops->ffn_backward(&f, a->x1, a->ffn_h, a->ffn_norm, m->dx, tt_gradients_at(p, at->ffn_norm),
                         tt_gradients_at(p, at->ffn1), tt_gradients_at(p, at->ffn2), m->scratch);
  else
    backward_in_group(p, &f, a, l);
}
