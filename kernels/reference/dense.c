// Linear maps and GELU.
#include "reference.h"

#include <math.h>

void tt_reference_map(const double *x, int in, int out, tt_weights at, double *y) {
  for (int o = 0; o < out; o++) {
    double sum = at.b != NULL ? at.b[o] : 0;
    for (int k = 0; k < in; k++) sum += at.w[(int64_t)o * in + k] * x[k];
    y[o] = sum;
  }
}

void tt_reference_map_backward(const double *dy, const double *x, int in, int out, const float *w, double *dx,
                               double *dw, double *db) {
  for (int o = 0; o < out; o++) {
    db[o] += dy[o];
    for (int k = 0; k < in; k++) {
      dw[(int64_t)o * in + k] += dy[o] * x[k];
      if (dx != NULL) dx[k] += dy[o] * w[(int64_t)o * in + k];
    }
  }
}

double tt_reference_gelu(double x) {
  return 0.5 * x * erfc(-x / sqrt(2));
}

// Phi(x) + x phi(x)
double tt_reference_gelu_slope(double x) {
  return 0.5 * erfc(-x / sqrt(2)) + x * exp(-0.5 * x * x) / sqrt(2 * acos(-1));
}

static void linear(const float *x, int64_t rows, int in, int out, tt_weights at, float *y, float *scratch) {
  tt_reference_room room = tt_reference_scratch(scratch);
  double *input = tt_reference_take(&room, in), *output = tt_reference_take(&room, out);
  for (int64_t r = 0; r < rows; r++) {
    for (int k = 0; k < in; k++) input[k] = x[r * in + k];
    tt_reference_map(input, in, out, at, output);
    for (int o = 0; o < out; o++) y[r * out + o] = (float)output[o];
  }
}

static void linear_backward(const float *dy, const float *x, int64_t rows, int in, int out, const float *w,
                            float *dx, bool accumulate, tt_gradients gradient, float *scratch) {
  tt_reference_room room = tt_reference_scratch(scratch);
  double *input = tt_reference_take(&room, in), *dinput = tt_reference_take(&room, in);
  double *doutput = tt_reference_take(&room, out), *db = tt_reference_zeros(&room, out);
  double *dw = tt_reference_zeros(&room, (int64_t)in * out);
  for (int64_t r = 0; r < rows; r++) {
    for (int k = 0; k < in; k++) input[k] = x[r * in + k], dinput[k] = accumulate && dx ? dx[r * in + k] : 0;
    for (int o = 0; o < out; o++) doutput[o] = dy[r * out + o];
    tt_reference_map_backward(doutput, input, in, out, w, dinput, dw, db);
    for (int k = 0; dx != NULL && k < in; k++) dx[r * in + k] = (float)dinput[k];
  }
  tt_reference_add(dw, (int64_t)in * out, gradient.w);
  tt_reference_add(db, out, gradient.b);
}

static void gelu(const float *x, int64_t count, float *y) {
  for (int64_t i = 0; i < count; i++) y[i] = (float)tt_reference_gelu(x[i]);
}

static void gelu_backward(const float *x, int64_t count, float *d) {
  for (int64_t i = 0; i < count; i++) d[i] = (float)(d[i] * tt_reference_gelu_slope(x[i]));
}

void tt_reference_dense(tt_ops *ops) {
  ops->linear_single = ops->linear = linear;
  ops->linear_single_backward = ops->linear_backward = linear_backward;
  ops->gelu_single = ops->gelu = gelu;
  ops->gelu_single_backward = ops->gelu_backward = gelu_backward;
}
