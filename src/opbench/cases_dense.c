// Cases of linear maps, LayerNorm and GELU, and of those maps and GELUs that are fp32 in every backend.
#include "opbench/opcase.h"

static void set_rows(tt_op_case *c) {
  tt_op_rows(c);
  if (c->shape->rows > 0) c->rows = c->shape->rows;
}

static void set_activation(tt_op_case *c, int slot) {
  if (!c->family->single) tt_op_activation(c, slot);
}

// ---- linear ----
enum { X, W, B, Y, DY, DX, DW, DB };

static void linear_build(tt_op_case *c) {
  const tt_op_shape *s = c->shape;
  set_rows(c);
  tt_op_dense_sizes(c, s->in > s->out ? s->in : s->out);
  tt_op_input(c, X, "x", c->rows * s->in, -1, 1), set_activation(c, X);
  tt_op_input(c, W, "w", (int64_t)s->out * s->in, -1, 1);
  if (!c->family->single) tt_op_round(c, W);
  if (!s->no_bias) tt_op_input(c, B, "b", s->out, -1, 1), tt_op_forward_only(c, B);
  tt_op_result(c, Y, "y", c->rows * s->out), tt_op_forward_only(c, Y), set_activation(c, Y);
  tt_op_seed(c, DY, "dy", Y);
  if (!s->no_dx) tt_op_gradient(c, DX, "dx", X, s->accumulate);
  tt_op_gradient(c, DW, "dw", W, true);
  if (!s->no_bias) tt_op_gradient(c, DB, "db", B, true);
}
static void linear_run(const tt_ops *ops, tt_op_case *c) {
  (c->family->single ? ops->linear_single : ops->linear)(tt_op_at(c, X), c->rows, c->shape->in, c->shape->out,
                                                         (tt_weights){tt_op_at(c, W), tt_op_at(c, B)},
                                                         tt_op_at(c, Y), c->scratch);
}
static void linear_run_backward(const tt_ops *ops, tt_op_case *c) {
  (c->family->single ? ops->linear_single_backward : ops->linear_backward)(
      tt_op_at(c, DY), tt_op_at(c, X), c->rows, c->shape->in, c->shape->out, tt_op_at(c, W), tt_op_at(c, DX),
      c->shape->accumulate, (tt_gradients){tt_op_at(c, DW), tt_op_at(c, DB)}, c->scratch);
}
static double linear_flops(const tt_op_case *c) {
  return 2.0 * (double)c->rows * c->shape->in * c->shape->out;
}

static const tt_op_shape linear_shapes[] = {
    {.rows = 1, .in = 1, .out = 1, .no_bias = true},
    {.rows = 7, .in = 5, .out = 11},
    {.rows = 33, .in = 21, .out = 63, .accumulate = true},
    {.rows = 10, .in = 33, .out = 48},
    {.rows = 8, .in = 48, .out = 40, .accumulate = true},
    {.rows = 150, .in = 64, .out = 32, .no_bias = true},
    {.rows = 300, .in = 17, .out = 19, .no_dx = true},
    {.rows = 3, .in = 1030, .out = 9, .accumulate = true, .no_bias = true},
    {.rows = 515, .in = 131, .out = 203, .accumulate = true, .only_test = true},
    {.rows = 67,
     .in = 1541,
     .out = 150,
     .only_test = true}, // larger than blocks of products are in any direction
    {.molecules = TT_OP_NONE,
     .kind = TT_ROWS_PAIRS,
     .in = 5,
     .out = 7,
     .accumulate = true,
     .only_test = true},
};
static const tt_op_shape linear_real[] = {
    {.molecules = TT_OP_REAL, .kind = TT_ROWS_PAIRS, .in = 512, .out = 48},  // attention bias
    {.molecules = TT_OP_REAL, .kind = TT_ROWS_PAIRS, .in = 128, .out = 512}, // Gaussians to pairs
    {.molecules = TT_OP_REAL, .kind = TT_ROWS_PAIRS, .in = 512, .out = 512},
};

// ---- layer_norm ----
enum { GAMMA = 1, BETA, MEAN, RSTD, NORM_Y, NORM_DY, NORM_DX, DGAMMA, DBETA };

static void norm_build(tt_op_case *c) {
  const tt_op_shape *s = c->shape;
  set_rows(c);
  tt_op_dense_sizes(c, s->dim);
  tt_op_input(c, X, "x", c->rows * s->dim, s->extreme ? 99 : -1, s->extreme ? 101 : 1);
  tt_op_input(c, GAMMA, "gamma", s->dim, -1, 1);
  tt_op_input(c, BETA, "beta", s->dim, -1, 1), tt_op_forward_only(c, BETA);
  tt_op_result(c, MEAN, "mean", c->rows), tt_op_result(c, RSTD, "rstd", c->rows);
  tt_op_result(c, NORM_Y, "y", c->rows * s->dim), tt_op_forward_only(c, NORM_Y);
  tt_op_activation(c, NORM_Y);
  tt_op_seed(c, NORM_DY, "dy", NORM_Y);
  tt_op_gradient(c, NORM_DX, "dx", X, true);
  tt_op_gradient(c, DGAMMA, "dgamma", GAMMA, true), tt_op_gradient(c, DBETA, "dbeta", BETA, true);
}
static void norm_run(const tt_ops *ops, tt_op_case *c) {
  ops->layer_norm(tt_op_at(c, X), c->rows, c->shape->dim, (tt_weights){tt_op_at(c, GAMMA), tt_op_at(c, BETA)},
                  (tt_statistics){tt_op_at(c, MEAN), tt_op_at(c, RSTD)}, tt_op_at(c, NORM_Y));
}
static void norm_run_backward(const tt_ops *ops, tt_op_case *c) {
  ops->layer_norm_backward(tt_op_at(c, NORM_DY), tt_op_at(c, X), c->rows, c->shape->dim, tt_op_at(c, GAMMA),
                           (tt_statistics){tt_op_at(c, MEAN), tt_op_at(c, RSTD)}, tt_op_at(c, NORM_DX),
                           (tt_gradients){tt_op_at(c, DGAMMA), tt_op_at(c, DBETA)});
}

