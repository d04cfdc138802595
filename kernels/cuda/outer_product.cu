// The outer product, factored: T_i = W a_i (P, C) by the product library for a slab of tokens small enough
// that their T stays in cache; then a block a token contracts its T_i with the b_j of the molecule, tile by
// tile, and finishes a strip of 64 channels in registers: scale, bias, dropout, residual.
//
// Passes over (R, P): residual 1, out 1. T (28 MiB a slab) is written and read in cache, once each; the
// weight is turned around once a call (C * C * P elements).
#include "outer_product.h"

enum { ROWS = 32, WARPS = 8 };

// ---- the weight ----

template <class T>
TT_KERNEL(256)
turn(const T *w, int hidden, int dim, int part, int64_t count, bool wide, T *to) {
  int width = tt_tiled(hidden);
  int64_t at = ((int64_t)blockIdx.x * 256 + threadIdx.x) * 8;
  if (at >= count) return;
  int64_t row = at / width, chunk = row / ((int64_t)hidden * part); // (c, p) of a part
  int e = (int)(at % width), c = (int)(row / part % hidden);
  int64_t p = chunk * part + row % part;
  tt_eight value = tt_no_eight();
  if (p < dim && e < hidden) value = tt_row_eight(w + (p * hidden + c) * hidden, e, hidden, wide);
  tt_store8(to + at, value);
}

template <class T> static const T *turned(const float *w, int hidden, int dim, int part, T *to) {
  const T *from = tt_cuda_weight<T>(w, (int64_t)dim * hidden * hidden);
  int64_t count = tt_outer_weight_size(hidden, dim, part);
  TT_LAUNCH((turn<T>), tt_parts(count / 8, 256), 256, 0, from, hidden, dim, part, count,
            tt_aligned8(from, hidden), to);
  return to;
}
const float *tt_cuda_outer_weight(const float *w, int hidden, int dim, int part, float *to) {
  return turned(w, hidden, dim, part, to);
}
const tt_bf16 *tt_cuda_outer_weight(const float *w, int hidden, int dim, int part, tt_bf16 *to) {
  return turned(w, hidden, dim, part, to);
}

// ---- contraction ----

template <class T> struct contraction {
  tt_batch batch;
  int64_t first;            // token of block 0
  int hidden, dim, columns; // columns: of T, a multiple of 64
  const T *t, *ab;          // t: of the slab's first token
  const float *bias;
  const T *residual;
  T *out;
  bool wide_ab, wide; // tt_aligned8: of ab, and of residual and out
  tt_device_drop drop;
};

static size_t shared_bytes(int hidden, size_t element) {
  return WARPS * TT_STRIP_FLOATS * sizeof(float) + ROWS * (size_t)(tt_tiled(hidden) + 8) * element;
}

template <class T> TT_KERNEL(256) contract(contraction<T> x) {
  TT_DYNAMIC_SHARED(float, strips); // one a warp, then 32 rows of b
  int width = tt_tiled(x.hidden), pitch = width + 8, warp = (int)threadIdx.x / 32,
      lane = (int)threadIdx.x % 32;
  float *strip = strips + warp * TT_STRIP_FLOATS;
  T *b = reinterpret_cast<T *>(strips + WARPS * TT_STRIP_FLOATS);
  int64_t token = x.first + blockIdx.x;
  int m = x.batch.token_molecule[token], length = x.batch.length[m];
  int64_t start = x.batch.token_offset[m];
  int i = (int)(token - start);
  int64_t pair = x.batch.pair_offset[m] + (int64_t)i * length;
  float product_factor = tt_outer_factor(x.batch, m), bias_factor = tt_outer_bias_factor(x.batch, m);
  const T *t = x.t + (int64_t)blockIdx.x * x.columns * width;
  for (int j = 0; j < length; j += ROWS) {
    int halves = length - j > 16 ? 2 : 1;
    __syncthreads(); // the rows before have been read
    tt_stage_rows(x.ab + (start + j) * 2 * x.hidden + x.hidden, 2 * x.hidden, x.wide_ab, x.hidden, length - j,
                  16 * halves, b, pitch);
    __syncthreads();
    for (int p = warp * TT_STRIP; p < x.dim; p += WARPS * TT_STRIP) {
      tt_tile_sum<T> sum[2][4];
#pragma unroll
      for (int q = 0; q < 4; q++) sum[0][q].clear(), sum[1][q].clear();
      for (int k = 0; k < width; k += 16) {
        tt_tile_a<T> upper, lower;
        upper.load(b + k, pitch), lower.load(b + 16 * pitch + k, pitch);
#pragma unroll
        for (int q = 0; q < 4; q++) {
          tt_tile_b<T> column;
          column.load_transposed(t + (int64_t)(p + 16 * q) * width + k, width);
          sum[0][q].add(upper, column);
          if (halves == 2) sum[1][q].add(lower, column);
        }
      }
      int channel = p + lane % 8 * 8;
      float bias[8];
#pragma unroll
      for (int e = 0; e < 8; e++) bias[e] = channel + e < x.dim ? bias_factor * x.bias[channel + e] : 0.0f;
#pragma unroll
      for (int half = 0; half < 2; half++) {
        if (half == halves) continue;
        tt_strip_store(sum[half], strip);
        __syncwarp();
#pragma unroll
        for (int part = 0; part < 4; part++) {
          int row = 4 * part + lane / 8, to_j = j + 16 * half + row;
          if (to_j >= length || channel >= x.dim) continue;
          int64_t at = (pair + to_j) * x.dim;
          tt_eight u = tt_strip_eight(strip, row, lane % 8);
          tt_eight old = x.residual != nullptr ? tt_row_eight<true>(x.residual + at, channel, x.dim, x.wide)
                                               : tt_no_eight();
          float factor[8];
          tt_drop_eight(x.drop, tt_drop_row_at(x.drop, m, i, to_j), channel / 8, factor);
#pragma unroll
          for (int e = 0; e < 8; e++) old.v[e] += factor[e] * (product_factor * u.v[e] + bias[e]);
          tt_row_store<true>(x.out + at, channel, x.dim, x.wide, old);
        }
        __syncwarp(); // the strip has been read
      }
    }
  }
}

