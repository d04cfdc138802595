// Small matrix products inside one molecule and head, whose sides are too small to be worth packing into
// panels.
#ifndef TT_KERNELS_CPU_PRODUCT_H
#define TT_KERNELS_CPU_PRODUCT_H

#include <stdbool.h>
#include <stdint.h>

#include "isa.h"

// A matrix anywhere in memory: element (i, j) is at[i * row + j * column]. Swap the strides for its
// transpose.
typedef struct {
  const float *at;
  int64_t row, column;
} tt_matrix;

// c (m, n; contiguous rows c_row apart) = [c +] alpha * a (m, k) b (k, n)
void TT_CPU(product)(int m, int n, int k, float alpha, tt_matrix a, tt_matrix b, float *c, int64_t c_row,
                     bool accumulate);

#endif
