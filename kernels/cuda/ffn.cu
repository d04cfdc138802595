// Feed-forward branches. Passes over memory (slabs, slab.h: all else stays in the cache): forward reads x,
// writes h and out; backward reads x, h and d, writes d. In the cache, forward makes 3 more over (rows, dim)
// and 2 over (rows, hidden) beside what the products read and write, backward 5 and 4.
#include "branch.h"
#include "gelu.h"
#include "map.h"
#include "norm.h"
#include "operations.h"

struct inner {
  int64_t first, rows;
  int hidden;
  bool aligned, add;
};

// a = inner_dropout(GELU(h)), a warp a row.
template <class T> TT_KERNEL(256) activate(inner n, tt_device_drop drop, const T *h, T *a) {
  int64_t row = (int64_t)blockIdx.x * 8 + threadIdx.x / 32, at = row * n.hidden;
  if (row >= n.rows) return;
  tt_drop_row r = tt_drop_row_of(drop, n.first + row);
  for (int c = (int)threadIdx.x % 32 * 8; c < n.hidden; c += TT_STRIP) {
    tt_eight v = tt_row_read<true>(h + at, c, n.hidden, n.aligned);
    float factor[8];
    tt_drop_eight(drop, r, c / 8, factor);
#pragma unroll
    for (int e = 0; e < 8; e++) v.v[e] = factor[e] * tt_gelu(v.v[e]);
    tt_row_write(a + at, c, n.hidden, n.aligned, v);
  }
}

// d: the gradient of a on entry, of h on return; a is computed again; and the first stage of db1. A block has
// a strip of channels and the rows of one block of sums.
template <class T>
TT_KERNEL(256)
activate_backward(inner n, tt_device_drop drop, const T *h, T *d, T *a, tt_column_sum dbias) {
  int c = (int)blockIdx.y * TT_STRIP + (int)threadIdx.x % 32 * 8;
  int64_t start = (int64_t)blockIdx.x * dbias.rows,
          end = start + dbias.rows < n.rows ? start + dbias.rows : n.rows;
  tt_eight sum = {};
  for (int64_t row = start + threadIdx.x / 32; row < end && c < n.hidden; row += 8) {
    tt_drop_row r = tt_drop_row_of(drop, n.first + row);
    int64_t at = row * n.hidden;
    tt_eight v = tt_row_read<true>(h + at, c, n.hidden, n.aligned),
             g = tt_row_read(d + at, c, n.hidden, n.aligned);
    float factor[8];
    tt_drop_eight(drop, r, c / 8, factor);
#pragma unroll
    for (int e = 0; e < 8; e++) {
      float below = tt_normal_below(v.v[e]);
      sum.v[e] += g.v[e] *= factor[e] * tt_gelu_slope(v.v[e], below);
      v.v[e] *= factor[e] * below;
    }
    tt_row_write(d + at, c, n.hidden, n.aligned, g);
    tt_row_write(a + at, c, n.hidden, n.aligned, v);
  }
  tt_column_sum_store(dbias, (int)blockIdx.y, sum, n.add);
}

// Scratch: slabs of LN(x), or of dy and then its gradient and then LN(x); of a, unless it takes the place of
// LN(x); of the gradient of a; sums.
template <class T> struct pieces {
  int64_t slab;
  T *z, *a, *da;
  tt_norm_sums norm;
  tt_column_sum db1, db2;
};
template <class T>
static pieces<T> cut(tt_room *room, int64_t rows, int dim, int hidden, tt_gradients dnorm, float *db1,
                     float *db2) {
  pieces<T> p = {};
  p.slab = tt_slab_rows(rows, dim > hidden ? dim : hidden);
  p.z = tt_room_cut<T>(room, tt_slab_elements(rows, dim));
  p.a = tt_room_cut<T>(room, tt_slab_elements(rows, hidden));
  p.da = tt_room_cut<T>(room, tt_slab_elements(rows, hidden));
  p.norm = tt_norm_sums_cut(room, rows, p.slab, dim, dnorm);
  p.db1 = tt_column_sum_cut(room, rows, p.slab, TT_SUM_ROWS, hidden, db1);
  p.db2 = tt_column_sum_cut(room, rows, p.slab, TT_SUM_ROWS, dim, db2);
  return p;
}

