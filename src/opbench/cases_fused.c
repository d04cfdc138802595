// Cases of the fused steps of a block.
#include "opbench/opcase.h"

static int largest(int a, int b) {
  return a > b ? a : b;
}

// ---- norm_linear ----
enum { X, GAMMA, BETA, MEAN, RSTD, DX, DGAMMA, DBETA, MAP }; // from MAP on, six arrays a map
enum { W, B, Y, DY, DW, DB, MAP_ARRAYS };

static int map_slot(int k, int array) {
  return MAP + k * MAP_ARRAYS + array;
}
static int map_count(const tt_op_case *c) {
  int count = 0;
  while (count < TT_MOST_MAPS && c->shape->outs[count] > 0) count++;
  return count;
}

static void norm_linear_build(tt_op_case *c) {
  static const char *const names[TT_MOST_MAPS][MAP_ARRAYS] = {
      {"w 1", "b 1", "y 1", "dy 1", "dw 1", "db 1"},
      {"w 2", "b 2", "y 2", "dy 2", "dw 2", "db 2"},
      {"w 3", "b 3", "y 3", "dy 3", "dw 3", "db 3"},
  };
  const tt_op_shape *s = c->shape;
  tt_op_rows(c);
  tt_op_dense_sizes(c, 1);
  // several maps are of the triangle's kind, (P) to 2C, 2C, P; one is like (D) to 2C of the outer product
  if (map_count(c) > 1)
    c->sizes.pair_dim = largest(s->dim, s->outs[2]);
  else
    c->sizes.embed_dim = s->dim;
  c->sizes.pair_hidden = (largest(s->outs[0], s->outs[1]) + 1) / 2;
  tt_op_input(c, X, "x", c->rows * s->dim, -1, 2), tt_op_activation(c, X);
  tt_op_input(c, GAMMA, "gamma", s->dim, -1, 1), tt_op_input(c, BETA, "beta", s->dim, -1, 1);
  tt_op_result(c, MEAN, "mean", c->rows), tt_op_result(c, RSTD, "rstd", c->rows);
  for (int k = 0; k < map_count(c); k++) {
    tt_op_input(c, map_slot(k, W), names[k][W], (int64_t)s->outs[k] * s->dim, -1, 1);
    tt_op_round(c, map_slot(k, W));
    if (!s->no_bias) {
      tt_op_input(c, map_slot(k, B), names[k][B], s->outs[k], -1, 1);
      tt_op_forward_only(c, map_slot(k, B));
    }
    tt_op_result(c, map_slot(k, Y), names[k][Y], c->rows * s->outs[k]);
    tt_op_forward_only(c, map_slot(k, Y)), tt_op_activation(c, map_slot(k, Y));
    tt_op_seed(c, map_slot(k, DY), names[k][DY], map_slot(k, Y));
    tt_op_gradient(c, map_slot(k, DW), names[k][DW], map_slot(k, W), true);
    if (!s->no_bias) tt_op_gradient(c, map_slot(k, DB), names[k][DB], map_slot(k, B), true);
  }
  tt_op_gradient(c, DX, "dx", X, true);
  tt_op_gradient(c, DGAMMA, "dgamma", GAMMA, true), tt_op_gradient(c, DBETA, "dbeta", BETA, true);
}

static tt_weights norm_of(const tt_op_case *c) {
  return (tt_weights){tt_op_at(c, GAMMA), tt_op_at(c, BETA)};
}
static tt_statistics statistics_of(const tt_op_case *c) {
  return (tt_statistics){tt_op_at(c, MEAN), tt_op_at(c, RSTD)};
}

