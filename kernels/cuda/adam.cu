// Adam with decoupled decay over a flat array, clipping folded in: 29 bytes read or written an element, and
// in bf16 the two of the weight's copy for products.
#include "operations.h"
#include "product.h"

enum { THREADS = 256 };

typedef struct {
  float clip, rate, decay, beta1, beta2, epsilon;
} settings;

TT_KERNEL(THREADS)
update(int64_t count, float *w, const float *grad, float *m, float *v, const uint8_t *decayed, settings s,
       tt_bf16 *copy) {
  float rest1 = 1 - s.beta1, rest2 = 1 - s.beta2;
  int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (i >= count) return;
  float g = s.clip * grad[i];
  float first = s.beta1 * m[i] + rest1 * g;
  float second = s.beta2 * v[i] + rest2 * g * g;
  m[i] = first;
  v[i] = second;
  // not w * (1 - decay): 1 - 1e-8 is 1 in fp32, and a pretraining run's decay would have no effect at all
  float fade = decayed[i] != 0 ? s.decay : 0.0f;
  float was = w[i], now = was - (fade * was + s.rate * first / (sqrtf(second) + s.epsilon));
  w[i] = now;
  if (copy != nullptr) copy[i] = tt_from_float<tt_bf16>(now);
}

static tt_bf16 *copy_of(const float *w, int64_t count, tt_bf16) {
  return tt_cuda_weights_copy(w, count);
}
static tt_bf16 *copy_of(const float *, int64_t, float) { // products read the weights themselves
  return nullptr;
}

template <class T>
static void adam(int64_t count, float *w, const float *grad, float *m, float *v, const uint8_t *decayed,
                 float clip, float rate, float decay, float beta1, float beta2, float epsilon) {
  settings s = {clip, rate, decay, beta1, beta2, epsilon};
  TT_LAUNCH((update), (count + THREADS - 1) / THREADS, THREADS, 0, count, w, grad, m, v, decayed, s,
            copy_of(w, count, T{}));
}

template <class T> void tt_cuda_fill_adam(tt_cuda_table *table) {
  table->ops.adam = adam<T>;
}
TT_FILL(adam)
