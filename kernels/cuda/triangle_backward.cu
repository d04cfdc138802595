// Gradients of the triangle multiplication t = a b^T + a^T b (triangle.cu): da = dt b + b dt^T, db = dt^T a +
// a dt, then through the gates to dp and dg. Blocks, tiles and lanes as in the forward, with a third matrix
// for dt. dp may be p and dg may be g: a block reads and writes its own molecule and channels alone, all of a
// round of channels before it writes any, and at the end a thread reads a pair's p and g again just before it
// writes them. Molecules too long (more than 143 atoms in bf16) leave da and db in scratch first.
//
// Passes over (R, C): p and g 4 (4 more from cache), dt 1, dp and dg 4.
#include "triangle.h"

// dp and dg of one number from d, the gradient of p sigmoid(g) scale
TT_DEVICE void through_gate(float d, float scale, float p, float g, float *dp, float *dg) {
  float s = tt_triangle_sigmoid(g);
  *dp = d * scale * s, *dg = d * scale * p * s * (1.0f - s);
}

// Of the pair in a row, `count` channels from `channel` (of 2C) on
template <class T>
TT_DEVICE void write_gradients(const tt_triangle_of<T> &x, int64_t row, int channel, int count, float scale,
                               const tt_eight &d, T *dp, T *dg) {
  int64_t at = row * 2 * x.hidden + channel;
  tt_eight p = tt_triangle_load(x.p + at, count, x.wide), g = tt_triangle_load(x.g + at, count, x.wide);
#pragma unroll
  for (int c = 0; c < 8; c++) through_gate(d.v[c], scale, p.v[c], g.v[c], &p.v[c], &g.v[c]);
  tt_triangle_store(dp + at, count, x.wide, p), tt_triangle_store(dg + at, count, x.wide, g);
}

template <class T> TT_KERNEL(256) spread(tt_triangle_of<T> x, const T *dt, T *dp, T *dg) {
  TT_DYNAMIC_SHARED(T, planes);
  tt_triangle_place k = tt_triangle_here(x);
  int most = tt_triangle_channels(k.length, 3, x.shared, sizeof(T));
  int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32, pitch = k.pitch;
  int size = k.side * pitch;
  TT_SHARED float sums[8][256];
  for (int first = 0; most > 0 && first < k.channels; first += most) {
    int count = most < k.channels - first ? most : k.channels - first;
    T *a = planes, *b = a + most * size, *t = b + most * size;
    tt_triangle_gate(x, k, first, count, 0, a);
    tt_triangle_gate(x, k, first, count, 1, b);
    tt_triangle_fill(k, count, t, [&](int64_t row) {
      return tt_triangle_load(dt + row * x.hidden + k.first + first, count, x.wide);
    });
    __syncthreads();
    for (int at = warp; at < 2 * k.tiles * k.tiles; at += 8) { // da's tiles, then db's
      int side = at / (k.tiles * k.tiles), tile = at % (k.tiles * k.tiles);
      int row = tile / k.tiles * 16, column = tile % k.tiles * 16;
      tt_triangle_pairs<T> out;
#pragma unroll
      for (int c = 0; c < 8; c++) {
        if (c >= count) continue;
        const T *at_a = a + c * size, *at_b = b + c * size, *at_t = t + c * size;
        tt_tile_sum<T> sum;
        sum.clear();
#pragma unroll 1
        for (int d = 0; d < k.side; d += 16) {
          tt_tile_a<T> left, across;
          tt_tile_b<T> right, down;
          if (side == 0) {
            left.load(at_t + row * pitch + d, pitch), right.load(at_b + d * pitch + column, pitch);
            sum.add(left, right);
            left.load(at_b + row * pitch + d, pitch), down.load_transposed(at_t + column * pitch + d, pitch);
            sum.add(left, down);
          } else {
            across.load_transposed(at_t + d * pitch + row, pitch);
            right.load(at_a + d * pitch + column, pitch);
            sum.add(across, right);
            left.load(at_a + row * pitch + d, pitch), right.load(at_t + d * pitch + column, pitch);
            sum.add(left, right);
          }
        }
        tt_triangle_take(sum, sums[warp], lane, c, out);
      }
#pragma unroll
      for (int s = 0; s < 8; s++) {
        int i = row + 2 * s + lane / 16, j = column + lane % 16;
        if (i < k.length && j < k.length)
          write_gradients(x, k.row(i, j), side * x.hidden + k.first + first, count, k.scale, out.eight(s), dp,
                          dg);
      }
    }
    __syncthreads(); // the next channels' matrices take the place of these
  }
}

// ---- molecules too long for shared memory ----

