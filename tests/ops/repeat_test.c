// Every operation gives the same bits wherever its arrays lie, and when it is called again.
#include "group.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEADS = 3, HEAD = 7, D = HEADS * HEAD, P = 75, C = 9, ADDRESSES = 6, RESULTS = 64 };

// Results of one run, in the order they were made.
typedef struct {
  int count;
  struct {
    const char *name;
    float *array;
    int64_t size;
  } list[RESULTS];
} results;

static float *out(results *r, const char *name, int64_t size) {
  assert_true(r->count < RESULTS);
  r->list[r->count].name = name, r->list[r->count].size = size;
  return r->list[r->count++].array = array_new(size, 0.5f);
}

static float *in(int64_t size) {
  return array_random(size, -1, 1);
}

static void run_dense(results *r) {
  int64_t T = batch.tokens, n = T * D;
  float *x = in(n), *w = in(3 * D * D), *b = in(3 * D), *dy = in(3 * n), *mean = in(T), *rstd = in(T);
  ops->linear(x, T, D, 3 * D, w, b, out(r, "linear", 3 * n));
  ops->linear_backward(dy, x, T, D, 3 * D, w, out(r, "linear dx", n), true, out(r, "linear dw", 3 * D * D),
                       out(r, "linear db", 3 * D));
  ops->layer_norm(x, T, D, w, b, out(r, "layer_norm", n), mean, rstd);
  ops->layer_norm_apply(x, T, D, w, b, mean, rstd, out(r, "layer_norm_apply", n));
  ops->layer_norm_backward(dy, x, T, D, w, mean, rstd, out(r, "layer_norm dx", n), out(r, "dgamma", D),
                           out(r, "dbeta", D));
  ops->gelu(x, n, out(r, "gelu", n));
  ops->gelu_backward(x, n, out(r, "gelu_backward", n));
  ops->add(x, n, out(r, "add", n));
  *out(r, "sum_squares", 1) = (float)ops->sum_squares(x, n);
  uint8_t decayed[1024] = {1, 0, 1};
  ops->adam(1000 < n ? 1000 : n, out(r, "adam w", n), x, out(r, "adam m", n), out(r, "adam v", n), decayed,
            0.5f, 0.1f, 0.1f, 0.9f, 0.99f, 1e-6f);
}

static void run_tracks(results *r) {
  int64_t T = batch.tokens, R = batch.pairs, A = batch.atom_pairs;
  tt_dropout d = {.probability = 0.2, .seed = 4};
  float *pair = in(R * P), *gate = in(R * P), *u = in(R * P);
  ops->dropout(&batch, TT_ROWS_PAIRS, &d, P, pair, out(r, "dropout", R * P), true);
  ops->gate_add(&batch, &d, P, gate, u, out(r, "gate_add", R * P));
  ops->gate_backward(&batch, &d, P, pair, gate, u, out(r, "dgate", R * P), out(r, "du", R * P));
  float *t0 = in(512 * P), *t1 = in(512 * P), *t2 = in(512 * P), *t3 = in(P), *dx = in(R * P);
  ops->embed_tokens(&batch, P, t0, t1, t2, t3, out(r, "embed_tokens", T * P));
  ops->embed_tokens_backward(&batch, P, dx, out(r, "dtoken", 128 * P), out(r, "datom", 512 * P),
                             out(r, "ddegree", 128 * P), out(r, "dvnode", P));
  ops->embed_pairs(&batch, P, t0, t1, t3, out(r, "embed_pairs", R * P));
  ops->embed_pairs_backward(&batch, P, dx, out(r, "dpath", 512 * P), out(r, "dedge", 64 * P),
                            out(r, "dvnode", P));
  float *g = out(r, "gaussian", A * 128);
  ops->gaussian(&batch, t0, t1, t2, 0.5f, g);
  ops->gaussian_backward(&batch, t0, t1, t2, 0.5f, g, out(r, "dmul", 512), out(r, "dbias", 512));
  ops->atom_pairs_add(&batch, P, dx, out(r, "atom_pairs_add", R * P));

  float *scratch = array_new((int64_t)ops->scratch(batch.max_length, HEADS, C, P), NAN);
  float *ab = in(T * 2 * C), *w = in(P * C * C);
  ops->outer_product(&batch, C, P, ab, w, t3, out(r, "outer_product", R * P), scratch);
  ops->outer_product_backward(&batch, C, P, pair, ab, w, out(r, "dab", T * 2 * C), out(r, "dw", P * C * C),
                              out(r, "dbias", P), scratch);
  float *p = in(R * 2 * C), *q = in(R * 2 * C);
  ops->triangle(&batch, C, p, q, out(r, "triangle", R * C), scratch);
  ops->triangle_backward(&batch, C, p, q, pair, out(r, "dp", R * 2 * C), out(r, "dg", R * 2 * C), scratch);
}

