// out = dropout(prob) v, and its backward. A warp has one head of a molecule, alone; the dropout is drawn
// where it is used.
//
// Passes over (R, heads): forward 1 (prob in); backward 2 (prob in, dprob out).
#include "attention_tile.h"
#include "dropout.h"
#include "operations.h"

enum { BLOCK_HEADS = 4, BLOCK_THREADS = BLOCK_HEADS * TT_WARP };
enum { VALUE_FLOATS = TT_MATRIX_FLOATS + TT_VECTOR_FLOATS };        // of a warp, forward
enum { GRADIENT_FLOATS = TT_MATRIX_FLOATS + 2 * TT_VECTOR_FLOATS }; // backward

struct values_call {
  tt_head_shape s;
  tt_device_drop drop;
  bool eights; // vectors can be moved eight elements at a time
};

template <class T> TT_KERNEL(BLOCK_THREADS) value_rows(values_call c, const T *prob, const T *qkv, T *out) {
  TT_DYNAMIC_SHARED(float, room);
  tt_head_part p = tt_head_part_of(c.s);
  if (p.head >= c.s.heads) return;
  float *matrix = room + threadIdx.x / TT_WARP * VALUE_FLOATS, *v = matrix + TT_MATRIX_FLOATS;
  tt_drop_row drop = tt_drop_row_at(c.drop, p.molecule, 0, 0);
  int head_dim = c.s.head_dim;
  int64_t dim = static_cast<int64_t>(c.s.heads) * head_dim;
  for (int i = p.slot * TT_HEAD_TILE; i < p.length; i += c.s.slots * TT_HEAD_TILE)
    for (int e = 0; e < head_dim; e += TT_HEAD_CHANNELS) {
      int rows = tt_head_least(TT_HEAD_TILE, p.length - i);
      int width = tt_head_least(TT_HEAD_CHANNELS, head_dim - e);
      float sum[4][4] = {};
      for (int j = 0; j < p.length; j += TT_HEAD_TILE) {
        int columns = tt_head_least(TT_HEAD_TILE, p.length - j);
        __syncwarp(); // what was staged before has been read
        tt_head_stage_matrix(prob + p.matrix + static_cast<int64_t>(i) * p.length + j, p.length, rows,
                             columns, matrix);
        tt_head_stage(qkv + tt_head_third(c.s, p, 2, e) + j * 3 * dim, 3 * dim, columns, width, c.eights, v);
        __syncwarp();
        if (c.drop.on) {
          tt_head_drop(c.drop, drop.key, p.head, i, j, rows, columns, true, matrix);
          __syncwarp();
        }
        tt_head_weigh(matrix, TT_HEAD_MATRIX, rows, columns, v, sum);
      }
      tt_head_put_rows(sum, 1.0f, rows, width, c.eights,
                       out + (p.token + i) * dim + static_cast<int64_t>(p.head) * head_dim + e, dim);
    }
}

// dprob of a tile = keep * (dout v^T), and keep * prob to `matrix`, which holds keep (anything where nothing
// is dropped). Both are 0 where the tile has no rows or columns.
template <class T>
TT_DEVICE void probability_gradient(const tt_head_part &p, int64_t at, int rows, int columns, bool dropped,
                                    const float (&sum)[8][4], const T *prob, T *dprob, bool write,
                                    float *matrix) {
  int lane = static_cast<int>(threadIdx.x % TT_WARP);
#pragma unroll
  for (int k = 0; k < 8; k++)
#pragma unroll
    for (int l = 0; l < 4; l++) {
      int i = lane / 8 + 4 * k, j = lane % 8 + 8 * l;
      float *cell = matrix + i * TT_HEAD_MATRIX + j, kept = 0;
      if (i < rows && j < columns) {
        int64_t from = at + i * p.length + j;
        float keep = dropped ? *cell : 1.0f;
        kept = keep * tt_to_float(prob[from]);
        if (write) dprob[from] = tt_from_float<T>(keep * sum[k][l]);
      }
      *cell = kept;
    }
}