template <class T> TT_DEVICE bool too_long(const tt_triangle_of<T> &x, int molecule) {
  return tt_triangle_channels(x.batch.length[molecule], 3, x.shared, sizeof(T)) == 0;
}

// d (R, 2C) = [da, db]: a warp has 32 channels of a pair, each lane one channel
template <class T> TT_KERNEL(256) spread_long(tt_triangle_of<T> x, const T *dt, float *d) {
  int groups = (x.hidden + 31) / 32, m = (int)(blockIdx.x / groups);
  int channel = (int)(blockIdx.x % groups) * 32 + (int)threadIdx.x % 32;
  if (!too_long(x, m) || channel >= x.hidden) return;
  int length = x.batch.length[m], b = x.hidden + channel;
  float scale = tt_triangle_scale(x.batch, m);
  int64_t start = x.batch.pair_offset[m];
  for (int at = (int)(blockIdx.y * 8 + threadIdx.x / 32); at < length * length; at += (int)gridDim.y * 8) {
    int64_t row = at / length, column = at % length;
    float da = 0, db = 0;
    for (int64_t k = 0; k < length; k++) {
      int64_t ik = start + row * length + k, ki = start + k * length + row;
      int64_t jk = start + column * length + k, kj = start + k * length + column;
      da += tt_to_float(dt[ik * x.hidden + channel]) * tt_triangle_value(x, kj, b, scale);
      da += tt_to_float(dt[jk * x.hidden + channel]) * tt_triangle_value(x, ik, b, scale);
      db += tt_to_float(dt[ki * x.hidden + channel]) * tt_triangle_value(x, kj, channel, scale);
      db += tt_to_float(dt[kj * x.hidden + channel]) * tt_triangle_value(x, ik, channel, scale);
    }
    d[(start + at) * 2 * x.hidden + channel] = da, d[(start + at) * 2 * x.hidden + b] = db;
  }
}

template <class T> TT_KERNEL(256) gate_long(tt_triangle_of<T> x, const float *d, T *dp, T *dg) {
  int octets = (2 * x.hidden + 7) / 8;
  int64_t at = (int64_t)blockIdx.x * 256 + threadIdx.x, row = at / octets;
  if (row >= x.batch.pairs) return;
  int m = tt_find_molecule(x.batch.pair_offset, x.batch.molecules, row);
  if (!too_long(x, m)) return;
  int channel = (int)(at % octets) * 8, count = 2 * x.hidden - channel < 8 ? 2 * x.hidden - channel : 8;
  tt_eight value = tt_load_any(d + row * 2 * x.hidden + channel, count);
  write_gradients(x, row, channel, count, tt_triangle_scale(x.batch, m), value, dp, dg);
}

template <class T>
static void triangle_backward(const tt_batch *batch, int hidden, const tt_activation *p,
                              const tt_activation *g, const tt_activation *dt, tt_activation *dp,
                              tt_activation *dg, float *scratch) {
  tt_triangle_of<T> x(*batch, hidden, tt_cells<T>(p), tt_cells<T>(g), 3);
  T *to_p = tt_cells<T>(dp), *to_g = tt_cells<T>(dg);
  const T *from = tt_cells<T>(dt);
  x.wide = x.wide && tt_aligned8(from, hidden) && tt_aligned8(to_p, hidden) && tt_aligned8(to_g, hidden);
  if (tt_triangle_channels(batch->max_length, 3, x.shared, sizeof(T)) == 0) {
    float *d = tt_pair_room(scratch).cut<float>(batch->pairs * 2 * hidden);
    TT_LAUNCH((spread_long<T>), tt_triangle_long_grid(*batch, hidden), 256, 0, x, from, d);
    TT_LAUNCH((gate_long<T>), tt_parts(batch->pairs * ((2 * hidden + 7) / 8), 256), 256, 0, x, d, to_p, to_g);
  }
  TT_LAUNCH((spread<T>), (int64_t)batch->molecules * x.groups, 256, x.shared, x, from, to_p, to_g);
}

template <class T> static size_t need(const tt_sizes *s) {
  int64_t shared = tt_triangle_shared(s->length, 3, sizeof(T));
  if (tt_triangle_channels(s->length, 3, shared, sizeof(T)) > 0) return 0;
  tt_pair_room room(nullptr);
  room.cut<float>(s->pairs * 2 * s->pair_hidden);
  return room.floats();
}

template <class T> void tt_cuda_fill_triangle_backward(tt_cuda_table *table) {
  table->ops.triangle_backward = triangle_backward<T>;
  tt_cuda_needs(table, TT_SCRATCH_TRIANGLE, need<T>);
}
TT_FILL(triangle_backward)
