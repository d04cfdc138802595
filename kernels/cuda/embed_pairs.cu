// The first rows of the pair track: sums of table rows, and their transpose (table_gradient.h).
#include "operations.h"
#include "table_gradient.h"
#include "warp.h"

enum { PATHS = 512, EDGES = 64, ROWS = PATHS + EDGES + 1 }; // the last: vnode

// What a pair row reads, in one number: path | edge 0 << 10 | edge 1 << 16 | edge 2 << 22, or VIRTUAL.
static const uint32_t VIRTUAL = 1u << 31;

TT_DEVICE uint32_t code_of(const tt_batch &b, int64_t row) {
  int m = tt_find_molecule(b.pair_offset, b.molecules, row);
  int length = b.length[m], at = (int)(row - b.pair_offset[m]);
  if (at < length || at % length == 0) return VIRTUAL;
  const uint8_t *e = b.edge + 3 * row;
  return b.path[row] | (uint32_t)e[0] << 10 | (uint32_t)e[1] << 16 | (uint32_t)e[2] << 22;
}

TT_DEVICE int path_of(uint32_t code) {
  return (int)(code & 1023);
}
TT_DEVICE int edge_of(uint32_t code, int k) {
  return (int)(code >> (10 + 6 * k) & 63);
}

// One warp a pair row.
TT_KERNEL(256)
embed(tt_batch b, int dim, const float *path, const float *edge, const float *vnode, float *pair) {
  int64_t row = (int64_t)blockIdx.x * 8 + threadIdx.x / 32;
  if (row >= b.pairs) return;
  int first = (int)threadIdx.x % 32;
  uint32_t code = code_of(b, row);
  float *to = pair + row * dim;
  if (code == VIRTUAL) {
    for (int c = first; c < dim; c += 32) to[c] = vnode[c];
    return;
  }
  const float *p = path + (int64_t)path_of(code) * dim;
  const float *e0 = edge + edge_of(code, 0) * dim, *e1 = edge + edge_of(code, 1) * dim,
              *e2 = edge + edge_of(code, 2) * dim;
  for (int c = first; c < dim; c += 32) to[c] = p[c] + (e0[c] + e1[c] + e2[c]) * (1.0f / 3.0f);
}

TT_DEVICE void add_edges(uint32_t code, float d, float *edge) {
  int e0 = edge_of(code, 0), e1 = edge_of(code, 1), e2 = edge_of(code, 2);
  if (e0 == e1 && e1 == e2) { // most pairs have no bond: all three the same
    edge[e0 * 32] += d;
    return;
  }
  float third = d * (1.0f / 3.0f);
  edge[e0 * 32] += third, edge[e1 * 32] += third, edge[e2 * 32] += third;
}

// One warp a slice of 32 channels and a group of rows, in row order: sums[table row][lane]. Each lane looks
// up one of 32 rows; then all lanes add all 32, eight loads at a time on their way.
TT_KERNEL(32) gather(tt_batch b, int dim, const float *dpair, float *partial) {
  TT_DYNAMIC_SHARED(float, sums);
  int lane = (int)threadIdx.x, c = (int)blockIdx.x * 32 + lane;
  for (int r = 0; r < ROWS; r++) sums[r * 32 + lane] = 0;
  float *path = sums + lane, *edge = path + PATHS * 32, *vnode = edge + EDGES * 32;
  tt_row_span span = tt_rows_of_group(b.pairs, (int)blockIdx.y, (int)gridDim.y);
  for (int64_t first = span.first; first < span.end; first += 32) {
    uint32_t own = first + lane < span.end ? code_of(b, first + lane) : VIRTUAL;
    for (int k = 0; k < 32; k += 8) {
      float d[8];
#pragma unroll
      for (int u = 0; u < 8; u++) {
        int64_t row = first + k + u;
        d[u] = row < span.end && c < dim ? dpair[row * dim + c] : 0;
      }
#pragma unroll
      for (int u = 0; u < 8; u++) {
        uint32_t code = __shfl_sync(TT_ALL_LANES, own, k + u);
        if (code == VIRTUAL) {
          *vnode += d[u];
          continue;
        }
        path[path_of(code) * 32] += d[u];
        add_edges(code, d[u], edge);
      }
    }
  }
  if (c < dim)
    for (int r = 0; r < ROWS; r++) partial[((int64_t)blockIdx.y * ROWS + r) * dim + c] = sums[r * 32 + lane];
}

static void embed_pairs(const tt_batch *batch, int dim, const float *path, const float *edge,
                        const float *vnode, float *pair) {
  TT_LAUNCH((embed), (batch->pairs + 7) / 8, 256, 0, *batch, dim, path, edge, vnode, pair);
}

static void embed_pairs_backward(const tt_batch *batch, int dim, const float *dpair, float *dpath,
                                 float *dedge, float *dvnode) {
  int groups = tt_table_groups(batch->pairs, TT_PAIR_GROUPS);
  tt_table_parts to = {{dpath, dedge, dvnode}, {0, PATHS, ROWS - 1, ROWS}, ROWS};
  float *partial = tt_table_partial(ROWS, dim, groups);
  TT_LAUNCH((gather), dim3((dim + 31) / 32, groups), 32, ROWS * 32 * sizeof(float), *batch, dim, dpair,
            partial);
  tt_table_sum(to, dim, groups, partial);
}

template <class T> void tt_cuda_fill_embed_pairs(tt_cuda_table *table) {
  table->ops.embed_pairs = embed_pairs;
  table->ops.embed_pairs_backward = embed_pairs_backward;
}
TT_FILL(embed_pairs)
