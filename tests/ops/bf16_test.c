// Operands in bf16: exactly which numbers are multiplied. (That the results are near the formulas, twotrack
// bench ops shows.) Rounded kernels must have the bits of the fp32 kernels on rounded inputs; native ones
// must agree with them to fp32 rounding.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/philox.h"
#include "opbench/opbench.h"

static const struct {
  const char *bf16, *fp32;
} kernels[] = {{"base-rounded", "base"}, {"v3-rounded", "v3"}, {"v4-rounded", "v4"}, {"v4-native", "v4"}};
enum { KERNELS = sizeof kernels / sizeof *kernels, NATIVE = KERNELS - 1, MOST = 200 };

static float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

// The nearest number of 8 significant bits, ties to even; by arithmetic in double, not by bits.
static float nearest_bf16(float x) {
  if (!isfinite(x) || x == 0) return x;
  int exponent;
  frexp(x, &exponent);
  if (exponent < -125) exponent = -125; // subnormal: spaced as the smallest normal ones
  double unit = ldexp(1, exponent - 8), rounded = unit * nearbyint(x / unit);
  return fabs(rounded) >= 0x1p128 ? (float)copysign(INFINITY, rounded) : (float)rounded;
}

static const tt_ops *ops_of(const char *name) {
  tt_ops_cpu(TT_FP32);
  return tt_ops_cpu_for(name);
}

static float *scratch_for(const tt_ops *ops) {
  tt_sizes sizes = {
      .length = 1, .heads = 1, .embed_dim = MOST, .ffn_dim = MOST, .pair_dim = MOST, .pair_hidden = 1};
  float *scratch = aligned_alloc(64, (ops->scratch(&sizes) * sizeof(float) + 63) / 64 * 64);
  assert_non_null(scratch);
  return scratch;
}

static void rounds_to_nearest_even(void **state) {
  (void)state;
  const uint32_t interesting[] = {
      0x3F800000, 0x3F807FFF, 0x3F808000, 0x3F808001, 0x3F818000,
      0x3F817FFF, 0xBF808000, 0xBF818000, // around ties
      0x3FFF8000, 0x3FFFFFFF, 0x7F7F7FFF, 0x7F7F8000, 0x7F7FFFFF,
      0xFF7FFFFF, // carries into the exponent; overflow
      0x00000000, 0x80000000, 0x7F800000, 0xFF800000, 0x00800000,
      0x00808000, 0x007FFFFF, 0x00008000, 0x00018000, 0x7FC00000,
      0x7F800001, 0xFF800001, 0x7FFFFFFF, 0xFFFFFFFF}; // no numbers, also such as only low bits tell
  enum { COUNT = sizeof interesting / sizeof *interesting };
  for (int k = 0; k < KERNELS; k++) {
    const tt_ops *ops = ops_of(kernels[k].bf16);
    if (ops == NULL) continue;
    float x[COUNT], y[COUNT], one = 1, *scratch = scratch_for(ops);
    for (int i = 0; i < COUNT; i++) x[i] = from_bits(interesting[i]);
    ops->linear(x, COUNT, 1, 1, (tt_weights){&one, NULL}, y, scratch);
    for (int i = 0; i < COUNT; i++) {
      float wanted = nearest_bf16(x[i]);
      if (k == NATIVE && fabsf(x[i]) < 0x1p-126f && y[i] == 0) continue; // native takes it as 0
      if (isnan(wanted) ? !isnan(y[i]) : y[i] != wanted)
        fail_msg("%s: %a (%08x) becomes %a, not %a", ops->name, (double)x[i], interesting[i], (double)y[i],
                 (double)wanted);
    }
    free(scratch);
  }
}

typedef struct {
  int rows, in, out;
  float *x, *w, *b, *dy;   // operands
  float *y, *dx, *dw, *db; // results
} product;

static float *numbers(int64_t count, uint64_t *seed, bool round) {
  float *x = malloc((size_t)count * sizeof *x);
  assert_non_null(x);
  for (int64_t i = 0; i < count; i++) {
    uint64_t word = tt_mix64(++*seed);
    x[i] = (float)((double)(word >> 11) * 0x1p-52 - 1); // -1 .. 1
    if (round) x[i] = nearest_bf16(x[i]);
  }
  return x;
}