// Each 32 columns: dprob, and the sum over rows that is dv. With more than 16 channels a head the sums for
// the others draw and read again.
template <class T>
TT_KERNEL(BLOCK_THREADS)
value_gradient_columns(values_call c, const T *prob, const T *qkv, const T *dout, T *dprob, T *dqkv) {
  TT_DYNAMIC_SHARED(float, room);
  tt_head_part p = tt_head_part_of(c.s);
  if (p.head >= c.s.heads) return;
  float *matrix = room + threadIdx.x / TT_WARP * GRADIENT_FLOATS, *v = matrix + TT_MATRIX_FLOATS;
  float *d = v + TT_VECTOR_FLOATS;
  tt_drop_row drop = tt_drop_row_at(c.drop, p.molecule, 0, 0);
  int head_dim = c.s.head_dim;
  int64_t dim = static_cast<int64_t>(c.s.heads) * head_dim;
  const T *dhead = dout + p.token * dim + static_cast<int64_t>(p.head) * head_dim;
  for (int j = p.slot * TT_HEAD_TILE; j < p.length; j += c.s.slots * TT_HEAD_TILE)
    for (int e = 0; e < head_dim; e += TT_HEAD_CHANNELS) {
      int columns = tt_head_least(TT_HEAD_TILE, p.length - j);
      float dv[4][4] = {};
      for (int i = 0; i < p.length; i += TT_HEAD_TILE) {
        int rows = tt_head_least(TT_HEAD_TILE, p.length - i);
        float sum[8][4] = {};
        // all channels for dprob, this step's last, so that it is what stays staged for dv
        for (int f = e == 0 ? (head_dim - 1) / TT_HEAD_CHANNELS * TT_HEAD_CHANNELS : e; f >= e;
             f -= TT_HEAD_CHANNELS) {
          int width = tt_head_least(TT_HEAD_CHANNELS, head_dim - f);
          __syncwarp(); // what was staged before has been read
          tt_head_stage(dhead + i * dim + f, dim, rows, width, c.eights, d);
          if (e == 0)
            tt_head_stage(qkv + tt_head_third(c.s, p, 2, f) + j * 3 * dim, 3 * dim, columns, width, c.eights,
                          v);
          __syncwarp();
          if (e == 0) tt_head_dots(d, v, rows, sum);
        }
        if (c.drop.on) {
          tt_head_drop(c.drop, drop.key, p.head, i, j, rows, columns, false, matrix);
          __syncwarp();
        }
        probability_gradient(p, p.matrix + static_cast<int64_t>(i) * p.length + j, rows, columns, c.drop.on,
                             sum, prob, dprob, e == 0, matrix);
        __syncwarp();
        tt_head_weigh_transposed(matrix, TT_HEAD_MATRIX, rows, d, dv);
      }
      tt_head_put_columns(dv, 1.0f, columns, tt_head_least(TT_HEAD_CHANNELS, head_dim - e), c.eights,
                          dqkv + tt_head_third(c.s, p, 2, e) + j * 3 * dim, 3 * dim);
    }
}

static values_call call_of(const tt_batch *batch, int heads, int head_dim, const tt_dropout *d, bool eights) {
  values_call c;
  c.s = tt_head_shape_of(batch, heads, head_dim, BLOCK_HEADS, tt_head_tiles(batch->max_length));
  c.drop = tt_device_drop_of(batch, TT_ROWS_PAIRS, d);
  c.eights = eights;
  return c;
}

template <class T>
static void attention_values(const tt_batch *batch, int heads, int head_dim, const tt_activation *prob,
                             const tt_dropout *d, const tt_activation *qkv, tt_activation *out,
                             float *scratch) {
  (void)scratch;
  bool eights = tt_aligned8(tt_cells<T>(qkv), head_dim) && tt_aligned8(tt_cells<T>(out), head_dim);
  values_call c = call_of(batch, heads, head_dim, d, eights);
  TT_LAUNCH((value_rows<T>), tt_head_blocks(c.s), BLOCK_THREADS, BLOCK_HEADS * VALUE_FLOATS * sizeof(float),
            c, tt_cells<T>(prob), tt_cells<T>(qkv), tt_cells<T>(out));
}

template <class T>
static void attention_values_backward(const tt_batch *batch, int heads, int head_dim,
                                      const tt_activation *prob, const tt_dropout *d,
                                      const tt_activation *qkv, const tt_activation *dout,
                                      tt_activation *dprob, tt_activation *dqkv, float *scratch) {
  (void)scratch;
  bool eights = tt_aligned8(tt_cells<T>(qkv), head_dim) && tt_aligned8(tt_cells<T>(dout), head_dim) &&
                tt_aligned8(tt_cells<T>(dqkv), head_dim);
  values_call c = call_of(batch, heads, head_dim, d, eights);
  TT_LAUNCH((value_gradient_columns<T>), tt_head_blocks(c.s), BLOCK_THREADS,
            BLOCK_HEADS * GRADIENT_FLOATS * sizeof(float), c, tt_cells<T>(prob), tt_cells<T>(qkv),
            tt_cells<T>(dout), tt_cells<T>(dprob), tt_cells<T>(dqkv));
}

template <class T> void tt_cuda_fill_attention_values(tt_cuda_table *table) {
  table->ops.attention_values = attention_values<T>;
  table->ops.attention_values_backward = attention_values_backward<T>;
}
TT_FILL(attention_values)
