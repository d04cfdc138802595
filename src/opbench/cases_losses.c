// Cases of masked rows and of the three losses.
#include "opbench/opcase.h"

static void loss_sizes(tt_op_case *c, int width) {
  tt_op_rows(c);
  c->rows = 0;
  tt_op_dense_sizes(c, width);
  c->sizes.tokens = c->batch->tokens, c->sizes.pairs = c->batch->pairs;
}

// ---- gather_masked ----
enum { X, Y, DY, DX };

static void masked_build(tt_op_case *c) {
  loss_sizes(c, c->shape->dim);
  tt_op_input(c, X, "x", c->batch->tokens * c->shape->dim, -1, 1), tt_op_forward_only(c, X);
  tt_op_activation(c, X);
  tt_op_result(c, Y, "y", c->batch->masked * c->shape->dim), tt_op_forward_only(c, Y);
  tt_op_activation(c, Y);
  tt_op_seed(c, DY, "dy", Y);
  tt_op_gradient(c, DX, "dx", X, true);
}
static void masked_run(const tt_ops *ops, tt_op_case *c) {
  ops->gather_masked(c->batch, c->shape->dim, tt_op_at(c, X), tt_op_at(c, Y));
}
static void masked_run_backward(const tt_ops *ops, tt_op_case *c) {
  ops->scatter_masked(c->batch, c->shape->dim, tt_op_at(c, DY), tt_op_at(c, DX));
}

static const tt_op_shape masked_shapes[] = {
    {.molecules = TT_OP_ONE_ATOM, .dim = 3},
    {.dim = 21},
    {.molecules = TT_OP_SEVEN, .dim = 64},
    {.molecules = TT_OP_NONE, .dim = 5, .only_test = true},
};
static const tt_op_shape masked_real[] = {{.molecules = TT_OP_REAL, .dim = 768}};

// Losses come with their gradient: the forward is the call without, the backward the call with one.
static void result_in_double(tt_op_case *c, int slot, const char *name, int64_t count) {
  tt_op_declare(c, slot,
                (tt_op_array){.name = name,
                              .role = TT_OP_RESULT,
                              .type = TT_OP_DOUBLE,
                              .forward = true,
                              .of = -1,
                              .count = count});
}
static void again(tt_op_case *c, int slot, const char *name, int of) {
  tt_op_declare(c, slot,
                (tt_op_array){.name = name,
                              .role = TT_OP_GRADIENT,
                              .type = TT_OP_DOUBLE,
                              .backward = true,
                              .of = -1,
                              .count = c->array[of].count});
}
static double *doubles(const tt_op_case *c, int slot) {
  return c->array[slot].at;
}
static void weight(tt_op_case *c, int slot, const char *name, int of, double value) {
  tt_op_seed(c, slot, name, of);
  for (int64_t e = 0; c->status == TT_OK && e < c->array[slot].count; e++)
    tt_op_at(c, slot)[e] = (float)value;
}

// ---- cross_entropy ----
enum { LOGITS, LOSS, WEIGHT, DLOGITS, LOSS_AGAIN };

static void entropy_build(tt_op_case *c) {
  double reach = c->shape->extreme ? 5000 : 5;
  loss_sizes(c, TT_TOKENS);
  tt_op_input(c, LOGITS, "logits", c->batch->masked * TT_TOKENS, -reach, reach), tt_op_activation(c, LOGITS);
  result_in_double(c, LOSS, "loss", c->batch->masked);
  weight(c, WEIGHT, "weight", LOSS, c->shape->weights[0]);
  tt_op_gradient(c, DLOGITS, "dlogits", LOGITS, false);
  again(c, LOSS_AGAIN, "loss beside its gradient", LOSS);
}
static void entropy_run(const tt_ops *ops, tt_op_case *c) {
  ops->cross_entropy(c->batch, tt_op_at(c, LOGITS), c->shape->weights[0], doubles(c, LOSS), NULL);
}
static void entropy_run_backward(const tt_ops *ops, tt_op_case *c) {
  ops->cross_entropy(c->batch, tt_op_at(c, LOGITS), c->shape->weights[0], doubles(c, LOSS_AGAIN),
                     tt_op_at(c, DLOGITS));
}

static const tt_op_shape entropy_shapes[] = {
    {.molecules = TT_OP_ONE_ATOM, .weights = {1}},
    {.weights = {0.375}},
    {.molecules = TT_OP_SEVEN, .weights = {1}, .extreme = true, .only_test = true},
    {.molecules = TT_OP_NONE, .weights = {1}, .only_test = true},
};
static const tt_op_shape entropy_real[] = {{.molecules = TT_OP_REAL, .weights = {1}}};

