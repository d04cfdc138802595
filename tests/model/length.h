// For tests that compare gradients tensor by tensor.
#ifndef TT_TESTS_MODEL_LENGTH_H
#define TT_TESTS_MODEL_LENGTH_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

// Euclidean norm of x - y, in double; y may be NULL (0).
static inline double length_of(const float *x, const float *y, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; i++) {
    double d = (double)x[i] - (y ? y[i] : 0);
    sum += d * d;
  }
  return sqrt(sum);
}

#endif
