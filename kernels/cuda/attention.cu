// prob = softmax(q k^T / sqrt(head_dim) + bias), and its backward.
//
// A block has eight heads of a molecule, a warp each: the bias of a pair, (R, heads), is then one access of
// 16 bytes (in bf16) that brings a number to each warp's tile, and dbias goes the same way back. A tile is
// the logits, or their gradient, of as many whole rows as fit: softmax needs nothing from elsewhere.
//
// Passes over (R, heads): forward 2 (bias in, prob out); backward 3 (prob and dprob in, dbias out). In a
// molecule of more than 32 rows dk is a sum over tiles: another kernel makes it, from the gradient of the
// logits, which has been left in dprob (one more pass out and one in).
#include "attention_tile.h"
#include "operations.h"
#include "warp.h"

enum { BLOCK_HEADS = 8, BLOCK_THREADS = BLOCK_HEADS * TT_WARP };
enum { COLUMN_HEADS = 4, COLUMN_FLOATS = TT_MATRIX_FLOATS + TT_VECTOR_FLOATS }; // of a warp of key_gradient

// Floats from one row of a tile to the next: whole fours, and as in TT_HEAD_MATRIX an odd number of them.
TT_HEAD_BOTH int row_floats(int length) {
  return ((length + 3) / 4 | 1) * 4;
}
// The rows of a tile of `tile` floats.
TT_HEAD_BOTH int tile_rows(int length, int tile) {
  return tt_head_least(TT_HEAD_TILE, tile / row_floats(length));
}

struct attention_call {
  tt_head_shape s;
  int first, tile; // tile: floats of a warp's tile
  float scale;     // 1 / sqrt(head_dim)
  bool eights;     // vectors, and the bias of a pair, can be moved eight elements at a time
  bool bias_eights;
};

// Rows [i, i + count) of one head, in its tile.
struct tile_at {
  int i, count, stride;
  float *at;
};

// The bias of the tile's pairs to the tiles of all heads of the block.
template <class T>
TT_DEVICE void read_bias(const attention_call &c, const tt_head_part &p, const tile_at &t, const T *bias,
                         float *tiles) {
  int here = c.s.heads - p.block_head;
  bias += (p.pair + static_cast<int64_t>(t.i) * p.length) * c.s.heads + p.block_head;
#pragma unroll 4
  for (int n = static_cast<int>(threadIdx.x); n < t.count * p.length; n += BLOCK_THREADS) {
    const T *from = bias + static_cast<int64_t>(n) * c.s.heads;
    tt_eight e = c.bias_eights ? tt_load8(from) : tt_load_any(from, here);
    int i = n / p.length, cell = i * t.stride + n - i * p.length;
#pragma unroll
    for (int h = 0; h < BLOCK_HEADS; h++) tiles[h * c.tile + cell] = e.v[h];
  }
}

// And back.
template <class T>
TT_DEVICE void write_bias(const attention_call &c, const tt_head_part &p, const tile_at &t,
                          const float *tiles, T *dbias) {
  int here = c.s.heads - p.block_head;
  dbias += (p.pair + static_cast<int64_t>(t.i) * p.length) * c.s.heads + p.block_head;
  for (int n = static_cast<int>(threadIdx.x); n < t.count * p.length; n += BLOCK_THREADS) {
    T *to = dbias + static_cast<int64_t>(n) * c.s.heads;
    int i = n / p.length, cell = i * t.stride + n - i * p.length;
    tt_eight e;
#pragma unroll
    for (int h = 0; h < BLOCK_HEADS; h++) e.v[h] = tiles[h * c.tile + cell];
    if (c.bias_eights)
      tt_store8(to, e);
    else
      tt_store_any(to, here, e);
  }
}

// The tile += q k^T / sqrt(head_dim). q, k: room for their tiles.
template <class T>
TT_DEVICE void add_products(const attention_call &c, const tt_head_part &p, const tile_at &t, const T *qkv,
                            float *q, float *k) {
  int lane = static_cast<int>(threadIdx.x % TT_WARP), head_dim = c.s.head_dim;
  int64_t row = 3 * static_cast<int64_t>(c.s.heads) * head_dim;
  for (int j0 = 0; j0 < p.length; j0 += TT_HEAD_TILE) {
    float sum[8][4] = {};
    for (int e = 0; e < head_dim; e += TT_HEAD_CHANNELS) {
      int width = tt_head_least(TT_HEAD_CHANNELS, head_dim - e);
      __syncwarp(); // what was staged before has been read
      tt_head_stage(qkv + tt_head_third(c.s, p, 0, e) + t.i * row, row, t.count, width, c.eights, q);
      tt_head_stage(qkv + tt_head_third(c.s, p, 1, e) + j0 * row, row,
                    tt_head_least(TT_HEAD_TILE, p.length - j0), width, c.eights, k);
      __syncwarp();
      tt_head_dots(q, k, t.count, sum);
    }
#pragma unroll
    for (int a = 0; a < 8; a++)
#pragma unroll
      for (int b = 0; b < 4; b++) {
        int i = lane / 8 + 4 * a, j = j0 + lane % 8 + 8 * b;
        if (i < t.count && j < p.length) t.at[i * t.stride + j] += c.scale * sum[a][b];
      }
  }
}

