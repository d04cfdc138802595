// Gradients of the triangle's end, in slabs of pair rows so that what passes between the kernels stays in
// cache: u = LN(t) W^T + b again, then dgate = m dout u and du = m dout gate (m: dropout); dW += du^T z and
// dz = du W by the product library; then LayerNorm's backward. Sums over rows (db, dgamma, dbeta) leave a row
// of parts a block, which a last kernel adds in order. dgate may be gate: an element is read and then written
// by the same thread.
//
// Passes over (R, P): dout 1, gate 1, dgate 1, and du in cache. Over (R, C): t 2, dt 1, and z, dz in cache.
#include "triangle_out.h"

enum { SLAB = 16384, NORM_ROWS = 32 };

// ---- dgate and du ----

template <class T>
TT_KERNEL(256)
open_gate(tt_out_of<T> x, tt_statistics s, const T *dout, const T *gate, T *dgate, T *z, T *du, int du_width,
          float *part) {
  TT_DYNAMIC_SHARED(T, shared);
  tt_out_room<T> room = tt_out_cut(x, shared);
  int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32, width = x.pitch - 8;
  tt_eight sum = tt_no_eight(); // of du: the lane's channels, the same in all its rows
  tt_out_tiles(
      x, room, true, false, s,
      [&](int64_t first) { // z, once: for the gradient of W
        if (blockIdx.y != 0) return;
        for (int at = (int)threadIdx.x; at < TT_OUT_ROWS * width / 8; at += 256) {
          int row = at / (width / 8), c = at % (width / 8) * 8;
          if (first + row < x.rows)
            tt_store8(z + (first + row) * width + c, tt_load8(room.z + row * x.pitch + c));
        }
      },
      [&](int64_t r, int channel, tt_eight u, const float *factor) {
        tt_eight d = tt_row_eight(dout + r * x.dim, channel, x.dim, x.wide);
        tt_eight g = tt_row_eight(gate + r * x.dim, channel, x.dim, x.wide);
#pragma unroll
        for (int e = 0; e < 8; e++) {
          float bias = channel + e < x.dim ? x.b[channel + e] : 0.0f, through = factor[e] * d.v[e];
          d.v[e] = through * (u.v[e] + bias), g.v[e] *= through;
          sum.v[e] += g.v[e];
        }
        tt_row_store(dgate + r * x.dim, channel, x.dim, x.wide, d);
        tt_store8(du + r * du_width + channel, g); // whole eights: its rows are that wide
      });
  // Over the four lanes of a warp, then the warps, that have the same channels
#pragma unroll
  for (int e = 0; e < 8; e++) {
    sum.v[e] += __shfl_xor_sync(TT_ALL_LANES, sum.v[e], 8);
    sum.v[e] += __shfl_xor_sync(TT_ALL_LANES, sum.v[e], 16);
  }
  if (lane < 8) tt_store8(room.strip + 8 * lane, sum);
  __syncthreads();
  const float *first = room.strip - warp * TT_STRIP_FLOATS;
  int strips = x.strips, from = (int)blockIdx.y * strips * TT_STRIP;
  for (int c = (int)threadIdx.x; c < strips * TT_STRIP && from + c < x.dim; c += 256) {
    float whole = 0;
    for (int slot = c / TT_STRIP; slot / strips < TT_OUT_WARPS / strips; slot += strips)
      whole += first[slot * TT_STRIP_FLOATS + c % TT_STRIP];
    part[(int64_t)blockIdx.x * x.dim + from + c] = whole;
  }
}

// ---- LayerNorm ----

// Eight lanes a row. part (blocks, 2C): the sums of dz xhat, and of dz, over the block's rows.
template <class T>
TT_KERNEL(256)
norm_backward(tt_out_of<T> x, tt_statistics s, const float *dz, T *dt, bool wide, float *part) {
  TT_DYNAMIC_SHARED(float, sums); // (rows of a tile, 2C)
  int row = (int)threadIdx.x / 8, lane = (int)threadIdx.x % 8, hidden = x.hidden, width = tt_tiled(hidden);
  float *mine = sums + row * 2 * width;
  for (int o = lane; o < 2 * width / 8; o += 8) tt_store8(mine + 8 * o, tt_no_eight());
  __syncwarp();
  for (int64_t tile = (int64_t)blockIdx.x * NORM_ROWS; tile < x.rows;
       tile += (int64_t)gridDim.x * NORM_ROWS) {
    int64_t r = tile + row; // past the end: the last row again, for its shuffles
    bool there = r < x.rows;
    int64_t at = there ? r : x.rows - 1;
    const T *from = x.t + at * hidden;
    const float *d = dz + at * width;
    float mean = s.mean[x.first_row + at], rstd = s.rstd[x.first_row + at], first = 0, second = 0;
    for (int o = lane; 8 * o < hidden; o += 8) {
      tt_eight t = tt_row_eight(from, 8 * o, hidden, x.wide_t), g = tt_load8(d + 8 * o);
#pragma unroll
      for (int e = 0; e < 8; e++) {
        int c = 8 * o + e;
        if (c >= hidden) continue;
        float normal = (t.v[e] - mean) * rstd, scaled = g.v[e] * x.gamma[c];
        first += scaled, second += scaled * normal;
        if (there) mine[c] += g.v[e] * normal, mine[width + c] += g.v[e];
      }
    }
#pragma unroll
    for (int step = 4; step > 0; step /= 2) {
      first += __shfl_xor_sync(TT_ALL_LANES, first, step);
      second += __shfl_xor_sync(TT_ALL_LANES, second, step);
    }
    first /= (float)hidden, second /= (float)hidden;
    for (int o = lane; there && 8 * o < hidden; o += 8) {
      tt_eight t = tt_row_eight(from, 8 * o, hidden, x.wide_t), g = tt_load8(d + 8 * o);
#pragma unroll
      for (int e = 0; e < 8; e++) {
        float gamma = 8 * o + e < hidden ? x.gamma[8 * o + e] : 0.0f;
        g.v[e] = rstd * (g.v[e] * gamma - first - (t.v[e] - mean) * rstd * second);
      }
      tt_row_store(dt + r * hidden, 8 * o, hidden, wide, g);
    }
  }
  __syncthreads();
  for (int c = (int)threadIdx.x; c < 2 * hidden; c += 256) {
    int column = c < hidden ? c : width + c - hidden;
    float whole = 0;
    for (int other = 0; other < NORM_ROWS; other++) whole += sums[other * 2 * width + column];
    part[(int64_t)blockIdx.x * 2 * hidden + c] = whole;
  }
}

