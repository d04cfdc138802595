// Linear layers: OpenBLAS products over all rows at once.
#include "cpu.h"
#include "vector.h"

#include <cblas.h>
#include <string.h>

void TT_CPU(linear)(const float *x, int64_t rows, int in, int out, const float *w, const float *b, float *y) {
  if (rows == 0) return;
  if (b != NULL) // the product then adds to the bias, which costs no extra pass over y
    for (int64_t r = 0; r < rows; r++) memcpy(y + r * out, b, (size_t)out * sizeof *y);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)rows, out, in, 1.0f, x, in, w, in,
              b != NULL ? 1.0f : 0.0f, y, out);
}

void TT_CPU(linear_backward)(const float *dy, const float *x, int64_t rows, int in, int out, const float *w,
                             float *dx, bool accumulate, float *dw, float *db) {
  if (rows == 0) return;
  if (dx != NULL)
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)rows, in, out, 1.0f, dy, out, w, in,
                accumulate ? 1.0f : 0.0f, dx, in);
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, out, in, (blasint)rows, 1.0f, dy, out, x, in, 1.0f, dw,
              in);
  if (db != NULL) TT_CPU(add_column_sums)(dy, rows, out, 1.0f, db);
}
