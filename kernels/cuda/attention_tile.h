// What the kernels of attention and of the movement head share: which head of which molecule a warp has, and
// products of small tiles in shared memory.
//
// A warp works on one head of one molecule, alone: tiles of 32 rows or columns of its matrix (L, L), 16
// channels of its vectors at a time. Most molecules (L <= 32) are one tile, most heads (16 channels) one
// step. Products are plain fp32 FMAs: they are 0.1-0.3 % of a step's operations, a tile is staged once and
// every number read from shared memory is used four to eight times, and fp32 and bf16 runs, on a device and
// emulated, are the same code.
#ifndef TT_KERNELS_CUDA_ATTENTION_TILE_H
#define TT_KERNELS_CUDA_ATTENTION_TILE_H

#include "cuda.h"
#include "dropout.h"
#include "number.h"

#ifdef __CUDACC__
#define TT_HEAD_BOTH static __host__ __device__ __forceinline__
#else
#define TT_HEAD_BOTH static inline
#endif

TT_HEAD_BOTH int tt_head_least(int a, int b) {
  return a < b ? a : b;
}

// Sizes of a warp's tiles. Rows are a multiple of 16 bytes long, and an odd one: eight lanes that read 16
// bytes each of eight neighbouring rows meet no bank twice.
enum {
  TT_HEAD_TILE = 32,     // rows and columns of a matrix's tile
  TT_HEAD_MATRIX = 36,   // floats from one of its rows to the next
  TT_HEAD_CHANNELS = 16, // of a tile of vectors (32 of them)
  TT_HEAD_VECTOR = 20    // floats from one vector to the next
};
enum { TT_MATRIX_FLOATS = TT_HEAD_TILE * TT_HEAD_MATRIX, TT_VECTOR_FLOATS = TT_HEAD_TILE * TT_HEAD_VECTOR };

// A call's shape. Blocks have `block_heads` neighbouring heads of one molecule, and every slots-th of its
// tiles: a molecule of 129 rows is shared by several blocks, and one of 20 leaves few of its blocks without
// work.
struct tt_head_shape {
  const int32_t *length;
  const int64_t *token_offset, *pair_offset;
  int molecules, heads, head_dim, block_heads, groups, slots;
};
enum { TT_HEAD_SLOTS = 4 };

// `tiles`: of the longest molecule.
static inline tt_head_shape tt_head_shape_of(const tt_batch *batch, int heads, int head_dim, int block_heads,
                                             int tiles) {
  return {batch->length,
          batch->token_offset,
          batch->pair_offset,
          batch->molecules,
          heads,
          head_dim,
          block_heads,
          (heads + block_heads - 1) / block_heads,
          tiles < TT_HEAD_SLOTS ? tiles : TT_HEAD_SLOTS};
}

static inline int tt_head_blocks(const tt_head_shape &s) {
  return s.molecules * s.groups * s.slots;
}

static inline int tt_head_tiles(int length) {
  return (length + TT_HEAD_TILE - 1) / TT_HEAD_TILE;
}

// A warp's part of it. Slots vary slowest, so that blocks without work come last and fill gaps; groups of
// heads fastest, so that the neighbours in a row of all heads are read at nearly the same time.
struct tt_head_part {
  int molecule, length, slot;
  int block_head, head; // the block's first head, the warp's: may be >= heads, then there is none
  int64_t token, pair;  // the molecule's first rows
  int64_t matrix;       // the head's first element in arrays of (heads, L, L) a molecule
};

TT_DEVICE tt_head_part tt_head_part_of(const tt_head_shape &s) {
  tt_head_part p;
  int block = static_cast<int>(blockIdx.x);
  p.block_head = block % s.groups * s.block_heads;
  block /= s.groups;
  p.molecule = block % s.molecules;
  p.slot = block / s.molecules;
  p.length = s.length[p.molecule];
  p.head = p.block_head + static_cast<int>(threadIdx.x / 32);
  p.token = s.token_offset[p.molecule];
  p.pair = s.pair_offset[p.molecule];
  p.matrix = p.pair * s.heads + static_cast<int64_t>(p.head) * p.length * p.length;
  return p;
}

