// What the triangle's forward and backward share: which channels of which molecule a block has, and their
// matrices in shared memory. A matrix is (side, pitch): L rounded up to whole tiles, zeros outside the
// molecule, and 8 more to a row so that the rows of a tile lie in different banks.
#ifndef TT_KERNELS_CUDA_TRIANGLE_H
#define TT_KERNELS_CUDA_TRIANGLE_H

#include "pair.h"

enum {
  TT_TRIANGLE_SHARED = 96 * 1024
}; // two blocks fit a multiprocessor; channels that need more take turns

// Bytes of one channel's matrices in shared memory.
TT_BOTH int64_t tt_triangle_bytes(int length, int matrices, int element) {
  int64_t side = (length + 15) / 16 * 16;
  return side * (side + 8) * matrices * element;
}

// How many channels a block of `shared` bytes has in turn: 8, 4, 2, 1, or 0 for a molecule that is too long.
TT_BOTH int tt_triangle_channels(int length, int matrices, int64_t shared, int element) {
  int64_t one = tt_triangle_bytes(length, matrices, element);
  int channels = 8;
  while (channels > 0 && channels * one > shared) channels /= 2;
  return channels;
}

// Shared memory for molecules of up to `length`, one channel of the longest at least if it can be had.
static inline int64_t tt_triangle_shared(int length, int matrices, int element) {
  int64_t one = tt_triangle_bytes(length, matrices, element), most = TT_MOST_SHARED - 10 * 1024; // sums
  int64_t wanted = 8 * one < TT_TRIANGLE_SHARED ? 8 * one : (int64_t)TT_TRIANGLE_SHARED;
  return one > wanted && one <= most ? one : wanted;
}

// The arguments of all kernels. p and g (R, 2C)
template <class T> struct tt_triangle_of {
  tt_batch batch;
  int hidden, groups; // of eight channels
  const T *p, *g;
  bool wide;      // rows can be read eight elements at a time
  int64_t shared; // bytes of the matrices

  tt_triangle_of(const tt_batch &of, int channels, const T *at_p, const T *at_g, int matrices)
      : batch(of), hidden(channels), groups((channels + 7) / 8), p(at_p), g(at_g),
        wide(tt_aligned8(at_p, channels) && tt_aligned8(at_g, channels)),
        shared(tt_triangle_shared(of.max_length, matrices, sizeof(T))) {}
};

// What a block has: channels first, first + 1, ... of a molecule. tiles: along a side
struct tt_triangle_place {
  int molecule, length, side, pitch, tiles, first, channels;
  int64_t start; // the molecule's first pair
  float scale;

  TT_DEVICE_MEMBER int64_t row(int i, int j) const { return start + (int64_t)i * length + j; }
};
TT_DEVICE float tt_triangle_scale(const tt_batch &batch, int molecule) {
  return 1.0f / sqrtf((float)batch.scaling_length[molecule]);
}
template <class T> TT_DEVICE tt_triangle_place tt_triangle_here(const tt_triangle_of<T> &x) {
  tt_triangle_place k;
  k.molecule = (int)(blockIdx.x / x.groups), k.first = (int)(blockIdx.x % x.groups) * 8;
  k.channels = x.hidden - k.first < 8 ? x.hidden - k.first : 8;
  k.length = x.batch.length[k.molecule], k.start = x.batch.pair_offset[k.molecule];
  k.side = tt_tiled(k.length), k.pitch = k.side + 8, k.tiles = k.side / 16;
  k.scale = tt_triangle_scale(x.batch, k.molecule);
  return k;
}

TT_DEVICE float tt_triangle_sigmoid(float x) {
  return 1.0f / (1.0f + expf(-x));
}
// a (channel < C) or b of one pair
template <class T>
TT_DEVICE float tt_triangle_value(const tt_triangle_of<T> &x, int64_t row, int channel, float scale) {
  int64_t at = row * 2 * x.hidden + channel;
  return tt_to_float(x.p[at]) * tt_triangle_sigmoid(tt_to_float(x.g[at])) * scale;
}

