// Cases of the outer product and the triangle.
#include "opbench/opcase.h"

static void pair_sizes(tt_op_case *c) {
  tt_op_rows(c);
  c->sizes = (tt_sizes){.length = c->batch->max_length,
                        .heads = 1,
                        .embed_dim = 1,
                        .ffn_dim = 1,
                        .pair_dim = c->shape->dim > 0 ? c->shape->dim : 1,
                        .pair_hidden = c->shape->hidden,
                        .tokens = c->batch->tokens,
                        .pairs = c->batch->pairs};
}

// ---- outer_product ----
enum { AB, W, B, RESIDUAL, OUT, DOUT, DAB, DW, DB };

static void outer_build(tt_op_case *c) {
  const tt_op_shape *s = c->shape;
  pair_sizes(c);
  tt_op_input(c, AB, "ab", c->batch->tokens * 2 * s->hidden, -1, 1), tt_op_activation(c, AB);
  tt_op_input(c, W, "w", (int64_t)s->dim * s->hidden * s->hidden, -1, 1), tt_op_round(c, W);
  tt_op_input(c, B, "bias", s->dim, -1, 1), tt_op_forward_only(c, B);
  if (!s->no_residual) {
    tt_op_input(c, RESIDUAL, "residual", c->rows * s->dim, -9, 9), tt_op_forward_only(c, RESIDUAL);
    tt_op_activation(c, RESIDUAL);
  }
  tt_op_result(c, OUT, "out", c->rows * s->dim), tt_op_forward_only(c, OUT);
  tt_op_activation(c, OUT);
  tt_op_seed(c, DOUT, "dout", OUT);
  tt_op_gradient(c, DAB, "dab", AB, false);
  tt_op_gradient(c, DW, "dw", W, true), tt_op_gradient(c, DB, "dbias", B, true);
}
static void outer_ready(tt_op_case *c, bool backward) {
  if (c->shape->in_place && !backward) tt_op_copy(c, OUT, RESIDUAL);
}
static void outer_run(const tt_ops *ops, tt_op_case *c) {
  ops->outer_product(&c->drop, c->shape->hidden, c->shape->dim, tt_op_at(c, AB),
                     (tt_weights){tt_op_at(c, W), tt_op_at(c, B)},
                     c->shape->in_place ? tt_op_at(c, OUT) : tt_op_at(c, RESIDUAL), tt_op_at(c, OUT),
                     c->scratch);
}
static void outer_run_backward(const tt_ops *ops, tt_op_case *c) {
  ops->outer_product_backward(&c->drop, c->shape->hidden, c->shape->dim, tt_op_at(c, DOUT), tt_op_at(c, AB),
                              tt_op_at(c, W), tt_op_at(c, DAB),
                              (tt_gradients){tt_op_at(c, DW), tt_op_at(c, DB)}, c->scratch);
}
// executed: T_i = W a_i for each token, then T_i b_j for each pair (docs/benchmarks.md)
static double outer_flops(const tt_op_case *c) {
  double C = c->shape->hidden, P = c->shape->dim;
  return 2 * (double)c->batch->tokens * C * C * P + 2 * (double)c->batch->pairs * C * P;
}

static const tt_op_shape outer_shapes[] = {
    {.molecules = TT_OP_ONE_ATOM, .kind = TT_ROWS_PAIRS, .dim = 1, .hidden = 1},
    {.kind = TT_ROWS_PAIRS, .dim = 11, .hidden = 5},
    {.kind = TT_ROWS_PAIRS, .dim = 11, .hidden = 5, .dropout = 0.25, .first_dropped = 24},
    {.kind = TT_ROWS_PAIRS, .dim = 32, .hidden = 8, .dropout = 0.1, .in_place = true},
    {.kind = TT_ROWS_PAIRS, .dim = 33, .hidden = 16, .no_residual = true, .only_test = true},
    {.molecules = TT_OP_SEVEN,
     .kind = TT_ROWS_PAIRS,
     .dim = 75,
     .hidden = 9,
     .dropout = 0.1,
     .only_test = true},
    {.molecules = TT_OP_REAL,
     .kind = TT_ROWS_PAIRS,
     .dim = 11,
     .hidden = 5,
     .dropout = 0.1,
     .only_test = true},
    {.kind = TT_ROWS_PAIRS, .dim = 40, .hidden = 64, .only_test = true},
    {.molecules = TT_OP_NONE,
     .kind = TT_ROWS_PAIRS,
     .dim = 11,
     .hidden = 5,
     .dropout = 0.25,
     .only_test = true},
};
static const tt_op_shape outer_real[] = {
    {.molecules = TT_OP_REAL, .kind = TT_ROWS_PAIRS, .dim = 512, .hidden = 64, .dropout = 0.1}};