// Where the head's channels of third `part` (0 q, 1 k, 2 v) of the molecule's first token are in qkv, from
// channel `channel` on; the next token is 3 * heads * head_dim further.
TT_DEVICE int64_t tt_head_third(const tt_head_shape &s, const tt_head_part &p, int part, int channel) {
  int64_t dim = static_cast<int64_t>(s.heads) * s.head_dim;
  return p.token * 3 * dim + part * dim + static_cast<int64_t>(p.head) * s.head_dim + channel;
}

// ---- four numbers at once ----
struct alignas(16) tt_four {
  float v[4];
};
template <class T> struct alignas(4 * sizeof(T)) tt_four_of { T v[4]; };

TT_DEVICE tt_four tt_four_at(const float *p) {
  return *reinterpret_cast<const tt_four *>(p);
}
TT_DEVICE void tt_four_put(float *p, tt_four x) {
  *reinterpret_cast<tt_four *>(p) = x;
}

// ---- to shared memory and back, by a warp; the caller synchronises ----
// to[r][c] = from[r * ld + c], r < rows <= 32, c < width; zeros in the rest of the 16 channels and of the 32
// rows. `eights`: rows can be read by tt_load8.
template <class T>
TT_DEVICE void tt_head_stage(const T *from, int64_t ld, int rows, int width, bool eights, float *to) {
  int lane = static_cast<int>(threadIdx.x % 32), c = lane % 2 * 8;
  for (int r = lane / 2; r < TT_HEAD_TILE; r += 16) {
    tt_four x[2] = {};
    if (r < rows && eights && c < width) {
      tt_eight e = tt_load8(from + r * ld + c);
#pragma unroll
      for (int k = 0; k < 8; k++) x[k / 4].v[k % 4] = e.v[k];
    } else if (r < rows) {
#pragma unroll
      for (int k = 0; k < 8; k++)
        if (c + k < width) x[k / 4].v[k % 4] = tt_to_float(from[r * ld + c + k]);
    }
    tt_four_put(to + r * TT_HEAD_VECTOR + c, x[0]);
    tt_four_put(to + r * TT_HEAD_VECTOR + c + 4, x[1]);
  }
}

// to[r][c] = from[r * ld + c], r < rows <= 32, c < columns <= 32; zeros in the rest of a row of 32.
template <class T>
TT_DEVICE void tt_head_stage_matrix(const T *from, int64_t ld, int rows, int columns, float *to) {
  int lane = static_cast<int>(threadIdx.x % 32);
#pragma unroll 8
  for (int r = 0; r < rows; r++)
    to[r * TT_HEAD_MATRIX + lane] = lane < columns ? tt_to_float(from[r * ld + lane]) : 0.0f;
}

// Four channels of one row: to[0..3] = scale * sum, as many as `width` has.
template <class T> TT_DEVICE void tt_head_put(const float *sum, float scale, int width, bool eights, T *to) {
  if (eights && width >= 4) {
    tt_four_of<T> x;
#pragma unroll
    for (int e = 0; e < 4; e++) x.v[e] = tt_from_float<T>(scale * sum[e]);
    *reinterpret_cast<tt_four_of<T> *>(to) = x;
  } else {
#pragma unroll
    for (int e = 0; e < 4; e++)
      if (e < width) to[e] = tt_from_float<T>(scale * sum[e]);
  }
}

// The dropout's factors of rows i.. and columns j.. (a multiple of 8) of the warp's head, in `tile` or, with
// `multiply`, times what is there; up to the next multiple of eight columns. `key`: of the molecule.
TT_DEVICE void tt_head_drop(const tt_device_drop &d, uint64_t key, int head, int i, int j, int rows,
                            int columns, bool multiply, float *tile) {
  for (int n = static_cast<int>(threadIdx.x % 32); n < 4 * rows; n += 32) {
    int r = n / 4, c = n % 4 * 8;
    if (c >= columns) continue;
    float factor[8], *at = tile + r * TT_HEAD_MATRIX + c;
    tt_drop_words(d, key, d.first + static_cast<uint32_t>(head), static_cast<uint32_t>(i + r),
                  static_cast<uint32_t>((j + c) / 8), factor);
#pragma unroll
    for (int half = 0; half < 8; half += 4) {
      tt_four x = {{1, 1, 1, 1}};
      if (multiply) x = tt_four_at(at + half);
#pragma unroll
      for (int k = 0; k < 4; k++) x.v[k] *= factor[half + k];
      tt_four_put(at + half, x);
    }
  }
}

