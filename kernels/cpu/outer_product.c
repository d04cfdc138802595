// The outer product, factored: out_ij = f T_i b_j + s bias with T_i = W a_i (hidden, dim) and f = s / S.
// Columns of the output outermost, and slabs of tokens: a slab's T and the columns of W it needs stay in the
// second-level cache.
#include "cpu.h"
#include "product.h"
#include "vector.h"

#include <cblas.h>
#include <string.h>

enum { COLUMNS = 64, SLAB = 48 };

static int columns_of(int dim) {
  return dim < COLUMNS ? dim : COLUMNS;
}

// V and dV (hidden * hidden, columns), T and dT (SLAB, hidden, columns)
size_t TT_CPU(outer_product_scratch)(int hidden, int dim) {
  return 2 * (size_t)hidden * columns_of(dim) * (size_t)(hidden + SLAB);
}

static float bias_factor(const tt_batch *batch, int molecule) {
  return (float)(1.0 / (1e-3 + 1.0 / batch->scaling_length[molecule]));
}

static float product_factor(const tt_batch *batch, int molecule) {
  return (float)(1.0 / (1e-3 * batch->scaling_length[molecule] + 1.0));
}

// T (tokens, hidden * columns) = a V, V the rows of W for these columns, transposed: (c, (e, column))
static void expand(const float *ab, int64_t tokens, int hidden, int columns, const float *v, float *t) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)tokens, hidden * columns, hidden, 1.0f, ab,
              2 * hidden, v, hidden * columns, 0.0f, t, hidden * columns);
}

static void fill_rows(int64_t rows, int columns, float scale, const float *bias, float *out,
                      int64_t out_row) {
  for (int64_t r = 0; r < rows; r++)
    for (int c = 0; c < columns; c++) out[r * out_row + c] = scale * bias[c];
}

void TT_CPU(outer_product)(const tt_batch *batch, int hidden, int dim, const float *ab, const float *w,
                           const float *bias, float *out, float *scratch) {
  for (int column = 0; column < dim; column += COLUMNS) {
    int columns = dim - column < COLUMNS ? dim - column : COLUMNS;
    float *v = scratch, *t = v + (int64_t)hidden * hidden * columns;
    TT_CPU(transpose)
    (columns, hidden * hidden, w + (int64_t)column * hidden * hidden, hidden * hidden, false, v, columns);
    for (int64_t slab = 0; slab < batch->tokens; slab += SLAB) {
      int64_t end = slab + SLAB < batch->tokens ? slab + SLAB : batch->tokens;
      expand(ab + slab * 2 * hidden, end - slab, hidden, columns, v, t);
      for (int64_t token = slab; token < end; token++) {
        int m = batch->token_molecule[token], length = batch->length[m];
        int64_t first = batch->token_offset[m], pair = batch->pair_offset[m] + (token - first) * length;
        tt_matrix b = {ab + first * 2 * hidden + hidden, 2 * hidden, 1};
        tt_matrix ti = {t + (token - slab) * hidden * columns, columns, 1};
        float *to = out + pair * dim + column;
        fill_rows(length, columns, bias_factor(batch, m), bias + column, to, dim);
        TT_CPU(product)(length, columns, hidden, product_factor(batch, m), b, ti, to, dim, true);
      }
    }
  }
}

void TT_CPU(outer_product_backward)(const tt_batch *batch, int hidden, int dim, const float *dout,
                                    const float *ab, const float *w, float *dab, float *dw, float *dbias,
                                    float *scratch) {
  memset(dab, 0, (size_t)batch->tokens * 2 * hidden * sizeof *dab);
  for (int m = 0; m < batch->molecules; m++) TT_CPU(add_column_sums)
  (dout + batch->pair_offset[m] * dim, (int64_t)batch->length[m] * batch->length[m], dim,
   bias_factor(batch, m), dbias);
  for (int column = 0; column < dim; column += COLUMNS) {
    int columns = dim - column < COLUMNS ? dim - column : COLUMNS, wide = hidden * columns;
    float *v = scratch, *dv = v + (int64_t)hidden * wide, *t = dv + (int64_t)hidden * wide,
          *dt = t + SLAB * (int64_t)wide;
    TT_CPU(transpose)
    (columns, hidden * hidden, w + (int64_t)column * hidden * hidden, hidden * hidden, false, v, columns);
    memset(dv, 0, (size_t)hidden * wide * sizeof *dv);
    for (int64_t slab = 0; slab < batch->tokens; slab += SLAB) {
      int64_t end = slab + SLAB < batch->tokens ? slab + SLAB : batch->tokens;
      expand(ab + slab * 2 * hidden, end - slab, hidden, columns, v, t);
      for (int64_t token = slab; token < end; token++) {
        int m = batch->token_molecule[token], length = batch->length[m];
        int64_t first = batch->token_offset[m], pair = batch->pair_offset[m] + (token - first) * length;
        float factor = product_factor(batch, m);
        tt_matrix gradient = {dout + pair * dim + column, dim, 1};
        tt_matrix b_transposed = {ab + first * 2 * hidden + hidden, 1, 2 * hidden};
        tt_matrix t_transposed = {t + (token - slab) * wide, 1, columns};
        TT_CPU(product)
        (hidden, columns, length, factor, b_transposed, gradient, dt + (token - slab) * wide, columns, false);
        TT_CPU(product)
        (length, hidden, columns, factor, gradient, t_transposed, dab + first * 2 * hidden + hidden,
         2 * hidden, true);
      }
      blasint tokens = (blasint)(end - slab);
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, tokens, hidden, wide, 1.0f, dt, wide, v, wide,
                  1.0f, dab + slab * 2 * hidden, 2 * hidden);
      cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, hidden, wide, tokens, 1.0f, ab + slab * 2 * hidden,
                  2 * hidden, dt, wide, 1.0f, dv, wide);
    }
    TT_CPU(transpose)
    (hidden * hidden, columns, dv, columns, true, dw + (int64_t)column * hidden * hidden, hidden * hidden);
  }
}
