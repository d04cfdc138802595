// The movement head: move_i = sum_j (pos_j - pos_i) s_ij with s_ij = sum_h dropout(prob)_hij w_hj and w_hj =
// force_h . v_hj, over atoms; and its backward. Positions, movements and the force are fp32 whatever the
// activations are.
//
// Passes over (R, heads), once a step: forward 1 (prob in); backward 2 (prob in, dprob out).
#include "attention_tile.h"
#include "dropout.h"
#include "operations.h"
#include "warp.h"

enum {
  MOVE_WARPS = 8,
  MOVE_THREADS = MOVE_WARPS * TT_WARP
}; // of the forward: the heads of a molecule in turn
enum { BLOCK_HEADS = 4, BLOCK_THREADS = BLOCK_HEADS * TT_WARP }; // of the backward
enum { FORCE_THREADS = 256, FORCE_CHANNELS = 8 };                // of the force's gradient

struct movement_call {
  tt_head_shape s;
  tt_device_drop drop;
  const float *position;
  bool eights; // values can be read eight elements at a time
};

// force . v of one token; v: the head's first channel.
template <class T> TT_DEVICE float pull(const movement_call &c, const T *v, const float *force) {
  float sum = 0;
  for (int e = 0; e < c.s.head_dim; e += 8) {
    tt_eight x = c.eights ? tt_load8(v + e) : tt_load_any(v + e, c.s.head_dim - e);
#pragma unroll
    for (int k = 0; k < 8; k++)
      if (e + k < c.s.head_dim) sum += force[e + k] * x.v[k];
  }
  return sum;
}

// s of a tile, summed over the warp's heads, to `tile`; a lane has a column.
template <class T>
TT_DEVICE void tile_sums(const movement_call &c, tt_head_part p, int i, int j, int rows, int columns,
                         const T *prob, const T *qkv, const float *force, float *tile) {
  int lane = static_cast<int>(threadIdx.x % TT_WARP);
  tt_drop_row drop = tt_drop_row_at(c.drop, p.molecule, 0, 0);
  int64_t row = 3 * static_cast<int64_t>(c.s.heads) * c.s.head_dim;
  int64_t pairs = static_cast<int64_t>(p.length) * p.length;
  float sum[TT_HEAD_TILE] = {};
  for (; p.head < c.s.heads; p.head += MOVE_WARPS, p.matrix += MOVE_WARPS * pairs) {
    __syncwarp(); // the tile before has been read
    tt_head_stage_matrix(prob + p.matrix + static_cast<int64_t>(i) * p.length + j, p.length, rows, columns,
                         tile);
    __syncwarp();
    if (c.drop.on) {
      tt_head_drop(c.drop, drop.key, p.head, i, j, rows, columns, true, tile);
      __syncwarp();
    }
    float w = lane < columns ? pull(c, qkv + tt_head_third(c.s, p, 2, 0) + (j + lane) * row,
                                    force + static_cast<int64_t>(p.head) * c.s.head_dim)
                             : 0.0f;
#pragma unroll
    for (int r = 0; r < TT_HEAD_TILE; r++)
      if (r < rows) sum[r] += tile[r * TT_HEAD_MATRIX + lane] * w;
  }
  __syncwarp();
#pragma unroll
  for (int r = 0; r < TT_HEAD_TILE; r++) tile[r * TT_HEAD_MATRIX + lane] = sum[r];
}