static product run_product(const tt_ops *ops, int rows, int in, int out, bool round) {
  uint64_t seed = 1;
  product p = {.rows = rows, .in = in, .out = out};
  p.x = numbers((int64_t)rows * in, &seed, round), p.w = numbers((int64_t)in * out, &seed, round);
  p.dy = numbers((int64_t)rows * out, &seed, round), p.b = numbers(out, &seed, false);
  p.y = calloc((size_t)(rows * out), sizeof(float)), p.dx = calloc((size_t)(rows * in), sizeof(float));
  p.dw = calloc((size_t)(in * out), sizeof(float)), p.db = calloc((size_t)out, sizeof(float));
  float *scratch = scratch_for(ops);
  ops->linear(p.x, rows, in, out, (tt_weights){p.w, p.b}, p.y, scratch);
  ops->linear_backward(p.dy, p.x, rows, in, out, p.w, p.dx, false, (tt_gradients){p.dw, p.db}, scratch);
  free(scratch);
  return p;
}

static void free_product(product *p) {
  float *all[] = {p->x, p->w, p->b, p->dy, p->y, p->dx, p->dw, p->db};
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) free(all[k]);
}

// `depth`: terms of each sum, all below 1.
static void same(const char *what, const product *p, const float *got, const float *wanted, int count,
                 int depth, bool bitwise) {
  for (int i = 0; i < count; i++)
    if (bitwise ? memcmp(got + i, wanted + i, sizeof *got) != 0
                : !(fabsf(got[i] - wanted[i]) <= 0x1p-23f * (float)(depth + 1)))
      fail_msg("%s[%d] of %d rows, %d to %d: %.9g, not %.9g", what, i, p->rows, p->in, p->out, (double)got[i],
               (double)wanted[i]);
}

static void multiplies_rounded_operands(void **state) {
  (void)state;
  static const int shapes[][3] = {{1, 1, 1},   {2, 3, 5},      {7, 64, 64},   {13, 65, 63},
                                  {6, 128, 1}, {401, 131, 70}, {50, 33, 199}, {385, 200, 48}};
  for (int k = 0; k < KERNELS; k++)
    for (size_t s = 0; ops_of(kernels[k].bf16) != NULL && s < sizeof shapes / sizeof *shapes; s++) {
      int rows = shapes[s][0], in = shapes[s][1], out = shapes[s][2];
      product p = run_product(ops_of(kernels[k].bf16), rows, in, out, false);
      product rounded = run_product(ops_of(kernels[k].fp32), rows, in, out, true);
      product whole = run_product(ops_of(kernels[k].fp32), rows, in, out, false);
      same("y", &p, p.y, rounded.y, rows * out, in, k != NATIVE);
      same("dx", &p, p.dx, rounded.dx, rows * in, out, k != NATIVE);
      same("dw", &p, p.dw, rounded.dw, in * out, rows, k != NATIVE);
      same("db", &p, p.db, whole.db, out, rows, true); // a sum, not a product
      free_product(&p), free_product(&rounded), free_product(&whole);
    }
}

// Operations that multiply what they made by another product: fp32 rounding of the first may turn the bf16
// rounding of one of its elements.
static bool in_chain(const char *name) {
  static const char *const names[] = {"ffn", "ffn_backward", "triangle_out_backward"};
  for (size_t k = 0; k < sizeof names / sizeof *names; k++)
    if (strcmp(name, names[k]) == 0) return true;
  return false;
}

static void native_is_rounded(void **state) {
  (void)state;
  const tt_ops *native = ops_of("v4-native"), *rounded = ops_of("v4-rounded");
  if (native == NULL) skip();
  for (int op = 0; op < tt_opbench_count(); op++) {
    tt_op_check c;
    bool deterministic;
    assert_int_equal(tt_opbench_test(native, rounded, op, &c), TT_OK);
    assert_int_equal(tt_opbench_deterministic(native, op, &deterministic), TT_OK);
    double limit = in_chain(tt_opbench_name(op)) ? 0x1p-8 : c.limit;
    if (c.error > limit || c.message[0] || !deterministic)
      fail_msg("%s: %.1e (limit %.1e) from rounded, %s bits; %s; %s", tt_opbench_name(op), c.error, limit,
               deterministic ? "same" : "OTHER", c.worst, c.message);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(rounds_to_nearest_even),
                                     cmocka_unit_test(multiplies_rounded_operands),
                                     cmocka_unit_test(native_is_rounded)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
