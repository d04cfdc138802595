// Attention probabilities, their values, and the movement head.
#include "group.h"

#include <math.h>
#include <string.h>

static const tt_dropout tenth = {.probability = 0.1, .seed = 5, .step = 9, .layer = 1, .site = 4};
static const tt_dropout none = {.probability = 0};

static float *scratch_new(int heads) {
  tt_sizes sizes = {batch.max_length, heads, 1, 1, 1, 1, batch.tokens, batch.pairs};
  return array_new((int64_t)ops->scratch(&sizes), NAN);
}

// Where a head's probability (i, j) of molecule m is.
static int64_t place(const tt_batch *b, int heads, int m, int h, int i, int j) {
  int64_t length = b->length[m];
  return b->pair_offset[m] * heads + (h * length + i) * length + j;
}

// shape: heads, head_dim, first; inputs qkv, bias; output prob
static void attention_formula(const check *c) {
  const tt_batch *b = c->batch;
  int heads = c->shape[0], d = c->shape[1], first = c->shape[2], stride = 3 * heads * d;
  for (int m = 0; m < b->molecules; m++)
    for (int h = 0; h < heads; h++)
      for (int i = 0; i < b->length[m]; i++) {
        double logit[64], sum = 0;
        int length = b->length[m];
        for (int j = 0; j < length; j++) {
          const double *q = c->in[0].v + (b->token_offset[m] + i) * stride + h * d;
          const double *k = c->in[0].v + (b->token_offset[m] + j) * stride + (heads + h) * d;
          double dot = 0;
          for (int e = 0; e < d; e++) dot += q[e] * k[e];
          logit[j] = dot / sqrt(d) + c->in[1].v[(b->pair_offset[m] + i * length + j) * heads + h];
          if (i >= first && j >= first) sum += exp(logit[j]);
        }
        for (int j = 0; j < length; j++)
          c->out[0].v[place(b, heads, m, h, i, j)] = i >= first && j >= first ? exp(logit[j]) / sum : 0;
      }
}

static void attention_case(int heads, int d, int first) {
  int64_t qkv_size = batch.tokens * 3 * heads * d, size = batch.pairs * heads;
  float *qkv = array_random(qkv_size, -2, 2), *bias = array_random(size, -2, 2), *prob = array_new(size, NAN);
  float *seed = array_random(size, -1, 1), *dprob = array_new(size, 0), *dqkv = array_new(qkv_size, 9);
  float *dbias = array_new(size, NAN), *scratch = scratch_new(heads);
  check c = {.name = "attention", .batch = &batch, .shape = {heads, d, first}, .formula = attention_formula};
  check_input(&c, qkv, qkv_size);
  check_input(&c, bias, size);
  check_output(&c, size);
  ops->attention(&batch, first, heads, d, qkv, bias, prob, scratch);
  check_forward(&c, 0, prob, 2e-6);
  memcpy(dprob, seed, (size_t)size * sizeof *dprob);
  ops->attention_backward(&batch, first, heads, d, qkv, prob, dprob, dqkv, dbias, scratch);
  for (int64_t e = 0; e < qkv_size;
       e++) // the third of v is somebody else's; the formula knows no gradient there
    if (e / (heads * d) % 3 == 2) {
      assert_true(dqkv[e] == 9);
      dqkv[e] = 0;
    }
  const float *seeds[] = {seed};
  check_gradient(&c, 0, seeds, dqkv, 0, 400, 5e-6);
  check_gradient(&c, 1, seeds, dbias, 0, 300, 5e-6);
  check_free(&c);
  arrays_free();
}

static void attention(void **state) {
  (void)state;
  attention_case(3, 7, 0);
  attention_case(3, 7, 1);
  attention_case(4, 16, 0);
  attention_case(1, 300, 0); // deeper than a panel of the small product
}

static void large_logits(void **state) {
  (void)state;
  int64_t qkv_size = batch.tokens * 6, size = batch.pairs;
  float *qkv = array_new(qkv_size, 0), *bias = array_random(size, -3000, 3000), *prob = array_new(size, NAN);
  ops->attention(&batch, 0, 1, 2, qkv, bias, prob, scratch_new(1));
  for (int m = 0; m < batch.molecules; m++)
    for (int i = 0; i < batch.length[m]; i++) {
      double sum = 0;
      for (int j = 0; j < batch.length[m]; j++) sum += prob[place(&batch, 1, m, 0, i, j)];
      assert_true(fabs(sum - 1) < 1e-6);
    }
}

// shape: heads, head_dim; inputs prob, qkv
static void values_formula(const check *c) {
  const tt_batch *b = c->batch;
  int heads = c->shape[0], d = c->shape[1];
  for (int m = 0; m < b->molecules; m++)
    for (int h = 0; h < heads; h++)
      for (int i = 0; i < b->length[m]; i++) {
        double *out = c->out[0].v + (b->token_offset[m] + i) * heads * d + h * d;
        for (int e = 0; e < d; e++) out[e] = 0;
        for (int j = 0; j < b->length[m]; j++) {
          double p = mask_factor(c->dropout, b->sample[m], (uint32_t)h, (uint32_t)i, j) *
                     c->in[0].v[place(b, heads, m, h, i, j)];
          const double *v = c->in[1].v + (b->token_offset[m] + j) * 3 * heads * d + (2 * heads + h) * d;
          for (int e = 0; e < d; e++) out[e] += p * v[e];
        }
      }
}