// A block has 32 rows of a molecule and all heads: eight threads a row add what the warps found.
template <class T>
TT_KERNEL(MOVE_THREADS)
move_rows(movement_call c, const T *prob, const T *qkv, const float *force, float *move) {
  TT_DYNAMIC_SHARED(float, tiles);
  tt_head_part p = tt_head_part_of(c.s);
  int thread = static_cast<int>(threadIdx.x), r = thread / 8;
  const float *position = c.position + 3 * p.token;
  for (int i = p.slot * TT_HEAD_TILE; i < p.length; i += c.s.slots * TT_HEAD_TILE) {
    int rows = tt_head_least(TT_HEAD_TILE, p.length - i);
    bool atom = r < rows && i + r > 0;
    float at[3] = {}, sum[3] = {};
    for (int k = 0; k < 3; k++)
      if (atom) at[k] = position[3 * (i + r) + k];
    for (int j = 0; j < p.length; j += TT_HEAD_TILE) {
      int columns = tt_head_least(TT_HEAD_TILE, p.length - j);
      __syncthreads(); // the tiles before have been added
      tile_sums(c, p, i, j, rows, columns, prob, qkv, force, tiles + thread / TT_WARP * TT_MATRIX_FLOATS);
      __syncthreads();
      for (int b = thread % 8; atom && b < columns; b += 8) {
        if (j + b == 0) continue;
        float s = 0;
        for (int w = 0; w < MOVE_WARPS; w++) s += tiles[w * TT_MATRIX_FLOATS + r * TT_HEAD_MATRIX + b];
        for (int k = 0; k < 3; k++) sum[k] += s * (position[3 * (j + b) + k] - at[k]);
      }
    }
    for (int k = 0; k < 3; k++) {
#pragma unroll
      for (int step = 4; step > 0; step /= 2) sum[k] += __shfl_xor_sync(TT_ALL_LANES, sum[k], step);
      if (r < rows && thread % 8 == 0) move[3 * (p.token + i + r) + k] = sum[k];
    }
  }
}

// Everything goes through dweight_ij = (pos_j - pos_i) . dmove_i, the gradient of dropout(prob)_hij w_hj. A
// warp has a head and 32 columns, a lane one: dprob, and dw_hj = sum_i dropout(prob)_hij dweight_ij, from
// which dv is made here and the force's gradient later: `dw` (heads, T).
template <class T>
TT_KERNEL(BLOCK_THREADS)
move_gradient_columns(movement_call c, const T *prob, const T *qkv, const float *force, const float *dmove,
                      int64_t tokens, T *dprob, T *dqkv, float *dw) {
  TT_SHARED float factors[BLOCK_HEADS * TT_MATRIX_FLOATS];
  tt_head_part p = tt_head_part_of(c.s);
  if (p.head >= c.s.heads) return;
  int lane = static_cast<int>(threadIdx.x % TT_WARP), head_dim = c.s.head_dim;
  float *keep = factors + threadIdx.x / TT_WARP * TT_MATRIX_FLOATS;
  tt_drop_row drop = tt_drop_row_at(c.drop, p.molecule, 0, 0);
  const float *position = c.position + 3 * p.token, *g = dmove + 3 * p.token;
  force += static_cast<int64_t>(p.head) * head_dim;
  for (int j0 = p.slot * TT_HEAD_TILE; j0 < p.length; j0 += c.s.slots * TT_HEAD_TILE) {
    int columns = tt_head_least(TT_HEAD_TILE, p.length - j0), j = j0 + lane;
    bool there = lane < columns;
    int64_t value = tt_head_third(c.s, p, 2, 0) + j * 3 * static_cast<int64_t>(c.s.heads) * head_dim;
    float at[3] = {}, w = there ? pull(c, qkv + value, force) : 0.0f, sum = 0;
    for (int k = 0; k < 3; k++)
      if (there) at[k] = position[3 * j + k];
    for (int i0 = 0; i0 < p.length; i0 += TT_HEAD_TILE) {
      int rows = tt_head_least(TT_HEAD_TILE, p.length - i0);
      if (c.drop.on) {
        __syncwarp(); // the factors before have been read
        tt_head_drop(c.drop, drop.key, p.head, i0, j0, rows, columns, false, keep);
        __syncwarp();
      }
      if (!there) continue;
#pragma unroll 4
      for (int r = 0; r < rows; r++) {
        int i = i0 + r;
        int64_t cell = p.matrix + static_cast<int64_t>(i) * p.length + j;
        float dweight = 0, x = tt_to_float(prob[cell]);
        for (int k = 0; k < 3; k++) dweight += (at[k] - position[3 * i + k]) * g[3 * i + k];
        if (i == 0 || j == 0) dweight = 0, x = 0;
        if (c.drop.on) dweight *= keep[r * TT_HEAD_MATRIX + lane];
        dprob[cell] = tt_from_float<T>(dweight * w);
        sum += dweight * x;
      }
    }
    if (!there) continue;
    for (int e = 0; e < head_dim; e++) dqkv[value + e] = tt_from_float<T>(sum * force[e]);
    dw[p.head * tokens + p.token + j] = sum;
  }
}