static void norm_linear_run(const tt_ops *ops, tt_op_case *c) {
  tt_map maps[TT_MOST_MAPS];
  for (int k = 0; k < map_count(c); k++)
    maps[k] = (tt_map){c->shape->outs[k],
                       {tt_op_at(c, map_slot(k, W)), tt_op_at(c, map_slot(k, B))},
                       tt_op_at(c, map_slot(k, Y))};
  ops->norm_linear(tt_op_at(c, X), c->rows, c->shape->dim, norm_of(c), statistics_of(c), maps, map_count(c),
                   c->scratch);
}
static void norm_linear_run_backward(const tt_ops *ops, tt_op_case *c) {
  tt_map_gradient maps[TT_MOST_MAPS];
  for (int k = 0; k < map_count(c); k++)
    maps[k] = (tt_map_gradient){c->shape->outs[k],
                                {tt_op_at(c, map_slot(k, W)), tt_op_at(c, map_slot(k, B))},
                                tt_op_at(c, map_slot(k, DY)),
                                {tt_op_at(c, map_slot(k, DW)), tt_op_at(c, map_slot(k, DB))}};
  ops->norm_linear_backward(tt_op_at(c, X), c->rows, c->shape->dim, norm_of(c), statistics_of(c), maps,
                            map_count(c), tt_op_at(c, DX),
                            (tt_gradients){tt_op_at(c, DGAMMA), tt_op_at(c, DBETA)}, c->scratch);
}
static double norm_linear_flops(const tt_op_case *c) {
  double out = 0;
  for (int k = 0; k < map_count(c); k++) out += c->shape->outs[k];
  return 2.0 * (double)c->rows * c->shape->dim * out;
}

static const tt_op_shape norm_linear_shapes[] = {
    {.molecules = TT_OP_ONE_ATOM, .kind = TT_ROWS_TOKENS, .dim = 3, .outs = {1}},
    {.kind = TT_ROWS_TOKENS, .dim = 21, .outs = {63}, .no_bias = true},
    {.kind = TT_ROWS_TOKENS, .dim = 21, .outs = {11, 5}},
    {.kind = TT_ROWS_TOKENS, .dim = 5, .outs = {1030}, .only_test = true}, // more than a block of dy
    {.kind = TT_ROWS_PAIRS, .dim = 37, .outs = {18, 18, 37}},
    {.molecules = TT_OP_SEVEN, .kind = TT_ROWS_PAIRS, .dim = 64, .outs = {32, 32, 64}, .only_test = true},
    {.molecules = TT_OP_SEVEN, .kind = TT_ROWS_TOKENS, .dim = 776, .outs = {101, 1}, .only_test = true},
    {.molecules = TT_OP_NONE, .kind = TT_ROWS_PAIRS, .dim = 5, .outs = {4, 4, 3}, .only_test = true},
};
static const tt_op_shape norm_linear_real[] = {
    {.molecules = TT_OP_REAL, .kind = TT_ROWS_TOKENS, .dim = 768, .outs = {2304}, .no_bias = true}, // q, k, v
    {.molecules = TT_OP_REAL, .kind = TT_ROWS_TOKENS, .dim = 768, .outs = {128}},                   // a, b
    {.molecules = TT_OP_REAL,
     .kind = TT_ROWS_PAIRS,
     .dim = 512,
     .outs = {128, 128, 512}}, // triangle's inputs
};

// ---- linear_residual ----
enum { LR_W = 1, LR_B, RESIDUAL, OUT, DOUT, LR_DX, LR_DW, LR_DB };

