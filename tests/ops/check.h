// Checking an operation against a direct formula in double precision: forward by value, backward by central
// differences of the formula.
#ifndef TT_TESTS_OPS_CHECK_H
#define TT_TESTS_OPS_CHECK_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "device/ops.h"

// ---- arrays of fp32: guarded on both sides, at an address that `array_shift` floats move off 64-byte
// alignment ----
extern int array_shift;
float *array_new(int64_t count, float fill);
float *array_random(int64_t count, double low,
                    double high); // uniform, from a generator that array_restart restarts
void array_restart(uint64_t seed);
void arrays_free(void); // all of them; fails the test if one was written past its ends

// ---- batches of random molecules ----
// Packs molecules of these sizes. Sample numbers are 1000 + position in `atoms`; `order` (NULL: as given)
// permutes them.
void batch_make(tt_batch *batch, const int *atoms, int count, const int32_t *order);
extern const int odd_atoms[5];  // 1, 2, 7, 13, 5
extern const int long_atoms[7]; // more token rows than one slab of the outer product

// ---- the formula ----
enum { CHECK_ARRAYS = 8 };
typedef struct {
  int64_t count;
  double *v;
} check_array;

typedef struct check {
  const char *name;
  const tt_batch *batch;
  const tt_dropout *dropout;
  int shape[4]; // what the formula needs: rows, dimensions, heads
  double number;
  int inputs, outputs;
  check_array in[CHECK_ARRAYS], out[CHECK_ARRAYS];
  void (*formula)(const struct check *c); // in -> out, every element of out
} check;

void check_input(check *c, const float *values, int64_t count);
void check_output(check *c, int64_t count);
void check_free(check *c);

// Largest difference between output k of the formula and `result`, at most `tolerance` times the largest
// value.
void check_forward(check *c, int k, const float *result, double tolerance);

// The gradient of sum_k seeds[k] . out[k] with respect to input i, at up to `samples` of its elements,
// against `gradient` minus `filled` (what the array held before). seeds[k] NULL: output k does not count.
void check_gradient(check *c, int i, const float *const *seeds, const float *gradient, double filled,
                    int samples, double tolerance);

// The factor that dropout gives element e of the run (c1, c2), drawn as src/device/ops.h says.
double mask_factor(const tt_dropout *d, uint64_t sample, uint32_t c1, uint32_t c2, int e);

#endif