// ---- products of staged tiles, by a warp ----
// sum[k][l] += a_r . b_c over 16 channels, r = lane / 8 + 4 k, c = lane % 8 + 8 l: dot products of vectors.
// Rows from `rows` on may be left out.
TT_DEVICE void tt_head_dots(const float *a, const float *b, int rows, float (&sum)[8][4]) {
  int lane = static_cast<int>(threadIdx.x % 32);
#pragma unroll
  for (int e = 0; e < TT_HEAD_CHANNELS; e += 4) {
    tt_four y[4];
#pragma unroll
    for (int l = 0; l < 4; l++) y[l] = tt_four_at(b + (lane % 8 + 8 * l) * TT_HEAD_VECTOR + e);
#pragma unroll
    for (int k = 0; k < 8; k++) {
      if (4 * k < rows) {
        tt_four x = tt_four_at(a + (lane / 8 + 4 * k) * TT_HEAD_VECTOR + e);
#pragma unroll
        for (int l = 0; l < 4; l++)
#pragma unroll
          for (int c = 0; c < 4; c++) sum[k][l] += x.v[c] * y[l].v[c];
      }
    }
  }
}

// sum[k][c] += sum_j m[r][j] b_j[4 (lane % 4) + c], r = lane / 4 + 8 k, j < columns: a matrix times vectors.
// Columns are taken by fours: m must be 0 up to the next multiple of four, as b is. Rows >= rows: anything.
TT_DEVICE void tt_head_weigh(const float *m, int stride, int rows, int columns, const float *b,
                             float (&sum)[4][4]) {
  int lane = static_cast<int>(threadIdx.x % 32);
  const float *row[4];
#pragma unroll
  for (int k = 0; k < 4; k++) row[k] = m + tt_head_least(lane / 4 + 8 * k, rows - 1) * stride;
  b += lane % 4 * 4;
  for (int j = 0; j < columns; j += 4) {
    tt_four y[4];
#pragma unroll
    for (int l = 0; l < 4; l++) y[l] = tt_four_at(b + (j + l) * TT_HEAD_VECTOR);
#pragma unroll
    for (int k = 0; k < 4; k++) {
      if (8 * k < rows) {
        tt_four x = tt_four_at(row[k] + j);
#pragma unroll
        for (int l = 0; l < 4; l++)
#pragma unroll
          for (int c = 0; c < 4; c++) sum[k][c] += x.v[l] * y[l].v[c];
      }
    }
  }
}

// sum[k][c] += sum_i m[i][j] a_i[4 (lane % 4) + c], j = 4 (lane / 4) + k, i < rows: the transpose of a matrix
// times vectors. Columns that m does not have: anything.
TT_DEVICE void tt_head_weigh_transposed(const float *m, int stride, int rows, const float *a,
                                        float (&sum)[4][4]) {
  int lane = static_cast<int>(threadIdx.x % 32);
  m += lane / 4 * 4, a += lane % 4 * 4;
  for (int i = 0; i < rows; i++) {
    tt_four x = tt_four_at(m + i * stride), y = tt_four_at(a + i * TT_HEAD_VECTOR);
#pragma unroll
    for (int k = 0; k < 4; k++)
#pragma unroll
      for (int c = 0; c < 4; c++) sum[k][c] += x.v[k] * y.v[c];
  }
}

// What tt_head_weigh summed, to rows 0.. of `to`, which starts at a channel of which `width` remain.
template <class T>
TT_DEVICE void tt_head_put_rows(const float (&sum)[4][4], float scale, int rows, int width, bool eights,
                                T *to, int64_t ld) {
  int lane = static_cast<int>(threadIdx.x % 32), c = lane % 4 * 4;
#pragma unroll
  for (int k = 0; k < 4; k++) {
    int r = lane / 4 + 8 * k;
    if (r < rows && c < width) tt_head_put(sum[k], scale, width - c, eights, to + r * ld + c);
  }
}

// The same for tt_head_weigh_transposed.
template <class T>
TT_DEVICE void tt_head_put_columns(const float (&sum)[4][4], float scale, int columns, int width, bool eights,
                                   T *to, int64_t ld) {
  int lane = static_cast<int>(threadIdx.x % 32), c = lane % 4 * 4;
#pragma unroll
  for (int k = 0; k < 4; k++) {
    int j = lane / 4 * 4 + k;
    if (j < columns && c < width) tt_head_put(sum[k], scale, width - c, eights, to + j * ld + c);
  }
}

#endif
