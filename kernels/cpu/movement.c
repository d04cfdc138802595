// The movement head: s_ij = sum_h dropout(prob)_hij w_hj with w_hj = force_h . v_hj; move_i = sum_j s_ij
// (pos_j - pos_i).
#include "cpu.h"
#include "mask.h"
#include "vector.h"

#include <string.h>

// s (L, L), a mask (L, L), w and dw (heads, L)
size_t TT_CPU(movement_scratch)(int length, int heads) {
  return 2 * (size_t)length * length + 2 * (size_t)heads * length;
}

static float dot(int count, const float *a, const float *b) {
  tt_lanes sum = {0};
  int c = 0;
  for (; c + TT_LANES <= count; c += TT_LANES) sum += TT_LOAD(a + c) * TT_LOAD(b + c);
  for (int l = 0; c + l < count; l++) sum[l] += a[c + l] * b[c + l];
  return tt_lane_sum(sum);
}

static void multiply_add(int count, const float *a, const float *b, float *to) {
  for (int c = 0; c < count; c++) to[c] += a[c] * b[c];
}

static void scale_add(int count, float scale, const float *a, float *to) {
  for (int c = 0; c < count; c++) to[c] += scale * a[c];
}

// w (heads, L): each head's force on each value; v points at the molecule's first value.
static void forces(int length, int heads, int head_dim, const float *v, const float *force, float *w) {
  int64_t row = 3 * (int64_t)heads * head_dim;
  for (int h = 0; h < heads; h++)
    for (int j = 0; j < length; j++)
      w[(int64_t)h * length + j] =
          dot(head_dim, force + (int64_t)h * head_dim, v + j * row + (int64_t)h * head_dim);
}

// The head's probabilities after dropout: `prob` itself, or in `mask` (which holds the factors before).
static const float *kept_of(const tt_mask_stream *stream, int64_t pairs, const float *prob, float *mask) {
  if (stream->threshold == 0) return prob;
  TT_CPU(mask_multiply)(pairs, prob, mask, mask);
  return mask;
}

void TT_CPU(movement)(const tt_batch *batch, int heads, int head_dim, const float *prob, const tt_dropout *d,
                      const float *qkv, const float *force, float *move, float *scratch) {
  int64_t dim = (int64_t)heads * head_dim;
  for (int m = 0; m < batch->molecules; m++) {
    int length = batch->length[m];
    int64_t token = batch->token_offset[m], pairs = (int64_t)length * length;
    float *s = scratch, *mask = s + pairs, *w = mask + pairs;
    const float *p = prob + batch->pair_offset[m] * heads;
    tt_mask_stream stream = TT_CPU(mask_stream_of)(d, batch->sample[m]);
    forces(length, heads, head_dim, qkv + token * 3 * dim + 2 * dim, force, w);
    memset(s, 0, (size_t)pairs * sizeof *s);
    for (int h = 0; h < heads; h++, p += pairs) {
      if (stream.threshold > 0) TT_CPU(mask_head)(&stream, h, length, mask);
      const float *kept = kept_of(&stream, pairs, p, mask);
      for (int i = 1; i < length; i++)
        multiply_add(length, kept + (int64_t)i * length, w + (int64_t)h * length, s + (int64_t)i * length);
    }
    const float *at = batch->position + 3 * token;
    memset(move + 3 * token, 0, 3 * sizeof *move);
    for (int i = 1; i < length; i++) {
      float sum[3] = {0};
      for (int j = 1; j < length; j++)
        for (int c = 0; c < 3; c++) sum[c] += s[(int64_t)i * length + j] * (at[3 * j + c] - at[3 * i + c]);
      for (int c = 0; c < 3; c++) move[3 * (token + i) + c] = sum[c];
    }
  }
}

void TT_CPU(movement_backward)(const tt_batch *batch, int heads, int head_dim, const float *prob,
                               const tt_dropout *d, const float *qkv, const float *force, const float *dmove,
                               float *dprob, float *dqkv, float *dforce, float *scratch) {
  int64_t dim = (int64_t)heads * head_dim;
  for (int m = 0; m < batch->molecules; m++) {
    int length = batch->length[m];
    int64_t token = batch->token_offset[m], pairs = (int64_t)length * length;
    float *ds = scratch, *mask = ds + pairs, *w = mask + pairs, *dw = w + (int64_t)heads * length;
    const float *p = prob + batch->pair_offset[m] * heads, *v = qkv + token * 3 * dim + 2 * dim;
    float *dp = dprob + batch->pair_offset[m] * heads, *dv = dqkv + token * 3 * dim + 2 * dim;
    tt_mask_stream stream = TT_CPU(mask_stream_of)(d, batch->sample[m]);
    forces(length, heads, head_dim, v, force, w);
    memset(dw, 0, (size_t)heads * length * sizeof *dw);
    memset(ds, 0, (size_t)pairs * sizeof *ds); // row and column 0 stay 0
    const float *at = batch->position + 3 * token, *g = dmove + 3 * token;
    for (int i = 1; i < length; i++)
      for (int j = 1; j < length; j++)
        for (int c = 0; c < 3; c++)
          ds[(int64_t)i * length + j] += g[3 * i + c] * (at[3 * j + c] - at[3 * i + c]);
    for (int h = 0; h < heads; h++, p += pairs, dp += pairs) {
      const float *wh = w + (int64_t)h * length;
      float *dwh = dw + (int64_t)h * length;
      for (int i = 0; i < length; i++)
        TT_CPU(mask_multiply)(length, ds + (int64_t)i * length, wh, dp + (int64_t)i * length);
      if (stream.threshold > 0) {
        TT_CPU(mask_head)(&stream, h, length, mask);
        TT_CPU(mask_multiply)(pairs, dp, mask, dp);
      }
      const float *kept = kept_of(&stream, pairs, p, mask);
      for (int i = 1; i < length; i++)
        multiply_add(length, ds + (int64_t)i * length, kept + (int64_t)i * length, dwh);
      for (int j = 0; j < length; j++) {
        int64_t value = j * 3 * dim + (int64_t)h * head_dim;
        memset(dv + value, 0, (size_t)head_dim * sizeof *dv);
        scale_add(head_dim, dwh[j], force + (int64_t)h * head_dim, dv + value);
        scale_add(head_dim, dwh[j], v + value, dforce + (int64_t)h * head_dim);
      }
    }
  }
}