// Softmax of each row of the tile over positions from `first` on, to the head's rows of prob; 0 elsewhere.
template <class T>
TT_DEVICE void softmax(const attention_call &c, const tt_head_part &p, const tile_at &t, T *prob) {
  int lane = static_cast<int>(threadIdx.x % TT_WARP), j0 = lane % 8;
  for (int r = 0; r < t.count; r += 4) {
    int i = r + lane / 8, end = i < t.count ? p.length : 0; // a lane without a row has no columns
    float *row = t.at + i * t.stride, largest = -INFINITY, sum = 0;
    for (int j = j0; j < end; j += 8)
      if (j >= c.first) largest = fmaxf(largest, row[j]);
    largest = tt_warp_max<8>(largest);
    for (int j = j0; j < end; j += 8) {
      if (j < c.first) continue;
      float x = expf(row[j] - largest);
      row[j] = x, sum += x;
    }
    float scale = 1.0f / tt_warp_sum<8>(sum);
    T *to = prob + static_cast<int64_t>(i) * p.length;
    for (int j = j0; j < end; j += 8)
      to[j] = tt_from_float<T>(j < c.first || t.i + i < c.first ? 0.0f : row[j] * scale);
  }
}

template <class T>
TT_KERNEL(BLOCK_THREADS)
attention_rows(attention_call c, const T *qkv, const T *bias, T *prob) {
  TT_DYNAMIC_SHARED(float, room);
  tt_head_part p = tt_head_part_of(c.s);
  int warp = static_cast<int>(threadIdx.x / TT_WARP), rows = tile_rows(p.length, c.tile);
  float *q = room + BLOCK_HEADS * c.tile + warp * 2 * TT_VECTOR_FLOATS, *k = q + TT_VECTOR_FLOATS;
  for (int i = p.slot * rows; i < p.length; i += c.s.slots * rows) {
    tile_at t = {i, tt_head_least(rows, p.length - i), row_floats(p.length), room + warp * c.tile};
    __syncthreads(); // the tiles before are done with
    read_bias(c, p, t, bias, room);
    __syncthreads();
    if (p.head >= c.s.heads) continue;
    add_products(c, p, t, qkv, q, k);
    __syncwarp();
    softmax(c, p, t, prob + p.matrix + static_cast<int64_t>(i) * p.length);
  }
}

// The tile becomes the gradient of its logits, p (dp - sum p dp) with the sum over the row; up to the next
// multiple of four columns it is 0. Where the molecule has more than one tile it goes to dprob too.
template <class T>
TT_DEVICE void logit_gradient(const attention_call &c, const tt_head_part &p, const tile_at &t, const T *prob,
                              T *dprob) {
  int lane = static_cast<int>(threadIdx.x % TT_WARP), columns = (p.length + 3) / 4 * 4;
  bool kept = p.length > TT_HEAD_TILE;
  int64_t start = p.matrix + static_cast<int64_t>(t.i) * p.length;
  prob += start, dprob += start;
  // eight rows at once, and 32 columns: enough loads on their way to hide how long one takes
  for (int r = 0; r < t.count; r += 8) {
    float sum[2] = {};
    for (int j0 = 0; j0 < p.length; j0 += TT_HEAD_TILE) {
      float x[2][4], d[2][4];
#pragma unroll
      for (int k = 0; k < 8; k++) {
        int i = r + lane / 8 + k / 4 * 4, j = j0 + lane % 8 + k % 4 * 8;
        bool part = i < t.count && j < p.length && j >= c.first && t.i + i >= c.first;
        x[k / 4][k % 4] = part ? tt_to_float(prob[i * p.length + j]) : 0.0f;
        d[k / 4][k % 4] = part ? tt_to_float(dprob[i * p.length + j]) : 0.0f;
      }
#pragma unroll
      for (int k = 0; k < 8; k++) {
        int i = r + lane / 8 + k / 4 * 4, j = j0 + lane % 8 + k % 4 * 8;
        sum[k / 4] += x[k / 4][k % 4] * d[k / 4][k % 4];
        if (i < t.count && j < columns) t.at[i * t.stride + j] = d[k / 4][k % 4];
      }
    }
    sum[0] = tt_warp_sum<8>(sum[0]), sum[1] = tt_warp_sum<8>(sum[1]);
    for (int j0 = 0; j0 < p.length; j0 += TT_HEAD_TILE)
#pragma unroll
      for (int k = 0; k < 8; k++) {
        int i = r + lane / 8 + k / 4 * 4, j = j0 + lane % 8 + k % 4 * 8;
        if (i >= t.count || j >= columns) continue;
        bool part = j < p.length && j >= c.first && t.i + i >= c.first;
        float x = part ? tt_to_float(prob[i * p.length + j]) : 0.0f;
        float d = x * (t.at[i * t.stride + j] - sum[k / 4]);
        t.at[i * t.stride + j] = d;
        if (kept && j < p.length) dprob[i * p.length + j] = tt_from_float<T>(d);
      }
  }
}

