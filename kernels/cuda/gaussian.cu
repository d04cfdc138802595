// The Gaussian expansion of interatomic distances. The backward's table gradients take three steps, each a
// sum in a fixed order: dz of every real pair; for every atom the sums over its partners, once as the first
// of the pair and once as the second; for every table row the sum over the atoms that read it.
#include "operations.h"
#include "warp.h"
#include "workspace.h"

enum { TABLE = 512, LANES = 32, EACH = TT_GAUSSIANS / LANES };

TT_DEVICE float sign(float x) {
  return x > 0 ? 1.0f : x < 0 ? -1.0f : 0.0f;
}

// The table rows of an atom as the first and as the second of a pair.
TT_DEVICE int first_row(int pair_class) {
  return pair_class + 1;
}
TT_DEVICE int second_row(int pair_class) {
  return pair_class + 129;
}

TT_DEVICE float distance(const tt_batch &b, int64_t i, int64_t j) {
  const float *p = b.position + 3 * i, *q = b.position + 3 * j;
  float x = q[0] - p[0], y = q[1] - p[1], z = q[2] - p[2];
  return sqrtf(x * x + y * y + z * z);
}

// The bell's scale, in double on the host: upstream's pi.
typedef struct {
  float inverse, norm;
} bells;
static bells bells_of(float std) {
  return {1.0f / std, (float)(1.0 / (sqrt(2 * 3.14159) * std))};
}

// e^(-s^2/2), and 0 where kernels/cpu has 0
TT_DEVICE float bell(float s) {
  float exponent = -0.5f * s * s;
  return exponent < -60.0f ? 0.0f : expf(exponent);
}

// z of row `a` of the real pairs.
TT_DEVICE float argument(const tt_batch &b, const float *mul, const float *bias, int64_t a) {
  int m = tt_find_molecule(b.atom_pair_offset, b.molecules, a);
  int atoms = b.length[m] - 1, at = (int)(a - b.atom_pair_offset[m]);
  int64_t i = b.token_offset[m] + 1 + at / atoms, j = b.token_offset[m] + 1 + at % atoms;
  int t0 = first_row(b.pair_class[i]), t1 = second_row(b.pair_class[j]);
  return (fabsf(mul[t0]) + fabsf(mul[t1])) * distance(b, i, j) + (bias[t0] + bias[t1]);
}

// One warp a real pair.
TT_KERNEL(256) expand(tt_batch b, const float *mul, const float *bias, const float *mean, bells s, float *g) {
  int64_t a = (int64_t)blockIdx.x * 8 + threadIdx.x / LANES;
  if (a >= b.atom_pairs) return;
  float z = argument(b, mul, bias, a);
  for (int k = (int)threadIdx.x % LANES; k < TT_GAUSSIANS; k += LANES)
    g[a * TT_GAUSSIANS + k] = bell((z - mean[k]) * s.inverse) * s.norm;
}

// dz (A) = sum_k dg_k dg_k/dz
TT_KERNEL(256)
slopes(tt_batch b, const float *mul, const float *bias, const float *mean, bells scale, const float *dg,
       float *dz) {
  int64_t a = (int64_t)blockIdx.x * 8 + threadIdx.x / LANES;
  if (a >= b.atom_pairs) return;
  float z = argument(b, mul, bias, a), sum = 0;
  for (int k = (int)threadIdx.x % LANES; k < TT_GAUSSIANS; k += LANES) {
    float s = (z - mean[k]) * scale.inverse;
    sum += dg[a * TT_GAUSSIANS + k] * (bell(s) * s);
  }
  sum = tt_warp_sum(sum);
  if (threadIdx.x % LANES == 0) dz[a] = -sum * scale.norm * scale.inverse;
}

// One warp a token row; of[4 * row ...] = sum_j dz_ij, sum_j dz_ij r_ij, sum_j dz_ji, sum_j dz_ji r_ji.
TT_KERNEL(256) sums_of_atoms(tt_batch b, const float *dz, float *of) {
  int64_t row = (int64_t)blockIdx.x * 8 + threadIdx.x / LANES;
  if (row >= b.tokens) return;
  int m = b.token_molecule[row], atoms = b.length[m] - 1;
  int64_t start = b.token_offset[m] + 1, i = row - start; // -1: the virtual node, which has no pairs
  const float *from = dz + b.atom_pair_offset[m];
  float sum[4] = {0, 0, 0, 0};
  for (int j = (int)threadIdx.x % LANES; i >= 0 && j < atoms; j += LANES) {
    float r = distance(b, row, start + j), as_first = from[i * atoms + j],
          as_second = from[(int64_t)j * atoms + i];
    sum[0] += as_first, sum[1] += as_first * r;
    sum[2] += as_second, sum[3] += as_second * r;
  }
  for (int k = 0; k < 4; k++) {
    float all = tt_warp_sum(sum[k]);
    if (threadIdx.x % LANES == 0) of[4 * row + k] = all;
  }
}

// One block a table row.
TT_KERNEL(256) sums_of_rows(tt_batch b, const float *mul, const float *of, float *dmul, float *dbias) {
  int t = (int)blockIdx.x;
  float bias = 0, slope = 0;
  for (int64_t row = threadIdx.x; row < b.tokens; row += 256) {
    const float *sum = of + 4 * row;
    if (first_row(b.pair_class[row]) == t) bias += sum[0], slope += sum[1];
    if (second_row(b.pair_class[row]) == t) bias += sum[2], slope += sum[3];
  }
  bias = tt_block_sum<256>(bias), slope = tt_block_sum<256>(slope);
  if (threadIdx.x == 0) dbias[t] += bias, dmul[t] += slope * sign(mul[t]);
}

static void gaussian(const tt_batch *batch, const float *mul, const float *bias, const float *mean, float std,
                     float *g) {
  TT_LAUNCH((expand), (batch->atom_pairs + 7) / 8, 256, 0, *batch, mul, bias, mean, bells_of(std), g);
}

static void gaussian_backward(const tt_batch *batch, const float *mul, const float *bias, const float *mean,
                              float std, const float *dg, float *dmul, float *dbias) {
  if (batch->atom_pairs == 0) return;
  float *dz = (float *)tt_cuda_workspace((size_t)(batch->atom_pairs + 4 * batch->tokens) * sizeof(float)),
        *of = dz + batch->atom_pairs;
  TT_LAUNCH((slopes), (batch->atom_pairs + 7) / 8, 256, 0, *batch, mul, bias, mean, bells_of(std), dg, dz);
  TT_LAUNCH((sums_of_atoms), (batch->tokens + 7) / 8, 256, 0, *batch, dz, of);
  TT_LAUNCH((sums_of_rows), TABLE, 256, 0, *batch, mul, of, dmul, dbias);
}

template <class T> void tt_cuda_fill_gaussian(tt_cuda_table *table) {
  table->ops.gaussian = gaussian;
  table->ops.gaussian_backward = gaussian_backward;
}
TT_FILL(gaussian)
