// Gradients of the outer product, reassociated so that (R, C * C) is never formed, 64 columns p of the output
// at a time: with dZ = f m dout (m: dropout) and for a slab of tokens
//   G_i[p, e] = sum_j dZ_ij[p] b_j[e]      da_i = sum_pe W[p, :, e] G_i[p, e]     dW[p] += a^T G[p]
//   H_j[c, p] = sum_i a_i[c] dZ_ij[p]      db_j = sum_cp W[p, c, :] H_j[c, p]
// G and H are made by the same kernel, a block a token, one after the other in the same memory: first G and
// what is read from it, then H. The rest are plain products. Taking few columns of p lets a slab have so many
// tokens that dW is added to once, not once every few molecules; and there are few kernels to start. da and
// db gather in fp32 over the parts of p. dbias: a row of parts a token, added in order at the end.
//
// Passes over (R, P): dout 2. G and H (28 MiB a slab) are written once and read once or twice, in cache; the
// weight is turned around once a call.
#include "outer_product.h"

enum { ROWS = 64, THREADS = 128, PITCH = TT_STRIP + 8, COLUMN_PITCH = 20 };

template <class T> struct gathering {
  tt_batch batch;
  int64_t first;      // token of block 0
  int hidden, dim, p; // p: first of the columns
  const T *dout, *ab;
  T *made;            // G (tokens of the slab, 64, width), or H (tokens, hidden, 64)
  float *bias;        // (tokens of the batch, dim)
  bool wide_ab, wide; // tt_aligned8: of ab, of dout
  tt_device_drop drop;
};

// Shared memory: 64 rows of dZ, and of b or a; afterwards, in their place, what the warps made, as floats.
static size_t shared_bytes(size_t element) {
  size_t rows = 2 * ROWS * PITCH * element, sums = THREADS / 32 * ROWS * COLUMN_PITCH * sizeof(float);
  return rows > sums ? rows : sums;
}

// dZ of rows k, k + 1, ... of the token's row or column of pairs, eight neighbouring threads a row; adds up
// what the bias has of it.
template <class T>
TT_DEVICE void stage_gradient(const gathering<T> &x, int molecule, int side, int at, int k, int count,
                              float f, T *to, tt_eight *bias) {
  int length = x.batch.length[molecule], channel = x.p + (int)threadIdx.x % 8 * 8;
#pragma unroll 1
  for (int row = (int)threadIdx.x / 8; row < count; row += THREADS / 8) {
    tt_eight e = tt_no_eight();
    if (k + row < length && channel < x.dim) {
      int i = side == 0 ? at : k + row, j = side == 0 ? k + row : at;
      e = tt_row_eight(x.dout + (x.batch.pair_offset[molecule] + (int64_t)i * length + j) * x.dim, channel,
                       x.dim, x.wide);
      float factor[8];
      tt_drop_eight(x.drop, tt_drop_row_at(x.drop, molecule, i, j), channel / 8, factor);
#pragma unroll
      for (int c = 0; c < 8; c++) e.v[c] *= f * factor[c], bias->v[c] += e.v[c];
    }
    tt_store8(to + row * PITCH + threadIdx.x % 8 * 8, e);
  }
}

// The token's parts of dbias from its threads' sums; `sums`: 4 x 64 floats, free
TT_DEVICE void store_bias(tt_eight bias, float factor, float *sums, int count, float *to) {
  int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
#pragma unroll
  for (int c = 0; c < 8; c++) {
    bias.v[c] += __shfl_xor_sync(TT_ALL_LANES, bias.v[c], 8);
    bias.v[c] += __shfl_xor_sync(TT_ALL_LANES, bias.v[c], 16);
  }
  if (lane < 8) tt_store8(sums + warp * TT_STRIP + 8 * lane, bias);
  __syncthreads();
  for (int c = (int)threadIdx.x; c < TT_STRIP && c < count; c += THREADS)
    to[c] = factor * (((sums[c] + sums[TT_STRIP + c]) + sums[2 * TT_STRIP + c]) + sums[3 * TT_STRIP + c]);
  __syncthreads();
}

