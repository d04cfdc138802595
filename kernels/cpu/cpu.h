// The operations of the CPU backend; src/device/ops.h says what each computes. One thread, fp32, fixed order
// of sums.
#ifndef TT_KERNELS_CPU_CPU_H
#define TT_KERNELS_CPU_CPU_H

#include "device/ops.h"
#include "isa.h"

void TT_DENSE(linear)(const float *x, int64_t rows, int in, int out, tt_weights at, float *y, float *scratch);
void TT_DENSE(linear_backward)(const float *dy, const float *x, int64_t rows, int in, int out, const float *w,
                               float *dx, bool accumulate, tt_gradients gradient, float *scratch);
void TT_CPU(layer_norm)(const float *x, int64_t rows, int dim, tt_weights norm, tt_statistics s, float *y);
void TT_CPU(layer_norm_backward)(const float *dy, const float *x, int64_t rows, int dim, const float *gamma,
                                 tt_statistics s, float *dx, tt_gradients gradient);
void TT_CPU(gelu)(const float *x, int64_t count, float *y);
void TT_CPU(gelu_backward)(const float *x, int64_t count, float *d);

void TT_DENSE(norm_linear)(const float *x, int64_t rows, int dim, tt_weights norm, tt_statistics s,
                           const tt_map *maps, int count, float *scratch);
void TT_DENSE(norm_linear_backward)(const float *x, int64_t rows, int dim, tt_weights norm, tt_statistics s,
                                    const tt_map_gradient *maps, int count, float *dx, tt_gradients dnorm,
                                    float *scratch);
void TT_DENSE(linear_residual)(const tt_drop *drop, const float *x, int64_t rows, int in, int out_dim,
                               tt_weights at, const float *residual, float *out, float *scratch);
void TT_DENSE(linear_residual_backward)(const tt_drop *drop, const float *dout, const float *x, int64_t rows,
                                        int in, int out_dim, const float *w, float *dx, tt_gradients gradient,
                                        float *scratch);
void TT_CPU(bias_residual)(const tt_drop *drop, const float *y, int64_t rows, int dim, const float *bias,
                           const float *residual, float *out);
void TT_CPU(bias_residual_backward)(const tt_drop *drop, const float *dout, int64_t rows, int dim, float *dy,
                                    float *dbias);
void TT_DENSE(ffn)(const tt_ffn *f, const float *x, const float *residual, float *h, tt_statistics s,
                   float *out, float *scratch);
void TT_DENSE(ffn_backward)(const tt_ffn *f, const float *x, const float *h, tt_statistics s, float *d,
                            tt_gradients dnorm, tt_gradients dfirst, tt_gradients dsecond, float *scratch);

void TT_CPU(embed_tokens)(const tt_batch *batch, int dim, const float *token, const float *atom,
                          const float *degree, const float *vnode, float *x);
void TT_CPU(embed_tokens_backward)(const tt_batch *batch, int dim, const float *dx, float *dtoken,
                                   float *datom, float *ddegree, float *dvnode);
void TT_CPU(embed_pairs)(const tt_batch *batch, int dim, const float *path, const float *edge,
                         const float *vnode, float *pair);
void TT_CPU(embed_pairs_backward)(const tt_batch *batch, int dim, const float *dpair, float *dpath,
                                  float *dedge, float *dvnode);
void TT_CPU(gaussian)(const tt_batch *batch, const float *mul, const float *bias, const float *mean,
                      float std, float *g);
void TT_CPU(gaussian_backward)(const tt_batch *batch, const float *mul, const float *bias, const float *mean,
                               float std, const float *dg, float *dmul, float *dbias);
void TT_CPU(atom_pairs_add)(const tt_batch *batch, int dim, const float *a, float *pair);
void TT_CPU(atom_pairs_get)(const tt_batch *batch, int dim, const float *pair, float *a);

void TT_CPU(attention)(const tt_batch *batch, int first, int heads, int head_dim, const float *qkv,
                       const float *bias, float *prob, float *scratch);
