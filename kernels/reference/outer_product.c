// The outer product, every product of a_i and b_j in turn.
#include "reference.h"

#include <string.h>

static void outer_product(const tt_drop *drop, int hidden, int dim, const float *ab, tt_weights at,
                          const float *residual, float *out, float *scratch) {
  const tt_batch *batch = drop->batch;
  (void)scratch;
  for (int m = 0; m < batch->molecules; m++)
    for (int64_t r = batch->pair_offset[m]; r < batch->pair_offset[m + 1]; r++) {
      int64_t at_pair = r - batch->pair_offset[m];
      const float *a = ab + (batch->token_offset[m] + at_pair / batch->length[m]) * 2 * hidden;
      const float *b = ab + (batch->token_offset[m] + at_pair % batch->length[m]) * 2 * hidden + hidden;
      double scaling = batch->scaling_length[m];
      for (int p = 0; p < dim; p++) {
        const float *w = at.w + (int64_t)p * hidden * hidden;
        double sum = 0;
        for (int c = 0; c < hidden; c++)
          for (int e = 0; e < hidden; e++) sum += (double)w[c * hidden + e] * ((double)a[c] * b[e]);
        double value = (sum / scaling + (at.b != NULL ? at.b[p] : 0)) / (1e-3 + 1 / scaling);
        out[r * dim + p] =
            (float)((residual != NULL ? residual[r * dim + p] : 0) + tt_reference_keep(drop, r, p) * value);
      }
    }
}

static void outer_product_backward(const tt_drop *drop, int hidden, int dim, const float *dout,
                                   const float *ab, const float *w, float *dab, tt_gradients gradient,
                                   float *scratch) {
  const tt_batch *batch = drop->batch;
  int64_t square = (int64_t)hidden * hidden;
  tt_reference_room room = tt_reference_scratch(scratch);
  double *dw = tt_reference_zeros(&room, dim * square), *db = tt_reference_zeros(&room, dim);
  double *rows = tt_reference_take(&room, (int64_t)batch->max_length * 2 * hidden);
  for (int m = 0; m < batch->molecules; m++) {
    int length = batch->length[m];
    int64_t first = batch->token_offset[m];
    memset(rows, 0, (size_t)length * 2 * (size_t)hidden * sizeof *rows);
    for (int64_t r = batch->pair_offset[m]; r < batch->pair_offset[m + 1]; r++) {
      int64_t i = (r - batch->pair_offset[m]) / length, j = (r - batch->pair_offset[m]) % length;
      const float *a = ab + (first + i) * 2 * hidden, *b = ab + (first + j) * 2 * hidden + hidden;
      double *da = rows + i * 2 * hidden, *db_j = rows + j * 2 * hidden + hidden;
      double scaling = batch->scaling_length[m];
      for (int p = 0; p < dim; p++) {
        double dbias = tt_reference_keep(drop, r, p) * dout[r * dim + p] / (1e-3 + 1 / scaling);
        double d = dbias / scaling;
        db[p] += dbias;
        for (int c = 0; c < hidden; c++)
          for (int e = 0; e < hidden; e++) {
            int64_t k = p * square + c * hidden + e;
            dw[k] += d * a[c] * b[e];
            da[c] += d * w[k] * b[e];
            db_j[e] += d * w[k] * a[c];
          }
      }
    }
    for (int64_t k = 0; k < (int64_t)length * 2 * hidden; k++) dab[first * 2 * hidden + k] = (float)rows[k];
  }
  tt_reference_add(dw, dim * square, gradient.w);
  tt_reference_add(db, dim, gradient.b);
}

void tt_reference_outer_product(tt_ops *ops) {
  ops->outer_product = outer_product;
  ops->outer_product_backward = outer_product_backward;
}
