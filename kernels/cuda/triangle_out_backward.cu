// Gradients of the triangle's end, in slabs of pair rows so that what passes between the kernels stays in
// cache: u = LN(t) W^T + b again, then dgate = m dout u and du = m dout gate (m: dropout), and at once dz =
// du W, as both are in shared memory; dW += du^T z by the product library; then LayerNorm's backward. Sums
// over rows (db, dgamma, dbeta) leave a row of parts a block, which a last kernel adds in order. dgate may be
// gate: an element is read and then written by the same thread.
//
// Passes over (R, P): dout 1, gate 1, dgate 1, and du in cache. Over (R, C): t 2, dt 1, and z, dz in cache.
#include "triangle_out.h"

enum { SLAB = 16384, NORM_ROWS = 32 };

// ---- dgate, du and dz ----

// What it leaves for others: z (rows, width), du (rows, du_width); dz, a part from each of the blocks that
// share rows, dz_part elements apart; db, a row of parts a block.
template <class T> struct opened {
  T *z, *du;
  int du_width;
  float *dz, *bias;
  int64_t dz_part;
};

// dz of 16 rows, or of 32 (as many as the warps have just left in their strips), from du there and W: each
// warp a tile of 16 x 16.
template <class T>
TT_DEVICE void through_weight(const tt_out_of<T> &x, const tt_out_room<T> &room, int rows, float *dz) {
  int warp = (int)threadIdx.x / 32, width = x.pitch - 8, tiles = width / 16;
  int left = x.dim - (int)blockIdx.y * x.strips * TT_STRIP; // channels that the block has, if it has so many
  const float *strips = room.strip - warp * TT_STRIP_FLOATS;
  __syncthreads(); // du is there
  for (int at = warp; at < rows / 16 * tiles; at += TT_OUT_WARPS) {
    int half = at / tiles, column = at % tiles * 16;
    tt_tile_sum<T> sum;
    sum.clear();
    for (int strip = 0; strip < x.strips && strip * TT_STRIP < left; strip++) {
      const T *du = reinterpret_cast<const T *>(strips + (half * x.strips + strip) * TT_STRIP_FLOATS);
#pragma unroll
      for (int k = 0; k < TT_STRIP; k += 16) {
        tt_tile_a<T> a;
        tt_tile_b<T> w;
        a.load(du + k, tt_out_kept_pitch<T>());
        w.load(room.w + (strip * TT_STRIP + k) * x.pitch + column, x.pitch);
        sum.add(a, w);
      }
    }
    sum.store(dz + 16 * half * width + column, width);
  }
  __syncthreads(); // the strips have been read
}