static const tt_op_shape norm_shapes[] = {
    {.rows = 1, .dim = 2, .only_test = true}, // its gradient all but vanishes
    {.rows = 1, .dim = 3},
    {.rows = 5, .dim = 21},
    {.rows = 77, .dim = 11},
    {.rows = 3, .dim = 64},
    {.rows = 40, .dim = 131},
    {.rows = 9, .dim = 37, .extreme = true, .only_test = true},
    {.molecules = TT_OP_NONE, .dim = 5, .only_test = true},
};
static const tt_op_shape norm_real[] = {{.molecules = TT_OP_REAL, .kind = TT_ROWS_TOKENS, .dim = 768},
                                        {.molecules = TT_OP_REAL, .kind = TT_ROWS_PAIRS, .dim = 512}};

// ---- gelu ----
enum { GELU_Y = 1, GELU_DY, GELU_D };

static void gelu_build(tt_op_case *c) {
  set_rows(c);
  tt_op_dense_sizes(c, c->shape->dim);
  int64_t count = c->rows * c->shape->dim;
  tt_op_input(c, X, "x", count, c->shape->extreme ? -60 : -6, c->shape->extreme ? 60 : 6);
  set_activation(c, X);
  tt_op_result(c, GELU_Y, "y", count), tt_op_forward_only(c, GELU_Y), set_activation(c, GELU_Y);
  tt_op_seed(c, GELU_DY, "dy", GELU_Y);
  tt_op_gradient(c, GELU_D, "d", X, false);
}
static void gelu_ready(tt_op_case *c, bool backward) {
  if (backward)
    tt_op_copy(c, GELU_D, GELU_DY);
  else if (c->shape->in_place)
    tt_op_copy(c, GELU_Y, X);
}
static void gelu_run(const tt_ops *ops, tt_op_case *c) {
  (c->family->single ? ops->gelu_single : ops->gelu)(tt_op_at(c, c->shape->in_place ? GELU_Y : X),
                                                     c->array[X].count, tt_op_at(c, GELU_Y));
}
static void gelu_run_backward(const tt_ops *ops, tt_op_case *c) {
  (c->family->single ? ops->gelu_single_backward : ops->gelu_backward)(tt_op_at(c, X), c->array[X].count,
                                                                       tt_op_at(c, GELU_D));
}

static const tt_op_shape gelu_shapes[] = {
    {.rows = 1, .dim = 1},
    {.rows = 17, .dim = 59},
    {.rows = 17, .dim = 59, .in_place = true},
    {.rows = 1, .dim = 1003, .extreme = true, .only_test = true},
    {.molecules = TT_OP_NONE, .dim = 5, .only_test = true},
};
static const tt_op_shape gelu_real[] = {{.molecules = TT_OP_REAL, .kind = TT_ROWS_PAIRS, .dim = 512}};

// Two families each share their functions.
#define LINEAR(name, ...)                                                                                    \
  {                                                                                                          \
    .forward = name, .backward = name "_backward", .scratch = TT_SCRATCH_LINEAR, .dense = true,              \
    .forward_limit = 4e-6, .backward_limit = 2e-6, .reason = "fp32 sums of up to 1541 products",             \
    .step = 0x1p-6, .grad_limit = 2e-5, .grad_reason = "linear: fp32 rounding of the results only",          \
    .build = linear_build, .run = linear_run, .run_backward = linear_run_backward, .flops = linear_flops,    \
    TT_OP_SHAPES(linear_shapes), TT_OP_REAL_SHAPES(linear_real), __VA_ARGS__                                 \
  }
#define GELU(name, ...)                                                                                      \
  {                                                                                                          \
    .forward = name, .backward = name "_backward", .forward_limit = 5e-7, .backward_limit = 1e-6,            \
    .reason = "one rational function in fp32", .step = 0x1p-6, .grad_limit = 1e-4,                           \
    .grad_reason = "h^4 term and fp32 rounding over the step", .build = gelu_build, .ready = gelu_ready,     \
    .run = gelu_run, .run_backward = gelu_run_backward, TT_OP_SHAPES(gelu_shapes),                           \
    TT_OP_REAL_SHAPES(gelu_real), __VA_ARGS__                                                                \
  }

const tt_op_family tt_op_dense[] = {
    LINEAR("linear", .half_limit = 0x1p-7, .half_sums = 4e-5,
           .half_reason = "results, and biases, rounded to bf16 once; sums of exact products in fp32"),
    LINEAR("linear_single", .single = true),
    {.forward = "layer_norm",
     .backward = "layer_norm_backward",
     .forward_limit = 2e-5,
     .backward_limit = 2e-6,
     .reason = "x - mean cancels: rows of mean 100 and deviation 0.6 keep 5 digits",
     .half_limit = TT_OP_BF16_ONCE,
     .half_reason = "y rounded to bf16 once",
     .step = 0x1p-7,
     .grad_limit = 1e-4,
     .grad_reason = "h^4 term and fp32 rounding over the step",
     .build = norm_build,
     .run = norm_run,
     .run_backward = norm_run_backward,
     TT_OP_SHAPES(norm_shapes),
     TT_OP_REAL_SHAPES(norm_real)},
    GELU("gelu", .half_limit = TT_OP_BF16_ONCE, .half_reason = "results rounded to bf16 once"),
    GELU("gelu_single", .single = true),
    {0},
};