// ---- triangle ----
enum { PROJECTION, GATES, T, DT, DP, DG };

static void triangle_build(tt_op_case *c) {
  pair_sizes(c);
  int64_t count = c->rows * c->shape->hidden;
  c->rows = 0;
  tt_op_input(c, PROJECTION, "p", 2 * count, -2, 2), tt_op_activation(c, PROJECTION);
  tt_op_input(c, GATES, "g", 2 * count, c->shape->extreme ? -200 : -2, c->shape->extreme ? 200 : 2);
  tt_op_activation(c, GATES);
  tt_op_result(c, T, "t", count), tt_op_forward_only(c, T), tt_op_activation(c, T);
  tt_op_seed(c, DT, "dt", T);
  tt_op_gradient(c, DP, "dp", PROJECTION, false), tt_op_gradient(c, DG, "dg", GATES, false);
}
static void triangle_run(const tt_ops *ops, tt_op_case *c) {
  ops->triangle(c->batch, c->shape->hidden, tt_op_at(c, PROJECTION), tt_op_at(c, GATES), tt_op_at(c, T),
                c->scratch);
}
static void triangle_ready(tt_op_case *c, bool backward) {
  if (c->shape->in_place && backward) tt_op_copy(c, DP, PROJECTION), tt_op_copy(c, DG, GATES);
}
static void triangle_run_backward(const tt_ops *ops, tt_op_case *c) {
  bool in_place = c->shape->in_place;
  ops->triangle_backward(c->batch, c->shape->hidden, tt_op_at(c, in_place ? DP : PROJECTION),
                         tt_op_at(c, in_place ? DG : GATES), tt_op_at(c, DT), tt_op_at(c, DP),
                         tt_op_at(c, DG), c->scratch);
}
static double triangle_flops(const tt_op_case *c) {
  double sum = 0;
  for (int m = 0; m < c->batch->molecules; m++) {
    double length = c->batch->length[m];
    sum += 4 * length * length * length * c->shape->hidden;
  }
  return sum;
}

static const tt_op_shape triangle_shapes[] = {
    {.molecules = TT_OP_ONE_ATOM, .kind = TT_ROWS_PAIRS, .hidden = 1},
    {.kind = TT_ROWS_PAIRS, .hidden = 5},
    {.kind = TT_ROWS_PAIRS, .hidden = 16},
    {.kind = TT_ROWS_PAIRS, .hidden = 19, .in_place = true},
    {.molecules = TT_OP_SEVEN, .kind = TT_ROWS_PAIRS, .hidden = 21},
    {.kind = TT_ROWS_PAIRS, .hidden = 5, .extreme = true, .only_test = true},
    {.molecules = TT_OP_REAL, .kind = TT_ROWS_PAIRS, .hidden = 8, .only_test = true},
    {.molecules = TT_OP_NONE, .kind = TT_ROWS_PAIRS, .hidden = 5, .only_test = true},
};
static const tt_op_shape triangle_real[] = {{.molecules = TT_OP_REAL, .kind = TT_ROWS_PAIRS, .hidden = 64}};

// ---- triangle_out ----
enum {
  O_T,
  O_GAMMA,
  O_BETA,
  O_MEAN,
  O_RSTD,
  O_W,
  O_B,
  GATE,
  O_RESIDUAL,
  O_OUT,
  O_DOUT,
  DGATE,
  O_DT,
  O_DGAMMA,
  O_DBETA,
  O_DW,
  O_DB
};