template <class T>
TT_KERNEL(256)
open_gate(tt_out_of<T> x, tt_statistics s, const T *dout, const T *gate, T *dgate, opened<T> to) {
  TT_DYNAMIC_SHARED(T, shared);
  tt_out_room<T> room = tt_out_cut(x, shared);
  int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32, width = x.pitch - 8;
  int turn = TT_OUT_WARPS / x.strips < 2 ? 16 : 32; // rows
  tt_eight sum = tt_no_eight();                     // of du: the lane's channels, the same in all its rows
  tt_out_tiles<true>(
      x, room, true, false, s,
      [&](int64_t first) { // z, once: for the gradient of W
        if (blockIdx.y != 0) return;
        for (int at = (int)threadIdx.x; at < TT_OUT_ROWS * width / 8; at += 256) {
          int row = at / (width / 8), c = at % (width / 8) * 8;
          if (first + row < x.rows)
            tt_store8(to.z + (first + row) * width + c, tt_load8(room.z + row * x.pitch + c));
        }
      },
      [&](int64_t r, int channel, tt_eight &u, const float *factor) {
        tt_eight d = tt_row_eight<true>(dout + r * x.dim, channel, x.dim, x.wide);
        tt_eight g = tt_row_eight<true>(gate + r * x.dim, channel, x.dim, x.wide);
#pragma unroll
        for (int e = 0; e < 8; e++) {
          float bias = channel + e < x.dim ? x.b[channel + e] : 0.0f, through = factor[e] * d.v[e];
          d.v[e] = through * (u.v[e] + bias), g.v[e] *= through;
          sum.v[e] += g.v[e];
        }
        tt_row_store<true>(dgate + r * x.dim, channel, x.dim, x.wide, d);
        tt_store8(to.du + r * to.du_width + channel, g); // whole eights: its rows are that wide
        u = g;
      },
      [&](int64_t first, int half) {
        through_weight(x, room, turn, to.dz + blockIdx.y * to.dz_part + (first + 16 * half) * width);
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
    to.bias[(int64_t)blockIdx.x * x.dim + from + c] = whole;
  }
}

// ---- LayerNorm ----

// dz as open_gate leaves it: the sum of `parts`
struct dz_of {
  const float *of;
  int parts;
  int64_t part;

  TT_DEVICE_MEMBER tt_eight at(int64_t place) const {
    tt_eight sum = tt_load8(of + place);
#pragma unroll 1
    for (int other = 1; other < parts; other++) {
      tt_eight more = tt_load8(of + other * part + place);
#pragma unroll
      for (int e = 0; e < 8; e++) sum.v[e] += more.v[e];
    }
    return sum;
  }
};

// Eight lanes a row. part (blocks, 2C): the sums of dz xhat, and of dz, over the block's rows.
template <class T>
TT_KERNEL(256)
norm_backward(tt_out_of<T> x, tt_statistics s, dz_of dz, T *dt, bool wide, float *part) {
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
    float mean = s.mean[x.first_row + at], rstd = s.rstd[x.first_row + at], first = 0, second = 0;
    for (int o = lane; 8 * o < hidden; o += 8) {
      tt_eight t = tt_row_eight(from, 8 * o, hidden, x.wide_t), g = dz.at(at * width + 8 * o);
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
      tt_eight t = tt_row_eight(from, 8 * o, hidden, x.wide_t), g = dz.at(at * width + 8 * o);
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

template <class T> struct pieces {
  opened<T> open; // its bias, and norm: parts of all slabs
  int dz_parts;
  float *norm;
};
template <class T> static pieces<T> cut(tt_pair_room *room, int64_t pairs, int hidden, int dim) {
  int64_t rows = tt_multiple(pairs < SLAB ? pairs : (int64_t)SLAB, TT_OUT_ROWS), width = tt_tiled(hidden);
  int64_t parts = tt_parts(pairs, SLAB) * TT_OUT_BLOCKS;
  pieces<T> p;
  p.dz_parts = (int)tt_parts(dim, tt_out_strips<T>(hidden, dim) * TT_STRIP);
  p.open.du_width = (int)tt_multiple(dim, 8), p.open.dz_part = rows * width;
  p.open.z = room->cut<T>(rows * width), p.open.du = room->cut<T>(rows * p.open.du_width);
  p.open.dz = room->cut<float>(p.dz_parts * p.open.dz_part);
  p.open.bias = room->cut<float>(parts * dim), p.norm = room->cut<float>(parts * 2 * hidden);
  return p;
}

template <class T>
static void triangle_out_backward(const tt_drop *drop, int hidden, int dim, const tt_activation *dout,
                                  const tt_activation *t, tt_weights norm, tt_statistics s, tt_weights at,
                                  const tt_activation *gate, tt_activation *dgate, tt_activation *dt,
                                  tt_gradients dnorm, tt_gradients gradient, float *scratch) {
  int64_t pairs = drop->batch->pairs, width = tt_tiled(hidden), used = 0;
  if (pairs == 0) return;
  tt_pair_room room(scratch);
  pieces<T> p = cut<T>(&room, pairs, hidden, dim);
  tt_out_of<T> x = tt_out_begin<T>(drop, hidden, dim, t, norm, at);
  const T *all_t = x.t, *from = tt_cells<T>(dout), *gates = tt_cells<T>(gate);
  T *to = tt_cells<T>(dgate), *to_t = tt_cells<T>(dt);
  x.wide = tt_aligned8(from, dim) && tt_aligned8(gates, dim) && tt_aligned8(to, dim);
  bool wide_dt = tt_aligned8(to_t, hidden);
  for (int64_t row = 0; row < pairs; row += SLAB) {
    x.rows = pairs - row < SLAB ? pairs - row : (int64_t)SLAB, x.first_row = row, x.t = all_t + row * hidden;
    dim3 grid = tt_out_grid(x);
    opened<T> open = p.open;
    open.bias += used * dim;
    TT_LAUNCH((open_gate<T>), grid, 256, tt_out_shared(x), x, s, from + row * dim, gates + row * dim,
              to + row * dim, open);
    tt_product dw = {};
    dw.m = dim, dw.n = hidden, dw.k = x.rows, dw.operands = tt_number_of<T>(), dw.result = TT_FP32;
    dw.a = open.du, dw.a_transposed = true, dw.lda = open.du_width, dw.b = open.z, dw.ldb = width;
    dw.c = gradient.w, dw.ldc = hidden, dw.beta = 1;
    tt_cuda_product(&dw);
    dz_of dz = {open.dz, p.dz_parts, open.dz_part};
    TT_LAUNCH((norm_backward<T>), (int64_t)grid.x, 256, NORM_ROWS * 2 * (size_t)width * sizeof(float), x, s,
              dz, to_t + row * hidden, wide_dt, p.norm + used * 2 * hidden);
    used += grid.x;
  }
  tt_cuda_sum_parts(p.open.bias, used, dim, dim, gradient.b);
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