// A block a token. SIDE 0 makes G of its row of pairs, SIDE 1 H of its column; blockIdx.y: which 64 channels
// of b or a. A warp has 16 columns of dZ.
template <class T, int SIDE> TT_KERNEL(THREADS) gather(gathering<T> x) {
  TT_DYNAMIC_SHARED(T, gradient);
  T *other = gradient + ROWS * PITCH;
  int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
  int64_t here = blockIdx.x, token = x.first + here;
  int m = x.batch.token_molecule[token], length = x.batch.length[m], width = tt_tiled(x.hidden);
  int64_t start = x.batch.token_offset[m];
  int channels = (int)blockIdx.y * TT_STRIP,
      count = width - channels < TT_STRIP ? width - channels : TT_STRIP;
  const T *rows = x.ab + start * 2 * x.hidden + (SIDE == 0 ? x.hidden : 0) + channels;
  float f = tt_outer_factor(x.batch, m);
  tt_eight bias = tt_no_eight();
  tt_tile_sum<T> sum[4];
#pragma unroll
  for (int q = 0; q < 4; q++) sum[q].clear();
  for (int k = 0; k < length; k += ROWS) {
    int staged = tt_tiled(length - k < ROWS ? length - k : (int)ROWS);
    __syncthreads(); // the rows before have been read
    stage_gradient(x, m, SIDE, (int)(token - start), k, staged, f, gradient, &bias);
    tt_stage_rows(rows + (int64_t)k * 2 * x.hidden, 2 * x.hidden, x.wide_ab,
                  x.hidden - channels < TT_STRIP ? x.hidden - channels : (int)TT_STRIP, length - k, staged,
                  other, PITCH);
    __syncthreads();
#pragma unroll 1
    for (int r = 0; r < staged; r += 16) {
      if (SIDE == 0) {
        tt_tile_a<T> left;
        left.load_transposed(gradient + r * PITCH + 16 * warp, PITCH);
#pragma unroll
        for (int q = 0; q < 4; q++) {
          if (16 * q >= count) continue;
          tt_tile_b<T> right;
          right.load(other + r * PITCH + 16 * q, PITCH);
          sum[q].add(left, right);
        }
      } else {
        tt_tile_b<T> right;
        right.load(gradient + r * PITCH + 16 * warp, PITCH);
#pragma unroll
        for (int q = 0; q < 4; q++) {
          if (16 * q >= count) continue;
          tt_tile_a<T> left;
          left.load_transposed(other + r * PITCH + 16 * q, PITCH);
          sum[q].add(left, right);
        }
      }
    }
  }
  __syncthreads(); // from here on shared memory holds sums
  float *sums = reinterpret_cast<float *>(gradient);
  if (SIDE == 0 && blockIdx.y == 0)
    store_bias(bias, (float)x.batch.scaling_length[m], sums, x.dim - x.p, x.bias + token * x.dim + x.p);
  float *mine = sums + warp * ROWS * COLUMN_PITCH;
  if (SIDE == 0) { // 16 rows p of 64 channels
    tt_strip_store(sum, mine);
    __syncwarp();
    T *to = x.made + (here * TT_STRIP + 16 * warp) * width + channels;
#pragma unroll 1
    for (int part = 0; part < 4; part++) {
      int row = 4 * part + lane / 8, c = lane % 8 * 8;
      if (c < count) tt_store8(to + (int64_t)row * width + c, tt_strip_eight(mine, row, lane % 8));
    }
  } else { // 64 channels of 16 columns p
#pragma unroll
    for (int q = 0; q < 4; q++) sum[q].store(mine + 16 * q * COLUMN_PITCH, COLUMN_PITCH);
    __syncwarp();
    T *to = x.made + (here * x.hidden + channels) * TT_STRIP + 16 * warp;
#pragma unroll 1
    for (int part = 0; part < 4; part++) {
      int row = 16 * part + lane / 2, c = lane % 2 * 8;
      if (channels + row < x.hidden)
        tt_store8(to + (int64_t)row * TT_STRIP + c, tt_load8(mine + row * COLUMN_PITCH + c));
    }
  }
}

// ---- da and db as activations ----

template <class T> TT_KERNEL(256) round_sums(const float *from, int64_t count, bool wide, T *to) {
  int64_t at = ((int64_t)blockIdx.x * 256 + threadIdx.x) * 8;
  if (at >= count) return;
  int left = (int)(count - at < 8 ? count - at : 8);
  tt_eight e = tt_load_any(from + at, left);
  if (wide)
    tt_store8(to + at, e);
  else
    tt_store_any(to + at, left, e);
}
// In fp32 the products wrote dab itself.
static float *sums_of(float *dab, float *) {
  return dab;
}
static float *sums_of(tt_bf16 *, float *scratch) {
  return scratch;
}
static void finish(const float *, int64_t, float *) {}
static void finish(const float *sums, int64_t count, tt_bf16 *dab) {
  TT_LAUNCH((round_sums<tt_bf16>), tt_parts(count, 8 * 256), 256, 0, sums, count, tt_aligned8(dab, count),
            dab);
}

// ---- a part of the columns, and of it a slab, after the other ----