static void residual_build(tt_op_case *c) {
  const tt_op_shape *s = c->shape;
  tt_op_rows(c);
  tt_op_dense_sizes(c, largest(s->in, s->out));
  tt_op_input(c, X, "x", c->rows * s->in, -1, 1), tt_op_activation(c, X);
  tt_op_input(c, LR_W, "w", (int64_t)s->out * s->in, -1, 1), tt_op_round(c, LR_W);
  if (!s->no_bias) tt_op_input(c, LR_B, "b", s->out, -1, 1), tt_op_forward_only(c, LR_B);
  if (!s->no_residual) {
    tt_op_input(c, RESIDUAL, "residual", c->rows * s->out, -1, 1), tt_op_forward_only(c, RESIDUAL);
    tt_op_activation(c, RESIDUAL);
  }
  tt_op_result(c, OUT, "out", c->rows * s->out), tt_op_forward_only(c, OUT);
  tt_op_activation(c, OUT);
  tt_op_seed(c, DOUT, "dout", OUT);
  tt_op_gradient(c, LR_DX, "dx", X, false);
  tt_op_gradient(c, LR_DW, "dw", LR_W, true);
  if (!s->no_bias) tt_op_gradient(c, LR_DB, "db", LR_B, true);
}
static void residual_ready(tt_op_case *c, bool backward) {
  if (c->shape->in_place && !backward) tt_op_copy(c, OUT, RESIDUAL);
}
static void residual_run(const tt_ops *ops, tt_op_case *c) {
  ops->linear_residual(&c->drop, tt_op_at(c, X), c->rows, c->shape->in, c->shape->out,
                       (tt_weights){tt_op_at(c, LR_W), tt_op_at(c, LR_B)},
                       c->shape->in_place ? tt_op_at(c, OUT) : tt_op_at(c, RESIDUAL), tt_op_at(c, OUT),
                       c->scratch);
}
static void residual_run_backward(const tt_ops *ops, tt_op_case *c) {
  ops->linear_residual_backward(&c->drop, tt_op_at(c, DOUT), tt_op_at(c, X), c->rows, c->shape->in,
                                c->shape->out, tt_op_at(c, LR_W), tt_op_at(c, LR_DX),
                                (tt_gradients){tt_op_at(c, LR_DW), tt_op_at(c, LR_DB)}, c->scratch);
}
static double residual_flops(const tt_op_case *c) {
  return 2.0 * (double)c->rows * c->shape->in * c->shape->out;
}

static const tt_op_shape residual_shapes[] = {
    {.molecules = TT_OP_ONE_ATOM, .kind = TT_ROWS_TOKENS, .in = 2, .out = 3, .dropout = 0.25},
    {.kind = TT_ROWS_TOKENS, .in = 21, .out = 11},
    {.kind = TT_ROWS_TOKENS, .in = 21, .out = 11, .dropout = 0.25},
    {.kind = TT_ROWS_TOKENS, .in = 5, .out = 64, .dropout = 0.1, .in_place = true},
    {.kind = TT_ROWS_PAIRS,
     .in = 9,
     .out = 37,
     .dropout = 0.5,
     .first_dropped = 8,
     .no_residual = true,
     .no_bias = true},
    {.kind = TT_ROWS_TOKENS,
     .in = 3,
     .out = 1040,
     .dropout = 0.25,
     .only_test = true}, // many words of a mask
    {.molecules = TT_OP_SEVEN,
     .kind = TT_ROWS_PAIRS,
     .in = 131,
     .out = 75,
     .dropout = 0.1,
     .only_test = true},
    {.molecules = TT_OP_NONE, .in = 5, .out = 7, .dropout = 0.25, .only_test = true},
};
static const tt_op_shape residual_real[] = {
    {.molecules = TT_OP_REAL, .kind = TT_ROWS_TOKENS, .in = 768, .out = 768, .dropout = 0.1}};

// ---- bias_residual ----
enum { BR_Y, BR_B, BR_RESIDUAL, BR_OUT, BR_DOUT, BR_DY, BR_DB };