// ---- a slab after the other ----

struct pieces {
  void *z, *du;
  float *dz, *bias, *norm; // bias, norm: parts of all slabs
};
template <class T> static pieces cut(tt_pair_room *room, int64_t pairs, int hidden, int dim) {
  int64_t rows = pairs < SLAB ? pairs : (int64_t)SLAB, width = tt_tiled(hidden);
  int64_t parts = tt_parts(pairs, SLAB) * TT_OUT_BLOCKS;
  pieces p;
  p.z = room->cut<T>(rows * width), p.du = room->cut<T>(rows * tt_multiple(dim, 8));
  p.dz = room->cut<float>(rows * width);
  p.bias = room->cut<float>(parts * dim), p.norm = room->cut<float>(parts * 2 * hidden);
  return p;
}

template <class T>
static void triangle_out_backward(const tt_drop *drop, int hidden, int dim, const tt_activation *dout,
                                  const tt_activation *t, tt_weights norm, tt_statistics s, tt_weights at,
                                  const tt_activation *gate, tt_activation *dgate, tt_activation *dt,
                                  tt_gradients dnorm, tt_gradients gradient, float *scratch) {
  int64_t pairs = drop->batch->pairs, width = tt_tiled(hidden), du_width = tt_multiple(dim, 8), used = 0;
  if (pairs == 0) return;
  tt_pair_room room(scratch);
  pieces p = cut<T>(&room, pairs, hidden, dim);
  tt_out_of<T> x = tt_out_begin<T>(drop, hidden, dim, t, norm, at);
  const T *all_t = x.t, *from = tt_cells<T>(dout), *gates = tt_cells<T>(gate);
  T *to = tt_cells<T>(dgate), *to_t = tt_cells<T>(dt);
  x.wide = tt_aligned8(from, dim) && tt_aligned8(gates, dim) && tt_aligned8(to, dim);
  bool wide_dt = tt_aligned8(to_t, hidden);
  for (int64_t row = 0; row < pairs; row += SLAB) {
    x.rows = pairs - row < SLAB ? pairs - row : (int64_t)SLAB, x.first_row = row, x.t = all_t + row * hidden;
    dim3 grid = tt_out_grid(x);
    TT_LAUNCH((open_gate<T>), grid, 256, tt_out_shared(x), x, s, from + row * dim, gates + row * dim,
              to + row * dim, (T *)p.z, (T *)p.du, (int)du_width, p.bias + used * dim);
    tt_product dw = {};
    dw.m = dim, dw.n = hidden, dw.k = x.rows, dw.operands = tt_number_of<T>(), dw.result = TT_FP32;
    dw.a = p.du, dw.a_transposed = true, dw.lda = du_width, dw.b = p.z, dw.ldb = width;
    dw.c = gradient.w, dw.ldc = hidden, dw.beta = 1;
    tt_cuda_product(&dw);
    tt_product dz = {};
    dz.m = x.rows, dz.n = hidden, dz.k = dim, dz.operands = tt_number_of<T>(), dz.result = TT_FP32;
    dz.a = p.du, dz.lda = du_width, dz.b = x.w, dz.ldb = hidden, dz.c = p.dz, dz.ldc = width;
    tt_cuda_product(&dz);
    TT_LAUNCH((norm_backward<T>), (int64_t)grid.x, 256, NORM_ROWS * 2 * (size_t)width * sizeof(float), x, s,
              (const float *)p.dz, to_t + row * hidden, wide_dt, p.norm + used * 2 * hidden);
    used += grid.x;
  }
  tt_cuda_sum_parts(p.bias, used, dim, dim, gradient.b);
  tt_cuda_sum_parts(p.norm, used, 2 * hidden, hidden, dnorm.w);
  tt_cuda_sum_parts(p.norm + hidden, used, 2 * hidden, hidden, dnorm.b);
}

template <class T> static size_t need(const tt_sizes *s) {
  tt_pair_room room(nullptr);
  cut<T>(&room, s->pairs, s->pair_hidden, s->pair_dim);
  return room.floats();
}

template <class T> void tt_cuda_fill_triangle_out_backward(tt_cuda_table *table) {
  table->ops.triangle_out_backward = triangle_out_backward<T>;
  tt_cuda_needs(table, TT_SCRATCH_TRIANGLE_OUT, need<T>);
}
TT_FILL(triangle_out_backward)
