// bf16 copies of parameters, the operands of products. Arrays announced by weights_changed() have a lasting
// copy of the same size; others (those of tests and benchmarks) get one each time they are used.
#include "operations.h"
#include "product.h"
#include "workspace.h"

enum { THREADS = 256, EACH = 8, MOST = 16 };

TT_KERNEL(THREADS) round_kernel(const float *x, int64_t count, bool aligned, tt_bf16 *y) {
  int64_t at = (static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x) * EACH;
  if (at >= count) return;
  if (aligned && count - at >= EACH) {
    tt_store8(y + at, tt_load8(x + at));
  } else {
    int rest = count - at < EACH ? static_cast<int>(count - at) : EACH;
    tt_store_any(y + at, rest, tt_load_any(x + at, rest));
  }
}

static void round_all(const float *x, int64_t count, tt_bf16 *y) {
  TT_LAUNCH(round_kernel, tt_parts(count, THREADS * EACH), THREADS, 0, x, count, tt_aligned8(x, EACH), y);
}

typedef struct {
  const float *weights; // NULL: free
  int64_t count, room;
  tt_bf16 *copy;
} rounded;
static rounded announced[MOST], loose[TT_LOOSE_WEIGHTS];
static int next_loose;

static void make_room(rounded *r, int64_t count) {
  if (r->room >= count) return;
  tt_cuda_release(r->copy); // waits for its last readers
  void *copy = tt_cuda_take(static_cast<size_t>(count) * sizeof(tt_bf16), "a bf16 copy of weights");
  r->copy = static_cast<tt_bf16 *>(copy), r->room = count;
}

void tt_cuda_weights_unchanged(const float *weights, int64_t count) {
  (void)weights, (void)count;
}

void tt_cuda_weights_changed(const float *weights, int64_t count) {
  rounded *at = NULL;
  for (int i = MOST - 1; i >= 0; i--)
    if (announced[i].weights == weights || (at == NULL && announced[i].weights == NULL)) at = &announced[i];
  for (int i = 0; i < MOST; i++)
    if (announced[i].weights == weights) at = &announced[i];
  if (at == NULL) tt_cuda_fail(__FILE__, __LINE__, "weights_changed", "too many arrays of parameters");
  make_room(at, count);
  at->weights = weights, at->count = count;
  round_all(weights, count, at->copy);
}

void tt_cuda_weights_forget(const void *memory, size_t bytes) {
  uintptr_t first = reinterpret_cast<uintptr_t>(memory);
  for (int i = 0; i < MOST; i++) {
    uintptr_t start = reinterpret_cast<uintptr_t>(announced[i].weights);
    if (announced[i].weights == NULL || start < first || start >= first + bytes) continue;
    tt_bf16 *copy = announced[i].copy;
    announced[i] = rounded{};
    tt_cuda_release(copy);
  }
}

template <> const float *tt_cuda_weight<float>(const float *w, int64_t) {
  return w;
}

tt_bf16 *tt_cuda_weights_copy(const float *w, int64_t count) {
  for (int i = 0; i < MOST; i++) {
    const rounded *r = &announced[i];
    if (r->weights != NULL && w >= r->weights && w + count <= r->weights + r->count)
      return r->copy + (w - r->weights);
  }
  return NULL;
}

template <> const tt_bf16 *tt_cuda_weight<tt_bf16>(const float *w, int64_t count) {
  const tt_bf16 *lasting = tt_cuda_weights_copy(w, count);
  if (lasting != NULL) return lasting;
  rounded *r = &loose[next_loose++ % TT_LOOSE_WEIGHTS];
  make_room(r, count);
  round_all(w, count, r->copy);
  return r->copy;
}
