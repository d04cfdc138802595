// The reference backend: every operation of src/device/ops.h as its formula reads, sums in double, one loop
// inside the other. It is what other backends are compared with; nothing is trained with it. A file a family;
// each enters its functions in the table.
#ifndef TT_KERNELS_REFERENCE_REFERENCE_H
#define TT_KERNELS_REFERENCE_REFERENCE_H

#include "device/ops.h"

void tt_reference_dense(tt_ops *ops);
void tt_reference_layer_norm(tt_ops *ops);
void tt_reference_fused(tt_ops *ops);
void tt_reference_embedding(tt_ops *ops);
void tt_reference_gaussian(tt_ops *ops);
void tt_reference_attention(tt_ops *ops);
void tt_reference_movement(tt_ops *ops);
void tt_reference_outer_product(tt_ops *ops);
void tt_reference_triangle(tt_ops *ops);
void tt_reference_losses(tt_ops *ops);
void tt_reference_flat(tt_ops *ops);

// ---- doubles ----
// Scratch as doubles, which are handed out one block after the other.
typedef struct {
  double *next;
} tt_reference_room;
tt_reference_room tt_reference_scratch(float *scratch);
double *tt_reference_take(tt_reference_room *room, int64_t count);  // as it is
double *tt_reference_zeros(tt_reference_room *room, int64_t count); // set to 0
// to += sums, rounded once; to may be NULL
void tt_reference_add(const double *sums, int64_t count, float *to);

// ---- dropout: the factor of one element, 0 or 1 / (1 - probability) ----
// the call's channel e of a token or pair row
double tt_reference_keep(const tt_drop *drop, int64_t row, int e);
// attention probability (head, i, j), the call's head
double tt_reference_keep_head(const tt_dropout *d, uint64_t sample, int head, int i, int j);

// ---- one row of a linear map, W (out, in) ----
// y = W x + b
void tt_reference_map(const double *x, int in, int out, tt_weights at, double *y);
// dx += W^T dy (dx may be NULL), dw += dy x^T, db += dy
void tt_reference_map_backward(const double *dy, const double *x, int in, int out, const float *w, double *dx,
                               double *dw, double *db);

// ---- one row of a LayerNorm ----
void tt_reference_statistics(const float *x, int dim, double *mean, double *rstd);
// y = (x - mean) rstd gamma + beta
void tt_reference_normal(const float *x, int dim, tt_weights norm, double mean, double rstd, double *y);
// dx = its gradient; dgamma +=, dbeta +=
void tt_reference_normal_backward(const double *dy, const float *x, int dim, const float *gamma, double mean,
                                  double rstd, double *dx, double *dgamma, double *dbeta);

double tt_reference_gelu(double x);
double tt_reference_gelu_slope(double x);

// Where prob[head, i, 0] of molecule m is.
static inline int64_t tt_reference_prob(const tt_batch *b, int m, int heads, int head, int i) {
  return b->pair_offset[m] * heads + ((int64_t)head * b->length[m] + i) * b->length[m];
}

#endif
