// Attention, one (molecule, head) at a time: everything of it stays in the cache.
#include "cpu.h"
#include "mask.h"
#include "product.h"
#include "vector.h"

#include <math.h>
#include <string.h>

static int padded(int length) {
  return (length + TT_LANES - 1) / TT_LANES * TT_LANES;
}

size_t TT_CPU(attention_scratch)(int length) {
  return (size_t)length * padded(length);
}

// The head's third `part` (0 q, 1 k, 2 v) of a molecule's rows of qkv, from row `first` on.
static tt_matrix part_of(const float *qkv, int64_t token, int heads, int head_dim, int head, int part) {
  int64_t stride = 3 * (int64_t)heads * head_dim;
  return (tt_matrix){qkv + token * stride + ((int64_t)part * heads + head) * head_dim, stride, 1};
}

static tt_matrix transposed(tt_matrix a) {
  return (tt_matrix){a.at, a.column, a.row};
}

// Softmax of each row of logits (count, stride) plus what stands in prob (count; rows `length` apart), which
// it replaces. The rows of logits are padded to whole lanes.
static void softmax(int count, int stride, float *logits, int length, float *prob) {
  for (int i = 0; i < count; i++, logits += stride, prob += length) {
    for (int j = 0; j < count; j++) logits[j] += prob[j];
    for (int j = count; j < stride; j++) logits[j] = -INFINITY;
    tt_lanes top = TT_LOAD(logits), sum = {0};
    for (int j = TT_LANES; j < stride; j += TT_LANES) {
      tt_lanes other = TT_LOAD(logits + j);
      top = tt_lanes_larger(other, top);
    }
    float largest = tt_lane_largest(top);
    for (int j = 0; j < stride; j++) logits[j] = tt_expf(logits[j] - largest);
    for (int j = 0; j < stride; j += TT_LANES) sum += TT_LOAD(logits + j);
    float scale = 1.0f / tt_lane_sum(sum);
    for (int j = 0; j < count; j++) prob[j] = logits[j] * scale;
  }
}

void TT_CPU(attention)(const tt_batch *batch, int first, int heads, int head_dim, const float *qkv,
                       const float *bias, float *prob, float *scratch) {
  float alpha = 1.0f / sqrtf((float)head_dim);
  for (int m = 0; m < batch->molecules; m++) {
    int length = batch->length[m], count = length - first, stride = padded(count);
    int64_t token = batch->token_offset[m] + first, pairs = (int64_t)length * length;
    float *at = prob + batch->pair_offset[m] * heads;
    TT_CPU(transpose)
    ((int)pairs, heads, bias + batch->pair_offset[m] * heads, heads, false, at,
     pairs); // each head's bias together
    for (int h = 0; h < heads; h++, at += pairs) {
      TT_CPU(product)
      (count, count, head_dim, alpha, part_of(qkv, token, heads, head_dim, h, 0),
       transposed(part_of(qkv, token, heads, head_dim, h, 1)), scratch, stride, false);
      for (int i = 0; i < length; i++) // positions that take no part
        memset(at + (int64_t)i * length, 0, (size_t)(i < first ? length : first) * sizeof *at);
      softmax(count, stride, scratch, length, at + (int64_t)first * length + first);
    }
  }
}

// Each row of d (count; rows `length` apart) becomes p (d - sum p d): the gradient of its logits.
static void softmax_backward(int count, int length, const float *p, float *d) {
  for (int i = 0; i < count; i++, p += length, d += length) {
    tt_lanes products = {0};
    int j = 0;
    for (; j + TT_LANES <= count; j += TT_LANES) products += TT_LOAD(p + j) * TT_LOAD(d + j);
    for (int l = 0; j + l < count; l++) products[l] += p[j + l] * d[j + l];
    float sum = tt_lane_sum(products);
    TT_INDEPENDENT
    for (j = 0; j < count; j++) d[j] = p[j] * (d[j] - sum);
  }
}

