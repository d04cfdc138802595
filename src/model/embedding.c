// From features to the two tracks' first rows (docs/model.md, Embedding).
#include "model/activations.h"

void tt_embedding_forward(const tt_pass *p) {
  tt_model *m = p->m;
  const tt_places *at = &m->places;
  const tt_batch *b = p->batch;
  int D = m->config.embed_dim, P = m->config.pair_dim;
  float *y = tt_singles(m->pair1), *pair_3d = tt_singles(m->pair2);

  p->ops->embed_tokens(b, D, p->w + at->token, p->w + at->atom, p->w + at->degree, p->w + at->vnode,
                       m->x_embed);
  tt_show_single(p, "x_embed", TT_PROBE_TOKENS, D, m->x_embed);

  p->ops->embed_pairs(b, P, p->w + at->path, p->w + at->edge, p->w + at->pair_vnode, m->pair_embed);
  tt_show_single(p, "pair_edge", TT_PROBE_PAIRS, P, m->pair_embed);

  p->ops->gaussian(b, p->w + at->mul, p->w + at->bias, m->means, m->gaussian_std, m->gaussian);
  tt_show_single(p, "gaussian", TT_PROBE_ATOM_PAIRS, TT_GAUSSIANS, m->gaussian);
  p->ops->linear_single(m->gaussian, b->atom_pairs, TT_GAUSSIANS, TT_GAUSSIANS, tt_at(p, at->gauss1),
                        m->gauss_h, m->scratch);
  p->ops->gelu_single(m->gauss_h, b->atom_pairs * TT_GAUSSIANS, y);
  p->ops->linear_single(y, b->atom_pairs, TT_GAUSSIANS, P, tt_at(p, at->gauss2), pair_3d, m->scratch);
  tt_show_single(p, "pair_3d", TT_PROBE_ATOM_PAIRS, P, pair_3d);
  p->ops->atom_pairs_add(b, P, pair_3d, m->pair_embed);
  tt_show_single(p, "pair_embed", TT_PROBE_PAIRS, P, m->pair_embed);

  p->ops->layer_norm(m->x_embed, b->tokens, D, tt_at(p, at->norm), m->x_norm, m->layers[0].x);
  p->ops->layer_norm(m->pair_embed, b->pairs, P, tt_at(p, at->pair_norm), m->pair_norm, m->layers[0].pair);
  tt_show(p, "x_in", TT_PROBE_TOKENS, D, m->layers[0].x);
  tt_show(p, "pair_in", TT_PROBE_PAIRS, P, m->layers[0].pair);
}

void tt_embedding_backward(const tt_pass *p) {
  tt_model *m = p->m;
  const tt_places *at = &m->places;
  const tt_batch *b = p->batch;
  int D = m->config.embed_dim, P = m->config.pair_dim;

  float *dx = tt_singles(m->token1), *dpair = tt_singles(m->pair1), *da = tt_singles(m->pair2);
  float *y = tt_singles(m->pair1), *dh = tt_singles(m->dpair); // the layers are done with it
  p->ops->zero(dx, b->tokens * D);
  p->ops->layer_norm_backward(m->dx, m->x_embed, b->tokens, D, p->w + at->norm.w, m->x_norm, dx,
                              tt_gradients_at(p, at->norm));
  tt_show_single_gradient(p, "x_embed", TT_PROBE_TOKENS, D, dx);
  p->ops->embed_tokens_backward(b, D, dx, p->g + at->token, p->g + at->atom, p->g + at->degree,
                                p->g + at->vnode);

  p->ops->zero(dpair, b->pairs * P);
  p->ops->layer_norm_backward(m->dpair, m->pair_embed, b->pairs, P, p->w + at->pair_norm.w, m->pair_norm,
                              dpair, tt_gradients_at(p, at->pair_norm));
  p->ops->embed_pairs_backward(b, P, dpair, p->g + at->path, p->g + at->edge, p->g + at->pair_vnode);
  p->ops->atom_pairs_get(b, P, dpair, da);
  tt_show_single_gradient(p, "pair_3d", TT_PROBE_ATOM_PAIRS, P, da);
  p->ops->gelu_single(m->gauss_h, b->atom_pairs * TT_GAUSSIANS, y);
  p->ops->linear_single_backward(da, y, b->atom_pairs, TT_GAUSSIANS, P, p->w + at->gauss2.w, dh, false,
                                 tt_gradients_at(p, at->gauss2), m->scratch);
  p->ops->gelu_single_backward(m->gauss_h, b->atom_pairs * TT_GAUSSIANS, dh);
  p->ops->linear_single_backward(dh, m->gaussian, b->atom_pairs, TT_GAUSSIANS, TT_GAUSSIANS,
                                 p->w + at->gauss1.w, da, false, tt_gradients_at(p, at->gauss1), m->scratch);
  p->ops->gaussian_backward(b, p->w + at->mul, p->w + at->bias, m->means, m->gaussian_std, da, p->g + at->mul,
                            p->g + at->bias);
}
