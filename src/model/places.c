#include "model/places.h"

#include <stdio.h>
#include <stdlib.h>

static int64_t place(const tt_parameters *t, const char *name, tt_status *status) {
  const tt_parameter *p = tt_parameters_find(t, name);
  if (p) return p->offset;
  if (*status == TT_OK) *status = tt_fail(TT_ERR_FORMAT, "the parameter table lacks %s", name);
  return 0;
}

static tt_affine affine(const tt_parameters *t, const char *prefix, const char *name, tt_status *status) {
  char full[128];
  snprintf(full, sizeof full, "%s%s.weight", prefix, name);
  tt_affine a = {place(t, full, status), 0};
  snprintf(full, sizeof full, "%s%s.bias", prefix, name);
  a.b = place(t, full, status);
  return a;
}

static tt_layer_places layer_places(const tt_parameters *t, int layer, tt_status *status) {
  char prefix[48], query[96];
  snprintf(prefix, sizeof prefix, "encoder.layers.%d.", layer);
  snprintf(query, sizeof query, "%sself_attn.linear_q.weight", prefix);
  return (tt_layer_places){
      .q = place(t, query, status),
      .o = affine(t, prefix, "self_attn.linear_o", status),
      .bias = affine(t, prefix, "self_attn.linear_bias", status),
      .attn_norm = affine(t, prefix, "self_attn_layer_norm", status),
      .ffn1 = affine(t, prefix, "ffn.linear_1", status),
      .ffn2 = affine(t, prefix, "ffn.linear_2", status),
      .ffn_norm = affine(t, prefix, "final_layer_norm", status),
      .opm_norm = affine(t, prefix, "x_layer_norm_opm", status),
      .opm_in = affine(t, prefix, "opm.linear_in", status),
      .opm_out = affine(t, prefix, "opm.linear_out", status),
      .pair_ffn_norm = affine(t, prefix, "pair_layer_norm_ffn", status),
      .pair_ffn1 = affine(t, prefix, "pair_ffn.linear_1", status),
      .pair_ffn2 = affine(t, prefix, "pair_ffn.linear_2", status),
      .tri_norm = affine(t, prefix, "pair_layer_norm_trimul", status),
      .tri_p = affine(t, prefix, "pair_tri_mul.linear_ab_p", status),
      .tri_g = affine(t, prefix, "pair_tri_mul.linear_ab_g", status),
      .tri_gate = affine(t, prefix, "pair_tri_mul.linear_g", status),
      .tri_z = affine(t, prefix, "pair_tri_mul.linear_z", status),
      .tri_out_norm = affine(t, prefix, "pair_tri_mul.layer_norm_out", status),
  };
}

tt_status tt_places_find(tt_places *places, const tt_parameters *t, int layers) {
  tt_status status = TT_OK;
  *places = (tt_places){
      .token = place(t, "embed_tokens.weight", &status),
      .atom = place(t, "atom_feature.atom_encoder.weight", &status),
      .degree = place(t, "atom_feature.degree_encoder.weight", &status),
      .vnode = place(t, "atom_feature.vnode_encoder.weight", &status),
      .edge = place(t, "edge_feature.edge_encoder.weight", &status),
      .path = place(t, "edge_feature.shorest_path_encoder.weight", &status),
      .pair_vnode = place(t, "edge_feature.vnode_virtual_distance.weight", &status),
      .norm = affine(t, "", "encoder.layer_norm", &status),
      .pair_norm = affine(t, "", "encoder.pair_layer_norm", &status),
      .lm_weight = place(t, "lm_head.weight", &status),
      .lm_bias = place(t, "lm_head.bias", &status),
      .lm_dense = affine(t, "", "lm_head.dense", &status),
      .lm_norm = affine(t, "", "lm_head.layer_norm", &status),
      .mul = place(t, "se3_invariant_kernel.gaussian.mul.weight", &status),
      .bias = place(t, "se3_invariant_kernel.gaussian.bias.weight", &status),
      .gauss1 = affine(t, "", "se3_invariant_kernel.out_proj.layer1", &status),
      .gauss2 = affine(t, "", "se3_invariant_kernel.out_proj.layer2", &status),
      .move_norm = affine(t, "", "movement_pred_head.layer_norm", &status),
      .move_bias = affine(t, "", "movement_pred_head.linear_bias", &status),
      .move_pair_norm = affine(t, "", "movement_pred_head.pair_layer_norm", &status),
      .move_q = place(t, "movement_pred_head.q_proj.weight", &status),
      .force = place(t, "movement_pred_head.force_proj1.weight", &status),
  };
  places->layers = calloc((size_t)layers, sizeof *places->layers);
  if (!places->layers) return tt_fail(TT_ERR_MEMORY, "out of memory for the layer table");
  for (int l = 0; l < layers; l++) places->layers[l] = layer_places(t, l, &status);
  return status;
}

void tt_places_free(tt_places *places) {
  free(places->layers);
  places->layers = NULL;
}