static void bias_build(tt_op_case *c) {
  const tt_op_shape *s = c->shape;
  tt_op_rows(c);
  tt_op_dense_sizes(c, s->dim);
  tt_op_input(c, BR_Y, "y", c->rows * s->dim, -1, 1), tt_op_forward_only(c, BR_Y);
  tt_op_activation(c, BR_Y);
  tt_op_input(c, BR_B, "bias", s->dim, -1, 1), tt_op_forward_only(c, BR_B);
  if (!s->no_residual) {
    tt_op_input(c, BR_RESIDUAL, "residual", c->rows * s->dim, -1, 1), tt_op_forward_only(c, BR_RESIDUAL);
    tt_op_activation(c, BR_RESIDUAL);
  }
  tt_op_result(c, BR_OUT, "out", c->rows * s->dim), tt_op_forward_only(c, BR_OUT);
  tt_op_activation(c, BR_OUT);
  tt_op_seed(c, BR_DOUT, "dout", BR_OUT);
  tt_op_gradient(c, BR_DY, "dy", BR_Y, false), tt_op_gradient(c, BR_DB, "dbias", BR_B, true);
}
// In place: with a residual out is the residual, without one it is y.
static void bias_ready(tt_op_case *c, bool backward) {
  if (!c->shape->in_place) return;
  if (backward)
    tt_op_copy(c, BR_DY, BR_DOUT);
  else
    tt_op_copy(c, BR_OUT, c->shape->no_residual ? BR_Y : BR_RESIDUAL);
}
static void bias_run(const tt_ops *ops, tt_op_case *c) {
  const tt_op_shape *s = c->shape;
  int y = s->in_place && s->no_residual ? BR_OUT : BR_Y;
  int residual = s->in_place && !s->no_residual ? BR_OUT : BR_RESIDUAL;
  ops->bias_residual(&c->drop, tt_op_at(c, y), c->rows, s->dim, tt_op_at(c, BR_B), tt_op_at(c, residual),
                     tt_op_at(c, BR_OUT));
}
static void bias_run_backward(const tt_ops *ops, tt_op_case *c) {
  bool in_place = c->shape->in_place;
  ops->bias_residual_backward(&c->drop, tt_op_at(c, in_place ? BR_DY : BR_DOUT), c->rows, c->shape->dim,
                              tt_op_at(c, BR_DY), tt_op_at(c, BR_DB));
}

static const tt_op_shape bias_shapes[] = {
    {.molecules = TT_OP_ONE_ATOM, .kind = TT_ROWS_TOKENS, .dim = 3, .dropout = 0.25},
    {.kind = TT_ROWS_TOKENS, .dim = 21},
    {.kind = TT_ROWS_TOKENS, .dim = 21, .dropout = 0.25, .no_residual = true, .in_place = true},
    {.kind = TT_ROWS_TOKENS, .dim = 64, .dropout = 0.1, .in_place = true},
    {.kind = TT_ROWS_PAIRS, .dim = 11, .dropout = 0.5, .first_dropped = 8, .no_residual = true},
    {.molecules = TT_OP_SEVEN, .kind = TT_ROWS_TOKENS, .dim = 1043, .dropout = 0.25, .only_test = true},
    {.molecules = TT_OP_NONE, .dim = 7, .dropout = 0.25, .only_test = true},
};
static const tt_op_shape bias_real[] = {
    {.molecules = TT_OP_REAL, .kind = TT_ROWS_TOKENS, .dim = 768, .dropout = 0.1}};

// ---- ffn ----
enum {
  FFN_MEAN = 3,
  FFN_RSTD,
  W1,
  B1,
  W2,
  B2,
  H,
  FFN_OUT,
  FFN_DOUT,
  D,
  FFN_DGAMMA,
  FFN_DBETA,
  DW1,
  DB1,
  DW2,
  DB2
};

