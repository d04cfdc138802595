// The three products of a linear map y = x W^T + b over `rows` packed rows, W (out, in).
#ifndef TT_KERNELS_CUDA_MAP_H
#define TT_KERNELS_CUDA_MAP_H

#include "product.h"

template <class T>
static void tt_map_forward(const T *x, int64_t rows, int in, int out, const T *w, const float *bias, T *y) {
  tt_product p = {};
  p.m = rows, p.n = out, p.k = in;
  p.a = x, p.b = w, p.b_transposed = true, p.c = y;
  p.operands = p.result = tt_number_of<T>();
  p.bias = bias;
  if (rows > 0) tt_cuda_product(&p);
}

// dx = dy W, or += if `accumulate`
template <class T>
static void tt_map_input_gradient(const T *dy, int64_t rows, int in, int out, const T *w, T *dx,
                                  bool accumulate) {
  tt_product p = {};
  p.m = rows, p.n = in, p.k = out;
  p.a = dy, p.b = w, p.c = dx;
  p.operands = p.result = tt_number_of<T>();
  p.beta = accumulate ? 1.0f : 0.0f;
  if (rows > 0) tt_cuda_product(&p);
}

// dw += dy^T x
template <class T>
static void tt_map_weight_gradient(const T *dy, const T *x, int64_t rows, int in, int out, float *dw) {
  tt_product p = {};
  p.m = out, p.n = in, p.k = rows;
  p.a = dy, p.a_transposed = true, p.b = x, p.c = dw;
  p.operands = tt_number_of<T>(), p.result = TT_FP32;
  p.beta = 1;
  if (rows > 0) tt_cuda_product(&p);
}

#endif
