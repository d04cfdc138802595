// Triangle multiplication, as many channels at a time as a register has lanes: so no transpose is needed, and
// a tile of pairs uses what it loads several times. A plane is (L, L, lanes).
#include "cpu.h"
#include "vector.h"

#include <math.h>
#include <string.h>

// A tile of pairs must fit the registers: 32 with AVX-512, else 16.
enum { ROWS = 4, COLUMNS = TT_LANES == 16 ? 4 : 2, BLOCK = 32 };

// a, b, dt, da, db planes
size_t TT_CPU(triangle_scratch)(int length) {
  return 5 * (size_t)length * length * TT_LANES;
}

// A plane read as a matrix of lanes: element (i, k) is row i * row + k * column. Swap the strides for its
// transpose.
typedef struct {
  const float *at;
  int64_t row, column;
} plane;

static plane as_is(const float *at, int length) {
  return (plane){at, length, 1};
}
static plane flipped(const float *at, int length) {
  return (plane){at, 1, length};
}

// out_ij = sum_k x_ik y_kj + sum_k z_ik w_kj, lane by lane
static void two_products(int length, plane x, plane y, plane z, plane w, float *out) {
  for (int i = 0; i < length; i += ROWS)
    for (int j = 0; j < length; j += COLUMNS) {
      tt_lanes s00 = {0}, s10 = {0}, s20 = {0}, s30 = {0}, s01 = {0}, s11 = {0}, s21 = {0}, s31 = {0};
      tt_lanes s02 = {0}, s12 = {0}, s22 = {0}, s32 = {0}, s03 = {0}, s13 = {0}, s23 = {0}, s33 = {0};
      int rows = length - i < ROWS ? length - i : ROWS, columns = length - j < COLUMNS ? length - j : COLUMNS;
      for (int part = 0; part < 2; part++) {
        plane p = part == 0 ? x : z, q = part == 0 ? y : w;
        // rows and columns past the end repeat the last one and are not stored
        const float *p0 = p.at + i * p.row * TT_LANES, *p1 = p0 + (rows > 1 ? p.row * TT_LANES : 0);
        const float *p2 = p1 + (rows > 2 ? p.row * TT_LANES : 0),
                    *p3 = p2 + (rows > 3 ? p.row * TT_LANES : 0);
        const float *q0 = q.at + j * q.column * TT_LANES, *q1 = q0 + (columns > 1 ? q.column * TT_LANES : 0);
        const float *q2 = q1 + (columns > 2 ? q.column * TT_LANES : 0);
        const float *q3 = q2 + (columns > 3 ? q.column * TT_LANES : 0);
        int64_t p_step = p.column * TT_LANES, q_step = q.row * TT_LANES;
        for (int k = 0; k < length; k++) {
          tt_lanes a0 = TT_LOAD(p0 + k * p_step), a1 = TT_LOAD(p1 + k * p_step);
          tt_lanes a2 = TT_LOAD(p2 + k * p_step), a3 = TT_LOAD(p3 + k * p_step);
          tt_lanes b = TT_LOAD(q0 + k * q_step);
          s00 += a0 * b, s10 += a1 * b, s20 += a2 * b, s30 += a3 * b;
          b = TT_LOAD(q1 + k * q_step);
          s01 += a0 * b, s11 += a1 * b, s21 += a2 * b, s31 += a3 * b;
          if (COLUMNS == 2) continue;
          b = TT_LOAD(q2 + k * q_step);
          s02 += a0 * b, s12 += a1 * b, s22 += a2 * b, s32 += a3 * b;
          b = TT_LOAD(q3 + k * q_step);
          s03 += a0 * b, s13 += a1 * b, s23 += a2 * b, s33 += a3 * b;
        }
      }
      const tt_lanes sums[ROWS][4] = {
          {s00, s01, s02, s03}, {s10, s11, s12, s13}, {s20, s21, s22, s23}, {s30, s31, s32, s33}};
      for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++)
          TT_STORE(out + ((int64_t)(i + r) * length + j + c) * TT_LANES, sums[r][c]);
    }
}

// Copies up to a register of channels; `count` is nearly always the constant.
static TT_INLINE void copy_channels(int count, const float *from, float *to) {
  if (count == TT_LANES)
    TT_STORE(to, TT_LOAD(from));
  else
    memcpy(to, from, (size_t)count * sizeof *to);
}

// A plane of `count` channels of (rows, stride), the other lanes 0.
static void read_plane(int64_t rows, int count, const float *from, int64_t stride, float *to) {
  memset(to, 0, (size_t)(count < TT_LANES ? rows * TT_LANES : 0) * sizeof *to);
  for (int64_t r = 0; r < rows; r++) copy_channels(count, from + r * stride, to + r * TT_LANES);
}

