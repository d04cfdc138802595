// The movement head.
#include "reference.h"

typedef struct {
  const tt_batch *batch;
  int heads, head_dim;
  const float *prob, *qkv, *force;
  const tt_dropout *dropout;
} inputs;

// Where v of a head, position j of molecule m starts.
static int64_t value(const inputs *a, int m, int j, int h) {
  return (a->batch->token_offset[m] + j) * 3 * a->heads * a->head_dim +
         (int64_t)(2 * a->heads + h) * a->head_dim;
}

static double keep(const inputs *a, int m, int h, int i, int j) {
  return tt_reference_keep_head(a->dropout, a->batch->sample[m], h, i, j);
}

static double prob(const inputs *a, int m, int h, int i, int j) {
  return a->prob[tt_reference_prob(a->batch, m, a->heads, h, i) + j];
}

// force_h . v_hj
static double pull(const inputs *a, int m, int h, int j) {
  double sum = 0;
  for (int e = 0; e < a->head_dim; e++)
    sum += (double)a->force[h * a->head_dim + e] * a->qkv[value(a, m, j, h) + e];
  return sum;
}

// component k of pos_j - pos_i
static double delta(const tt_batch *b, int m, int i, int j, int k) {
  const float *at = b->position + 3 * b->token_offset[m];
  return (double)at[3 * j + k] - at[3 * i + k];
}

static void movement(const tt_batch *batch, int heads, int head_dim, const float *probability,
                     const tt_dropout *d, const float *qkv, const float *force, float *move, float *scratch) {
  const inputs a = {batch, heads, head_dim, probability, qkv, force, d};
  (void)scratch;
  for (int m = 0; m < batch->molecules; m++)
    for (int i = 0; i < batch->length[m]; i++) {
      double sum[3] = {0};
      for (int j = 1; i > 0 && j < batch->length[m]; j++)
        for (int h = 0; h < heads; h++) {
          double weight = keep(&a, m, h, i, j) * prob(&a, m, h, i, j) * pull(&a, m, h, j);
          for (int k = 0; k < 3; k++) sum[k] += weight * delta(batch, m, i, j, k);
        }
      for (int k = 0; k < 3; k++) move[3 * (batch->token_offset[m] + i) + k] = (float)sum[k];
    }
}

// Everything goes through dweight_hij = (pos_j - pos_i) . dmove_i, the gradient of dropout(p) (force . v).
static void movement_backward(const tt_batch *batch, int heads, int head_dim, const float *probability,
                              const tt_dropout *d, const float *qkv, const float *force, const float *dmove,
                              float *dprob, float *dqkv, float *dforce, float *scratch) {
  const inputs a = {batch, heads, head_dim, probability, qkv, force, d};
  tt_reference_room room = tt_reference_scratch(scratch);
  double *sums = tt_reference_zeros(&room, (int64_t)heads * head_dim);
  for (int m = 0; m < batch->molecules; m++)
    for (int h = 0; h < heads; h++)
      for (int j = 0; j < batch->length[m]; j++) {
        double dpull = 0;
        for (int i = 0; i < batch->length[m]; i++) {
          double dweight = 0;
          for (int k = 0; i > 0 && j > 0 && k < 3; k++)
            dweight += delta(batch, m, i, j, k) * dmove[3 * (batch->token_offset[m] + i) + k];
          dweight *= keep(&a, m, h, i, j);
          dprob[tt_reference_prob(batch, m, heads, h, i) + j] = (float)(dweight * pull(&a, m, h, j));
          dpull += dweight * prob(&a, m, h, i, j);
        }
        for (int e = 0; e < head_dim; e++) {
          dqkv[value(&a, m, j, h) + e] = (float)(dpull * force[h * head_dim + e]);
          sums[h * head_dim + e] += dpull * qkv[value(&a, m, j, h) + e];
        }
      }
  tt_reference_add(sums, (int64_t)heads * head_dim, dforce);
}

void tt_reference_movement(tt_ops *ops) {
  ops->movement = movement;
  ops->movement_backward = movement_backward;
}
