// Attention: probabilities, and what they weigh.
#include "reference.h"

#include <math.h>

typedef struct {
  const tt_batch *batch;
  int heads, head_dim;
} shape;

// Element e of third `part` (0 q, 1 k, 2 v) of a head, position i of molecule m.
static int64_t place(const shape *s, int part, int m, int i, int head, int e) {
  int dim = s->heads * s->head_dim;
  return (s->batch->token_offset[m] + i) * 3 * dim + (int64_t)part * dim + (int64_t)head * s->head_dim + e;
}

static int64_t pair(const shape *s, int m, int i, int j) {
  return s->batch->pair_offset[m] + (int64_t)i * s->batch->length[m] + j;
}

static void attention(const tt_batch *batch, int first, int heads, int head_dim, const float *qkv,
                      const float *bias, float *prob, float *scratch) {
  const shape s = {batch, heads, head_dim};
  for (int m = 0; m < batch->molecules; m++)
    for (int h = 0; h < heads; h++)
      for (int i = 0; i < batch->length[m]; i++) {
        tt_reference_room room = tt_reference_scratch(scratch);
        double *logit = tt_reference_take(&room, batch->length[m]), largest = -INFINITY, sum = 0;
        float *row = prob + tt_reference_prob(batch, m, heads, h, i);
        for (int j = first; j < batch->length[m]; j++) {
          double dot = 0;
          for (int e = 0; e < head_dim; e++)
            dot += (double)qkv[place(&s, 0, m, i, h, e)] * qkv[place(&s, 1, m, j, h, e)];
          logit[j] = dot / sqrt(head_dim) + bias[pair(&s, m, i, j) * heads + h];
          largest = fmax(largest, logit[j]);
        }
        for (int j = first; j < batch->length[m]; j++) sum += exp(logit[j] - largest);
        for (int j = 0; j < batch->length[m]; j++)
          row[j] = i < first || j < first ? 0 : (float)(exp(logit[j] - largest) / sum);
      }
}

// dlogit_ij = p_ij (dp_ij - sum_k p_ik dp_ik)
static void attention_backward(const tt_batch *batch, int first, int heads, int head_dim, const float *qkv,
                               const float *prob, float *dprob, float *dqkv, float *dbias, float *scratch) {
  const shape s = {batch, heads, head_dim};
  (void)first; // prob is 0 where a position takes no part
  for (int m = 0; m < batch->molecules; m++)
    for (int h = 0; h < heads; h++) {
      int length = batch->length[m];
      tt_reference_room room = tt_reference_scratch(scratch);
      double *d = tt_reference_take(&room, (int64_t)length * length);
      for (int i = 0; i < length; i++) {
        int64_t row = tt_reference_prob(batch, m, heads, h, i);
        double sum = 0;
        for (int j = 0; j < length; j++) sum += (double)prob[row + j] * dprob[row + j];
        for (int j = 0; j < length; j++) {
          d[i * length + j] = prob[row + j] * (dprob[row + j] - sum);
          dbias[pair(&s, m, i, j) * heads + h] = (float)d[i * length + j];
        }
      }
      for (int i = 0; i < length; i++)
        for (int e = 0; e < head_dim; e++) {
          double dq = 0, dk = 0;
          for (int j = 0; j < length; j++) {
            dq += d[i * length + j] * qkv[place(&s, 1, m, j, h, e)];
            dk += d[j * length + i] * qkv[place(&s, 0, m, j, h, e)];
          }
          dqkv[place(&s, 0, m, i, h, e)] = (float)(dq / sqrt(head_dim));
          dqkv[place(&s, 1, m, i, h, e)] = (float)(dk / sqrt(head_dim));
        }
    }
}

static void attention_values(const tt_batch *batch, int heads, int head_dim, const float *prob,
                             const tt_dropout *d, const float *qkv, float *out, float *scratch) {
  const shape s = {batch, heads, head_dim};
  for (int m = 0; m < batch->molecules; m++)
    for (int h = 0; h < heads; h++)
      for (int i = 0; i < batch->length[m]; i++) {
        int64_t row = tt_reference_prob(batch, m, heads, h, i);
        tt_reference_room room = tt_reference_scratch(scratch);
        double *kept = tt_reference_take(&room, batch->length[m]);
        for (int j = 0; j < batch->length[m]; j++)
          kept[j] = tt_reference_keep_head(d, batch->sample[m], h, i, j) * prob[row + j];
        for (int e = 0; e < head_dim; e++) {
          double sum = 0;
          for (int j = 0; j < batch->length[m]; j++) sum += kept[j] * qkv[place(&s, 2, m, j, h, e)];
          out[((batch->token_offset[m] + i) * heads + h) * head_dim + e] = (float)sum;
        }
      }
}

static void attention_values_backward(const tt_batch *batch, int heads, int head_dim, const float *prob,
                                      const tt_dropout *d, const float *qkv, const float *dout, float *dprob,
                                      float *dqkv, float *scratch) {
  const shape s = {batch, heads, head_dim};
  for (int m = 0; m < batch->molecules; m++)
    for (int h = 0; h < heads; h++) {
      int length = batch->length[m];
      tt_reference_room room = tt_reference_scratch(scratch);
      double *keep = tt_reference_take(&room, (int64_t)length * length);
      const float *dhead = dout + (batch->token_offset[m] * heads + h) * head_dim;
      int64_t next = (int64_t)heads * head_dim; // a token further
      for (int i = 0; i < length; i++)
        for (int j = 0; j < length; j++) {
          double sum = 0;
          keep[i * length + j] = tt_reference_keep_head(d, batch->sample[m], h, i, j);
          for (int e = 0; e < head_dim; e++)
            sum += (double)dhead[i * next + e] * qkv[place(&s, 2, m, j, h, e)];
          dprob[tt_reference_prob(batch, m, heads, h, i) + j] = (float)(keep[i * length + j] * sum);
        }
      for (int j = 0; j < length; j++)
        for (int e = 0; e < head_dim; e++) {
          double sum = 0;
          for (int i = 0; i < length; i++)
            sum += keep[i * length + j] * prob[tt_reference_prob(batch, m, heads, h, i) + j] *
                   dhead[i * next + e];
          dqkv[place(&s, 2, m, j, h, e)] = (float)sum;
        }
    }
}

void tt_reference_attention(tt_ops *ops) {
  ops->attention = attention;
  ops->attention_backward = attention_backward;
  ops->attention_values = attention_values;
  ops->attention_values_backward = attention_values_backward;
}
