// Masked rows and the three losses.
#include "group.h"

#include <math.h>
#include <string.h>

static void masked_rows(void **state) {
  (void)state;
  const int dim = 21;
  float *x = array_random(batch.tokens * dim, -1, 1), *y = array_new(batch.masked * dim, NAN);
  float *back = array_new(batch.tokens * dim, 0.5f);
  assert_true(batch.masked > 5);
  ops->gather_masked(&batch, dim, x, y);
  ops->scatter_masked(&batch, dim, y, back);
  int64_t k = 0;
  for (int64_t t = 0; t < batch.tokens; t++) {
    bool is_masked = k < batch.masked && batch.masked_row[k] == t;
    for (int e = 0; e < dim; e++) {
      if (is_masked) assert_true(y[k * dim + e] == x[t * dim + e]);
      assert_true(back[t * dim + e] == 0.5f + (is_masked ? x[t * dim + e] : 0));
    }
    k += is_masked;
  }
  assert_int_equal(k, batch.masked);
}

static void entropy_formula(const check *c) {
  for (int64_t k = 0; k < c->batch->masked; k++) {
    const double *x = c->in[0].v + k * TT_TOKENS;
    double sum = 0;
    for (int t = 0; t < TT_TOKENS; t++) sum += exp(x[t]);
    c->out[0].v[k] = log(sum) - x[c->batch->masked_target[k]];
  }
}

static void cross_entropy(void **state) {
  (void)state;
  int64_t size = batch.masked * TT_TOKENS;
  float *logits = array_random(size, -5, 5), *d = array_new(size, NAN),
        *seed = array_new(batch.masked, 0.375f);
  double loss[64], alone[64];
  assert_true(batch.masked <= 64);
  check c = {.name = "cross_entropy", .batch = &batch, .formula = entropy_formula};
  check_input(&c, logits, size);
  check_output(&c, batch.masked);
  ops->cross_entropy(&batch, logits, 0.375, loss, d);
  entropy_formula(&c);
  for (int64_t k = 0; k < batch.masked; k++) assert_true(fabs(loss[k] - c.out[0].v[k]) < 1e-12 * loss[k]);
  const float *seeds[] = {seed};
  check_gradient(&c, 0, seeds, d, 0, 2000, 1e-6);
  ops->cross_entropy(&batch, logits, 0.375, alone, NULL);
  assert_memory_equal(alone, loss, (size_t)batch.masked * sizeof *loss);
  for (int64_t e = 0; e < size; e++) logits[e] *= 1000; // no overflow
  ops->cross_entropy(&batch, logits, 1, loss, d);
  for (int64_t k = 0; k < batch.masked; k++) assert_true(isfinite(loss[k]));
  check_free(&c);
}

// outputs: position, distance (molecules)
static void position_formula(const check *c) {
  const tt_batch *b = c->batch;
  for (int m = 0; m < b->molecules; m++) {
    double position = 0, distance = 0, atoms = b->length[m] - 1;
    for (int64_t i = b->token_offset[m] + 1; i < b->token_offset[m + 1]; i++) {
      for (int k = 0; k < 3; k++)
        position +=
            fabs((double)b->position[3 * i + k] + c->in[0].v[3 * i + k] - b->target_position[3 * i + k]);
      for (int64_t j = b->token_offset[m] + 1; j < b->token_offset[m + 1]; j++) {
        double r2 = 0, wanted2 = 0;
        for (int k = 0; k < 3; k++) {
          double d = (double)b->position[3 * j + k] + c->in[0].v[3 * j + k] - b->position[3 * i + k] -
                     c->in[0].v[3 * i + k];
          double w = (double)b->target_position[3 * j + k] - b->target_position[3 * i + k];
          r2 += d * d, wanted2 += w * w;
        }
        distance += fabs(sqrt(r2) - sqrt(wanted2));
      }
    }
    c->out[0].v[m] = position / (atoms + 1e-10), c->out[1].v[m] = distance / (atoms * atoms + 1e-10);
  }
}

static void positions(void **state) {
  (void)state;
  int64_t size = batch.tokens * 3;
  float *move = array_random(size, -1, 1), *d = array_new(size, NAN);
  double position[8], distance[8], position2[8], distance2[8];
  check c = {.name = "position_losses", .batch = &batch, .formula = position_formula};
  check_input(&c, move, size);
  check_output(&c, batch.molecules);
  check_output(&c, batch.molecules);
  const double weights[3][2] = {{0.75, 0}, {0, 1.5}, {0.75, 1.5}};
  for (int k = 0; k < 3; k++) {
    ops->position_losses(&batch, move, weights[k][0], weights[k][1], position, distance, d);
    position_formula(&c);
    for (int m = 0; m < batch.molecules; m++) {
      assert_true(fabs(position[m] - c.out[0].v[m]) < 1e-12);
      assert_true(fabs(distance[m] - c.out[1].v[m]) < 1e-12);
    }
    const float *seeds[] = {array_new(batch.molecules, (float)weights[k][0]),
                            array_new(batch.molecules, (float)weights[k][1])};
    check_gradient(&c, 0, seeds, d, 0, 200, 1e-5);
  }
  ops->position_losses(&batch, move, 1, 1, position2, distance2, NULL);
  assert_memory_equal(position2, position, (size_t)batch.molecules * sizeof *position);
  assert_memory_equal(distance2, distance, (size_t)batch.molecules * sizeof *distance);
  check_free(&c);
}

// At the kinks the gradient is 0: two atoms at one place, and every atom at its target.
static void kinks(void **state) {
  (void)state;
  const int pair[1] = {2};
  tt_batch two;
  batch_make(&two, pair, 1, NULL);
  float *move = array_new(9, 0), *d = array_new(9, NAN);
  double position, distance;
  memcpy(two.position + 6, two.position + 3, 3 * sizeof(float));
  ops->position_losses(&two, move, 0, 1, &position, &distance, d);
  for (int e = 0; e < 9; e++) assert_true(d[e] == 0);
  memcpy(two.position, two.target_position, 9 * sizeof(float));
  ops->position_losses(&two, move, 1, 1, &position, &distance, d);
  assert_true(position == 0 && distance == 0);
  for (int e = 0; e < 9; e++) assert_true(d[e] == 0);
  tt_batch_free(&two);
}

int main(void) {
  const struct CMUnitTest tests[] = {GROUP_TEST(masked_rows), GROUP_TEST(cross_entropy),
                                     GROUP_TEST(positions), GROUP_TEST(kinks)};
  return cmocka_run_group_tests_name("losses", tests, NULL, NULL);
}