static void ffn_build(tt_op_case *c) {
  const tt_op_shape *s = c->shape;
  int64_t size = (int64_t)s->dim * s->hidden;
  tt_op_rows(c);
  tt_op_dense_sizes(c, 1);
  c->sizes.embed_dim = s->dim, c->sizes.ffn_dim = s->hidden;
  tt_op_input(c, X, "x", c->rows * s->dim, -1, 2), tt_op_activation(c, X);
  tt_op_input(c, GAMMA, "gamma", s->dim, -1, 1), tt_op_input(c, BETA, "beta", s->dim, -1, 1);
  tt_op_result(c, FFN_MEAN, "mean", c->rows), tt_op_result(c, FFN_RSTD, "rstd", c->rows);
  tt_op_input(c, W1, "w1", size, -0.5, 0.5), tt_op_round(c, W1);
  tt_op_input(c, B1, "b1", s->hidden, -1, 1);
  tt_op_forward_only(c, B1);
  tt_op_input(c, W2, "w2", size, -0.5, 0.5), tt_op_round(c, W2);
  if (!s->no_bias) tt_op_input(c, B2, "b2", s->dim, -1, 1), tt_op_forward_only(c, B2);
  tt_op_result(c, H, "h", c->rows * s->hidden), tt_op_activation(c, H);
  tt_op_result(c, FFN_OUT, "out", c->rows * s->dim), tt_op_forward_only(c, FFN_OUT);
  tt_op_activation(c, FFN_OUT);
  tt_op_seed(c, FFN_DOUT, "dout", FFN_OUT);
  tt_op_gradient(c, D, "dx", X, false);
  tt_op_gradient(c, FFN_DGAMMA, "dgamma", GAMMA, true), tt_op_gradient(c, FFN_DBETA, "dbeta", BETA, true);
  tt_op_gradient(c, DW1, "dw1", W1, true), tt_op_gradient(c, DB1, "db1", B1, true);
  tt_op_gradient(c, DW2, "dw2", W2, true);
  if (!s->no_bias) tt_op_gradient(c, DB2, "db2", B2, true);
}
static tt_ffn ffn_of(const tt_op_case *c) {
  return (tt_ffn){.drop = c->drop,
                  .inner = c->inner.dropout,
                  .rows = c->rows,
                  .dim = c->shape->dim,
                  .hidden = c->shape->hidden,
                  .norm = norm_of(c),
                  .first = {tt_op_at(c, W1), tt_op_at(c, B1)},
                  .second = {tt_op_at(c, W2), tt_op_at(c, B2)},
                  .branch_only = c->shape->no_residual};
}
static void ffn_run(const tt_ops *ops, tt_op_case *c) {
  tt_ffn f = ffn_of(c);
  ops->ffn(&f, tt_op_at(c, X), c->shape->no_residual ? NULL : tt_op_at(c, X), tt_op_at(c, H),
           (tt_statistics){tt_op_at(c, FFN_MEAN), tt_op_at(c, FFN_RSTD)}, tt_op_at(c, FFN_OUT), c->scratch);
}
static void ffn_ready(tt_op_case *c, bool backward) {
  if (backward) tt_op_copy(c, D, FFN_DOUT);
}
static void ffn_run_backward(const tt_ops *ops, tt_op_case *c) {
  tt_ffn f = ffn_of(c);
  ops->ffn_backward(&f, tt_op_at(c, X), tt_op_at(c, H),
                    (tt_statistics){tt_op_at(c, FFN_MEAN), tt_op_at(c, FFN_RSTD)}, tt_op_at(c, D),
                    (tt_gradients){tt_op_at(c, FFN_DGAMMA), tt_op_at(c, FFN_DBETA)},
                    (tt_gradients){tt_op_at(c, DW1), tt_op_at(c, DB1)},
                    (tt_gradients){tt_op_at(c, DW2), tt_op_at(c, DB2)}, c->scratch);
}
static double ffn_flops(const tt_op_case *c) {
  return 4.0 * (double)c->rows * c->shape->dim * c->shape->hidden;
}

static const tt_op_shape ffn_shapes[] = {
    {.molecules = TT_OP_ONE_ATOM, .kind = TT_ROWS_TOKENS, .dim = 3, .hidden = 2, .dropout = 0.25},
    {.kind = TT_ROWS_TOKENS, .dim = 21, .hidden = 37},
    {.kind = TT_ROWS_TOKENS, .dim = 21, .hidden = 37, .dropout = 0.25, .inner_dropout = 0.1},
    {.kind = TT_ROWS_TOKENS,
     .dim = 9,
     .hidden = 21,
     .dropout = 0.25,
     .inner_dropout = 0.25,
     .first_dropped = 1032,
     .no_residual = true,
     .no_bias = true}, // a part of the hidden channels
    {.kind = TT_ROWS_PAIRS, .dim = 11, .hidden = 11, .dropout = 0.1},
    {.kind = TT_ROWS_PAIRS, .dim = 16, .hidden = 32, .inner_dropout = 0.5, .no_residual = true},
    {.molecules = TT_OP_SEVEN,
     .kind = TT_ROWS_PAIRS,
     .dim = 75,
     .hidden = 139,
     .dropout = 0.1,
     .only_test = true},
    {.molecules = TT_OP_SEVEN, .kind = TT_ROWS_TOKENS, .dim = 131, .hidden = 776, .only_test = true},
    {.molecules = TT_OP_NONE,
     .dim = 5,
     .hidden = 7,
     .dropout = 0.25,
     .inner_dropout = 0.25,
     .only_test = true},
};
static const tt_op_shape ffn_real[] = {
    {.molecules = TT_OP_REAL, .kind = TT_ROWS_TOKENS, .dim = 768, .hidden = 768, .dropout = 0.1},
    {.molecules = TT_OP_REAL, .kind = TT_ROWS_PAIRS, .dim = 512, .hidden = 512, .dropout = 0.1},
};

