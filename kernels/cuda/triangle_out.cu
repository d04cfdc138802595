// The end of the triangle branch in one kernel: out = residual + dropout(gate * (LN(t) W^T + b)). A block
// keeps W, or as many of its rows as fit, in shared memory and takes tiles of 32 pair rows: LayerNorm on the
// way into shared memory, tensor cores, then gate, mask, residual and the one rounding in registers.
//
// Passes over (R, P): gate 1, residual 1, out 1. Over (R, C): t 1 (a few in fp32, where W takes several
// blocks).
#include "triangle_out.h"

template <class T>
TT_KERNEL(256)
gated(tt_out_of<T> x, tt_statistics s, const T *gate, const T *residual, T *out) {
  TT_DYNAMIC_SHARED(T, shared);
  tt_out_room<T> room = tt_out_cut(x, shared);
  tt_out_tiles<false>(
      x, room, false, blockIdx.y == 0, s, [](int64_t) {},
      [&](int64_t r, int channel, const tt_eight &u, const float *factor) {
        tt_eight g = tt_row_eight(gate + r * x.dim, channel, x.dim, x.wide);
        tt_eight old =
            residual != nullptr ? tt_row_eight(residual + r * x.dim, channel, x.dim, x.wide) : tt_no_eight();
#pragma unroll
        for (int e = 0; e < 8; e++) {
          float bias = channel + e < x.dim ? x.b[channel + e] : 0.0f;
          old.v[e] += factor[e] * (g.v[e] * (u.v[e] + bias));
        }
        tt_row_store(out + r * x.dim, channel, x.dim, x.wide, old);
      },
      [](int64_t, int) {});
}

template <class T>
static void triangle_out(const tt_drop *drop, int hidden, int dim, const tt_activation *t, tt_weights norm,
                         tt_statistics s, tt_weights at, const tt_activation *gate,
                         const tt_activation *residual, tt_activation *out, float *scratch) {
  (void)scratch;
  if (drop->batch->pairs == 0) return;
  tt_out_of<T> x = tt_out_begin<T>(drop, hidden, dim, t, norm, at);
  const T *g = tt_cells<T>(gate), *old = tt_cells<T>(residual);
  T *to = tt_cells<T>(out);
  x.wide = tt_aligned8(g, dim) && tt_aligned8(old, dim) && tt_aligned8(to, dim);
  TT_LAUNCH((gated<T>), tt_out_grid(x), 256, tt_out_shared(x), x, s, g, old, to);
}

template <class T> void tt_cuda_fill_triangle_out(tt_cuda_table *table) {
  table->ops.triangle_out = triangle_out<T>;
}
TT_FILL(triangle_out)
