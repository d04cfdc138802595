// A part of the heads, or of a feed-forward's hidden channels, as a rank of a tensor group has it: the same
// bits as in a call that has all of them. Where parts make partial sums, these add up.
#include "five.h"

#include <math.h>

#include "core/philox.h"

enum { HEADS = 8, HEAD_DIM = 6, PARTS = 2, HIDDEN = 32, DIM = 32 };

// In [-1, 1], a function of the array's number and the place in it.
static float *numbers(int which, int64_t count) {
  float *a = array(count, 0);
  for (int64_t i = 0; i < count; i++)
    a[i] = (float)((double)(tt_mix64((uint64_t)which << 40 ^ (uint64_t)i) >> 11) * 0x1p-52 - 1);
  return a;
}

// (rows, width): the columns of part `part` alone
static float *columns(const float *from, int64_t rows, int width, int part) {
  int count = width / PARTS;
  float *to = array(rows * count, 0);
  for (int64_t r = 0; r < rows; r++)
    memcpy(to + r * count, from + r * width + part * count, (size_t)count * sizeof *to);
  return to;
}

// Probabilities of the part's heads: for molecule m at pair_offset[m] * heads, (heads, L, L).
static float *heads_of(const tt_batch *batch, const float *from, int part) {
  int heads = HEADS / PARTS;
  float *to = array(batch->pairs * heads, 0);
  for (int m = 0; m < batch->molecules; m++) {
    int64_t pairs = batch->pair_offset[m + 1] - batch->pair_offset[m];
    memcpy(to + batch->pair_offset[m] * heads, from + batch->pair_offset[m] * HEADS + part * heads * pairs,
           (size_t)(heads * pairs) * sizeof *to);
  }
  return to;
}

static void same(float *whole, const float *part, int64_t count) {
  assert_memory_equal(whole, part, (size_t)count * sizeof *part);
  free(whole);
}

// Everything of attention and of the movement head for `heads` heads; `first` is the global number of the
// first.
typedef struct {
  float *prob, *out, *dprob, *dqkv, *dbias;
  float *move_prob, *move, *move_dprob, *move_dqkv, *dforce;
} head_results;

static head_results run_heads(const tt_ops *ops, const tt_batch *b, int heads, int first, const float *qkv,
                              const float *bias, const float *force, const float *dout, const float *dmove) {
  int64_t width = (int64_t)heads * HEAD_DIM, probs = b->pairs * heads;
  const tt_dropout d = {.probability = 0.25, .seed = 5, .step = 9, .layer = 2, .first = (uint32_t)first};
  const tt_sizes sizes = {.length = b->max_length,
                          .heads = heads,
                          .embed_dim = (int)width,
                          .ffn_dim = 1,
                          .pair_dim = 1,
                          .pair_hidden = 1,
                          .tokens = b->tokens,
                          .pairs = b->pairs};
  float *scratch = scratch_for(ops, &sizes);
  head_results r = {array(probs, NAN),
                    array(b->tokens * width, NAN),
                    array(probs, NAN),
                    array(b->tokens * 3 * width, NAN),
                    array(probs, NAN),
                    array(probs, NAN),
                    array(b->tokens * 3, NAN),
                    array(probs, NAN),
                    array(b->tokens * 3 * width, NAN),
                    array(width, 0)};
  ops->attention(b, 0, heads, HEAD_DIM, qkv, bias, r.prob, scratch);
  ops->attention_values(b, heads, HEAD_DIM, r.prob, &d, qkv, r.out, scratch);
  ops->attention_values_backward(b, heads, HEAD_DIM, r.prob, &d, qkv, dout, r.dprob, r.dqkv, scratch);
  ops->attention_backward(b, 0, heads, HEAD_DIM, qkv, r.prob, r.dprob, r.dqkv, r.dbias, scratch);
  ops->attention(b, 1, heads, HEAD_DIM, qkv, bias, r.move_prob, scratch);
  ops->movement(b, heads, HEAD_DIM, r.move_prob, &d, qkv, force, r.move, scratch);
  ops->movement_backward(b, heads, HEAD_DIM, r.move_prob, &d, qkv, force, dmove, r.move_dprob, r.move_dqkv,
                         r.dforce, scratch);
  ops->attention_backward(b, 1, heads, HEAD_DIM, qkv, r.move_prob, r.move_dprob, r.move_dqkv, r.dbias,
                          scratch);
  free(scratch);
  return r;
}