// dq of the tile's rows, and where the tile is the whole molecule dk.
template <class T>
TT_DEVICE void vector_gradients(const attention_call &c, const tt_head_part &p, const tile_at &t,
                                const T *qkv, T *dqkv, float *staged) {
  int head_dim = c.s.head_dim;
  int64_t row = 3 * static_cast<int64_t>(c.s.heads) * head_dim;
  for (int e = 0; e < head_dim; e += TT_HEAD_CHANNELS) {
    int width = tt_head_least(TT_HEAD_CHANNELS, head_dim - e);
    int64_t q = tt_head_third(c.s, p, 0, e), k = tt_head_third(c.s, p, 1, e);
    float dq[4][4] = {}, dk[4][4] = {};
    for (int j0 = 0; j0 < p.length; j0 += TT_HEAD_TILE) {
      int columns = tt_head_least(TT_HEAD_TILE, p.length - j0);
      __syncwarp(); // what was staged before has been read
      tt_head_stage(qkv + k + j0 * row, row, columns, width, c.eights, staged);
      __syncwarp();
      tt_head_weigh(t.at + j0, t.stride, t.count, columns, staged, dq);
    }
    tt_head_put_rows(dq, c.scale, t.count, width, c.eights, dqkv + q + t.i * row, row);
    if (p.length > TT_HEAD_TILE) continue;
    __syncwarp();
    tt_head_stage(qkv + q, row, p.length, width, c.eights, staged);
    __syncwarp();
    tt_head_weigh_transposed(t.at, t.stride, p.length, staged, dk);
    tt_head_put_columns(dk, c.scale, p.length, width, c.eights, dqkv + k, row);
  }
}

template <class T>
TT_KERNEL(BLOCK_THREADS)
attention_gradient_rows(attention_call c, const T *qkv, const T *prob, T *dprob, T *dqkv, T *dbias) {
  TT_DYNAMIC_SHARED(float, room);
  tt_head_part p = tt_head_part_of(c.s);
  int warp = static_cast<int>(threadIdx.x / TT_WARP), rows = tile_rows(p.length, c.tile);
  float *staged = room + BLOCK_HEADS * c.tile + warp * TT_VECTOR_FLOATS;
  for (int i = p.slot * rows; i < p.length; i += c.s.slots * rows) {
    tile_at t = {i, tt_head_least(rows, p.length - i), row_floats(p.length), room + warp * c.tile};
    __syncthreads(); // the tiles before are done with
    if (p.head < c.s.heads) logit_gradient(c, p, t, prob, dprob);
    __syncthreads();
    write_bias(c, p, t, room, dbias);
    if (p.head < c.s.heads) vector_gradients(c, p, t, qkv, dqkv, staged);
  }
}