static void values_case(int heads, int d, const tt_dropout *dropout) {
  int64_t qkv_size = batch.tokens * 3 * heads * d, size = batch.pairs * heads,
          out_size = batch.tokens * heads * d;
  float *qkv = array_random(qkv_size, -1, 1), *prob = array_random(size, 0, 1),
        *out = array_new(out_size, NAN);
  float *seed = array_random(out_size, -1, 1), *dprob = array_new(size, NAN), *dqkv = array_new(qkv_size, 9);
  float *scratch = scratch_new(heads);
  check c = {.name = "attention_values",
             .batch = &batch,
             .dropout = dropout,
             .shape = {heads, d},
             .formula = values_formula};
  check_input(&c, prob, size);
  check_input(&c, qkv, qkv_size);
  check_output(&c, out_size);
  ops->attention_values(&batch, heads, d, prob, dropout, qkv, out, scratch);
  check_forward(&c, 0, out, 1e-6);
  ops->attention_values_backward(&batch, heads, d, prob, dropout, qkv, seed, dprob, dqkv, scratch);
  for (int64_t e = 0; e < qkv_size; e++)
    if (e / (heads * d) % 3 != 2) {
      assert_true(dqkv[e] == 9);
      dqkv[e] = 0;
    }
  const float *seeds[] = {seed};
  check_gradient(&c, 0, seeds, dprob, 0, 300, 5e-6);
  check_gradient(&c, 1, seeds, dqkv, 0, 300, 5e-6);
  check_free(&c);
  arrays_free();
}

static void values(void **state) {
  (void)state;
  values_case(3, 7, &tenth);
  values_case(3, 7, &none);
  values_case(4, 16, &tenth);
}

// shape: heads, head_dim; inputs prob, qkv, force
static void movement_formula(const check *c) {
  const tt_batch *b = c->batch;
  int heads = c->shape[0], d = c->shape[1];
  for (int64_t e = 0; e < b->tokens * 3; e++) c->out[0].v[e] = 0;
  for (int m = 0; m < b->molecules; m++)
    for (int h = 0; h < heads; h++)
      for (int i = 1; i < b->length[m]; i++)
        for (int j = 1; j < b->length[m]; j++) {
          int64_t ti = b->token_offset[m] + i, tj = b->token_offset[m] + j;
          double weight = 0, p = mask_factor(c->dropout, b->sample[m], (uint32_t)h, (uint32_t)i, j) *
                                 c->in[0].v[place(b, heads, m, h, i, j)];
          for (int e = 0; e < d; e++)
            weight += c->in[2].v[h * d + e] * c->in[1].v[tj * 3 * heads * d + (2 * heads + h) * d + e];
          for (int k = 0; k < 3; k++)
            c->out[0].v[3 * ti + k] +=
                p * weight * ((double)b->position[3 * tj + k] - b->position[3 * ti + k]);
        }
}

static void movement_case(int heads, int d, const tt_dropout *dropout) {
  int64_t qkv_size = batch.tokens * 3 * heads * d, size = batch.pairs * heads, out_size = batch.tokens * 3;
  float *qkv = array_random(qkv_size, -1, 1), *prob = array_random(size, 0, 1),
        *force = array_random(heads * d, -1, 1);
  float *move = array_new(out_size, NAN), *seed = array_random(out_size, -1, 1),
        *dprob = array_new(size, NAN);
  float *dqkv = array_new(qkv_size, 9), *dforce = array_new(heads * d, 0.5f), *scratch = scratch_new(heads);
  check c = {.name = "movement",
             .batch = &batch,
             .dropout = dropout,
             .shape = {heads, d},
             .formula = movement_formula};
  for (int m = 0; m < batch.molecules; m++) // as attention leaves them: nothing in virtual rows and columns
    for (int h = 0; h < heads; h++)
      for (int i = 0; i < batch.length[m]; i++)
        prob[place(&batch, heads, m, h, i, 0)] = prob[place(&batch, heads, m, h, 0, i)] = 0;
  check_input(&c, prob, size);
  check_input(&c, qkv, qkv_size);
  check_input(&c, force, heads * d);
  check_output(&c, out_size);
  ops->movement(&batch, heads, d, prob, dropout, qkv, force, move, scratch);
  check_forward(&c, 0, move, 2e-6);
  ops->movement_backward(&batch, heads, d, prob, dropout, qkv, force, seed, dprob, dqkv, dforce, scratch);
  for (int64_t e = 0; e < qkv_size; e++)
    if (e / (heads * d) % 3 != 2) {
      assert_true(dqkv[e] == 9);
      dqkv[e] = 0;
    }
  const float *seeds[] = {seed};
  check_gradient(&c, 0, seeds, dprob, 0, 400, 5e-6);
  check_gradient(&c, 1, seeds, dqkv, 0, 300, 5e-6);
  check_gradient(&c, 2, seeds, dforce, 0.5, 200, 5e-6);
  check_free(&c);
  arrays_free();
}

static void movement(void **state) {
  (void)state;
  movement_case(3, 7, &tenth);
  movement_case(3, 7, &none);
  movement_case(4, 16, &tenth);
}

int main(void) {
  const struct CMUnitTest tests[] = {GROUP_TEST(attention), GROUP_TEST(large_logits), GROUP_TEST(values),
                                     GROUP_TEST(movement)};
  return cmocka_run_group_tests_name("attention", tests, NULL, NULL);
}