template <class T> struct backward_pieces {
  int64_t slab; // tokens
  T *w, *made;
  float *dab, *bias;

  backward_pieces(tt_pair_room *room, int64_t tokens, int hidden, int dim) {
    int64_t one = (int64_t)TT_STRIP * tt_tiled(hidden); // of G; H has no more
    slab = TT_OUTER_BYTES / (one * (int64_t)sizeof(T)) / 16 * 16;
    slab = slab < 16 ? 16 : slab;
    slab = slab < tokens ? slab : tokens;
    w = room->cut<T>(tt_outer_weight_size(hidden, dim, TT_STRIP));
    made = room->cut<T>(slab * one);
    dab = room->cut<float>(tokens * 2 * hidden), bias = room->cut<float>(tokens * dim);
  }
};

// From G of a slab, `tokens` from x.first on: da and dW; from H: db. w: the turned part; dab, dw: the whole
// arrays
template <class T>
static void products_of_g(const gathering<T> &x, int64_t tokens, const T *w, float *dab, float *dw) {
  int64_t hidden = x.hidden, width = tt_tiled(x.hidden), row = x.first * 2 * hidden;
  tt_product da = {};
  da.m = tokens, da.n = hidden, da.k = TT_STRIP * width, da.operands = tt_number_of<T>();
  da.a = x.made, da.b = w, da.b_transposed = true, da.c = dab + row, da.ldc = 2 * hidden;
  da.beta = x.p > 0;
  tt_cuda_product(&da);
  tt_product part = {}; // of dW, column p after column p
  part.m = hidden, part.n = hidden, part.k = tokens, part.operands = tt_number_of<T>();
  part.a = x.ab + row, part.a_transposed = true, part.lda = 2 * hidden;
  part.b = x.made, part.ldb = TT_STRIP * width, part.b_stride = width;
  part.c = dw + x.p * hidden * hidden, part.c_stride = hidden * hidden, part.beta = 1;
  part.batch = x.dim - x.p < TT_STRIP ? x.dim - x.p : (int)TT_STRIP;
  tt_cuda_product(&part);
}
template <class T> static void product_of_h(const gathering<T> &x, int64_t tokens, const T *w, float *dab) {
  int64_t hidden = x.hidden, width = tt_tiled(x.hidden);
  tt_product db = {};
  db.m = tokens, db.n = hidden, db.k = hidden * TT_STRIP, db.operands = tt_number_of<T>();
  db.a = x.made, db.b = w, db.ldb = width, db.c = dab + x.first * 2 * hidden + hidden, db.ldc = 2 * hidden;
  db.beta = x.p > 0;
  tt_cuda_product(&db);
}

template <class T>
static void outer_product_backward(const tt_drop *drop, int hidden, int dim, const tt_activation *dout,
                                   const tt_activation *ab, const float *w, tt_activation *dab,
                                   tt_gradients gradient, float *scratch) {
  const tt_batch *batch = drop->batch;
  int64_t tokens = batch->tokens, part = (int64_t)hidden * TT_STRIP * tt_tiled(hidden);
  if (tokens == 0) return;
  tt_pair_room room(scratch);
  backward_pieces<T> p(&room, tokens, hidden, dim);
  T *to = tt_cells<T>(dab);
  float *sums = sums_of(to, p.dab);
  gathering<T> x = {*batch,          0,      hidden, dim,   0,     tt_cells<T>(dout),
                    tt_cells<T>(ab), p.made, p.bias, false, false, tt_device_drop_of(drop)};
  x.wide_ab = tt_aligned8(x.ab, hidden), x.wide = tt_aligned8(x.dout, dim);
  const T *turned = tt_cuda_outer_weight(w, hidden, dim, TT_STRIP, p.w);
  unsigned parts = (unsigned)tt_parts(tt_tiled(hidden), TT_STRIP);
  for (; x.p < dim; x.p += TT_STRIP, turned += part)
    for (x.first = 0; x.first < tokens; x.first += p.slab) {
      int64_t here = tokens - x.first < p.slab ? tokens - x.first : p.slab;
      dim3 blocks((unsigned)here, parts);
      TT_LAUNCH((gather<T, 0>), blocks, THREADS, shared_bytes(sizeof(T)), x);
      products_of_g(x, here, turned, sums, gradient.w);
      TT_LAUNCH((gather<T, 1>), blocks, THREADS, shared_bytes(sizeof(T)), x);
      product_of_h(x, here, turned, sums);
    }
  finish(sums, tokens * 2 * hidden, to);
  tt_cuda_sum_parts(p.bias, tokens, dim, dim, gradient.b);
}

template <class T> static size_t need(const tt_sizes *s) {
  tt_pair_room room(nullptr);
  backward_pieces<T>(&room, s->tokens, s->pair_hidden, s->pair_dim);
  return room.floats();
}

template <class T> void tt_cuda_fill_outer_product_backward(tt_cuda_table *table) {
  table->ops.outer_product_backward = outer_product_backward<T>;
  tt_cuda_needs(table, TT_SCRATCH_OUTER_PRODUCT, need<T>);
}
TT_FILL(outer_product_backward)
