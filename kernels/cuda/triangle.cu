// Triangle multiplication, t_ij = sum_k a_ik b_jk + sum_k a_ki b_kj, [a, b] = p sigmoid(g) / sqrt(S): both
// directions in one kernel. A block has one molecule and eight channels. It gates a and b on the way into
// shared memory, where each channel is a matrix of its own, so that the products are those of tiles; a warp
// makes a tile of pairs, channel after channel, keeps the eight results of a pair in registers and writes
// them at once. Molecules too long for eight matrices take four, two or one at a time; still longer ones
// (more than 191 atoms in bf16) another, slow kernel.
//
// Passes over (R, C): p and g 4, t 1. Rows are read 16 bytes at a time, half a sector; the other half is what
// the block of the next eight channels reads at the same time.
#include "triangle.h"

template <class T> TT_KERNEL(256) multiply(tt_triangle_of<T> x, T *t) {
  TT_DYNAMIC_SHARED(T, planes);
  tt_triangle_place k = tt_triangle_here(x);
  int most = tt_triangle_channels(k.length, 2, x.shared, sizeof(T));
  int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32, pitch = k.pitch;
  int size = k.side * pitch;
  TT_SHARED float sums[8][256];
  for (int first = 0; most > 0 && first < k.channels; first += most) {
    int count = most < k.channels - first ? most : k.channels - first;
    T *a = planes, *b = planes + most * size;
    tt_triangle_gate(x, k, first, count, 0, a);
    tt_triangle_gate(x, k, first, count, 1, b);
    __syncthreads();
    for (int tile = warp; tile < k.tiles * k.tiles; tile += 8) {
      int row = tile / k.tiles * 16, column = tile % k.tiles * 16;
      tt_triangle_pairs<T> out;
#pragma unroll
      for (int c = 0; c < 8; c++) {
        if (c >= count) continue;
        const T *at_a = a + c * size, *at_b = b + c * size;
        tt_tile_sum<T> sum;
        sum.clear();
#pragma unroll 1
        for (int d = 0; d < k.side; d += 16) {
          tt_tile_a<T> left;
          tt_tile_b<T> right;
          left.load(at_a + row * pitch + d, pitch), right.load_transposed(at_b + column * pitch + d, pitch);
          sum.add(left, right);
          left.load_transposed(at_a + d * pitch + row, pitch), right.load(at_b + d * pitch + column, pitch);
          sum.add(left, right);
        }
        tt_triangle_take(sum, sums[warp], lane, c, out);
      }
#pragma unroll
      for (int s = 0; s < 8; s++) {
        int i = row + 2 * s + lane / 16, j = column + lane % 16;
        if (i < k.length && j < k.length)
          tt_triangle_store(t + k.row(i, j) * x.hidden + k.first + first, count, x.wide, out.eight(s));
      }
    }
    __syncthreads(); // the next channels' matrices take the place of these
  }
}

// Of molecules too long for shared memory: a warp has 32 channels of 2 x 2 pairs, each lane one channel.
template <class T> TT_KERNEL(256) multiply_long(tt_triangle_of<T> x, T *t) {
  int groups = (x.hidden + 31) / 32, m = (int)(blockIdx.x / groups);
  int length = x.batch.length[m], half = (length + 1) / 2;
  if (tt_triangle_channels(length, 2, x.shared, sizeof(T)) > 0) return;
  int channel = (int)(blockIdx.x % groups) * 32 + (int)threadIdx.x % 32;
  if (channel >= x.hidden) return;
  float scale = tt_triangle_scale(x.batch, m);
  int64_t start = x.batch.pair_offset[m];
  for (int at = (int)(blockIdx.y * 8 + threadIdx.x / 32); at < half * half; at += (int)gridDim.y * 8) {
    int i[2] = {at / half * 2, at / half * 2 + 1}, j[2] = {at % half * 2, at % half * 2 + 1};
    float sum[2][2] = {{0, 0}, {0, 0}};
    for (int k = 0; k < length; k++) {
      float a[2], across[2], b[2], down[2];
      for (int e = 0; e < 2; e++) { // past the end: the last row again, not stored
        int row = i[e] < length ? i[e] : length - 1, column = j[e] < length ? j[e] : length - 1;
        a[e] = tt_triangle_value(x, start + (int64_t)row * length + k, channel, scale);
        across[e] = tt_triangle_value(x, start + (int64_t)k * length + row, channel, scale);
        b[e] = tt_triangle_value(x, start + (int64_t)column * length + k, x.hidden + channel, scale);
        down[e] = tt_triangle_value(x, start + (int64_t)k * length + column, x.hidden + channel, scale);
      }
      for (int e = 0; e < 2; e++)
        for (int f = 0; f < 2; f++) sum[e][f] += a[e] * b[f] + across[e] * down[f];
    }
    for (int e = 0; e < 2; e++)
      for (int f = 0; f < 2; f++)
        if (i[e] < length && j[f] < length)
          t[(start + (int64_t)i[e] * length + j[f]) * x.hidden + channel] = tt_from_float<T>(sum[e][f]);
  }
}

template <class T>
static void triangle(const tt_batch *batch, int hidden, const tt_activation *p, const tt_activation *g,
                     tt_activation *t, float *scratch) {
  (void)scratch;
  tt_triangle_of<T> x(*batch, hidden, tt_cells<T>(p), tt_cells<T>(g), 2);
  x.wide = x.wide && tt_aligned8(tt_cells<T>(t), hidden);
  TT_LAUNCH((multiply<T>), (int64_t)batch->molecules * x.groups, 256, x.shared, x, tt_cells<T>(t));
  if (tt_triangle_channels(batch->max_length, 2, x.shared, sizeof(T)) == 0)
    TT_LAUNCH((multiply_long<T>), tt_triangle_long_grid(*batch, hidden), 256, 0, x, tt_cells<T>(t));
}

template <class T> void tt_cuda_fill_triangle(tt_cuda_table *table) {
  table->ops.triangle = triangle<T>;
}
TT_FILL(triangle)
