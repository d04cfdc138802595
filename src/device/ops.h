// The table of operations that a backend fills; the model is written once, against it.
//
// Arrays are row-major, packed (src/batch/batch.h): T token rows, R pair rows, A atom-pair rows (N*N a
// molecule). Those of type float are fp32 everywhere; of tt_activation, what the backend keeps activations
// in. W is (out, in) as in PyTorch. Gradients of parameters (dw, db, dgamma, dtable, ...) are ADDED to; every
// other output is overwritten unless the comment says "+=". Every result is a fixed function of the inputs:
// the order of every sum depends only on shapes (no atomics, no dependence on addresses or threads). Symbols
// and equations: docs/model.md; S_m = batch->scaling_length[m].
#ifndef TT_DEVICE_OPS_H
#define TT_DEVICE_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "batch/batch.h"

// What a backend keeps activations and their gradients in: fp32, or, on a device with precision bf16, 16-bit
// numbers, whose size tt_ops.activation_size tells. Only the backend reads or writes through such a pointer,
// and only tt_step moves it. (The type is that of the backends for CPUs, which need no other.)
typedef float tt_activation;

// Dropout is a pure function of (seed, step, sample, layer, site, global head or channel, i, j): element e of
// a run of channels (or keys j, in attention) uses 16-bit word e % 8 (word w = bits 16*(w%2) of v[w/2]) of
//   philox(key = tt_stream(seed, step, batch->sample[m]), c0 = layer * 16 + site, c1, c2, c3 = e / 8)
// with (c1, c2) = (i, j) for token rows (j = 0) and pair rows, (0, j) for pairs that share the mask over i,
// and (head, i) for attention probabilities. Dropped when word < t, t = round(probability * 65536); kept ones
// are scaled by 65536 / (65536 - t). i and j count from the virtual node (0). probability 0: the identity.
//
// A call may have a part of the heads or channels alone (a rank of a tensor group): `first` is the global
// number of its first one, so head is first + its own head, and e is first + its own channel. 0 where all are
// there. Of channels `first` must be a multiple of 8: a mask is drawn eight channels at a time.
typedef struct {
  double probability;
  uint64_t seed, step;
  uint32_t layer, site, first;
} tt_dropout;

typedef enum { TT_ROWS_TOKENS, TT_ROWS_PAIRS, TT_ROWS_PAIRS_SHARED } tt_rows;

// The rows that dropout is drawn for, and whose molecules it names.
typedef struct {
  const tt_batch *batch;
  tt_rows rows;
  tt_dropout dropout;
} tt_drop;

// A weight matrix and bias, or a LayerNorm's gamma and beta; and their gradients. In linear, linear_residual
// and norm_linear the bias, and its gradient, may be NULL.
typedef struct {
  const float *w, *b;
} tt_weights;
typedef struct {
  float *w, *b;
} tt_gradients;

// Mean and 1 / standard deviation of each row of a LayerNorm (eps 1e-5, biased variance).
typedef struct {
  float *mean, *rstd;
} tt_statistics;

// One of the maps that read the same normalised row: y (rows, out) = LN(x) W^T + b; and its backward.
typedef struct {
  int out;
  tt_weights at;
  tt_activation *y;
} tt_map;
typedef struct {
  int out;
  tt_weights at;
  const tt_activation *dy;
  tt_gradients gradient;
} tt_map_gradient;
enum { TT_MOST_MAPS = 3 };

// A feed-forward branch: dropout(W2 inner_dropout(GELU(W1 LN(x) + b1)) + b2), W1 (hidden, dim), W2 (dim,
// hidden). Both dropouts are drawn for the rows of `drop`, which do not share masks; inner.first counts
// hidden channels. second.b, and its gradient, may be NULL: a part of the hidden channels makes a partial
// sum, and the bias belongs to the whole.
typedef struct {
  tt_drop drop;
  tt_dropout inner;
  int64_t rows;
  int dim, hidden;
  tt_weights norm, first, second;
  bool branch_only; // of the backward: dx goes through the branch alone, not through the residual too
} tt_ffn;

