// Gradients against finite differences.
//
// The backward of the backend is compared with the forward of the reference backend, whose sums are in
// double: what is left is one fp32 rounding of each result. Along a direction d of random signs,
//   g . d  against  (8 (F(h) - F(-h)) - (F(2h) - F(-2h))) / 12h,  F(t) = sum_k seed_k . y_k(x + t d),
// of which the error is h^4 F'''''/30 and, from rounding, about 1e-7 |seed . y| / (h sqrt(elements)). Inputs
// are multiples of 2^-12 and h a power of two, so that x + t d is exact. A direction sees every element: a
// wrong one changes g . d by its own size, which is divided by the length of the whole gradient.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/philox.h"
#include "opbench/opbench.h"
#include "opbench/opcase.h"

enum { DIRECTIONS = 4 };

static double sign_of(int direction, int64_t e) {
  return tt_mix64((uint64_t)direction << 48 ^ (uint64_t)e) & 1 ? 1 : -1;
}

// Moves input `slot` to its own value + t d and returns F.
static double moved(tt_op_case *c, int slot, const float *home, int direction, double t) {
  float *x = tt_op_at(c, slot);
  double sum = 0;
  for (int64_t e = 0; e < c->array[slot].count; e++) x[e] = (float)(home[e] + t * sign_of(direction, e));
  for (int k = 0; k < TT_OP_ARRAYS; k++) // what is added to: from nothing
    if (c->array[k].role == TT_OP_RESULT && c->array[k].filled)
      memset(c->array[k].at, 0, tt_op_bytes(&c->array[k]));
  if (c->status == TT_OK) c->status = tt_op_run(tt_ops_reference(), c, false);
  for (int k = 0; k < TT_OP_ARRAYS; k++) {
    const tt_op_array *seed = &c->array[k];
    if (seed->name == NULL || seed->role != TT_OP_SEED) continue;
    for (int64_t e = 0; e < seed->count; e++) sum += tt_op_value(c, k, e) * tt_op_value(c, seed->of, e);
  }
  return sum;
}

static double difference(tt_op_case *c, int slot, const float *home, int direction) {
  double h = c->family->step;
  double near = moved(c, slot, home, direction, h) - moved(c, slot, home, direction, -h);
  double far = moved(c, slot, home, direction, 2 * h) - moved(c, slot, home, direction, -2 * h);
  return (8 * near - far) / (12 * h);
}

// `ours` has run the backend's backward, `other` is a copy to move about.
static void check_array(const tt_op_case *ours, tt_op_case *other, int gradient, tt_op_check *check) {
  int input = ours->array[gradient].of;
  int64_t count = ours->array[gradient].count;
  double worst = 0, length = 0;
  for (int64_t e = 0; e < count; e++) length += pow(tt_op_value(ours, gradient, e), 2);
  for (int direction = 0; direction < DIRECTIONS; direction++) {
    double along = 0, wanted = difference(other, input, tt_op_at(ours, input), direction);
    for (int64_t e = 0; e < count; e++) along += tt_op_value(ours, gradient, e) * sign_of(direction, e);
    double scale = fmax(sqrt(length), fabs(wanted) / sqrt((double)count));
    double error = along == wanted ? 0 : fabs(along - wanted) / scale;
    if (!(error <= worst)) worst = isfinite(error) ? error : INFINITY;
  }
  memcpy(tt_op_at(other, input), tt_op_at(ours, input), tt_op_bytes(&ours->array[input]));
  if (worst > check->error || check->worst[0] == 0) {
    char text[sizeof check->worst - 32];
    tt_op_describe(ours, text, sizeof text);
    check->error = fmax(worst, check->error);
    snprintf(check->worst, sizeof check->worst, "%.30s: %s", ours->array[gradient].name, text);
  }
}

static tt_status check_shape(const tt_ops *ops, const tt_op_family *f, const tt_op_shape *shape,
                             tt_op_check *check) {
  const tt_op_layout layout = {.garbage = NAN, .grid = true, .rounded = tt_op_halves(ops)};
  tt_op_case ours = {0}, other = {0};
  tt_status status;
  TT_TRY_GOTO(status, tt_op_build(&ours, f, shape, layout), end);
  TT_TRY_GOTO(status, tt_op_prepare(&ours), end);
  TT_TRY_GOTO(status, tt_op_scratch(&ours, ops), end);
  TT_TRY_GOTO(status, tt_op_run(ops, &ours, true), end);
  TT_TRY_GOTO(status, tt_op_build(&other, f, shape, layout), end);
  TT_TRY_GOTO(status, tt_op_scratch(&other, tt_ops_reference()), end);
  for (int k = 0; k < TT_OP_ARRAYS; k++)
    if (ours.array[k].name != NULL && ours.array[k].role == TT_OP_GRADIENT && ours.array[k].of >= 0)
      check_array(&ours, &other, k, check);
  status = other.status;
  check->cases++;
end:
  tt_op_free(&ours), tt_op_free(&other);
  return status;
}

tt_status tt_opbench_grad(const tt_ops *ops, int op, tt_op_check *check) {
  bool backward;
  const tt_op_family *f = tt_op_family_of(tt_opbench_name(op), &backward);
  *check = (tt_op_check){.ok = true};
  if (f == NULL || !backward) return TT_OK;
  check->limit = f->grad_limit, check->reason = f->grad_reason;
  double half = f->half_limit > f->half_sums ? f->half_limit : f->half_sums;
  if (tt_op_halves(ops) && half > 0)
    check->limit = half, check->reason = f->half_reason;
  else if (f->dense && !tt_op_halves(ops) && ops->precision != TT_FP32)
    check->limit = TT_OP_BF16_LIMIT, check->reason = TT_OP_BF16_REASON;
  for (int k = 0; k < f->shape_count; k++)
    if (!f->shapes[k].only_test) TT_TRY(check_shape(ops, f, &f->shapes[k], check));
  check->ok = check->cases > 0 && check->error <= check->limit;
  return TT_OK;
}