static void write_plane(int64_t rows, int count, const float *from, float *to, int64_t stride) {
  for (int64_t r = 0; r < rows; r++) copy_channels(count, from + r * TT_LANES, to + r * stride);
}

// A plane of p * sigmoid(g) * scale. A block of rows is copied together first: over a few channels alone the
// compiler makes no vectors.
static void gated_plane(int64_t rows, int count, float scale, const float *p, const float *g, int64_t stride,
                        float *to) {
  for (int64_t start = 0; start < rows; start += BLOCK, to += BLOCK * TT_LANES) {
    int64_t block = rows - start < BLOCK ? rows - start : BLOCK;
    float p_rows[BLOCK * TT_LANES], g_rows[BLOCK * TT_LANES];
    read_plane(block, count, p + start * stride, stride, p_rows);
    read_plane(block, count, g + start * stride, stride, g_rows);
    for (int64_t e = 0; e < block * TT_LANES; e++) to[e] = p_rows[e] * tt_sigmoid(g_rows[e]) * scale;
  }
}

// dp and dg from the plane of d(p sigmoid(g) scale)
static void gated_plane_backward(int64_t rows, int count, float scale, const float *p, const float *g,
                                 int64_t stride, const float *d, float *dp, float *dg) {
  for (int64_t start = 0; start < rows; start += BLOCK, d += BLOCK * TT_LANES) {
    int64_t block = rows - start < BLOCK ? rows - start : BLOCK;
    float p_rows[BLOCK * TT_LANES], g_rows[BLOCK * TT_LANES];
    read_plane(block, count, p + start * stride, stride, p_rows);
    read_plane(block, count, g + start * stride, stride, g_rows);
    for (int64_t e = 0; e < block * TT_LANES; e++) {
      float s = tt_sigmoid(g_rows[e]), slope = d[e] * scale * s;
      g_rows[e] = slope * p_rows[e] * (1.0f - s);
      p_rows[e] = slope;
    }
    write_plane(block, count, p_rows, dp + start * stride, stride);
    write_plane(block, count, g_rows, dg + start * stride, stride);
  }
}

static float scale_of(const tt_batch *batch, int molecule) {
  return (float)(1.0 / sqrt(batch->scaling_length[molecule]));
}

void TT_CPU(triangle)(const tt_batch *batch, int hidden, const float *p, const float *g, float *t,
                      float *scratch) {
  for (int m = 0; m < batch->molecules; m++) {
    int length = batch->length[m];
    int64_t pairs = (int64_t)length * length, from = batch->pair_offset[m] * 2 * hidden;
    float *a = scratch, *b = a + pairs * TT_LANES, *sum = b + pairs * TT_LANES, scale = scale_of(batch, m);
    for (int c = 0; c < hidden; c += TT_LANES) {
      int count = hidden - c < TT_LANES ? hidden - c : TT_LANES;
      gated_plane(pairs, count, scale, p + from + c, g + from + c, 2 * hidden, a);
      gated_plane(pairs, count, scale, p + from + hidden + c, g + from + hidden + c, 2 * hidden, b);
      two_products(length, as_is(a, length), flipped(b, length), flipped(a, length), as_is(b, length), sum);
      write_plane(pairs, count, sum, t + batch->pair_offset[m] * hidden + c, hidden);
    }
  }
}

// t = a b' + a' b, so da = dt b + b dt' and db = dt' a + a dt
void TT_CPU(triangle_backward)(const tt_batch *batch, int hidden, const float *p, const float *g,
                               const float *dt, float *dp, float *dg, float *scratch) {
  for (int m = 0; m < batch->molecules; m++) {
    int length = batch->length[m];
    int64_t pairs = (int64_t)length * length, size = pairs * TT_LANES,
            from = batch->pair_offset[m] * 2 * hidden;
    float *a = scratch, *b = a + size, *d = b + size, *da = d + size, *db = da + size,
          scale = scale_of(batch, m);
    for (int c = 0; c < hidden; c += TT_LANES) {
      int count = hidden - c < TT_LANES ? hidden - c : TT_LANES;
      int64_t at_a = from + c, at_b = from + hidden + c;
      gated_plane(pairs, count, scale, p + at_a, g + at_a, 2 * hidden, a);
      gated_plane(pairs, count, scale, p + at_b, g + at_b, 2 * hidden, b);
      read_plane(pairs, count, dt + batch->pair_offset[m] * hidden + c, hidden, d);
      two_products(length, as_is(d, length), as_is(b, length), as_is(b, length), flipped(d, length), da);
      two_products(length, flipped(d, length), as_is(a, length), as_is(a, length), as_is(d, length), db);
      gated_plane_backward(pairs, count, scale, p + at_a, g + at_a, 2 * hidden, da, dp + at_a, dg + at_a);
      gated_plane_backward(pairs, count, scale, p + at_b, g + at_b, 2 * hidden, db, dp + at_b, dg + at_b);
    }
  }
}