template <class T>
static void ffn(const tt_ffn *f, const tt_activation *x, const tt_activation *residual, tt_activation *h,
                tt_statistics s, tt_activation *out, float *scratch) {
  int dim = f->dim, hidden = f->hidden;
  tt_room room = {scratch, 0};
  pieces<T> p = cut<T>(&room, f->rows, dim, hidden, tt_gradients{}, nullptr, nullptr);
  tt_device_drop outer = tt_device_drop_of(&f->drop);
  tt_device_drop drop = tt_device_drop_of(f->drop.batch, f->drop.rows, &f->inner);
  const T *base = tt_cells<T>(residual);
  for (int64_t row = 0; row < f->rows; row += p.slab) {
    int64_t count = f->rows - row < p.slab ? f->rows - row : p.slab;
    T *before = tt_cells<T>(h) + row * hidden, *to = tt_cells<T>(out) + row * dim;
    // for each slab: loose copies (product.h) do not last for many
    const T *w1 = tt_cuda_weight<T>(f->first.w, (int64_t)hidden * dim);
    const T *w2 = tt_cuda_weight<T>(f->second.w, (int64_t)hidden * dim);
    bool same = hidden == dim; // then a takes the place of LN(x), which is in the cache and read no more
    T *a = same ? p.z : p.a;
    T *y = residual != out ? to : same ? p.a : p.z; // where the second product goes
    tt_norm_rows(tt_cells<T>(x) + row * dim, count, dim, f->norm, {s.mean + row, s.rstd + row}, true, p.z);
    tt_map_forward(p.z, count, dim, hidden, w1, f->first.b, before);
    inner n = {row, count, hidden, tt_aligned8(before, hidden) && tt_aligned8(a, hidden), false};
    TT_LAUNCH((activate<T>), tt_parts(count, 8), 256, 0, n, drop, before, a);
    tt_map_forward(a, count, hidden, dim, w2, nullptr, y);
    tt_branch_end(outer, row, y, count, dim, f->second.b, base != nullptr ? base + row * dim : nullptr, to);
  }
}

template <class T>
static void ffn_backward(const tt_ffn *f, const tt_activation *x, const tt_activation *h, tt_statistics s,
                         tt_activation *d, tt_gradients dnorm, tt_gradients dfirst, tt_gradients dsecond,
                         float *scratch) {
  int dim = f->dim, hidden = f->hidden;
  if (f->rows == 0) return;
  tt_room room = {scratch, 0};
  pieces<T> p = cut<T>(&room, f->rows, dim, hidden, dnorm, dfirst.b, dsecond.b);
  tt_device_drop outer = tt_device_drop_of(&f->drop);
  tt_device_drop drop = tt_device_drop_of(f->drop.batch, f->drop.rows, &f->inner);
  const T *w1 = tt_cuda_weight<T>(f->first.w, (int64_t)hidden * dim);
  const T *w2 = tt_cuda_weight<T>(f->second.w, (int64_t)hidden * dim);
  for (int64_t row = 0; row < f->rows; row += p.slab) {
    int64_t count = f->rows - row < p.slab ? f->rows - row : p.slab;
    const T *before = tt_cells<T>(h) + row * hidden;
    T *whole = tt_cells<T>(d) + row * dim, *dy = outer.on ? p.z : whole;
    bool add = row > 0;
    tt_branch_end_backward(outer, row, whole, count, dim, outer.on ? dy : nullptr, p.db2, add);
    tt_map_input_gradient(dy, count, hidden, dim, w2, p.da, false);
    inner n = {row, count, hidden, false, add};
    n.aligned = tt_aligned8(before, hidden) && tt_aligned8(p.a, hidden) && tt_aligned8(p.da, hidden);
    dim3 blocks((unsigned)tt_parts(count, p.db1.rows), (unsigned)tt_parts(hidden, TT_STRIP));
    TT_LAUNCH((activate_backward<T>), blocks, 256, 0, n, drop, before, p.da, p.a, p.db1);
    tt_map_weight_gradient(dy, p.a, count, hidden, dim, dsecond.w);
    tt_map_input_gradient(p.da, count, dim, hidden, w1, p.z, false);
    tt_norm_rows_backward(p.z, tt_cells<T>(x) + row * dim, count, dim, f->norm, {s.mean + row, s.rstd + row},
                          !f->branch_only, whole, p.z, p.norm, add);
    tt_map_weight_gradient(p.da, p.z, count, dim, hidden, dfirst.w);
  }
  tt_column_sum sums[4] = {p.norm.gamma, p.norm.beta, p.db1, p.db2};
  tt_column_sum_finish(sums, 4);
}

template <class T> static size_t need(const tt_sizes *k) {
  tt_room atoms = {nullptr, 0}, pairs = {nullptr, 0};
  cut<T>(&atoms, k->tokens, k->embed_dim, k->ffn_dim, tt_gradients{}, nullptr, nullptr);
  cut<T>(&pairs, k->pairs, k->pair_dim, k->pair_dim, tt_gradients{}, nullptr, nullptr);
  return atoms.used > pairs.used ? atoms.used : pairs.used;
}

template <class T> void tt_cuda_fill_ffn(tt_cuda_table *table) {
  table->ops.ffn = ffn<T>, table->ops.ffn_backward = ffn_backward<T>;
  tt_cuda_needs(table, TT_SCRATCH_FFN, need<T>);
}
TT_FILL(ffn)
