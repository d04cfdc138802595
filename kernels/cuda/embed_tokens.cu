// The first rows of the atom track: sums of table rows, and their transpose (table_gradient.h).
#include "operations.h"
#include "table_gradient.h"
#include "warp.h"

enum { TOKENS = 128, ATOMS = 512, DEGREES = 128, ROWS = TOKENS + ATOMS + DEGREES + 1 }; // the last: vnode
enum { EACH = TT_ATOM_INPUTS + 2 }; // table rows of a token row

TT_DEVICE bool is_virtual(const tt_batch &b, int64_t row) {
  return row == b.token_offset[b.token_molecule[row]];
}

// One warp a token row.
TT_KERNEL(256)
embed(tt_batch b, int dim, const float *token, const float *atom, const float *degree, const float *vnode,
      float *x) {
  int64_t row = (int64_t)blockIdx.x * 8 + threadIdx.x / 32;
  if (row >= b.tokens) return;
  const uint16_t *input = b.atom_input + row * TT_ATOM_INPUTS;
  const float *own = is_virtual(b, row) ? vnode : nullptr;
  const float *from_degree = degree + (int64_t)b.degree[row] * dim;
  const float *from_token = token + (int64_t)b.token[row] * dim;
  for (int c = (int)threadIdx.x % 32; c < dim; c += 32) {
    float sum = 0;
    for (int k = 0; k < TT_ATOM_INPUTS; k++) sum += atom[(int64_t)input[k] * dim + c];
    sum += from_degree[c];
    sum += from_token[c];
    x[row * dim + c] = own != nullptr ? own[c] : sum;
  }
}

// The table rows that a token row reads, counted from the first row of the first table; how many.
TT_DEVICE int look_up(const tt_batch &b, int64_t row, uint16_t *index) {
  if (is_virtual(b, row)) {
    index[0] = ROWS - 1;
    return 1;
  }
  for (int k = 0; k < TT_ATOM_INPUTS; k++)
    index[k] = (uint16_t)(TOKENS + b.atom_input[row * TT_ATOM_INPUTS + k]);
  index[TT_ATOM_INPUTS] = (uint16_t)(TOKENS + ATOMS + b.degree[row]);
  index[TT_ATOM_INPUTS + 1] = b.token[row];
  return EACH;
}

// One warp a slice of 32 channels and a group of rows, in row order: sums[table row][lane]. Each lane looks
// up one of 32 rows; then all lanes add all 32, eight loads at a time on their way.
TT_KERNEL(32) gather(tt_batch b, int dim, const float *dx, float *partial) {
  TT_DYNAMIC_SHARED(float, sums);
  TT_SHARED uint16_t index[32][EACH];
  int lane = (int)threadIdx.x, c = (int)blockIdx.x * 32 + lane;
  for (int r = 0; r < ROWS; r++) sums[r * 32 + lane] = 0;
  tt_row_span span = tt_rows_of_group(b.tokens, (int)blockIdx.y, (int)gridDim.y);
  for (int64_t first = span.first; first < span.end; first += 32) {
    __syncwarp(); // the rows before have been read
    int own = first + lane < span.end ? look_up(b, first + lane, index[lane]) : 0;
    __syncwarp();
    for (int k = 0; k < 32; k += 8) {
      float d[8];
#pragma unroll
      for (int u = 0; u < 8; u++) {
        int64_t row = first + k + u;
        d[u] = row < span.end && c < dim ? dx[row * dim + c] : 0;
      }
#pragma unroll
      for (int u = 0; u < 8; u++) {
        int count = __shfl_sync(TT_ALL_LANES, own, k + u);
        for (int n = 0; n < count; n++) sums[index[k + u][n] * 32 + lane] += d[u];
      }
    }
  }
  if (c < dim)
    for (int r = 0; r < ROWS; r++) partial[((int64_t)blockIdx.y * ROWS + r) * dim + c] = sums[r * 32 + lane];
}

static void embed_tokens(const tt_batch *batch, int dim, const float *token, const float *atom,
                         const float *degree, const float *vnode, float *x) {
  TT_LAUNCH((embed), (batch->tokens + 7) / 8, 256, 0, *batch, dim, token, atom, degree, vnode, x);
}

static void embed_tokens_backward(const tt_batch *batch, int dim, const float *dx, float *dtoken,
                                  float *datom, float *ddegree, float *dvnode) {
  int groups = tt_table_groups(batch->tokens, TT_TOKEN_GROUPS);
  tt_table_parts to = {{dtoken, datom, ddegree, dvnode}, {0, TOKENS, TOKENS + ATOMS, ROWS - 1}, ROWS};
  float *partial = tt_table_partial(ROWS, dim, groups);
  TT_LAUNCH((gather), dim3((dim + 31) / 32, groups), 32, ROWS * 32 * sizeof(float), *batch, dim, dx, partial);
  tt_table_sum(to, dim, groups, partial);
}

template <class T> void tt_cuda_fill_embed_tokens(tt_cuda_table *table) {
  table->ops.embed_tokens = embed_tokens;
  table->ops.embed_tokens_backward = embed_tokens_backward;
}
TT_FILL(embed_tokens)
