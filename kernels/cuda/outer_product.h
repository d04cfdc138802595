// What the outer product's forward and backward share: sizes, factors, and the weight turned around.
#ifndef TT_KERNELS_CUDA_OUTER_PRODUCT_H
#define TT_KERNELS_CUDA_OUTER_PRODUCT_H

#include "pair.h"

// Bytes of what a slab of tokens leaves between two kernels, T, G or H, so that it stays in the cache.
enum { TT_OUTER_BYTES = 28 << 20 };

// The weight W (P, C, C), element (p, c, e), in parts of `part` columns p (a multiple of 64, zeros where
// there are none) one behind the other, each as (C, part, width): element (c, p, e), zeros for e at and after
// C. So it is both what makes T_i from a_i, and, as rows of (c, p), what da and db are made with.
const tt_bf16 *tt_cuda_outer_weight(const float *w, int hidden, int dim, int part, tt_bf16 *to);
const float *tt_cuda_outer_weight(const float *w, int hidden, int dim, int part, float *to);

// Elements of the turned weight.
static inline int64_t tt_outer_weight_size(int hidden, int dim, int part) {
  return tt_multiple(dim, part) * hidden * tt_tiled(hidden);
}

// u_ij = f T_i b_j + s bias, s = 1 / (1e-3 + 1 / S), f = s / S
TT_DEVICE float tt_outer_bias_factor(const tt_batch &batch, int molecule) {
  return 1.0f / (1e-3f + 1.0f / (float)batch.scaling_length[molecule]);
}
TT_DEVICE float tt_outer_factor(const tt_batch &batch, int molecule) {
  return 1.0f / (1e-3f * (float)batch.scaling_length[molecule] + 1.0f);
}

#endif
