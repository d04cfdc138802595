// From features to the two tracks' first rows (docs/model.md, Embedding).
#include "model/activations.h"

void tt_embedding_forward(const tt_pass *p) {
  tt_model *m = p->m;
  const tt_places *at = &m->places;
  const tt_batch *b = p->batch;
  int D = m->config.embed_dim, P = m->config.pair_dim;

  p->ops->embed_tokens(b, D, p->w + at->token, p->w + at->atom, p->w + at->degree, p->w + at->vnode,
                       m->x_embed);
  tt_show(p, "x_embed", TT_PROBE_TOKENS, D, m->x_embed);

  p->ops->embed_pairs(b, P, p->w + at->path, p->w + at->edge, p->w + at->pair_vnode, m->pair_embed);
  tt_show(p, "pair_edge", TT_PROBE_PAIRS, P, m->pair_embed);

  p->ops->gaussian(b, p->w + at->mul, p->w + at->bias, m->means, m->gaussian_std, m->gaussian);
  tt_show(p, "gaussian", TT_PROBE_ATOM_PAIRS, TT_GAUSSIANS, m->gaussian);
  tt_affine_forward(p, m->gaussian, b->atom_pairs, TT_GAUSSIANS, TT_GAUSSIANS, at->gauss1, m->gauss_h);
  p->ops->gelu(m->gauss_h, b->atom_pairs * TT_GAUSSIANS, m->pair1);
  tt_affine_forward(p, m->pair1, b->atom_pairs, TT_GAUSSIANS, P, at->gauss2, m->pair2);
  tt_show(p, "pair_3d", TT_PROBE_ATOM_PAIRS, P, m->pair2);
  p->ops->atom_pairs_add(b, P, m->pair2, m->pair_embed);
  tt_show(p, "pair_embed", TT_PROBE_PAIRS, P, m->pair_embed);

  tt_norm(p, m->x_embed, b->tokens, D, at->norm, m->x_norm, m->layers[0].x);
  tt_norm(p, m->pair_embed, b->pairs, P, at->pair_norm, m->pair_norm, m->layers[0].pair);
  tt_show(p, "x_in", TT_PROBE_TOKENS, D, m->layers[0].x);
  tt_show(p, "pair_in", TT_PROBE_PAIRS, P, m->layers[0].pair);
}

void tt_embedding_backward(const tt_pass *p) {
  tt_model *m = p->m;
  const tt_places *at = &m->places;
  const tt_batch *b = p->batch;
  int D = m->config.embed_dim, P = m->config.pair_dim;

  float *dx = m->token1, *dpair = m->pair1, *da = m->pair2, *dh = m->pair3;
  p->ops->zero(dx, b->tokens * D);
  tt_norm_backward(p, m->dx, m->x_embed, b->tokens, D, at->norm, m->x_norm, dx);
  tt_show_gradient(p, "x_embed", TT_PROBE_TOKENS, D, dx);
  p->ops->embed_tokens_backward(b, D, dx, p->g + at->token, p->g + at->atom, p->g + at->degree,
                                p->g + at->vnode);

  p->ops->zero(dpair, b->pairs * P);
  tt_norm_backward(p, m->dpair, m->pair_embed, b->pairs, P, at->pair_norm, m->pair_norm, dpair);
  p->ops->embed_pairs_backward(b, P, dpair, p->g + at->path, p->g + at->edge, p->g + at->pair_vnode);
  p->ops->atom_pairs_get(b, P, dpair, da);
  tt_show_gradient(p, "pair_3d", TT_PROBE_ATOM_PAIRS, P, da);
  p->ops->gelu(m->gauss_h, b->atom_pairs * TT_GAUSSIANS, m->pair1);
  tt_affine_backward(p, da, m->pair1, b->atom_pairs, TT_GAUSSIANS, P, at->gauss2, dh, false);
  p->ops->gelu_backward(m->gauss_h, b->atom_pairs * TT_GAUSSIANS, dh);
  tt_affine_backward(p, dh, m->gaussian, b->atom_pairs, TT_GAUSSIANS, TT_GAUSSIANS, at->gauss1, da, false);
  p->ops->gaussian_backward(b, p->w + at->mul, p->w + at->bias, m->means, m->gaussian_std, da, p->g + at->mul,
                            p->g + at->bias);
}