static void run_attention(results *r) {
  int64_t T = batch.tokens, R = batch.pairs;
  tt_dropout d = {.probability = 0.2, .seed = 4};
  float *scratch = array_new((int64_t)ops->scratch(batch.max_length, HEADS, C, P), NAN);
  float *qkv = in(T * 3 * D), *bias = in(R * HEADS), *force = in(D), *dout = in(T * D),
        *logits = in(batch.masked * 128);
  float *prob = out(r, "attention", R * HEADS), *dqkv = out(r, "dqkv", T * 3 * D);
  float *dprob = out(r, "dprob", R * HEADS);
  ops->attention(&batch, 1, HEADS, HEAD, qkv, bias, prob, scratch);
  ops->attention_values(&batch, HEADS, HEAD, prob, &d, qkv, out(r, "attention_values", T * D), scratch);
  ops->attention_values_backward(&batch, HEADS, HEAD, prob, &d, qkv, dout, dprob, dqkv, scratch);
  ops->attention_backward(&batch, 1, HEADS, HEAD, qkv, prob, dprob, dqkv, out(r, "dbias", R * HEADS),
                          scratch);
  ops->movement(&batch, HEADS, HEAD, prob, &d, qkv, force, out(r, "movement", T * 3), scratch);
  ops->movement_backward(&batch, HEADS, HEAD, prob, &d, qkv, force, dout, out(r, "movement dprob", R * HEADS),
                         out(r, "movement dqkv", T * 3 * D), out(r, "dforce", D), scratch);
  double loss[64], position[8], distance[8];
  ops->cross_entropy(&batch, logits, 1, loss, out(r, "dlogits", batch.masked * 128));
  ops->position_losses(&batch, dout, 1, 1, position, distance, out(r, "dmove", T * 3));
  float *sums = out(r, "losses", 16);
  for (int m = 0; m < batch.molecules; m++) sums[m] = (float)position[m], sums[8 + m] = (float)distance[m];
}

static void compare(void (*run)(results *r)) {
  results first = {0};
  for (int address = 0; address < ADDRESSES; address++) {
    const int shifts[ADDRESSES] = {0, 0, 1, 4, 7, 13};
    results r = {0};
    array_shift = shifts[address];
    array_restart(99);
    run(&r);
    array_shift = 0;
    for (int k = 0; address > 0 && k < r.count; k++)
      if (memcmp(r.list[k].array, first.list[k].array, (size_t)r.list[k].size * sizeof(float)) != 0)
        fail_msg("%s has other bits %d floats off alignment", r.list[k].name, shifts[address]);
    if (address == 0) first = r;
  }
  arrays_free();
}

static void dense(void **state) {
  (void)state;
  compare(run_dense);
}

static void tracks(void **state) {
  (void)state;
  compare(run_tracks);
}

static void attention(void **state) {
  (void)state;
  compare(run_attention);
}

int main(void) {
  const struct CMUnitTest tests[] = {GROUP_TEST(dense), GROUP_TEST(tracks), GROUP_TEST(attention)};
  return cmocka_run_group_tests_name("repeat", tests, NULL, NULL);
}
