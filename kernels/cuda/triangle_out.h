// What the forward and the backward of the triangle's end share: u = LN(t) W^T + b a tile of 32 rows at a
// time, against a part of W that a block keeps in shared memory, handed on to an epilogue in eights.
#ifndef TT_KERNELS_CUDA_TRIANGLE_OUT_H
#define TT_KERNELS_CUDA_TRIANGLE_OUT_H

#include "pair.h"

enum {
  TT_OUT_ROWS = 32,
  TT_OUT_WARPS = 8,
  TT_OUT_STRIPS = 8,               // of channels that a block has at most: one a warp
  TT_OUT_WEIGHT_BYTES = 80 * 1024, // a block's part of W: two blocks fit a multiprocessor of 228 KB
  TT_OUT_BLOCKS = 256              // that rows are dealt to: a constant, so that sums over rows are too
};

// As many strips of W as its room in a block has; all that there are if they fit.
template <class T> static inline int tt_out_strips(int hidden, int dim) {
  int all = (dim + TT_STRIP - 1) / TT_STRIP;
  int most = TT_OUT_WEIGHT_BYTES / (TT_STRIP * (tt_tiled(hidden) + 8) * static_cast<int>(sizeof(T)));
  if (most > TT_OUT_STRIPS) most = TT_OUT_STRIPS;
  if (most < 1) most = 1;
  return most < all ? most : all;
}

template <class T> struct tt_out_of {
  int64_t rows, first_row;        // of this call, and the number of its first among all
  int hidden, dim, pitch, strips; // strips: of 64 channels that a block has
  const T *t;                     // (rows, C)
  const float *gamma, *beta;      // (C)
  const T *w;                     // (P, C)
  const float *b;                 // (P)
  bool wide_t, wide_w, wide;      // tt_aligned8: of t, W, and all arrays (rows, P)
  tt_device_drop drop;
};

// Shared memory: W (64 * strips, pitch), z = LN(t) (32, pitch), a strip of floats for each warp, and what
// names the rows' masks.
template <class T> struct tt_out_room {
  T *w, *z;
  float *strip;
  tt_drop_row *drop;
};
template <class T> static inline size_t tt_out_shared(const tt_out_of<T> &x) {
  return static_cast<size_t>(x.strips * TT_STRIP + TT_OUT_ROWS) * static_cast<size_t>(x.pitch) * sizeof(T) +
         TT_OUT_WARPS * TT_STRIP_FLOATS * sizeof(float) + TT_OUT_ROWS * sizeof(tt_drop_row);
}
template <class T> TT_DEVICE tt_out_room<T> tt_out_cut(const tt_out_of<T> &x, T *shared) {
  tt_out_room<T> room;
  room.w = shared, room.z = shared + x.strips * TT_STRIP * x.pitch;
  float *strips = reinterpret_cast<float *>(room.z + TT_OUT_ROWS * x.pitch);
  room.strip = strips + threadIdx.x / 32 * TT_STRIP_FLOATS;
  room.drop = reinterpret_cast<tt_drop_row *>(strips + TT_OUT_WARPS * TT_STRIP_FLOATS);
  return room;
}

// What an epilogue leaves of a strip, in the place of its floats, as operands of another product: rows this
// many elements apart, which tiles and their banks are content with.
template <class T> TT_BOTH int tt_out_kept_pitch() {
  return sizeof(T) == 4 ? (int)TT_STRIP_PITCH : TT_STRIP + 8;
}

// The arguments, and how W is cut.
template <class T>
static inline tt_out_of<T> tt_out_begin(const tt_drop *drop, int hidden, int dim, const tt_activation *t,
                                        tt_weights norm, tt_weights at) {
  tt_out_of<T> x;
  x.rows = drop->batch->pairs, x.first_row = 0;
  x.hidden = hidden, x.dim = dim, x.pitch = tt_tiled(hidden) + 8;
  x.strips = tt_out_strips<T>(hidden, dim);
  x.t = tt_cells<T>(t), x.gamma = norm.w, x.beta = norm.b;
  x.w = tt_cuda_weight<T>(at.w, static_cast<int64_t>(dim) * hidden), x.b = at.b;
  x.wide_t = tt_aligned8(x.t, hidden), x.wide_w = tt_aligned8(x.w, hidden);
  x.drop = tt_device_drop_of(drop);
  return x;
}
template <class T> static inline dim3 tt_out_grid(const tt_out_of<T> &x) {
  int64_t tiles = tt_parts(x.rows, TT_OUT_ROWS), parts = tt_parts(x.dim, x.strips * TT_STRIP);
  return dim3(static_cast<unsigned>(tiles < TT_OUT_BLOCKS ? tiles : (int64_t)TT_OUT_BLOCKS),
              static_cast<unsigned>(parts));
}

