// Exact GELU: x Phi(x), Phi the normal distribution function; and its slope, Phi(x) + x phi(x). (cuBLASLt's
// epilogues have the one with tanh, up to 5e-4 off; so none of them is used.)
#ifndef TT_KERNELS_CUDA_GELU_H
#define TT_KERNELS_CUDA_GELU_H

#include "cuda.h"

TT_DEVICE float tt_normal_below(float x) {
  return 0.5f + 0.5f * erff(x * 0.70710678f);
}
TT_DEVICE float tt_gelu(float x) {
  return x * tt_normal_below(x);
}
TT_DEVICE float tt_gelu_slope(float x, float below) { // below: tt_normal_below(x)
  return below + x * (0.39894228f * expf(-0.5f * x * x));
}

#endif