static void out_build(tt_op_case *c) {
  const tt_op_shape *s = c->shape;
  pair_sizes(c);
  tt_op_input(c, O_T, "t", c->rows * s->hidden, -1, 2), tt_op_activation(c, O_T);
  tt_op_input(c, O_GAMMA, "gamma", s->hidden, -1, 1), tt_op_input(c, O_BETA, "beta", s->hidden, -1, 1);
  tt_op_result(c, O_MEAN, "mean", c->rows), tt_op_result(c, O_RSTD, "rstd", c->rows);
  tt_op_input(c, O_W, "w", (int64_t)s->dim * s->hidden, -1, 1), tt_op_round(c, O_W);
  tt_op_input(c, O_B, "b", s->dim, -1, 1);
  tt_op_input(c, GATE, "gate", c->rows * s->dim, -1, 1), tt_op_activation(c, GATE);
  if (!s->no_residual) {
    tt_op_input(c, O_RESIDUAL, "residual", c->rows * s->dim, -1, 1), tt_op_forward_only(c, O_RESIDUAL);
    tt_op_activation(c, O_RESIDUAL);
  }
  tt_op_result(c, O_OUT, "out", c->rows * s->dim), tt_op_forward_only(c, O_OUT);
  tt_op_activation(c, O_OUT);
  tt_op_seed(c, O_DOUT, "dout", O_OUT);
  tt_op_gradient(c, DGATE, "dgate", GATE, false), tt_op_gradient(c, O_DT, "dt", O_T, false);
  tt_op_gradient(c, O_DGAMMA, "dgamma", O_GAMMA, true), tt_op_gradient(c, O_DBETA, "dbeta", O_BETA, true);
  tt_op_gradient(c, O_DW, "dw", O_W, true), tt_op_gradient(c, O_DB, "db", O_B, true);
}
static void out_ready(tt_op_case *c, bool backward) {
  if (c->shape->in_place) tt_op_copy(c, backward ? DGATE : O_OUT, backward ? GATE : O_RESIDUAL);
}
static void out_run(const tt_ops *ops, tt_op_case *c) {
  ops->triangle_out(&c->drop, c->shape->hidden, c->shape->dim, tt_op_at(c, O_T),
                    (tt_weights){tt_op_at(c, O_GAMMA), tt_op_at(c, O_BETA)},
                    (tt_statistics){tt_op_at(c, O_MEAN), tt_op_at(c, O_RSTD)},
                    (tt_weights){tt_op_at(c, O_W), tt_op_at(c, O_B)}, tt_op_at(c, GATE),
                    c->shape->in_place ? tt_op_at(c, O_OUT) : tt_op_at(c, O_RESIDUAL), tt_op_at(c, O_OUT),
                    c->scratch);
}
static void out_run_backward(const tt_ops *ops, tt_op_case *c) {
  ops->triangle_out_backward(&c->drop, c->shape->hidden, c->shape->dim, tt_op_at(c, O_DOUT), tt_op_at(c, O_T),
                             (tt_weights){tt_op_at(c, O_GAMMA), tt_op_at(c, O_BETA)},
                             (tt_statistics){tt_op_at(c, O_MEAN), tt_op_at(c, O_RSTD)},
                             (tt_weights){tt_op_at(c, O_W), tt_op_at(c, O_B)},
                             c->shape->in_place ? tt_op_at(c, DGATE) : tt_op_at(c, GATE), tt_op_at(c, DGATE),
                             tt_op_at(c, O_DT), (tt_gradients){tt_op_at(c, O_DGAMMA), tt_op_at(c, O_DBETA)},
                             (tt_gradients){tt_op_at(c, O_DW), tt_op_at(c, O_DB)}, c->scratch);
}
static double out_flops(const tt_op_case *c) {
  return 2.0 * (double)c->rows * c->shape->hidden * c->shape->dim;
}

