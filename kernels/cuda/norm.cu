// Passes over (rows, dim): forward reads x and writes y; backward reads dy, x (and dx) and writes dx (and z).
// What a row is read again for comes from registers or the first-level cache.
#include "norm.h"

#include "rows.h"
#include "warp.h"

TT_DEVICE float sum_eight(const tt_eight &x) {
  return ((x.v[0] + x.v[1]) + (x.v[2] + x.v[3])) + ((x.v[4] + x.v[5]) + (x.v[6] + x.v[7]));
}
TT_DEVICE float centred_squares(const tt_eight &x, int c, int dim, float mean) {
  tt_eight squares;
  for (int e = 0; e < 8; e++) {
    float centred = c + e < dim ? x.v[e] - mean : 0.0f;
    squares.v[e] = centred * centred;
  }
  return sum_eight(squares);
}

// A warp a row. STRIPS * TT_STRIP channels stay in registers; 0: any number, each time read again.
template <class X, class Y, int STRIPS>
TT_KERNEL(256)
norm_rows(const X *x, int64_t rows, int dim, tt_weights norm, tt_statistics s, bool again, Y *y, bool aligned,
          bool norm_aligned) {
  int64_t row = (int64_t)blockIdx.x * 8 + threadIdx.x / 32;
  if (row >= rows) return; // the whole warp
  int lane = (int)threadIdx.x % 32, strips = STRIPS > 0 ? STRIPS : (dim + TT_STRIP - 1) / TT_STRIP;
  const X *from = x + row * dim;
  Y *to = y + row * dim;
  tt_eight kept[STRIPS > 0 ? STRIPS : 1];
  float sum = 0, squares = 0;
#pragma unroll
  for (int k = 0; k < strips; k++) {
    int c = k * TT_STRIP + lane * 8;
    bool once = STRIPS > 0 && !again;
    tt_eight v = once ? tt_row_read<true>(from, c, dim, aligned) : tt_row_read(from, c, dim, aligned);
    if (STRIPS > 0) kept[STRIPS > 0 ? k : 0] = v;
    sum += sum_eight(v);
  }
  float mean = tt_warp_sum(sum) / (float)dim;
#pragma unroll
  for (int k = 0; k < strips; k++) {
    int c = k * TT_STRIP + lane * 8;
    squares += centred_squares(STRIPS > 0 ? kept[STRIPS > 0 ? k : 0] : tt_row_read(from, c, dim, aligned), c,
                               dim, mean);
  }
  float rstd = 1.0f / sqrtf(tt_warp_sum(squares) / (float)dim + 1e-5f);
  if (lane == 0) s.mean[row] = mean, s.rstd[row] = rstd;
#pragma unroll
  for (int k = 0; k < strips; k++) {
    int c = k * TT_STRIP + lane * 8;
    tt_eight v = STRIPS > 0 ? kept[STRIPS > 0 ? k : 0] : tt_row_read(from, c, dim, aligned);
    tt_eight gamma = tt_row_read(norm.w, c, dim, norm_aligned),
             beta = tt_row_read(norm.b, c, dim, norm_aligned);
    for (int e = 0; e < 8; e++) v.v[e] = (v.v[e] - mean) * rstd * gamma.v[e] + beta.v[e];
    tt_row_write(to, c, dim, aligned, v);
  }
}

template <class X, class Y>
void tt_norm_rows(const X *x, int64_t rows, int dim, tt_weights norm, tt_statistics s, bool again, Y *y) {
  bool aligned = tt_aligned8(x, dim) && tt_aligned8(y, dim);
  bool norm_aligned = tt_aligned8(norm.w, dim) && tt_aligned8(norm.b, dim);
  int64_t blocks = tt_parts(rows, 8);
  if (dim <= 2 * TT_STRIP)
    TT_LAUNCH((norm_rows<X, Y, 2>), blocks, 256, 0, x, rows, dim, norm, s, again, y, aligned, norm_aligned);
  else
    TT_LAUNCH((norm_rows<X, Y, 0>), blocks, 256, 0, x, rows, dim, norm, s, again, y, aligned, norm_aligned);
}

// ---- backward ----
// A row belongs to `warps` warps, a strip each, so that a lane's sums of dgamma and dbeta take 16 registers
// whatever the width; a block has as many such groups as make 8 warps, at least one, and takes a row a group
// at a time.
static int warps_of(int dim) {
  return (dim + TT_STRIP - 1) / TT_STRIP;
}
static int groups_of(int dim) {
  return warps_of(dim) < 8 ? 8 / warps_of(dim) : 1;
}

tt_norm_sums tt_norm_sums_cut(tt_room *room, int64_t rows, int64_t slab, int dim, tt_gradients to) {
  int rows_a_block = groups_of(dim) * 8;
  tt_norm_sums s;
  s.gamma = tt_column_sum_cut(room, rows, slab, rows_a_block, dim, to.w);
  s.beta = tt_column_sum_cut(room, rows, slab, rows_a_block, dim, to.b);
  return s;
}

struct norm_backward {
  int64_t rows;
  int dim, warps, groups;
  bool keep, add, aligned, norm_aligned;
};

