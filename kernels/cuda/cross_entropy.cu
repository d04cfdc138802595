// The token loss, in double: one warp a masked row, four tokens a lane.
#include "operations.h"
#include "warp.h"

enum { EACH = TT_TOKENS / 32 };

template <class T>
TT_KERNEL(256)
entropy(tt_batch b, const T *logits, double weight, double *loss, T *dlogits) {
  int64_t k = (int64_t)blockIdx.x * 8 + threadIdx.x / 32;
  if (k >= b.masked) return;
  int lane = (int)threadIdx.x % 32, target = b.masked_target[k];
  float own[EACH], largest = -INFINITY, wanted = 0;
  for (int e = 0; e < EACH; e++) {
    own[e] = tt_to_float(logits[k * TT_TOKENS + e * 32 + lane]);
    largest = fmaxf(largest, own[e]);
    if (e * 32 + lane == target) wanted = own[e];
  }
  largest = tt_warp_max(largest);
  double share[EACH], sum = 0;
  for (int e = 0; e < EACH; e++) sum += share[e] = exp((double)own[e] - largest);
  sum = tt_warp_sum(sum);
  wanted = __shfl_sync(TT_ALL_LANES, wanted, target % 32);
  if (lane == 0) loss[k] = log(sum) - ((double)wanted - largest);
  for (int e = 0; dlogits != nullptr && e < EACH; e++)
    dlogits[k * TT_TOKENS + e * 32 + lane] =
        tt_from_float<T>((float)(weight * (share[e] / sum - (e * 32 + lane == target))));
}

template <class T>
static void cross_entropy(const tt_batch *batch, const tt_activation *logits, double weight, double *loss,
                          tt_activation *dlogits) {
  TT_LAUNCH((entropy<T>), (batch->masked + 7) / 8, 256, 0, *batch, tt_cells<T>(logits), weight, loss,
            tt_cells<T>(dlogits));
}

template <class T> void tt_cuda_fill_cross_entropy(tt_cuda_table *table) {
  table->ops.cross_entropy = cross_entropy<T>;
}
TT_FILL(cross_entropy)
