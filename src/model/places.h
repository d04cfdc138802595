// Where each parameter lies in the flat array, as the model's code wants to know it (element offsets).
#ifndef TT_MODEL_PLACES_H
#define TT_MODEL_PLACES_H

#include "model/parameters.h"

// A weight matrix (or LayerNorm scale) and its bias.
typedef struct {
  int64_t w, b;
} tt_affine;

typedef struct {
  int64_t q; // q, k, v one after the other: one (3D, D) matrix
  tt_affine o, bias, attn_norm, ffn1, ffn2, ffn_norm, opm_norm, opm_in, opm_out, pair_ffn_norm, pair_ffn1,
      pair_ffn2;
  tt_affine tri_norm, tri_p, tri_g, tri_gate, tri_z, tri_out_norm;
} tt_layer_places;

typedef struct {
  int64_t token, atom, degree, vnode, edge, path, pair_vnode; // embedding tables
  tt_affine norm, pair_norm;
  int64_t lm_weight, lm_bias;
  tt_affine lm_dense, lm_norm;
  int64_t mul, bias; // Gaussian kernel
  tt_affine gauss1, gauss2;
  tt_affine move_norm, move_bias, move_pair_norm;
  int64_t move_q, force; // move_q: q, k, v one after the other
  tt_layer_places *layers;
} tt_places;

// Looks every name up. TT_ERR_FORMAT if the table lacks one. Free with tt_places_free (also after a failure).
tt_status tt_places_find(tt_places *places, const tt_parameters *parameters, int layers);
void tt_places_free(tt_places *places);

#endif