// Adds the groups' sums of a block's rows in order.
TT_DEVICE void store_sums(const norm_backward &b, const tt_column_sum &sum, const tt_eight &mine, int group,
                          int c) {
  TT_SHARED float parts[8 * TT_STRIP]; // needed where there are several groups: then of 8 warps in all
  int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
  __syncthreads(); // what it held is read
  if (b.groups > 1)
    for (int e = 0; e < 8; e++) parts[warp * TT_STRIP + e * 32 + lane] = mine.v[e];
  __syncthreads();
  if (group > 0) return;
  for (int e = 0; e < 8 && c + e < b.dim; e++) {
    float total = mine.v[e];
    for (int g = 1; g < b.groups; g++) total += parts[(g * b.warps + warp) * TT_STRIP + e * 32 + lane];
    float *to = sum.partial + (int64_t)blockIdx.x * b.dim + c + e;
    *to = b.add ? *to + total : total;
  }
}

template <class X, class D>
TT_KERNEL(512)
norm_rows_backward(norm_backward b, const D *dy, const X *x, tt_weights norm, tt_statistics s, X *dx, X *z,
                   tt_norm_sums sums) {
  TT_SHARED float
      parts[2][2][16]; // by turns: what one row's threads write, and what those of the one before still read
  int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32, group = warp / b.warps;
  int c = warp % b.warps * TT_STRIP + lane * 8, dim = b.dim;
  int64_t first = (int64_t)blockIdx.x * sums.gamma.rows, end = first + sums.gamma.rows;
  if (end > b.rows) end = b.rows;
  tt_eight gamma = tt_row_read(norm.w, c, dim, b.norm_aligned), beta = {};
  if (z != nullptr) beta = tt_row_read(norm.b, c, dim, b.norm_aligned);
  tt_eight scale = {}, shift = {};
  int turn = 0;
  for (int64_t start = first; start < end;
       start += b.groups, turn ^= 1) { // all threads the same number of times
    int64_t row = start + group;
    bool mine = row < end && c < dim;
    tt_eight d = {}, hat = {}, old = {};
    float rstd = 0, sum = 0, product = 0;
    if (mine) {
      d = tt_row_read(dy + row * dim, c, dim, b.aligned);
      hat = tt_row_read<true>(x + row * dim, c, dim, b.aligned);
      if (b.keep) old = tt_row_read(dx + row * dim, c, dim, b.aligned);
      float mean = s.mean[row];
      rstd = s.rstd[row];
      for (int e = 0; e < 8; e++) {
        hat.v[e] = (hat.v[e] - mean) * rstd;
        scale.v[e] += d.v[e] * hat.v[e], shift.v[e] += d.v[e]; // past the end of the row d is 0
        sum += gamma.v[e] * d.v[e], product += gamma.v[e] * d.v[e] * hat.v[e];
      }
    }
    sum = tt_warp_sum(sum), product = tt_warp_sum(product);
    if (lane == 0) parts[turn][0][warp] = sum, parts[turn][1][warp] = product;
    __syncthreads();
    sum = product = 0;
    for (int w = 0; w < b.warps; w++)
      sum += parts[turn][0][group * b.warps + w], product += parts[turn][1][group * b.warps + w];
    if (!mine) continue;
    sum /= (float)dim, product /= (float)dim;
    for (int e = 0; e < 8; e++) {
      old.v[e] += rstd * (gamma.v[e] * d.v[e] - sum - hat.v[e] * product);
      hat.v[e] = hat.v[e] * gamma.v[e] + beta.v[e];
    }
    tt_row_write<true>(dx + row * dim, c, dim, b.aligned, old);
    if (z != nullptr) tt_row_write(z + row * dim, c, dim, b.aligned, hat);
  }
  store_sums(b, sums.gamma, scale, group, c);
  store_sums(b, sums.beta, shift, group, c);
}

template <class X, class D>
void tt_norm_rows_backward(const D *dy, const X *x, int64_t rows, int dim, tt_weights norm, tt_statistics s,
                           bool keep, X *dx, X *z, const tt_norm_sums &sums, bool add) {
  if (dim > TT_NORM_MOST)
    tt_cuda_fail(__FILE__, __LINE__, "LayerNorm's backward", "rows of more than 4096 channels");
  norm_backward b = {};
  b.rows = rows, b.dim = dim, b.warps = warps_of(dim), b.groups = groups_of(dim), b.keep = keep, b.add = add;
  b.aligned = tt_aligned8(dy, dim) && tt_aligned8(x, dim) && tt_aligned8(dx, dim) && tt_aligned8(z, dim);
  b.norm_aligned = tt_aligned8(norm.w, dim) && tt_aligned8(norm.b, dim);
  TT_LAUNCH((norm_rows_backward<X, D>), tt_parts(rows, sums.gamma.rows), b.warps * b.groups * 32, 0, b, dy, x,
            norm, s, dx, z, sums);
}

template void tt_norm_rows(const float *, int64_t, int, tt_weights, tt_statistics, bool, float *);
template void tt_norm_rows(const float *, int64_t, int, tt_weights, tt_statistics, bool, tt_bf16 *);
template void tt_norm_rows(const tt_bf16 *, int64_t, int, tt_weights, tt_statistics, bool, tt_bf16 *);
#define BACKWARD(X, D)                                                                                       \
  template void tt_norm_rows_backward(const D *, const X *, int64_t, int, tt_weights, tt_statistics, bool,   \
                                      X *, X *, const tt_norm_sums &, bool);
BACKWARD(float, float)
BACKWARD(float, tt_bf16)
BACKWARD(tt_bf16, tt_bf16)
