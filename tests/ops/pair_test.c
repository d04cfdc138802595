// The outer product, against the explicit product of a_i and b_j, and triangle multiplication.
#include "group.h"

#include <math.h>

// shape: hidden, dim; inputs ab, w, bias
static void outer_formula(const check *c) {
  const tt_batch *b = c->batch;
  int hidden = c->shape[0], dim = c->shape[1];
  for (int m = 0; m < b->molecules; m++)
    for (int r = 0; r < b->length[m] * b->length[m]; r++) {
      const double *a_i = c->in[0].v + (b->token_offset[m] + r / b->length[m]) * 2 * hidden;
      const double *b_j = c->in[0].v + (b->token_offset[m] + r % b->length[m]) * 2 * hidden + hidden;
      double scaling = b->scaling_length[m], s = 1 / (1e-3 + 1 / scaling);
      for (int p = 0; p < dim; p++) {
        const double *w = c->in[1].v + (int64_t)p * hidden * hidden;
        double sum = 0;
        for (int x = 0; x < hidden; x++)
          for (int y = 0; y < hidden; y++) sum += w[x * hidden + y] * a_i[x] * b_j[y];
        c->out[0].v[(b->pair_offset[m] + r) * dim + p] = s * (sum / scaling + c->in[2].v[p]);
      }
    }
}

static void outer_case(const tt_batch *b, int hidden, int dim, int samples) {
  int64_t ab_size = b->tokens * 2 * hidden, w_size = (int64_t)dim * hidden * hidden, size = b->pairs * dim;
  float *ab = array_random(ab_size, -1, 1), *w = array_random(w_size, -1, 1),
        *bias = array_random(dim, -1, 1);
  float *out = array_new(size, NAN), *seed = array_random(size, -1, 1), *dab = array_new(ab_size, NAN);
  float *dw = array_new(w_size, 0.5f), *dbias = array_new(dim, -0.5f);
  float *scratch = array_new((int64_t)ops->scratch(b->max_length, 1, hidden, dim), NAN);
  check c = {.name = "outer_product", .batch = b, .shape = {hidden, dim}, .formula = outer_formula};
  check_input(&c, ab, ab_size);
  check_input(&c, w, w_size);
  check_input(&c, bias, dim);
  check_output(&c, size);
  ops->outer_product(b, hidden, dim, ab, w, bias, out, scratch);
  check_forward(&c, 0, out, 2e-6);
  ops->outer_product_backward(b, hidden, dim, seed, ab, w, dab, dw, dbias, scratch);
  const float *seeds[] = {seed};
  check_gradient(&c, 0, seeds, dab, 0, samples, 5e-6);
  check_gradient(&c, 1, seeds, dw, 0.5, samples, 5e-6);
  check_gradient(&c, 2, seeds, dbias, -0.5, samples, 5e-6);
  check_free(&c);
  arrays_free();
}

static void outer_product(void **state) {
  (void)state;
  tt_batch longer;
  outer_case(&batch, 5, 11, 330);
  outer_case(&batch, 16, 32, 30);
  batch_make(&longer, long_atoms, 7, NULL);
  outer_case(&longer, 5, 11, 200);
  outer_case(&longer, 9, 75, 20); // more columns than a block
  tt_batch_free(&longer);
}

// shape: hidden; inputs p, g
static void triangle_formula(const check *c) {
  const tt_batch *b = c->batch;
  int hidden = c->shape[0];
  for (int m = 0; m < b->molecules; m++) {
    int length = b->length[m];
    double gated[64 * 64];
    for (int channel = 0; channel < hidden; channel++) {
      double *left = gated, *right = gated + length * length;
      for (int side = 0; side < 2; side++)
        for (int r = 0; r < length * length; r++) {
          int64_t at = (b->pair_offset[m] + r) * 2 * hidden + side * hidden + channel;
          gated[side * length * length + r] =
              c->in[0].v[at] / (1 + exp(-c->in[1].v[at])) / sqrt(b->scaling_length[m]);
        }
      for (int i = 0; i < length; i++)
        for (int j = 0; j < length; j++) {
          double sum = 0;
          for (int k = 0; k < length; k++)
            sum +=
                left[i * length + k] * right[j * length + k] + left[k * length + i] * right[k * length + j];
          c->out[0].v[(b->pair_offset[m] + i * length + j) * hidden + channel] = sum;
        }
    }
  }
}

static void triangle_case(const tt_batch *b, int hidden, int samples) {
  int64_t size = b->pairs * 2 * hidden;
  float *p = array_random(size, -2, 2), *g = array_random(size, -2, 2), *t = array_new(size / 2, NAN);
  float *seed = array_random(size / 2, -1, 1), *dp = array_new(size, NAN), *dg = array_new(size, NAN);
  float *scratch = array_new((int64_t)ops->scratch(b->max_length, 1, hidden, 1), NAN);
  check c = {.name = "triangle", .batch = b, .shape = {hidden}, .formula = triangle_formula};
  check_input(&c, p, size);
  check_input(&c, g, size);
  check_output(&c, size / 2);
  ops->triangle(b, hidden, p, g, t, scratch);
  check_forward(&c, 0, t, 2e-6);
  ops->triangle_backward(b, hidden, p, g, seed, dp, dg, scratch);
  const float *seeds[] = {seed};
  check_gradient(&c, 0, seeds, dp, 0, samples, 5e-6);
  check_gradient(&c, 1, seeds, dg, 0, samples, 5e-6);
  check_free(&c);
  arrays_free();
}

static void triangle(void **state) {
  (void)state;
  tt_batch longer;
  triangle_case(&batch, 5, 400);
  triangle_case(&batch, 16, 100);
  batch_make(&longer, long_atoms, 7, NULL);
  triangle_case(&longer, 21, 100);
  tt_batch_free(&longer);
}

int main(void) {
  const struct CMUnitTest tests[] = {GROUP_TEST(outer_product), GROUP_TEST(triangle)};
  return cmocka_run_group_tests_name("pair", tests, NULL, NULL);
}