const tt_op_family tt_op_fused[] = {
    {.forward = "norm_linear",
     .backward = "norm_linear_backward",
     .scratch = TT_SCRATCH_NORM_LINEAR,
     .dense = true,
     .forward_limit = 2e-6,
     .backward_limit = 4e-6,
     .reason = "fp32 LayerNorm, then sums of up to 776 products",
     .half_limit = 0x1p-6,
     .half_sums = 0x1p-6,
     .half_reason = "normalised rows and gradients rounded to bf16 before products, then the results",
     .step = 0x1p-7,
     .grad_limit = 1e-4,
     .grad_reason = "h^4 term of LayerNorm, fp32 rounding over the step",
     .build = norm_linear_build,
     .run = norm_linear_run,
     .run_backward = norm_linear_run_backward,
     .flops = norm_linear_flops,
     TT_OP_SHAPES(norm_linear_shapes),
     TT_OP_REAL_SHAPES(norm_linear_real)},
    {.forward = "linear_residual",
     .backward = "linear_residual_backward",
     .scratch = TT_SCRATCH_LINEAR,
     .dense = true,
     .forward_limit = 1e-6,
     .backward_limit = 2e-6,
     .reason = "fp32 sums of up to 725 products",
     .half_limit = 0x1p-7,
     .half_sums = 0x1p-7,
     .half_reason = "gradients after dropout rounded to bf16 before products, then the results",
     .step = 0x1p-6,
     .grad_limit = 2e-5,
     .grad_reason = "linear: fp32 rounding of the results only",
     .build = residual_build,
     .ready = residual_ready,
     .run = residual_run,
     .run_backward = residual_run_backward,
     .flops = residual_flops,
     TT_OP_SHAPES(residual_shapes),
     TT_OP_REAL_SHAPES(residual_real)},
    {.forward = "bias_residual",
     .backward = "bias_residual_backward",
     .forward_limit = 2e-7,
     .backward_limit = 1e-6,
     .reason = "a few fp32 operations an element; sums of up to 255 rows",
     .half_limit = TT_OP_BF16_ONCE,
     .half_sums = 0x1p-8,
     .half_reason = "gradients after dropout and results rounded to bf16 once",
     .step = 0x1p-4,
     .grad_limit = 2e-5,
     .grad_reason = "linear: fp32 rounding of the results only",
     .build = bias_build,
     .ready = bias_ready,
     .run = bias_run,
     .run_backward = bias_run_backward,
     TT_OP_SHAPES(bias_shapes),
     TT_OP_REAL_SHAPES(bias_real)},
    {.forward = "ffn",
     .backward = "ffn_backward",
     .scratch = TT_SCRATCH_FFN,
     .dense = true,
     .forward_limit = 2e-6,
     .backward_limit = 4e-6,
     .reason = "LayerNorm, two products of up to 776 terms and GELU in fp32",
     .half_limit = 0x1p-6,
     .half_sums = 0x1p-6,
     .half_reason = "normalised rows, GELU and gradients rounded to bf16 before products, then the results",
     .step = 0x1p-8,
     .grad_limit = 1e-4,
     .grad_reason = "h^4 term of LayerNorm and GELU, fp32 rounding over the step",
     .build = ffn_build,
     .ready = ffn_ready,
     .run = ffn_run,
     .run_backward = ffn_run_backward,
     .flops = ffn_flops,
     TT_OP_SHAPES(ffn_shapes),
     TT_OP_REAL_SHAPES(ffn_real)},
    {0},
};
