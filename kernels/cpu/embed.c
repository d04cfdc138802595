// Sums of table rows, and their transpose: serial in row order, because rows of a table collide.
#include "cpu.h"
#include "vector.h"

#include <string.h>

static void add_row(int dim, const float *from, float *to) {
  for (int c = 0; c < dim; c++) to[c] += from[c];
}

void TT_CPU(embed_tokens)(const tt_batch *batch, int dim, const float *token, const float *atom,
                          const float *degree, const float *vnode, float *x) {
  size_t bytes = (size_t)dim * sizeof *x;
  for (int m = 0; m < batch->molecules; m++) {
    int64_t row = batch->token_offset[m];
    memcpy(x + row * dim, vnode, bytes);
    for (row++; row < batch->token_offset[m + 1]; row++) {
      float *to = x + row * dim;
      const uint16_t *input = batch->atom_input + row * TT_ATOM_INPUTS;
      memcpy(to, atom + (int64_t)input[0] * dim, bytes);
      for (int k = 1; k < TT_ATOM_INPUTS; k++) add_row(dim, atom + (int64_t)input[k] * dim, to);
      add_row(dim, degree + (int64_t)batch->degree[row] * dim, to);
      add_row(dim, token + (int64_t)batch->token[row] * dim, to);
    }
  }
}

void TT_CPU(embed_tokens_backward)(const tt_batch *batch, int dim, const float *dx, float *dtoken,
                                   float *datom, float *ddegree, float *dvnode) {
  for (int m = 0; m < batch->molecules; m++) {
    int64_t row = batch->token_offset[m];
    add_row(dim, dx + row * dim, dvnode);
    for (row++; row < batch->token_offset[m + 1]; row++) {
      const float *from = dx + row * dim;
      const uint16_t *input = batch->atom_input + row * TT_ATOM_INPUTS;
      for (int k = 0; k < TT_ATOM_INPUTS; k++) add_row(dim, from, datom + (int64_t)input[k] * dim);
      add_row(dim, from, ddegree + (int64_t)batch->degree[row] * dim);
      add_row(dim, from, dtoken + (int64_t)batch->token[row] * dim);
    }
  }
}

static void pair_row(int dim, const float *path, const float *e0, const float *e1, const float *e2,
                     float *out) {
  for (int c = 0; c < dim; c++) out[c] = path[c] + (e0[c] + e1[c] + e2[c]) * (1.0f / 3.0f);
}

static void add_third(int dim, const float *from, float *to) {
  for (int c = 0; c < dim; c++) to[c] += from[c] * (1.0f / 3.0f);
}

void TT_CPU(embed_pairs)(const tt_batch *batch, int dim, const float *path, const float *edge,
                         const float *vnode, float *pair) {
  for (int m = 0; m < batch->molecules; m++) {
    int length = batch->length[m];
    int64_t row = batch->pair_offset[m];
    for (int i = 0; i < length; i++)
      for (int j = 0; j < length; j++, row++) {
        const uint8_t *e = batch->edge + row * 3;
        if (i == 0 || j == 0)
          memcpy(pair + row * dim, vnode, (size_t)dim * sizeof *pair);
        else
          pair_row(dim, path + (int64_t)batch->path[row] * dim, edge + e[0] * dim, edge + e[1] * dim,
                   edge + e[2] * dim, pair + row * dim);
      }
  }
}

void TT_CPU(embed_pairs_backward)(const tt_batch *batch, int dim, const float *dpair, float *dpath,
                                  float *dedge, float *dvnode) {
  for (int m = 0; m < batch->molecules; m++) {
    int length = batch->length[m];
    int64_t row = batch->pair_offset[m];
    for (int i = 0; i < length; i++)
      for (int j = 0; j < length; j++, row++) {
        const float *from = dpair + row * dim;
        const uint8_t *e = batch->edge + row * 3;
        if (i == 0 || j == 0) {
          add_row(dim, from, dvnode);
          continue;
        }
        add_row(dim, from, dpath + (int64_t)batch->path[row] * dim);
        if (e[0] == e[1] && e[1] == e[2]) // most pairs have no bond: all three the same
          add_row(dim, from, dedge + e[0] * dim);
        else
          for (int k = 0; k < 3; k++) add_third(dim, from, dedge + e[k] * dim);
      }
  }
}