// ---- a slab after the other ----

template <class T> struct forward_pieces {
  int64_t slab; // tokens
  int columns;  // of T: all
  T *w, *t;

  forward_pieces(tt_pair_room *room, int64_t tokens, int hidden, int dim) {
    columns = (int)tt_multiple(dim, TT_STRIP);
    int64_t one = (int64_t)columns * tt_tiled(hidden);
    slab = TT_OUTER_BYTES / (one * (int64_t)sizeof(T)) / 16 * 16;
    slab = slab < 16 ? 16 : slab;
    slab = slab < tokens ? slab : tokens;
    w = room->cut<T>(tt_outer_weight_size(hidden, dim, columns)), t = room->cut<T>(slab * one);
  }
};

template <class T>
static void outer_product(const tt_drop *drop, int hidden, int dim, const tt_activation *ab, tt_weights at,
                          const tt_activation *residual, tt_activation *out, float *scratch) {
  const tt_batch *batch = drop->batch;
  if (batch->tokens == 0) return;
  tt_pair_room room(scratch);
  forward_pieces<T> p(&room, batch->tokens, hidden, dim);
  int width = tt_tiled(hidden);
  contraction<T> x = {*batch,
                      0,
                      hidden,
                      dim,
                      p.columns,
                      p.t,
                      tt_cells<T>(ab),
                      at.b,
                      tt_cells<T>(residual),
                      tt_cells<T>(out),
                      false,
                      false,
                      tt_device_drop_of(drop)};
  x.wide_ab = tt_aligned8(x.ab, hidden);
  x.wide = tt_aligned8(x.residual, dim) && tt_aligned8(x.out, dim);
  const T *w = tt_cuda_outer_weight(at.w, hidden, dim, p.columns, p.w);
  for (x.first = 0; x.first < batch->tokens; x.first += p.slab) {
    int64_t tokens = batch->tokens - x.first < p.slab ? batch->tokens - x.first : p.slab;
    tt_product t = {};
    t.m = tokens, t.n = (int64_t)p.columns * width, t.k = hidden;
    t.operands = t.result = tt_number_of<T>();
    t.a = x.ab + x.first * 2 * hidden, t.lda = 2 * hidden, t.b = w, t.c = p.t;
    tt_cuda_product(&t);
    TT_LAUNCH((contract<T>), tokens, 32 * WARPS, shared_bytes(hidden, sizeof(T)), x);
  }
}

template <class T> static size_t need(const tt_sizes *s) {
  tt_pair_room room(nullptr);
  forward_pieces<T>(&room, s->tokens, s->pair_hidden, s->pair_dim);
  return room.floats();
}

template <class T> void tt_cuda_fill_outer_product(tt_cuda_table *table) {
  table->ops.outer_product = outer_product<T>;
  tt_cuda_needs(table, TT_SCRATCH_OUTER_PRODUCT, need<T>);
}
TT_FILL(outer_product)
