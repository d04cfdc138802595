// Triangle multiplication, 16 channels at a time: the channels are the lanes, so no transpose is needed, and
// a tile of 4 x 4 pairs uses each loaded row four times. A plane is (L, L, 16).
#include "cpu.h"
#include "vector.h"

#include <math.h>
#include <string.h>

enum { TILE = 4 };

// a, b, dt, da, db planes
size_t tt_cpu_triangle_scratch(int length) {
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
TT_KERNEL static void two_products(int length, plane x, plane y, plane z, plane w, float *out) {
  for (int i = 0; i < length; i += TILE)
    for (int j = 0; j < length; j += TILE) {
      tt_lanes s00 = {0}, s01 = {0}, s02 = {0}, s03 = {0}, s10 = {0}, s11 = {0}, s12 = {0}, s13 = {0};
      tt_lanes s20 = {0}, s21 = {0}, s22 = {0}, s23 = {0}, s30 = {0}, s31 = {0}, s32 = {0}, s33 = {0};
      int rows = length - i < TILE ? length - i : TILE, columns = length - j < TILE ? length - j : TILE;
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
          b = TT_LOAD(q2 + k * q_step);
          s02 += a0 * b, s12 += a1 * b, s22 += a2 * b, s32 += a3 * b;
          b = TT_LOAD(q3 + k * q_step);
          s03 += a0 * b, s13 += a1 * b, s23 += a2 * b, s33 += a3 * b;
        }
      }
      const tt_lanes sums[TILE][TILE] = {
          {s00, s01, s02, s03}, {s10, s11, s12, s13}, {s20, s21, s22, s23}, {s30, s31, s32, s33}};
      for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++)
          TT_STORE(out + ((int64_t)(i + r) * length + j + c) * TT_LANES, sums[r][c]);
    }
}

// A plane of `count` channels of (rows, stride), the other lanes 0.
static void read_plane(int64_t rows, int count, const float *from, int64_t stride, float *to) {
  for (int64_t r = 0; r < rows; r++, from += stride, to += TT_LANES) {
    if (count < TT_LANES) memset(to, 0, TT_LANES * sizeof *to);
    memcpy(to, from, (size_t)count * sizeof *to);
  }
}

static void write_plane(int64_t rows, int count, const float *from, float *to, int64_t stride) {
  for (int64_t r = 0; r < rows; r++, from += TT_LANES, to += stride)
    memcpy(to, from, (size_t)count * sizeof *to);
}

// A plane of p * sigmoid(g) * scale
TT_KERNEL static void gated_plane(int64_t rows, int count, float scale, const float *p, const float *g,
                                  int64_t stride, float *to) {
  for (int64_t r = 0; r < rows; r++, p += stride, g += stride, to += TT_LANES) {
    if (count == TT_LANES)
      for (int c = 0; c < TT_LANES; c++) to[c] = p[c] * tt_sigmoid(g[c]) * scale;
    else
      for (int c = 0; c < TT_LANES; c++) to[c] = c < count ? p[c] * tt_sigmoid(g[c]) * scale : 0.0f;
  }
}

// dp and dg from the plane of d(p sigmoid(g) scale)
TT_KERNEL static void gated_plane_backward(int64_t rows, int count, float scale, const float *p,
                                           const float *g, int64_t stride, const float *d, float *dp,
                                           float *dg) {
  for (int64_t r = 0; r < rows; r++, p += stride, g += stride, dp += stride, dg += stride, d += TT_LANES) {
    float to_p[TT_LANES], to_g[TT_LANES];
    if (count == TT_LANES)
      for (int c = 0; c < TT_LANES; c++) {
        float s = tt_sigmoid(g[c]), slope = d[c] * scale * s;
        to_p[c] = slope, to_g[c] = slope * p[c] * (1.0f - s);
      }
    else
      for (int c = 0; c < count; c++) {
        float s = tt_sigmoid(g[c]), slope = d[c] * scale * s;
        to_p[c] = slope, to_g[c] = slope * p[c] * (1.0f - s);
      }
    memcpy(dp, to_p, (size_t)count * sizeof *dp);
    memcpy(dg, to_g, (size_t)count * sizeof *dg);
  }
}

static float scale_of(const tt_batch *batch, int molecule) {
  return (float)(1.0 / sqrt(batch->scaling_length[molecule]));
}

void tt_cpu_triangle(const tt_batch *batch, int hidden, const float *p, const float *g, float *t,
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
void tt_cpu_triangle_backward(const tt_batch *batch, int hidden, const float *p, const float *g,
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