// ---- position_losses ----
enum { MOVE, POSITION, DISTANCE, POSITION_WEIGHT, DISTANCE_WEIGHT, DMOVE, POSITION_AGAIN, DISTANCE_AGAIN };

static void positions_build(tt_op_case *c) {
  double reach = c->shape->zero ? 0 : 1;
  loss_sizes(c, 3);
  tt_op_input(c, MOVE, "move", c->batch->tokens * 3, -reach, reach);
  result_in_double(c, POSITION, "position", c->batch->molecules);
  result_in_double(c, DISTANCE, "distance", c->batch->molecules);
  weight(c, POSITION_WEIGHT, "position weight", POSITION, c->shape->weights[0]);
  weight(c, DISTANCE_WEIGHT, "distance weight", DISTANCE, c->shape->weights[1]);
  tt_op_gradient(c, DMOVE, "dmove", MOVE, false);
  again(c, POSITION_AGAIN, "position beside its gradient", POSITION);
  again(c, DISTANCE_AGAIN, "distance beside its gradient", DISTANCE);
}
static void positions_run(const tt_ops *ops, tt_op_case *c) {
  ops->position_losses(c->batch, tt_op_at(c, MOVE), c->shape->weights[0], c->shape->weights[1],
                       doubles(c, POSITION), doubles(c, DISTANCE), NULL);
}
static void positions_run_backward(const tt_ops *ops, tt_op_case *c) {
  ops->position_losses(c->batch, tt_op_at(c, MOVE), c->shape->weights[0], c->shape->weights[1],
                       doubles(c, POSITION_AGAIN), doubles(c, DISTANCE_AGAIN), tt_op_at(c, DMOVE));
}

static const tt_op_shape positions_shapes[] = {
    {.molecules = TT_OP_ONE_ATOM, .weights = {0.75, 1.5}},
    {.weights = {0.75, 0}},
    {.weights = {0, 1.5}},
    {.molecules = TT_OP_SEVEN, .weights = {0.75, 1.5}},
    {.molecules = TT_OP_ONE_PLACE,
     .weights = {0, 1},
     .zero = true,
     .only_test = true}, // the kinks: no gradient
    {.molecules = TT_OP_AT_TARGET, .weights = {1, 1}, .zero = true, .only_test = true},
    {.molecules = TT_OP_NONE, .weights = {1, 1}, .only_test = true},
};
static const tt_op_shape positions_real[] = {{.molecules = TT_OP_REAL, .weights = {1, 1}}};

const tt_op_family tt_op_losses[] = {
    {.forward = "gather_masked",
     .backward = "scatter_masked",
     .reason = "a copy, or one fp32 addition: the same bits",
     .half_limit = TT_OP_BF16_ONCE,
     .half_reason = "a copy, or one sum rounded to bf16",
     .step = 0x1p-4,
     .grad_limit = 1e-5,
     .grad_reason = "a copy",
     .build = masked_build,
     .run = masked_run,
     .run_backward = masked_run_backward,
     TT_OP_SHAPES(masked_shapes),
     TT_OP_REAL_SHAPES(masked_real)},
    {.forward = "cross_entropy",
     .backward = "cross_entropy",
     .forward_limit = 1e-12,
     .backward_limit = 2e-7,
     .reason = "losses in double; the gradient is rounded once",
     .half_limit = TT_OP_BF16_ONCE,
     .half_reason = "losses in double; the gradient is rounded to bf16 once",
     .step = 0x1p-8,
     .grad_limit = 1e-6,
     .grad_reason = "losses in double; the gradient is rounded once",
     .build = entropy_build,
     .run = entropy_run,
     .run_backward = entropy_run_backward,
     TT_OP_SHAPES(entropy_shapes),
     TT_OP_REAL_SHAPES(entropy_real)},
    {.forward = "position_losses",
     .backward = "position_losses",
     .forward_limit = 1e-12,
     .backward_limit = 2e-7,
     .reason = "losses in double; the gradient is rounded once",
     .step = 0x1p-14,
     .grad_limit = 1e-6,
     .grad_reason = "losses in double; steps small enough to meet no kink",
     .build = positions_build,
     .run = positions_run,
     .run_backward = positions_run_backward,
     TT_OP_SHAPES(positions_shapes),
     TT_OP_REAL_SHAPES(positions_real)},
    {0},
};
