// Plain matrix products by cuBLASLt (product.cu; the emulator has loops in its place, emulated/cublas.cpp): C
// (m, n) = op(A) (m, k) op(B) (k, n) [+ bias] [+ beta C], all row-major. Sums are fp32 (never tf32), in an
// order that depends on the shape alone. Queued like every other operation.
#ifndef TT_KERNELS_CUDA_PRODUCT_H
#define TT_KERNELS_CUDA_PRODUCT_H

#include "number.h"

template <class T> struct tt_number_of_ { static const tt_precision value = TT_FP32; };
template <> struct tt_number_of_<tt_bf16> { static const tt_precision value = TT_BF16; };
template <class T> static inline tt_precision tt_number_of() {
  return tt_number_of_<T>::value;
}

// In bf16 the bias is rounded to bf16 too, as a weight is (cuBLASLt adds none of another type than C's).
typedef struct {
  int64_t m, n, k;
  const void *a, *b;             // of `operands`
  bool a_transposed;             // false: A is (m, k), rows lda apart; true: stored as (k, m)
  bool b_transposed;             // false: B is (k, n), rows ldb apart; true: stored as (n, k), as weights are
  int64_t lda, ldb, ldc;         // elements; 0: rows follow each other
  void *c;                       // of `result`
  tt_precision operands, result; // result is TT_FP32, or that of the operands
  float beta;                    // 0 or 1
  const float *bias;             // (n), added to every row; or NULL. Only where beta is 0
  int batch;                     // 0 or 1: one product
  int64_t a_stride, b_stride, c_stride; // elements from one product of a batch to the next
} tt_product;

void tt_cuda_product(const tt_product *p);
size_t tt_cuda_product_room(void); // bytes of the device that the library was given to work in, so far

// product_check.cu: ends the process where *p cannot be done. True: there is nothing to multiply, and C is
// what it should be.
bool tt_cuda_product_check(const tt_product *p);

// An operand for products from parameters w (count): w itself where products are fp32; where they are bf16, a
// copy, which weights_changed() and adam() keep up to date for announced arrays. Of other arrays a copy is
// made now, good until TT_LOOSE_WEIGHTS more have been asked for: enough for one operation.
enum { TT_LOOSE_WEIGHTS = 8 };
template <class T> const T *tt_cuda_weight(const float *w, int64_t count);

// The lasting copy in bf16 of w (count), or NULL where there is none: for Adam, which renews it.
tt_bf16 *tt_cuda_weights_copy(const float *w, int64_t count);

#endif