static void free_heads(head_results *r) {
  free(r->prob), free(r->out), free(r->dprob), free(r->dqkv), free(r->dbias), free(r->move_prob);
  free(r->move), free(r->move_dprob), free(r->move_dqkv), free(r->dforce);
}

static void heads_on(const tt_ops *ops) {
  const int width = HEADS * HEAD_DIM, part_heads = HEADS / PARTS;
  tt_batch b;
  pack(&b, as_given);
  for (int64_t k = 0; k < 3 * b.tokens; k++)
    b.position[k] = (float)((double)(tt_mix64((uint64_t)k) >> 11) * 0x1p-53);
  float *qkv = numbers(1, b.tokens * 3 * width), *bias = numbers(2, b.pairs * HEADS);
  float *force = numbers(3, width), *dout = numbers(4, b.tokens * width), *dmove = numbers(5, b.tokens * 3);
  head_results whole = run_heads(ops, &b, HEADS, 0, qkv, bias, force, dout, dmove);
  float *moved = array(b.tokens * 3, 0);
  for (int part = 0; part < PARTS; part++) {
    // the thirds of qkv are cut one by one: as rows
    float *my_qkv = columns(qkv, 3 * b.tokens, width, part), *my_bias = columns(bias, b.pairs, HEADS, part);
    float *my_force = columns(force, 1, width, part), *my_dout = columns(dout, b.tokens, width, part);
    head_results r =
        run_heads(ops, &b, part_heads, part * part_heads, my_qkv, my_bias, my_force, my_dout, dmove);
    same(heads_of(&b, whole.prob, part), r.prob, b.pairs * part_heads);
    same(columns(whole.out, b.tokens, width, part), r.out, b.tokens * width / PARTS);
    same(columns(whole.dqkv, 3 * b.tokens, width, part), r.dqkv, 3 * b.tokens * width / PARTS);
    same(columns(whole.dbias, b.pairs, HEADS, part), r.dbias, b.pairs * part_heads);
    same(heads_of(&b, whole.move_prob, part), r.move_prob, b.pairs * part_heads);
    same(columns(whole.move_dqkv, 3 * b.tokens, width, part), r.move_dqkv, 3 * b.tokens * width / PARTS);
    same(columns(whole.dforce, 1, width, part), r.dforce, width / PARTS);
    for (int64_t k = 0; k < 3 * b.tokens; k++) moved[k] += r.move[k];
    free(my_qkv), free(my_bias), free(my_force), free(my_dout), free_heads(&r);
  }
  double largest = 0, worst = 0;
  for (int64_t k = 0; k < 3 * b.tokens; k++) {
    largest = fmax(largest, fabs(whole.move[k]));
    worst = fmax(worst, fabs(moved[k] - whole.move[k]));
  }
  assert_true(largest > 0.1 && worst < 1e-6 * largest);
  free(moved), free(qkv), free(bias), free(force), free(dout), free(dmove), free_heads(&whole);
  tt_batch_free(&b);
}

// ---- hidden channels ----

typedef struct {
  float *h, *out, *db1;
} ffn_results;

