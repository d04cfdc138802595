// The operations of the CPU backend; src/device/ops.h says what each computes. One thread, fp32, fixed order
// of sums.
#ifndef TT_KERNELS_CPU_CPU_H
#define TT_KERNELS_CPU_CPU_H

#include "device/ops.h"

void tt_cpu_linear(const float *x, int64_t rows, int in, int out, const float *w, const float *b, float *y);
void tt_cpu_linear_backward(const float *dy, const float *x, int64_t rows, int in, int out, const float *w,
                            float *dx, bool accumulate, float *dw, float *db);
void tt_cpu_layer_norm(const float *x, int64_t rows, int dim, const float *gamma, const float *beta, float *y,
                       float *mean, float *rstd);
void tt_cpu_layer_norm_apply(const float *x, int64_t rows, int dim, const float *gamma, const float *beta,
                             const float *mean, const float *rstd, float *y);
void tt_cpu_layer_norm_backward(const float *dy, const float *x, int64_t rows, int dim, const float *gamma,
                                const float *mean, const float *rstd, float *dx, float *dgamma, float *dbeta);
void tt_cpu_gelu(const float *x, int64_t count, float *y);
void tt_cpu_gelu_backward(const float *x, int64_t count, float *d);

void tt_cpu_dropout(const tt_batch *batch, tt_rows rows, const tt_dropout *d, int dim, const float *in,
                    float *out, bool accumulate);
void tt_cpu_gate_add(const tt_batch *batch, const tt_dropout *d, int dim, const float *gate, const float *u,
                     float *pair);
void tt_cpu_gate_backward(const tt_batch *batch, const tt_dropout *d, int dim, const float *dpair,
                          const float *gate, const float *u, float *dgate, float *du);

void tt_cpu_embed_tokens(const tt_batch *batch, int dim, const float *token, const float *atom,
                         const float *degree, const float *vnode, float *x);
void tt_cpu_embed_tokens_backward(const tt_batch *batch, int dim, const float *dx, float *dtoken,
                                  float *datom, float *ddegree, float *dvnode);
void tt_cpu_embed_pairs(const tt_batch *batch, int dim, const float *path, const float *edge,
                        const float *vnode, float *pair);
void tt_cpu_embed_pairs_backward(const tt_batch *batch, int dim, const float *dpair, float *dpath,
                                 float *dedge, float *dvnode);
void tt_cpu_gaussian(const tt_batch *batch, const float *mul, const float *bias, const float *mean, float std,
                     float *g);
void tt_cpu_gaussian_backward(const tt_batch *batch, const float *mul, const float *bias, const float *mean,
                              float std, const float *dg, float *dmul, float *dbias);
void tt_cpu_atom_pairs_add(const tt_batch *batch, int dim, const float *a, float *pair);
void tt_cpu_atom_pairs_get(const tt_batch *batch, int dim, const float *pair, float *a);

void tt_cpu_attention(const tt_batch *batch, int first, int heads, int head_dim, const float *qkv,
                      const float *bias, float *prob, float *scratch);
void tt_cpu_attention_backward(const tt_batch *batch, int first, int heads, int head_dim, const float *qkv,
                               const float *prob, float *dprob, float *dqkv, float *dbias, float *scratch);
void tt_cpu_attention_values(const tt_batch *batch, int heads, int head_dim, const float *prob,
                             const tt_dropout *d, const float *qkv, float *out, float *scratch);
void tt_cpu_attention_values_backward(const tt_batch *batch, int heads, int head_dim, const float *prob,
                                      const tt_dropout *d, const float *qkv, const float *dout, float *dprob,
                                      float *dqkv, float *scratch);
void tt_cpu_movement(const tt_batch *batch, int heads, int head_dim, const float *prob, const tt_dropout *d,
                     const float *qkv, const float *force, float *move, float *scratch);
void tt_cpu_movement_backward(const tt_batch *batch, int heads, int head_dim, const float *prob,
                              const tt_dropout *d, const float *qkv, const float *force, const float *dmove,
                              float *dprob, float *dqkv, float *dforce, float *scratch);

void tt_cpu_outer_product(const tt_batch *batch, int hidden, int dim, const float *ab, const float *w,
                          const float *bias, float *out, float *scratch);
void tt_cpu_outer_product_backward(const tt_batch *batch, int hidden, int dim, const float *dout,
                                   const float *ab, const float *w, float *dab, float *dw, float *dbias,
                                   float *scratch);
void tt_cpu_triangle(const tt_batch *batch, int hidden, const float *p, const float *g, float *t,
                     float *scratch);
void tt_cpu_triangle_backward(const tt_batch *batch, int hidden, const float *p, const float *g,
                              const float *dt, float *dp, float *dg, float *scratch);

void tt_cpu_gather_masked(const tt_batch *batch, int dim, const float *x, float *y);
void tt_cpu_scatter_masked(const tt_batch *batch, int dim, const float *dy, float *dx);
void tt_cpu_cross_entropy(const tt_batch *batch, const float *logits, double weight, double *loss,
                          float *dlogits);
void tt_cpu_position_losses(const tt_batch *batch, const float *move, double position_weight,
                            double distance_weight, double *position, double *distance, float *dmove);

void tt_cpu_copy(const float *x, int64_t count, float *y);
void tt_cpu_zero(float *x, int64_t count);
void tt_cpu_add(const float *x, int64_t count, float *y);
double tt_cpu_sum_squares(const float *x, int64_t count);
void tt_cpu_adam(int64_t count, float *w, const float *grad, float *m, float *v, const uint8_t *decayed,
                 float clip, float rate, float decay, float beta1, float beta2, float epsilon);

// Floats of scratch that each group needs; `length` is the longest L.
size_t tt_cpu_attention_scratch(int length);
size_t tt_cpu_movement_scratch(int length, int heads);
size_t tt_cpu_outer_product_scratch(int hidden, int dim);
size_t tt_cpu_triangle_scratch(int length);

#endif