// The operations, forward and backward, that will use a scratch: LINEAR is linear and linear_residual,
// ATTENTION attention and attention_values. A model asks for all. Checks ask for one alone, so that the needs
// of others do not hide a size that is wrong.
typedef enum {
  TT_SCRATCH_ALL,
  TT_SCRATCH_LINEAR,
  TT_SCRATCH_NORM_LINEAR,
  TT_SCRATCH_FFN,
  TT_SCRATCH_ATTENTION,
  TT_SCRATCH_MOVEMENT,
  TT_SCRATCH_OUTER_PRODUCT,
  TT_SCRATCH_TRIANGLE,
  TT_SCRATCH_TRIANGLE_OUT
} tt_scratch_of;

// What scratch() is sized by: the largest of everything that will be passed.
typedef struct {
  int length, heads, embed_dim, ffn_dim, pair_dim, pair_hidden;
  int64_t tokens, pairs;
  tt_scratch_of of;
} tt_sizes;

typedef struct {
  const char *name;
  bool deterministic;
  tt_precision precision; // of the operands of dense products: of linear, of the fused steps of a block and
                          // of triangle_out, forward and backward. Sums, and all else, are fp32, but for
                          // activations (activation_size)
  bool device; // the work is a device's: queued, and done in order; arrays that operations are given,
               // activations and weights, are in memory of allocate(), and scalars that an operation returns
               // have been waited for. Of a batch the scalars are the host's, the arrays the device's
               // (device/batch_upload.h). Else all is done on return, in any memory

  // ---- memory ----
  size_t activation_size; // bytes of one
  // At least `bytes` bytes, of any content, that start on a multiple of 256; NULL: there are none left.
  // Of a device it is the device's alone: the host gets at what is in it by upload and download.
  void *(*allocate)(size_t bytes);
  void (*release)(void *memory); // once the queued work is done; NULL: nothing
  // `from` may be changed on return; what was queued before still sees the old content of `to`
  void (*upload)(const void *from, size_t bytes, void *to);
  void (*download)(const void *from, size_t bytes, void *to); // waits for what was queued before
  void (*wait)(void);                                         // all queued work is done
  // The flat array of all parameters has new values: `count` of them. To be called before any operation uses
  // them, once and after each change but adam's own: a device may keep copies for its products.
  void (*weights_changed)(const float *weights, int64_t count);

  // ---- dense ----
  // `scratch` of these and all operations below: the same pointer, of scratch(sizes) floats.
  // y (rows, out) = x W^T + b
  void (*linear)(const tt_activation *x, int64_t rows, int in, int out, tt_weights at, tt_activation *y,
                 float *scratch);
  // dx = dy W (or += when `accumulate`; dx may be NULL), dw += dy^T x, db += column sums of dy
  void (*linear_backward)(const tt_activation *dy, const tt_activation *x, int64_t rows, int in, int out,
                          const float *w, tt_activation *dx, bool accumulate, tt_gradients gradient,
                          float *scratch);
  // y = LN(x); the statistics are outputs
  void (*layer_norm)(const float *x, int64_t rows, int dim, tt_weights norm, tt_statistics s,
                     tt_activation *y);
  // dx += gradient (a residual's gradient is usually there already), dgamma +=, dbeta +=
  void (*layer_norm_backward)(const tt_activation *dy, const float *x, int64_t rows, int dim,
                              const float *gamma, tt_statistics s, float *dx, tt_gradients gradient);
  // exact (erf) GELU; y may be x
  void (*gelu)(const tt_activation *x, int64_t count, tt_activation *y);
  // d *= gelu'(x), in place
  void (*gelu_backward)(const tt_activation *x, int64_t count, tt_activation *d);

  // The same on fp32 arrays, whatever activations are kept in: the Gaussian part of the embedding
  void (*linear_single)(const float *x, int64_t rows, int in, int out, tt_weights at, float *y,
                        float *scratch);
  void (*linear_single_backward)(const float *dy, const float *x, int64_t rows, int in, int out,
                                 const float *w, float *dx, bool accumulate, tt_gradients gradient,
                                 float *scratch);
  void (*gelu_single)(const float *x, int64_t count, float *y);
  void (*gelu_single_backward)(const float *x, int64_t count, float *d);

  // ---- fused steps of a block ----
  // One to TT_MOST_MAPS maps of LN(x), x (rows, dim); the statistics are outputs
  void (*norm_linear)(const tt_activation *x, int64_t rows, int dim, tt_weights norm, tt_statistics s,
                      const tt_map *maps, int count, float *scratch);
  // dx +=, from the dy of every map; LN(x) is computed again
  void (*norm_linear_backward)(const tt_activation *x, int64_t rows, int dim, tt_weights norm,
                               tt_statistics s, const tt_map_gradient *maps, int count, tt_activation *dx,
                               tt_gradients dnorm, float *scratch);
  // out (rows, out_dim) = residual + dropout(x W^T + b), x (rows, in). residual may be NULL (nothing) or out.
  // drop: not TT_ROWS_PAIRS_SHARED, here and in ffn.
  void (*linear_residual)(const tt_drop *drop, const tt_activation *x, int64_t rows, int in, int out_dim,
                          tt_weights at, const tt_activation *residual, tt_activation *out, float *scratch);
  // dx (rows, in), dw +=, db +=; dout is also the residual's gradient and stays as it is
  void (*linear_residual_backward)(const tt_drop *drop, const tt_activation *dout, const tt_activation *x,
                                   int64_t rows, int in, int out_dim, const float *w, tt_activation *dx,
                                   tt_gradients gradient, float *scratch);
  // out (rows, dim) = residual + dropout(y + bias): the end of a branch whose product y came as partial sums.
  // residual may be NULL (nothing) or out, out may be y. drop: not TT_ROWS_PAIRS_SHARED.
  void (*bias_residual)(const tt_drop *drop, const tt_activation *y, int64_t rows, int dim, const float *bias,
                        const tt_activation *residual, tt_activation *out);
  // dy (rows, dim), dbias +=; dy may be dout, which is also the residual's gradient and else stays as it is
  void (*bias_residual_backward)(const tt_drop *drop, const tt_activation *dout, int64_t rows, int dim,
                                 tt_activation *dy, float *dbias);
  // out = residual + branch(x); h (rows, hidden; before GELU) and the statistics are outputs. residual is x
  // or NULL (nothing).
  void (*ffn)(const tt_ffn *f, const tt_activation *x, const tt_activation *residual, tt_activation *h,
              tt_statistics s, tt_activation *out, float *scratch);
  // d (rows, dim): dout on entry, dx (through the residual and the branch, or f->branch_only) on return
  void (*ffn_backward)(const tt_ffn *f, const tt_activation *x, const tt_activation *h, tt_statistics s,
                       tt_activation *d, tt_gradients dnorm, tt_gradients dfirst, tt_gradients dsecond,
                       float *scratch);

  // ---- embedding ----
  // x_i = sum_k atom[atom_input_ik] + degree[degree_i] + token[token_i]; x_0 = vnode. Tables (512|128|128|1,
  // dim)
  void (*embed_tokens)(const tt_batch *batch, int dim, const float *token, const float *atom,
                       const float *degree, const float *vnode, float *x);
  void (*embed_tokens_backward)(const tt_batch *batch, int dim, const float *dx, float *dtoken, float *datom,
                                float *ddegree, float *dvnode);
  // pair_ij = path[path_ij] + mean_k edge[edge_ijk] for i, j >= 1; vnode where i or j is 0. Tables (512|64|1,
  // dim)
  void (*embed_pairs)(const tt_batch *batch, int dim, const float *path, const float *edge,
                      const float *vnode, float *pair);
  void (*embed_pairs_backward)(const tt_batch *batch, int dim, const float *dpair, float *dpath, float *dedge,
                               float *dvnode);
  // g (A, 128) = exp(-((z - mean_k)/std)^2 / 2) / (sqrt(2*3.14159) std), z = (|mul[t0]| + |mul[t1]|) dist +
  // bias[t0]
  // + bias[t1], (t0, t1) = (class_i + 1, class_j + 129), dist = |pos_j - pos_i|. mul, bias (512), mean (128)
  void (*gaussian)(const tt_batch *batch, const float *mul, const float *bias, const float *mean, float std,
                   float *g);
  // dmul +=, dbias += (sign(0) = 0)
  void (*gaussian_backward)(const tt_batch *batch, const float *mul, const float *bias, const float *mean,
                            float std, const float *dg, float *dmul, float *dbias);
  // pair (R, dim) += a (A, dim) at i, j >= 1; and its transpose: a = pair at i, j >= 1
  void (*atom_pairs_add)(const tt_batch *batch, int dim, const float *a, float *pair);
  void (*atom_pairs_get)(const tt_batch *batch, int dim, const float *pair, float *a);

  // ---- attention: q, k, v are the three thirds of qkv (T, 3 * heads * head_dim) ----
  // Positions `first`.. L-1 of a molecule take part (first = 0: all; 1: atoms only; others' outputs are 0).
  // prob[h,i,j] = softmax_j(q_hi . k_hj / sqrt(head_dim) + bias[ij, h]); bias (R, heads); prob: for molecule
  // m at pair_offset[m] * heads, laid out (heads, L, L)
  void (*attention)(const tt_batch *batch, int first, int heads, int head_dim, const tt_activation *qkv,
                    const tt_activation *bias, tt_activation *prob, float *scratch);
  // dprob in; dq and dk thirds of dqkv (T, 3D) and dbias (R, heads) out. May overwrite dprob.
  void (*attention_backward)(const tt_batch *batch, int first, int heads, int head_dim,
                             const tt_activation *qkv, const tt_activation *prob, tt_activation *dprob,
                             tt_activation *dqkv, tt_activation *dbias, float *scratch);
  // out_i = concat_h sum_j dropout(prob)_hij v_hj, (T, D)
  void (*attention_values)(const tt_batch *batch, int heads, int head_dim, const tt_activation *prob,
                           const tt_dropout *d, const tt_activation *qkv, tt_activation *out, float *scratch);
  // dprob and the dv third of dqkv out
  void (*attention_values_backward)(const tt_batch *batch, int heads, int head_dim, const tt_activation *prob,
                                    const tt_dropout *d, const tt_activation *qkv, const tt_activation *dout,
                                    tt_activation *dprob, tt_activation *dqkv, float *scratch);
  // movement head (atoms only): move_i = sum_j (pos_j - pos_i) sum_h dropout(prob)_hij (force_h . v_hj);
  // force (D); move (T, 3), virtual rows 0
  void (*movement)(const tt_batch *batch, int heads, int head_dim, const tt_activation *prob,
                   const tt_dropout *d, const tt_activation *qkv, const float *force, float *move,
                   float *scratch);
  // dprob, the dv third of dqkv out; dforce += ; virtual rows and columns get 0
  void (*movement_backward)(const tt_batch *batch, int heads, int head_dim, const tt_activation *prob,
                            const tt_dropout *d, const tt_activation *qkv, const float *force,
                            const float *dmove, tt_activation *dprob, tt_activation *dqkv, float *dforce,
                            float *scratch);

  // ---- pair track ----
  size_t (*scratch)(const tt_sizes *sizes);
  // out_ij = residual_ij + dropout(s (W vec(a_i b_j^T) / S + bias)), [a_i, b_i] = ab (T, 2C), s = 1 / (1e-3 +
  // 1/S); W (P, C*C), element c*C+e multiplies a_ic b_je. Factored: T_i = W a_i once a token, then T_i b_j;
  // never the (R, C*C) tensor. residual may be NULL (nothing) or out. drop: TT_ROWS_PAIRS.
  void (*outer_product)(const tt_drop *drop, int hidden, int dim, const tt_activation *ab, tt_weights at,
                        const tt_activation *residual, tt_activation *out, float *scratch);
  // dab (T, 2C), dw +=, dbias +=; dout is also the residual's gradient and stays as it is
  void (*outer_product_backward)(const tt_drop *drop, int hidden, int dim, const tt_activation *dout,
                                 const tt_activation *ab, const float *w, tt_activation *dab,
                                 tt_gradients gradient, float *scratch);
  // [a, b]_ij = p_ij * sigmoid(g_ij) / sqrt(S), p and g (R, 2C); t_ijc = sum_k a_ikc b_jkc + sum_k a_kic
  // b_kjc, (R, C). In the backward dp may be p and dg may be g.
  void (*triangle)(const tt_batch *batch, int hidden, const tt_activation *p, const tt_activation *g,
                   tt_activation *t, float *scratch);
  void (*triangle_backward)(const tt_batch *batch, int hidden, const tt_activation *p, const tt_activation *g,
                            const tt_activation *dt, tt_activation *dp, tt_activation *dg, float *scratch);
  // out = residual + dropout(gate * (LN(t) W^T + b)), t (R, C), gate (R, P); the statistics are outputs.
  // residual may be NULL (nothing) or out. drop: TT_ROWS_PAIRS_SHARED.
  void (*triangle_out)(const tt_drop *drop, int hidden, int dim, const tt_activation *t, tt_weights norm,
                       tt_statistics s, tt_weights at, const tt_activation *gate,
                       const tt_activation *residual, tt_activation *out, float *scratch);
  // dgate (R, P), dt (R, C), gradients of norm and map +=; dout is also the residual's gradient and stays as
  // it is. dgate may be gate.
  void (*triangle_out_backward)(const tt_drop *drop, int hidden, int dim, const tt_activation *dout,
                                const tt_activation *t, tt_weights norm, tt_statistics s, tt_weights at,
                                const tt_activation *gate, tt_activation *dgate, tt_activation *dt,
                                tt_gradients dnorm, tt_gradients gradient, float *scratch);

  // ---- heads and losses ----
  void (*gather_masked)(const tt_batch *batch, int dim, const tt_activation *x,
                        tt_activation *y); // y (masked, dim)
  void (*scatter_masked)(const tt_batch *batch, int dim, const tt_activation *dy,
                         tt_activation *dx); // dx (T, dim) +=
  // loss[k] = -log softmax(logits_k)[target_k] (double); dlogits = weight * gradient (NULL: none). logits
  // (masked, 128)
  void (*cross_entropy)(const tt_batch *batch, const tt_activation *logits, double weight, double *loss,
                        tt_activation *dlogits);
  // A molecule's position loss: sum_i,c |pos + move - target| / (N + 1e-10); its distance loss: sum_ij |
  // |pred_j - pred_i|
  // - |target_j - target_i| | / (N^2 + 1e-10), all ordered pairs; gradient of |.| and of a norm at 0 is 0.
  // dmove (T, 3) = position_weight * d position + distance_weight * d distance (NULL: none). Losses
  // (molecules), double.
  void (*position_losses)(const tt_batch *batch, const float *move, double position_weight,
                          double distance_weight, double *position, double *distance, float *dmove);

  // ---- flat arrays, and the optimizer ----
  void (*copy_activations)(const tt_activation *x, int64_t count, tt_activation *y);
  void (*zero_activations)(tt_activation *x, int64_t count);
  void (*add_activations)(const tt_activation *x, int64_t count, tt_activation *y); // y += x
  void (*copy)(const float *x, int64_t count, float *y);
  void (*zero)(float *x, int64_t count);
  // z = x y, all (n, n), by the platform's product library: what benchmarks compare with
  void (*library_product)(int n, const float *x, const float *y, float *z);
  void (*add)(const float *x, int64_t count, float *y); // y += x
  double (*sum_squares)(const float *x, int64_t count); // in double, fixed order
  // sums[k] = sum_squares of x[k * block] .. x[(k + 1) * block - 1], the last block being shorter: one pass
  // over x, queued like other operations
  void (*block_squares)(const float *x, int64_t count, int64_t block, double *sums);
  // Adam with decoupled decay: g = clip * grad; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2;
  // w = w * (1 - decay[i]) - rate * m / (sqrt(v) + eps), decay[i] = decayed[i] ? decay : 0. Copies of w for
  // products (weights_changed) get the new values, too.
  void (*adam)(int64_t count, float *w, const float *grad, float *m, float *v, const uint8_t *decayed,
               float clip, float rate, float decay, float beta1, float beta2, float epsilon);
} tt_ops;

// `elements` activations after p.
static inline tt_activation *tt_step(const tt_ops *ops, const tt_activation *p, int64_t elements) {
  return (tt_activation *)((char *)(uintptr_t)p + elements * (int64_t)ops->activation_size);
}

// The CPU backend (kernels/cpu): one thread. `precision`: of the operands of dense products; everything else
// is fp32. NULL, with a message, where that precision cannot be had.
const tt_ops *tt_ops_cpu(tt_precision precision);
// Its kernels for one instruction set: "v4" (AVX-512), "v3" (AVX2) or "base" in fp32; with operands of dense
// products in bf16, "v4-native" (AVX512-BF16), "v4-rounded", "v3-rounded" or "base-rounded". NULL: not on
// this machine.
const tt_ops *tt_ops_cpu_for(const char *kernels);

// The reference backend (kernels/reference): every formula in double, one element after the other. Checks
// only.
const tt_ops *tt_ops_reference(void);

#endif