void TT_CPU(attention_backward)(const tt_batch *batch, int first, int heads, int head_dim, const float *qkv,
                                const float *prob, float *dprob, float *dqkv, float *dbias, float *scratch) {
  (void)scratch;
  int64_t row = 3 * (int64_t)heads * head_dim;
  float alpha = 1.0f / sqrtf((float)head_dim);
  for (int m = 0; m < batch->molecules; m++) {
    int length = batch->length[m];
    int64_t token = batch->token_offset[m], pairs = (int64_t)length * length;
    float *d = dprob + batch->pair_offset[m] * heads;
    const float *p = prob + batch->pair_offset[m] * heads;
    for (int h = 0; h < heads; h++, d += pairs, p += pairs) {
      for (int i = 0; i < length; i++)
        memset(d + (int64_t)i * length, 0, (size_t)(i < first ? length : first) * sizeof *d);
      int64_t corner = (int64_t)first * length + first;
      softmax_backward(length - first, length, p + corner, d + corner);
      tt_matrix logits = {d, length, 1};
      float *dq = dqkv + token * row + (int64_t)h * head_dim, *dk = dq + (int64_t)heads * head_dim;
      TT_CPU(product)
      (length, head_dim, length, alpha, logits, part_of(qkv, token, heads, head_dim, h, 1), dq, row, false);
      TT_CPU(product)
      (length, head_dim, length, alpha, transposed(logits), part_of(qkv, token, heads, head_dim, h, 0), dk,
       row, false);
    }
    TT_CPU(transpose)
    (heads, (int)pairs, dprob + batch->pair_offset[m] * heads, pairs, false,
     dbias + batch->pair_offset[m] * heads, heads);
  }
}

void TT_CPU(attention_values)(const tt_batch *batch, int heads, int head_dim, const float *prob,
                              const tt_dropout *d, const float *qkv, float *out, float *scratch) {
  int64_t row = (int64_t)heads * head_dim;
  for (int m = 0; m < batch->molecules; m++) {
    int length = batch->length[m];
    int64_t token = batch->token_offset[m], pairs = (int64_t)length * length;
    const float *p = prob + batch->pair_offset[m] * heads;
    tt_mask_stream stream = TT_CPU(mask_stream_of)(d, batch->sample[m]);
    for (int h = 0; h < heads; h++, p += pairs) {
      tt_matrix kept = {p, length, 1};
      if (stream.threshold > 0) {
        TT_CPU(mask_head)(&stream, h, length, scratch);
        TT_CPU(mask_multiply)(pairs, p, scratch, scratch);
        kept.at = scratch;
      }
      TT_CPU(product)
      (length, head_dim, length, 1.0f, kept, part_of(qkv, token, heads, head_dim, h, 2),
       out + token * row + (int64_t)h * head_dim, row, false);
    }
  }
}

void TT_CPU(attention_values_backward)(const tt_batch *batch, int heads, int head_dim, const float *prob,
                                       const tt_dropout *d, const float *qkv, const float *dout, float *dprob,
                                       float *dqkv, float *scratch) {
  int64_t row = (int64_t)heads * head_dim;
  for (int m = 0; m < batch->molecules; m++) {
    int length = batch->length[m];
    int64_t token = batch->token_offset[m], pairs = (int64_t)length * length;
    const float *p = prob + batch->pair_offset[m] * heads;
    float *dp = dprob + batch->pair_offset[m] * heads;
    tt_mask_stream stream = TT_CPU(mask_stream_of)(d, batch->sample[m]);
    for (int h = 0; h < heads; h++, p += pairs, dp += pairs) {
      tt_matrix gradient = {dout + token * row + (int64_t)h * head_dim, row, 1}, kept = {p, length, 1};
      TT_CPU(product)
      (length, length, head_dim, 1.0f, gradient, transposed(part_of(qkv, token, heads, head_dim, h, 2)), dp,
       length, false);
      if (stream.threshold > 0) {
        TT_CPU(mask_head)(&stream, h, length, scratch);
        TT_CPU(mask_multiply)(pairs, dp, scratch, dp);
        TT_CPU(mask_multiply)(pairs, p, scratch, scratch);
        kept.at = scratch;
      }
      float *dv = dqkv + token * 3 * row + 2 * row + (int64_t)h * head_dim;
      TT_CPU(product)(length, head_dim, length, 1.0f, transposed(kept), gradient, dv, 3 * row, false);
    }
  }
}