void TT_CPU(attention_backward)(const tt_batch *batch, int first, int heads, int head_dim, const float *qkv,
                                const float *prob, float *dprob, float *dqkv, float *dbias, float *scratch);
void TT_CPU(attention_values)(const tt_batch *batch, int heads, int head_dim, const float *prob,
                              const tt_dropout *d, const float *qkv, float *out, float *scratch);
void TT_CPU(attention_values_backward)(const tt_batch *batch, int heads, int head_dim, const float *prob,
                                       const tt_dropout *d, const float *qkv, const float *dout, float *dprob,
                                       float *dqkv, float *scratch);
void TT_CPU(movement)(const tt_batch *batch, int heads, int head_dim, const float *prob, const tt_dropout *d,
                      const float *qkv, const float *force, float *move, float *scratch);
void TT_CPU(movement_backward)(const tt_batch *batch, int heads, int head_dim, const float *prob,
                               const tt_dropout *d, const float *qkv, const float *force, const float *dmove,
                               float *dprob, float *dqkv, float *dforce, float *scratch);

void TT_CPU(outer_product)(const tt_drop *drop, int hidden, int dim, const float *ab, tt_weights at,
                           const float *residual, float *out, float *scratch);
void TT_CPU(outer_product_backward)(const tt_drop *drop, int hidden, int dim, const float *dout,
                                    const float *ab, const float *w, float *dab, tt_gradients gradient,
                                    float *scratch);
void TT_CPU(triangle)(const tt_batch *batch, int hidden, const float *p, const float *g, float *t,
                      float *scratch);
void TT_CPU(triangle_backward)(const tt_batch *batch, int hidden, const float *p, const float *g,
                               const float *dt, float *dp, float *dg, float *scratch);

void TT_DENSE(triangle_out)(const tt_drop *drop, int hidden, int dim, const float *t, tt_weights norm,
                            tt_statistics s, tt_weights at, const float *gate, const float *residual,
                            float *out, float *scratch);
void TT_DENSE(triangle_out_backward)(const tt_drop *drop, int hidden, int dim, const float *dout,
                                     const float *t, tt_weights norm, tt_statistics s, tt_weights at,
                                     const float *gate, float *dgate, float *dt, tt_gradients dnorm,
                                     tt_gradients gradient, float *scratch);

void TT_CPU(gather_masked)(const tt_batch *batch, int dim, const float *x, float *y);
void TT_CPU(scatter_masked)(const tt_batch *batch, int dim, const float *dy, float *dx);
void TT_CPU(cross_entropy)(const tt_batch *batch, const float *logits, double weight, double *loss,
                           float *dlogits);
void TT_CPU(position_losses)(const tt_batch *batch, const float *move, double position_weight,
                             double distance_weight, double *position, double *distance, float *dmove);

void TT_CPU(copy)(const float *x, int64_t count, float *y);
void TT_CPU(zero)(float *x, int64_t count);
void TT_CPU(library_product)(int n, const float *x, const float *y, float *z);
void TT_CPU(add)(const float *x, int64_t count, float *y);
double TT_CPU(sum_squares)(const float *x, int64_t count);
void TT_CPU(block_squares)(const float *x, int64_t count, int64_t block, double *sums);
void TT_CPU(adam)(int64_t count, float *w, const float *grad, float *m, float *v, const uint8_t *decayed,
                  float clip, float rate, float decay, float beta1, float beta2, float epsilon);

// Floats of scratch that each group needs; `length` is the longest L.
size_t TT_CPU(attention_scratch)(int length);
size_t TT_CPU(movement_scratch)(int length, int heads);
size_t TT_DENSE(linear_scratch)(int in, int out);
size_t TT_DENSE(norm_linear_scratch)(int dim, const int *out, int count);
size_t TT_DENSE(ffn_scratch)(int dim, int hidden);
size_t TT_CPU(outer_product_scratch)(int hidden, int length);
size_t TT_DENSE(triangle_out_scratch)(int hidden, int dim, int length);
size_t TT_CPU(triangle_scratch)(int length);

#endif
