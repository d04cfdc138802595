// Embedding tables, and the rows of real atom pairs.
#include "reference.h"

enum { ATOM_ROWS = 512, OTHER_ROWS = 128, PATH_ROWS = 512, EDGE_ROWS = 64 };

static bool is_virtual(const tt_batch *b, int64_t token) {
  return token == b->token_offset[b->token_molecule[token]];
}

static void embed_tokens(const tt_batch *b, int dim, const float *token, const float *atom,
                         const float *degree, const float *vnode, float *x) {
  for (int64_t t = 0; t < b->tokens; t++)
    for (int c = 0; c < dim; c++) {
      double sum = (double)token[b->token[t] * dim + c] + degree[b->degree[t] * dim + c];
      for (int k = 0; k < TT_ATOM_INPUTS; k++) sum += atom[b->atom_input[t * TT_ATOM_INPUTS + k] * dim + c];
      x[t * dim + c] = is_virtual(b, t) ? vnode[c] : (float)sum;
    }
}

static void add_column(const double *sums, int rows, int dim, int c, float *table) {
  for (int r = 0; r < rows; r++) table[r * dim + c] = (float)(table[r * dim + c] + sums[r]);
}

static void embed_tokens_backward(const tt_batch *b, int dim, const float *dx, float *dtoken, float *datom,
                                  float *ddegree, float *dvnode) {
  for (int c = 0; c < dim; c++) {
    double token[OTHER_ROWS] = {0}, atom[ATOM_ROWS] = {0}, degree[OTHER_ROWS] = {0}, vnode = 0;
    for (int64_t t = 0; t < b->tokens; t++) {
      double d = dx[t * dim + c];
      if (is_virtual(b, t)) {
        vnode += d;
        continue;
      }
      token[b->token[t]] += d, degree[b->degree[t]] += d;
      for (int k = 0; k < TT_ATOM_INPUTS; k++) atom[b->atom_input[t * TT_ATOM_INPUTS + k]] += d;
    }
    add_column(token, OTHER_ROWS, dim, c, dtoken), add_column(atom, ATOM_ROWS, dim, c, datom);
    add_column(degree, OTHER_ROWS, dim, c, ddegree), add_column(&vnode, 1, dim, c, dvnode);
  }
}

static void embed_pairs(const tt_batch *b, int dim, const float *path, const float *edge, const float *vnode,
                        float *pair) {
  for (int m = 0; m < b->molecules; m++)
    for (int64_t row = b->pair_offset[m]; row < b->pair_offset[m + 1]; row++) {
      int64_t at = row - b->pair_offset[m];
      const uint8_t *e = b->edge + row * 3;
      for (int c = 0; c < dim; c++) {
        double sum = ((double)edge[e[0] * dim + c] + edge[e[1] * dim + c] + edge[e[2] * dim + c]) / 3 +
                     path[b->path[row] * dim + c];
        pair[row * dim + c] = at < b->length[m] || at % b->length[m] == 0 ? vnode[c] : (float)sum;
      }
    }
}

static void embed_pairs_backward(const tt_batch *b, int dim, const float *dpair, float *dpath, float *dedge,
                                 float *dvnode) {
  for (int c = 0; c < dim; c++) {
    double path[PATH_ROWS] = {0}, edge[EDGE_ROWS] = {0}, vnode = 0;
    for (int m = 0; m < b->molecules; m++)
      for (int64_t row = b->pair_offset[m]; row < b->pair_offset[m + 1]; row++) {
        int64_t at = row - b->pair_offset[m];
        double d = dpair[row * dim + c];
        if (at < b->length[m] || at % b->length[m] == 0) {
          vnode += d;
          continue;
        }
        path[b->path[row]] += d;
        for (int k = 0; k < 3; k++) edge[b->edge[row * 3 + k]] += d / 3;
      }
    add_column(path, PATH_ROWS, dim, c, dpath), add_column(edge, EDGE_ROWS, dim, c, dedge);
    add_column(&vnode, 1, dim, c, dvnode);
  }
}

// Calls for every real pair: its row among real pairs, and among all.
#define FOR_ATOM_PAIRS(from, to)                                                                             \
  for (int m = 0; m < b->molecules; m++)                                                                     \
    for (int64_t i = 1, from = b->atom_pair_offset[m], to; i < b->length[m]; i++)                            \
      for (int64_t j = 1; to = b->pair_offset[m] + i * b->length[m] + j, j < b->length[m]; j++, from++)

static void atom_pairs_add(const tt_batch *b, int dim, const float *a, float *pair) {
  FOR_ATOM_PAIRS(from, to)
  for (int c = 0; c < dim; c++) pair[to * dim + c] += a[from * dim + c];
}

static void atom_pairs_get(const tt_batch *b, int dim, const float *pair, float *a) {
  FOR_ATOM_PAIRS(from, to)
  for (int c = 0; c < dim; c++) a[from * dim + c] = pair[to * dim + c];
}

void tt_reference_embedding(tt_ops *ops) {
  ops->embed_tokens = embed_tokens;
  ops->embed_tokens_backward = embed_tokens_backward;
  ops->embed_pairs = embed_pairs;
  ops->embed_pairs_backward = embed_pairs_backward;
  ops->atom_pairs_add = atom_pairs_add;
  ops->atom_pairs_get = atom_pairs_get;
}