// dforce_h += sum_t dw_ht v_ht: a block has eight channels of a head.
template <class T>
TT_KERNEL(FORCE_THREADS)
force_gradient(int64_t tokens, int heads, int head_dim, bool eights, const float *dw, const T *qkv,
               float *dforce) {
  int parts = (head_dim + FORCE_CHANNELS - 1) / FORCE_CHANNELS;
  int h = static_cast<int>(blockIdx.x) / parts, e = static_cast<int>(blockIdx.x) % parts * FORCE_CHANNELS;
  int64_t dim = static_cast<int64_t>(heads) * head_dim, channel = static_cast<int64_t>(h) * head_dim + e;
  float sum[FORCE_CHANNELS] = {};
#pragma unroll 4
  for (int64_t t = threadIdx.x; t < tokens; t += FORCE_THREADS) {
    const T *v = qkv + (3 * t + 2) * dim + channel;
    tt_eight x = eights ? tt_load8(v) : tt_load_any(v, head_dim - e);
    float d = dw[h * tokens + t];
#pragma unroll
    for (int k = 0; k < FORCE_CHANNELS; k++) sum[k] += d * x.v[k];
  }
#pragma unroll
  for (int k = 0; k < FORCE_CHANNELS; k++) {
    float all = tt_block_sum<FORCE_THREADS>(sum[k]);
    if (threadIdx.x == 0 && e + k < head_dim) dforce[channel + k] += all;
  }
}

// dw
static size_t movement_scratch(const tt_sizes *sizes) {
  return static_cast<size_t>(sizes->tokens) * static_cast<size_t>(sizes->heads);
}

template <class T>
static movement_call call_of(const tt_batch *batch, int heads, int head_dim, const tt_dropout *d,
                             const T *qkv, int block_heads) {
  movement_call c;
  c.s = tt_head_shape_of(batch, heads, head_dim, block_heads, tt_head_tiles(batch->max_length));
  c.drop = tt_device_drop_of(batch, TT_ROWS_PAIRS, d);
  c.position = batch->position;
  c.eights = tt_aligned8(qkv, head_dim);
  return c;
}

template <class T>
static void movement(const tt_batch *batch, int heads, int head_dim, const tt_activation *prob,
                     const tt_dropout *d, const tt_activation *qkv, const float *force, float *move,
                     float *scratch) {
  (void)scratch;
  movement_call c = call_of(batch, heads, head_dim, d, tt_cells<T>(qkv), heads);
  TT_LAUNCH((move_rows<T>), tt_head_blocks(c.s), MOVE_THREADS, MOVE_WARPS * TT_MATRIX_FLOATS * sizeof(float),
            c, tt_cells<T>(prob), tt_cells<T>(qkv), force, move);
}

template <class T>
static void movement_backward(const tt_batch *batch, int heads, int head_dim, const tt_activation *prob,
                              const tt_dropout *d, const tt_activation *qkv, const float *force,
                              const float *dmove, tt_activation *dprob, tt_activation *dqkv, float *dforce,
                              float *scratch) {
  movement_call c = call_of(batch, heads, head_dim, d, tt_cells<T>(qkv), BLOCK_HEADS);
  TT_LAUNCH((move_gradient_columns<T>), tt_head_blocks(c.s), BLOCK_THREADS, 0, c, tt_cells<T>(prob),
            tt_cells<T>(qkv), force, dmove, batch->tokens, tt_cells<T>(dprob), tt_cells<T>(dqkv), scratch);
  if (batch->tokens == 0) return;
  TT_LAUNCH((force_gradient<T>), heads * tt_parts(head_dim, FORCE_CHANNELS), FORCE_THREADS, 0, batch->tokens,
            heads, head_dim, c.eights, scratch, tt_cells<T>(qkv), dforce);
}

template <class T> void tt_cuda_fill_movement(tt_cuda_table *table) {
  table->ops.movement = movement<T>;
  table->ops.movement_backward = movement_backward<T>;
  tt_cuda_needs(table, TT_SCRATCH_MOVEMENT, movement_scratch);
}
TT_FILL(movement)