// W2's rows of unit vectors show the activations after dropout: out_c = a_c, and 0 for others' channels.
static ffn_results run_ffn(const tt_ops *ops, const tt_batch *b, int hidden, int first, const float *x,
                           const float *w1, const float *b1, const float *dout) {
  int64_t rows = b->tokens;
  const tt_sizes sizes = {.length = b->max_length,
                          .heads = 1,
                          .embed_dim = DIM,
                          .ffn_dim = hidden,
                          .pair_dim = 1,
                          .pair_hidden = 1,
                          .tokens = rows,
                          .pairs = b->pairs};
  float *scratch = scratch_for(ops, &sizes), *one = array(DIM, 1), *zero = array(DIM, 0);
  float *w2 = array((int64_t)DIM * hidden, 0), *statistics = array(2 * rows, NAN), *d = array(rows * DIM, 0);
  float *dnorm = array(2 * DIM, 0), *dw1 = array((int64_t)hidden * DIM, 0),
        *dw2 = array((int64_t)DIM * hidden, 0);
  ffn_results r = {array(rows * hidden, NAN), array(rows * DIM, NAN), array(hidden, 0)};
  for (int c = 0; c < hidden; c++) w2[(first + c) * hidden + c] = 1;
  memcpy(d, dout, (size_t)(rows * DIM) * sizeof *d);
  const tt_ffn f = {.drop = {b, TT_ROWS_TOKENS, {0}},
                    .inner = {.probability = 0.25, .seed = 5, .step = 9, .first = (uint32_t)first},
                    .rows = rows,
                    .dim = DIM,
                    .hidden = hidden,
                    .norm = {one, zero},
                    .first = {w1, b1},
                    .second = {w2, NULL},
                    .branch_only = true};
  tt_statistics s = {statistics, statistics + rows};
  ops->ffn(&f, x, NULL, r.h, s, r.out, scratch);
  ops->ffn_backward(&f, x, r.h, s, d, (tt_gradients){dnorm, dnorm + DIM}, (tt_gradients){dw1, r.db1},
                    (tt_gradients){dw2, NULL}, scratch);
  free(scratch), free(one), free(zero), free(w2), free(statistics), free(d), free(dnorm), free(dw1),
      free(dw2);
  return r;
}

static void free_ffn(ffn_results *r) {
  free(r->h), free(r->out), free(r->db1);
}

static void channels_on(const tt_ops *ops) {
  const int part_hidden = HIDDEN / PARTS;
  tt_batch b;
  pack(&b, as_given);
  float *x = numbers(1, b.tokens * DIM), *w1 = numbers(2, HIDDEN * DIM), *b1 = numbers(3, HIDDEN);
  float *dout = numbers(4, b.tokens * DIM);
  ffn_results whole = run_ffn(ops, &b, HIDDEN, 0, x, w1, b1, dout);
  int64_t dropped = 0;
  for (int part = 0; part < PARTS; part++) {
    int first = part * part_hidden;
    ffn_results r = run_ffn(ops, &b, part_hidden, first, x, w1 + first * DIM, b1 + first, dout);
    same(columns(whole.h, b.tokens, HIDDEN, part), r.h, b.tokens * part_hidden);
    same(columns(whole.db1, 1, HIDDEN, part), r.db1, part_hidden);
    for (int64_t e = 0; e < b.tokens * DIM; e++) {
      bool mine = e % DIM / part_hidden == part;
      assert_true(r.out[e] == (mine ? whole.out[e] : 0));
      dropped += mine && r.out[e] == 0;
    }
    free_ffn(&r);
  }
  double share = (double)dropped / (double)(b.tokens * HIDDEN);
  assert_true(share > 0.2 && share < 0.3); // GELU of these numbers is never 0 by itself
  free(x), free(w1), free(b1), free(dout), free_ffn(&whole);
  tt_batch_free(&b);
}

static void heads(void **state) {
  (void)state;
  heads_on(tt_ops_cpu(TT_FP32)), heads_on(tt_ops_reference());
}

static void channels(void **state) {
  (void)state;
  channels_on(tt_ops_cpu(TT_FP32)), channels_on(tt_ops_cpu(TT_BF16)), channels_on(tt_ops_reference());
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(heads), cmocka_unit_test(channels)};
  return cmocka_run_group_tests_name("parts of operations", tests, NULL, NULL);
}