static const tt_op_shape out_shapes[] = {
    {.molecules = TT_OP_ONE_ATOM, .kind = TT_ROWS_PAIRS_SHARED, .dim = 3, .hidden = 3, .dropout = 0.25},
    {.kind = TT_ROWS_PAIRS_SHARED, .dim = 21, .hidden = 5},
    {.kind = TT_ROWS_PAIRS_SHARED, .dim = 21, .hidden = 5, .dropout = 0.25, .first_dropped = 16},
    {.kind = TT_ROWS_PAIRS_SHARED, .dim = 32, .hidden = 16, .dropout = 0.25, .in_place = true},
    {.kind = TT_ROWS_PAIRS_SHARED, .dim = 75, .hidden = 64, .no_residual = true, .only_test = true},
    {.molecules = TT_OP_SEVEN,
     .kind = TT_ROWS_PAIRS_SHARED,
     .dim = 131,
     .hidden = 37,
     .dropout = 0.1,
     .only_test = true},
    {.molecules = TT_OP_NONE,
     .kind = TT_ROWS_PAIRS_SHARED,
     .dim = 11,
     .hidden = 5,
     .dropout = 0.25,
     .only_test = true},
};
static const tt_op_shape out_real[] = {
    {.molecules = TT_OP_REAL, .kind = TT_ROWS_PAIRS_SHARED, .dim = 512, .hidden = 64, .dropout = 0.25}};

const tt_op_family tt_op_pair[] = {
    {.forward = "outer_product",
     .backward = "outer_product_backward",
     .scratch = TT_SCRATCH_OUTER_PRODUCT,
     .forward_limit = 2e-6,
     .backward_limit = 4e-6,
     .reason = "fp32 sums of up to 4096 products, in another order than the formula's",
     .half_limit = 0x1p-6,
     .half_sums = 0x1p-6,
     .half_reason = "T_i, or its gradient, rounded to bf16 between two products, then the results",
     .step = 0x1p-3,
     .grad_limit = 2e-5,
     .grad_reason = "at most quadratic: fp32 rounding of the results only",
     .build = outer_build,
     .ready = outer_ready,
     .run = outer_run,
     .run_backward = outer_run_backward,
     .flops = outer_flops,
     TT_OP_SHAPES(outer_shapes),
     TT_OP_REAL_SHAPES(outer_real)},
    {.forward = "triangle",
     .backward = "triangle_backward",
     .scratch = TT_SCRATCH_TRIANGLE,
     .forward_limit = 2e-6,
     .backward_limit = 2e-6,
     .reason = "fp32 sigmoid, then sums of up to 82 products",
     .half_limit = 0x1p-6,
     .half_reason = "gated projections, or their gradients, rounded to bf16 before or after products",
     .step = 0x1p-6,
     .grad_limit = 1e-4,
     .grad_reason = "h^4 term of the sigmoid, fp32 rounding over the step",
     .build = triangle_build,
     .ready = triangle_ready,
     .run = triangle_run,
     .run_backward = triangle_run_backward,
     .flops = triangle_flops,
     TT_OP_SHAPES(triangle_shapes),
     TT_OP_REAL_SHAPES(triangle_real)},
    {.forward = "triangle_out",
     .backward = "triangle_out_backward",
     .scratch = TT_SCRATCH_TRIANGLE_OUT,
     .dense = true,
     .forward_limit = 2e-6,
     .backward_limit = 4e-6,
     .reason = "fp32 LayerNorm, then sums of up to 725 products",
     .half_limit = 0x1p-6,
     .half_sums = 0x1p-6,
     .half_reason = "normalised rows and gradients rounded to bf16 before products, then the results",
     .step = 0x1p-7,
     .grad_limit = 1e-4,
     .grad_reason = "h^4 term of LayerNorm, fp32 rounding over the step",
     .build = out_build,
     .ready = out_ready,
     .run = out_run,
     .run_backward = out_run_backward,
     .flops = out_flops,
     TT_OP_SHAPES(out_shapes),
     TT_OP_REAL_SHAPES(out_real)},
    {0},
};
