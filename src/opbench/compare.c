// An operation of one backend against the reference backend, and against itself.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "opbench/opbench.h"
#include "opbench/opcase.h"

// Builds a copy of the case, with the forward's results where the backward reads them, and runs it.
static tt_status run_copy(tt_op_case *c, const tt_ops *ops, const tt_op_family *family,
                          const tt_op_shape *shape, tt_op_layout layout, bool backward) {
  TT_TRY(tt_op_build(c, family, shape, layout));
  if (backward) TT_TRY(tt_op_prepare(c));
  TT_TRY(tt_op_scratch(c, ops));
  return tt_op_run(ops, c, backward);
}

// Largest difference over the largest value; infinite where either is no finite number: no case has such
// results.
static double array_error(const tt_op_case *ours, const tt_op_case *reference, int slot) {
  double largest = 0, worst = 0;
  for (int64_t e = 0; e < ours->array[slot].count; e++) {
    double x = tt_op_value(ours, slot, e), r = tt_op_value(reference, slot, e);
    largest = fmax(largest, fabs(r));
    worst = fmax(worst, isfinite(x) && isfinite(r) ? fabs(x - r) : INFINITY);
  }
  return worst == 0 ? 0 : largest == 0 ? INFINITY : worst / largest;
}

static bool same_bits(const tt_op_case *a, const tt_op_case *b, int slot) {
  return memcmp(a->array[slot].at, b->array[slot].at, tt_op_bytes(&a->array[slot])) == 0;
}

// Keeps the error that is nearest to its limit, or farthest past it.
static void keep_worst(tt_op_check *check, double error, double limit, const char *array, const char *text) {
  bool nearer = limit == 0 || check->limit == 0 ? error > 0 && check->error <= check->limit
                                                : error / limit > check->error / check->limit;
  if (check->worst[0] != 0 && !nearer) return;
  check->error = error, check->limit = limit;
  snprintf(check->worst, sizeof check->worst, "%.30s: %s", array, text);
}

// What an output's error may be.
static double limit_of(const tt_ops *ops, const tt_op_family *f, const tt_op_array *a, bool backward) {
  double exact = backward && a->type != TT_OP_DOUBLE ? f->backward_limit : f->forward_limit;
  if (a->type == TT_OP_DOUBLE || ops->precision == TT_FP32) return exact;
  if (!tt_op_halves(ops)) return f->dense ? TT_OP_BF16_LIMIT : exact;
  double half = a->activation ? f->half_limit : backward ? f->half_sums : 0;
  return half > 0 ? half : exact;
}

static const char *reason_of(const tt_ops *ops, const tt_op_family *f) {
  if (ops->precision == TT_FP32) return f->reason;
  if (tt_op_halves(ops)) return f->half_reason != NULL ? f->half_reason : f->reason;
  return f->dense ? TT_OP_BF16_REASON : f->reason;
}

static void compare(const tt_ops *ops, const tt_op_case *ours, const tt_op_case *reference, bool backward,
                    tt_op_check *check) {
  char text[sizeof check->worst - 32];
  const tt_op_family *f = ours->family;
  tt_op_describe(ours, text, sizeof text);
  if (ours->damaged != NULL)
    snprintf(check->message, sizeof check->message, "wrote before the start or past the end of %s (%s)",
             ours->damaged, text);
  for (int k = 0; k < TT_OP_ARRAYS; k++) {
    const tt_op_array *a = &ours->array[k];
    if (a->name == NULL) continue;
    if (tt_op_is_output(a, backward)) {
      keep_worst(check, array_error(ours, reference, k), limit_of(ops, f, a, backward), a->name, text);
    } else if ((a->forward || backward) && !a->spoiled && a->role != TT_OP_GRADIENT &&
               !same_bits(ours, reference, k)) {
      snprintf(check->message, sizeof check->message, "changed %s, which it may only read (%s)", a->name,
               text);
    }
  }
}

tt_status tt_opbench_test(const tt_ops *ops, const tt_ops *other, int op, tt_op_check *check) {
  static const int shifts[] = {0, 1, 4, 7, 13}; // on aligned addresses, as in a model, then off them
  bool backward, both;
  const tt_op_family *f = tt_op_family_of(tt_opbench_name(op), &backward);
  *check = (tt_op_check){.message = "nobody has written cases for it"};
  if (f == NULL) return TT_OK;
  both = backward && strcmp(f->forward, f->backward) == 0; // one function, called without and with a gradient
  *check = (tt_op_check){.reason = reason_of(ops, f)};
  tt_status status = TT_OK;
  for (int k = 0; status == TT_OK && k < f->shape_count; k++) {
    for (int direction = both ? 0 : backward; status == TT_OK && direction <= backward; direction++) {
      tt_op_layout layout = {.garbage = NAN, .rounded = tt_op_halves(ops)};
      tt_op_case reference = {0};
      status = run_copy(&reference, other, f, &f->shapes[k], layout, direction);
      for (int turn = 0; status == TT_OK && turn < 2; turn++) {
        tt_op_case ours = {0};
        if (turn > 0) layout.shift = shifts[1 + k % 4];
        status = run_copy(&ours, ops, f, &f->shapes[k], layout, direction);
        if (status == TT_OK) compare(ops, &ours, &reference, direction, check);
        tt_op_free(&ours);
      }
      tt_op_free(&reference);
    }
    check->cases++;
  }
  check->ok = status == TT_OK && check->error <= check->limit && check->message[0] == 0;
  return status;
}

static bool same_outputs(const tt_op_case *a, const tt_op_case *b, bool backward) {
  for (int k = 0; k < TT_OP_ARRAYS; k++)
    if (tt_op_is_output(&a->array[k], backward) && !same_bits(a, b, k)) return false;
  return true;
}

tt_status tt_opbench_deterministic(const tt_ops *ops, int op, bool *deterministic) {
  static const struct {
    int shift;
    float garbage;
  } layouts[] = {{0, NAN}, {0, 1e30f}, {1, NAN}, {4, 0}, {7, NAN}, {13, -3}};
  bool backward;
  const tt_op_family *f = tt_op_family_of(tt_opbench_name(op), &backward);
  tt_status status = TT_OK;
  *deterministic = f != NULL && f->shape_count > 0;
  for (int k = 0; status == TT_OK && *deterministic && k < f->shape_count; k++) {
    tt_op_case first = {0};
    tt_op_layout layout = {.garbage = layouts[0].garbage, .rounded = tt_op_halves(ops)};
    status = run_copy(&first, ops, f, &f->shapes[k], layout, backward);
    for (size_t l = 1; status == TT_OK && l < sizeof layouts / sizeof *layouts; l++) {
      tt_op_case other = {0};
      // a device's product library chooses its kernels by the addresses' alignment; a model's do not change
      layout.shift = ops->device ? 0 : layouts[l].shift, layout.garbage = layouts[l].garbage;
      status = run_copy(&other, ops, f, &f->shapes[k], layout, backward);
      if (status == TT_OK && !same_outputs(&first, &other, backward)) *deterministic = false;
      tt_op_free(&other);
    }
    tt_op_free(&first);
  }
  return status;
}