// dk of molecules of more than 32 rows, 32 columns at a time. dlogits: what logit_gradient left.
template <class T>
TT_KERNEL(COLUMN_HEADS *TT_WARP)
key_gradient(attention_call c, const T *qkv, const T *dlogits, T *dqkv) {
  TT_DYNAMIC_SHARED(float, room);
  tt_head_part p = tt_head_part_of(c.s);
  if (p.length <= TT_HEAD_TILE || p.head >= c.s.heads) return;
  float *matrix = room + threadIdx.x / TT_WARP * COLUMN_FLOATS, *staged = matrix + TT_MATRIX_FLOATS;
  int64_t row = 3 * static_cast<int64_t>(c.s.heads) * c.s.head_dim;
  for (int j = p.slot * TT_HEAD_TILE; j < p.length; j += c.s.slots * TT_HEAD_TILE)
    for (int e = 0; e < c.s.head_dim; e += TT_HEAD_CHANNELS) {
      int columns = tt_head_least(TT_HEAD_TILE, p.length - j);
      int width = tt_head_least(TT_HEAD_CHANNELS, c.s.head_dim - e);
      const T *q = qkv + tt_head_third(c.s, p, 0, e);
      float dk[4][4] = {};
      for (int i = 0; i < p.length; i += TT_HEAD_TILE) {
        int rows = tt_head_least(TT_HEAD_TILE, p.length - i);
        __syncwarp(); // what was staged before has been read
        tt_head_stage_matrix(dlogits + p.matrix + static_cast<int64_t>(i) * p.length + j, p.length, rows,
                             columns, matrix);
        tt_head_stage(q + i * row, row, rows, width, c.eights, staged);
        __syncwarp();
        tt_head_weigh_transposed(matrix, TT_HEAD_MATRIX, rows, staged, dk);
      }
      tt_head_put_columns(dk, c.scale, columns, width, c.eights, dqkv + tt_head_third(c.s, p, 1, e) + j * row,
                          row);
    }
}

template <class T>
static attention_call call_of(const tt_batch *batch, int first, int heads, int head_dim, const T *qkv,
                              const T *bias) {
  int longest = row_floats(batch->max_length), tile = longest > TT_MATRIX_FLOATS ? longest : TT_MATRIX_FLOATS;
  int rows = tile_rows(batch->max_length, tile);
  attention_call c;
  c.s = tt_head_shape_of(batch, heads, head_dim, BLOCK_HEADS,
                         static_cast<int>(tt_parts(batch->max_length, rows)));
  c.first = first, c.tile = tile, c.scale = 1.0f / sqrtf(static_cast<float>(head_dim));
  c.eights = tt_aligned8(qkv, head_dim), c.bias_eights = tt_aligned8(bias, heads);
  return c;
}

template <class T>
static void attention(const tt_batch *batch, int first, int heads, int head_dim, const tt_activation *qkv,
                      const tt_activation *bias, tt_activation *prob, float *scratch) {
  (void)scratch;
  attention_call c = call_of(batch, first, heads, head_dim, tt_cells<T>(qkv), tt_cells<T>(bias));
  size_t floats = BLOCK_HEADS * (static_cast<size_t>(c.tile) + 2 * TT_VECTOR_FLOATS);
  TT_LAUNCH((attention_rows<T>), tt_head_blocks(c.s), BLOCK_THREADS, floats * sizeof(float), c,
            tt_cells<T>(qkv), tt_cells<T>(bias), tt_cells<T>(prob));
}

template <class T>
static void attention_backward(const tt_batch *batch, int first, int heads, int head_dim,
                               const tt_activation *qkv, const tt_activation *prob, tt_activation *dprob,
                               tt_activation *dqkv, tt_activation *dbias, float *scratch) {
  (void)scratch;
  attention_call c = call_of(batch, first, heads, head_dim, tt_cells<T>(qkv), tt_cells<T>(dbias));
  c.eights = c.eights && tt_aligned8(tt_cells<T>(dqkv), head_dim);
  size_t floats = BLOCK_HEADS * (static_cast<size_t>(c.tile) + TT_VECTOR_FLOATS);
  TT_LAUNCH((attention_gradient_rows<T>), tt_head_blocks(c.s), BLOCK_THREADS, floats * sizeof(float), c,
            tt_cells<T>(qkv), tt_cells<T>(prob), tt_cells<T>(dprob), tt_cells<T>(dqkv), tt_cells<T>(dbias));
  if (batch->max_length <= TT_HEAD_TILE) return;
  c.s = tt_head_shape_of(batch, heads, head_dim, COLUMN_HEADS, tt_head_tiles(batch->max_length));
  TT_LAUNCH((key_gradient<T>), tt_head_blocks(c.s), COLUMN_HEADS * TT_WARP,
            COLUMN_HEADS * COLUMN_FLOATS * sizeof(float), c, tt_cells<T>(qkv), tt_cells<T>(dprob),
            tt_cells<T>(dqkv));
}

template <class T> void tt_cuda_fill_attention(tt_cuda_table *table) {
  table->ops.attention = attention<T>;
  table->ops.attention_backward = attention_backward<T>;
}
TT_FILL(attention)