// `count` channels of a row: eight at once where rows allow it
template <class T> TT_DEVICE tt_eight tt_triangle_load(const T *at, int count, bool wide) {
  return wide && count == 8 ? tt_load8(at) : tt_load_any(at, count);
}
template <class T> TT_DEVICE void tt_triangle_store(T *at, int count, bool wide, const tt_eight &e) {
  if (wide && count == 8)
    tt_store8(at, e);
  else
    tt_store_any(at, count, e);
}

// One array's channels into their matrices; neighbouring threads have neighbouring columns, so that the
// stores of a warp do not meet in a bank. `value` makes a pair's eight numbers from (row, i.e. i * L + j).
template <class T, class F>
TT_DEVICE void tt_triangle_fill(const tt_triangle_place &k, int count, T *matrices, F value) {
  int size = k.side * k.pitch;
#pragma unroll 2
  for (int at = (int)threadIdx.x; at < k.side * k.side; at += (int)blockDim.x) {
    int i = at / k.side, j = at % k.side;
    tt_eight e = i < k.length && j < k.length ? value(k.row(i, j)) : tt_no_eight();
#pragma unroll
    for (int c = 0; c < 8; c++)
      if (c < count) matrices[c * size + i * k.pitch + j] = tt_from_float<T>(e.v[c]);
  }
}

// The matrices of a (side 0) or b (side 1): `count` channels from the block's channel `first` on
template <class T>
TT_DEVICE void tt_triangle_gate(const tt_triangle_of<T> &x, const tt_triangle_place &k, int first, int count,
                                int side, T *matrices) {
  int64_t channel = side * x.hidden + k.first + first;
  tt_triangle_fill(k, count, matrices, [&](int64_t row) {
    int64_t at = row * 2 * x.hidden + channel;
    tt_eight p = tt_triangle_load(x.p + at, count, x.wide), g = tt_triangle_load(x.g + at, count, x.wide);
#pragma unroll
    for (int c = 0; c < 8; c++) p.v[c] *= tt_triangle_sigmoid(g.v[c]) * k.scale;
    return p;
  });
}

// What a lane has of a tile of pairs: of pairs (2s + lane / 16, lane % 16), s = 0 .. 7, eight channels each
// (the numbers of bf16 two to a register: a multiprocessor must hold the registers of two blocks)
template <class T> struct tt_triangle_pairs {
  tt_eight of[8];
  TT_DEVICE_MEMBER void put(int s, int c, float value) { of[s].v[c] = value; }
  TT_DEVICE_MEMBER tt_eight eight(int s) const { return of[s]; }
};
template <> struct tt_triangle_pairs<tt_bf16> {
  uint32_t of[8][4];
  TT_DEVICE_MEMBER void put(int s, int c, float value) {
    uint32_t bits = tt_from_float<tt_bf16>(value).bits;
    of[s][c / 2] = c % 2 == 0 ? bits : of[s][c / 2] | bits << 16;
  }
  TT_DEVICE_MEMBER tt_eight eight(int s) const {
    tt_eight e;
#pragma unroll
    for (int c = 0; c < 8; c++)
      e.v[c] = tt_to_float(tt_bf16{static_cast<uint16_t>(of[s][c / 2] >> 16 * (c % 2) & 0xffffu)});
    return e;
  }
};
// The lane's part of channel c's tile, by way of `room` (256 floats of the warp)
template <class T>
TT_DEVICE void tt_triangle_take(tt_tile_sum<T> &sum, float *room, int lane, int c,
                                tt_triangle_pairs<T> &out) {
  sum.store(room, 16);
  __syncwarp();
#pragma unroll
  for (int s = 0; s < 8; s++) out.put(s, c, room[32 * s + lane]);
  __syncwarp(); // the next channel's tile takes its place
}

// Blocks of the kernels for molecules too long for the matrices: 32 channels a warp, and enough warps.
static inline dim3 tt_triangle_long_grid(const tt_batch &batch, int hidden) {
  return dim3((unsigned)(batch.molecules * ((hidden + 31) / 32)), 256);
}

#endif