// z of a tile, eight lanes a row. statistics: written (`mine`), or read (`known`).
template <class T>
TT_DEVICE void tt_out_normal(const tt_out_of<T> &x, const tt_out_room<T> &room, int64_t first, bool known,
                             bool mine, tt_statistics s) {
  int row = (int)threadIdx.x / 8, lane = (int)threadIdx.x % 8, octets = tt_tiled(x.hidden) / 8;
  int64_t r = first + row;
  bool there = r < x.rows;
  const T *from = x.t + (there ? r : x.rows - 1) * x.hidden;
  float mean = 0, rstd = 0;
  if (known) {
    if (there) mean = s.mean[x.first_row + r], rstd = s.rstd[x.first_row + r];
  } else {
    for (int o = lane; 8 * o < x.hidden; o += 8) {
      tt_eight e = tt_row_eight(from, 8 * o, x.hidden, x.wide_t);
#pragma unroll
      for (int i = 0; i < 8; i++) mean += e.v[i]; // zeros past the end
    }
#pragma unroll
    for (int step = 4; step > 0; step /= 2) mean += __shfl_xor_sync(TT_ALL_LANES, mean, step);
    mean /= (float)x.hidden;
    float square = 0;
    for (int o = lane; 8 * o < x.hidden; o += 8) {
      tt_eight e = tt_row_eight(from, 8 * o, x.hidden, x.wide_t);
#pragma unroll
      for (int i = 0; i < 8; i++)
        if (8 * o + i < x.hidden) square += (e.v[i] - mean) * (e.v[i] - mean);
    }
#pragma unroll
    for (int step = 4; step > 0; step /= 2) square += __shfl_xor_sync(TT_ALL_LANES, square, step);
    rstd = 1.0f / sqrtf(square / (float)x.hidden + 1e-5f);
    if (mine && there && lane == 0) s.mean[x.first_row + r] = mean, s.rstd[x.first_row + r] = rstd;
  }
  for (int o = lane; o < octets; o += 8) {
    tt_eight e = tt_no_eight();
    if (there && 8 * o < x.hidden) {
      e = tt_row_eight(from, 8 * o, x.hidden, x.wide_t);
#pragma unroll
      for (int i = 0; i < 8; i++)
        if (8 * o + i < x.hidden) e.v[i] = (e.v[i] - mean) * rstd * x.gamma[8 * o + i] + x.beta[8 * o + i];
    }
    tt_store8(room.z + row * x.pitch + 8 * o, e);
  }
  if (x.drop.on && lane == 0) room.drop[row] = tt_drop_row_of(x.drop, x.first_row + (there ? r : x.rows - 1));
}

// The block's tiles, one after the other. Each warp has a strip of channels, of all 32 rows or of as many
// as other warps with the same strip leave it. before(tile's first row) once z is there; epilogue(row,
// channel, u without its bias, factors of dropout) for each eight channels of a row that are there. KEEP:
// what the epilogue makes of u stays in the strip, zeros where nothing is there, and after(tile's first row,
// half) is called by all threads when each warp has done a half of the rows (that half, or it and the next).
template <bool KEEP, class T, class B, class E, class A>
TT_DEVICE void tt_out_tiles(const tt_out_of<T> &x, const tt_out_room<T> &room, bool known, bool mine,
                            tt_statistics s, B before, E epilogue, A after) {
  int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
  int strip = warp % x.strips, slots = TT_OUT_WARPS / x.strips, slot = warp / x.strips;
  int channels = (int)blockIdx.y * x.strips * TT_STRIP, mine_first = channels + strip * TT_STRIP;
  int channel = mine_first + lane % 8 * 8;
  T *kept = reinterpret_cast<T *>(room.strip) + lane % 8 * 8;
  tt_stage_rows(x.w + (int64_t)channels * x.hidden, x.hidden, x.wide_w, x.hidden, x.dim - channels,
                x.strips * TT_STRIP, room.w, x.pitch);
  for (int64_t first = (int64_t)blockIdx.x * TT_OUT_ROWS; first < x.rows;
       first += (int64_t)gridDim.x * TT_OUT_ROWS) {
    __syncthreads(); // z has been read
    tt_out_normal(x, room, first, known, mine, s);
    __syncthreads();
    before(first);
    for (int half = slot; half - slot < 2; half += slots) {
      if (half < 2 && slot < slots && mine_first < x.dim) {
        tt_tile_sum<T> sum[4];
#pragma unroll
        for (int q = 0; q < 4; q++) sum[q].clear();
        for (int k = 0; k < x.pitch - 8; k += 16) {
          tt_tile_a<T> z;
          z.load(room.z + 16 * half * x.pitch + k, x.pitch);
#pragma unroll
          for (int q = 0; q < 4; q++) {
            tt_tile_b<T> w;
            w.load_transposed(room.w + (strip * TT_STRIP + 16 * q) * x.pitch + k, x.pitch);
            sum[q].add(z, w);
          }
        }
        tt_strip_store(sum, room.strip);
        __syncwarp();
#pragma unroll
        for (int part = 0; part < 4; part++) {
          int row = 4 * part + lane / 8;
          int64_t r = first + 16 * half + row;
          bool there = r < x.rows && channel < x.dim;
          tt_eight u = tt_strip_eight(room.strip, row, lane % 8);
          if (there) {
            float factor[8];
            tt_drop_eight(x.drop, x.drop.on ? room.drop[16 * half + row] : tt_drop_row{0, 0, 0}, channel / 8,
                          factor);
            epilogue(r, channel, u, factor);
          }
          if (!KEEP) continue;
          __syncwarp(); // rows up to here have been read, and none further down begins before their end
          tt_store8(kept + row * tt_out_kept_pitch<T>(), there ? u : tt_no_eight());
        }
        __syncwarp(); // the strip has been read
      }
      if (KEEP) after(first, half - slot);
    }
  }
}

#endif
