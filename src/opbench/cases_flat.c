// Cases of flat arrays and of the optimizer. No backwards.
#include "opbench/opcase.h"

static void flat_sizes(tt_op_case *c) {
  tt_op_rows(c);
  c->rows = c->shape->rows;
  tt_op_dense_sizes(c, 1);
}

enum { X, Y };

static void copy_build(tt_op_case *c) {
  flat_sizes(c);
  tt_op_input(c, X, "x", c->rows, -1, 1);
  tt_op_result(c, Y, "y", c->rows);
}
static void copy_run(const tt_ops *ops, tt_op_case *c) {
  ops->copy(tt_op_at(c, X), c->rows, tt_op_at(c, Y));
}

static void copy_activations_build(tt_op_case *c) {
  copy_build(c), tt_op_activation(c, X), tt_op_activation(c, Y);
}
static void copy_activations_run(const tt_ops *ops, tt_op_case *c) {
  ops->copy_activations(tt_op_at(c, X), c->rows, tt_op_at(c, Y));
}

static void zero_build(tt_op_case *c) {
  flat_sizes(c);
  tt_op_result(c, Y, "x", c->rows);
}
static void zero_run(const tt_ops *ops, tt_op_case *c) {
  ops->zero(tt_op_at(c, Y), c->rows);
}

static void zero_activations_build(tt_op_case *c) {
  zero_build(c), tt_op_activation(c, Y);
}
static void zero_activations_run(const tt_ops *ops, tt_op_case *c) {
  ops->zero_activations(tt_op_at(c, Y), c->rows);
}

static void add_build(tt_op_case *c) {
  flat_sizes(c);
  tt_op_input(c, X, "x", c->rows, -1, 1);
  tt_op_in_out(c, Y, "y", c->rows, -1, 1);
}
static void add_run(const tt_ops *ops, tt_op_case *c) {
  ops->add(tt_op_at(c, X), c->rows, tt_op_at(c, Y));
}

static void add_activations_build(tt_op_case *c) {
  add_build(c), tt_op_activation(c, X), tt_op_activation(c, Y);
}
static void add_activations_run(const tt_ops *ops, tt_op_case *c) {
  ops->add_activations(tt_op_at(c, X), c->rows, tt_op_at(c, Y));
}

enum { Z = 2 };

static void product_build(tt_op_case *c) {
  int64_t n = c->shape->dim;
  flat_sizes(c);
  tt_op_input(c, X, "x", n * n, -1, 1), tt_op_input(c, Y, "y", n * n, -1, 1);
  tt_op_result(c, Z, "z", n * n);
}
static void product_run(const tt_ops *ops, tt_op_case *c) {
  ops->library_product(c->shape->dim, tt_op_at(c, X), tt_op_at(c, Y), tt_op_at(c, Z));
}
static double product_flops(const tt_op_case *c) {
  double n = c->shape->dim;
  return 2 * n * n * n;
}

static const tt_op_shape product_shapes[] = {
    {.rows = 1, .dim = 1}, {.rows = 37, .dim = 37}, {.rows = 131, .dim = 131}};
static const tt_op_shape product_real[] = {{.rows = 1536, .dim = 1536}};

static void squares_build(tt_op_case *c) {
  flat_sizes(c);
  tt_op_input(c, X, "x", c->rows, -1, 1);
  tt_op_declare(
      c, Y,
      (tt_op_array){
          .name = "sum", .role = TT_OP_RESULT, .type = TT_OP_DOUBLE, .forward = true, .of = -1, .count = 1});
}
static void squares_run(const tt_ops *ops, tt_op_case *c) {
  tt_op_put(c, Y, ops->sum_squares(tt_op_at(c, X), c->rows));
}

static void blocks_build(tt_op_case *c) {
  int64_t block = c->shape->dim;
  flat_sizes(c);
  tt_op_input(c, X, "x", c->rows, -1, 1);
  tt_op_declare(c, Y,
                (tt_op_array){.name = "sums",
                              .role = TT_OP_RESULT,
                              .type = TT_OP_DOUBLE,
                              .forward = true,
                              .of = -1,
                              .count = (c->rows + block - 1) / block});
}
static void blocks_run(const tt_ops *ops, tt_op_case *c) {
  ops->block_squares(tt_op_at(c, X), c->rows, c->shape->dim, c->array[Y].at);
}

static const tt_op_shape blocks_shapes[] = {{.molecules = TT_OP_NONE, .dim = 16},
                                            {.rows = 1, .dim = 1},
                                            {.rows = 16, .dim = 16},
                                            {.rows = 1003, .dim = 64},
                                            {.rows = 70001, .dim = 4096}};
static const tt_op_shape blocks_real[] = {{.rows = 1 << 22, .dim = 4096}};

enum { W, GRADIENT, M, V, DECAYED };

static void adam_build(tt_op_case *c) {
  flat_sizes(c);
  tt_op_in_out(c, W, "w", c->rows, -1, 1), tt_op_input(c, GRADIENT, "grad", c->rows, -1, 1);
  tt_op_in_out(c, M, "m", c->rows, -1, 1), tt_op_in_out(c, V, "v", c->rows, 1e-3, 1);
  tt_op_declare(c, DECAYED,
                (tt_op_array){.name = "decayed",
                              .role = TT_OP_INPUT,
                              .type = TT_OP_BYTE,
                              .forward = true,
                              .of = -1,
                              .count = c->rows,
                              .high = 1});
}
static void adam_run(const tt_ops *ops, tt_op_case *c) {
  ops->adam(c->rows, tt_op_at(c, W), tt_op_at(c, GRADIENT), tt_op_at(c, M), tt_op_at(c, V),
            c->array[DECAYED].at, 0.5f, 0.125f, 0.0625f, 0.875f, 0.96875f, 1e-6f);
}

static const tt_op_shape flat_shapes[] = {
    {.molecules = TT_OP_NONE}, {.rows = 1}, {.rows = 16}, {.rows = 1003}, {.rows = 70001}};
static const tt_op_shape flat_real[] = {{.rows = 1 << 22}};

#define FLAT(name, limit, why, ...)                                                                          \
  {                                                                                                          \
    .forward = #name, .forward_limit = limit, .reason = why, .build = name##_build, .run = name##_run,       \
    TT_OP_SHAPES(flat_shapes), TT_OP_REAL_SHAPES(flat_real), __VA_ARGS__                                     \
  }

const tt_op_family tt_op_flat[] = {
    FLAT(copy, 0, "the same bits"),
    FLAT(zero, 0, "the same bits"),
    FLAT(add, 0, "one fp32 addition: the same bits"),
    FLAT(copy_activations, 0, "the same bits"),
    FLAT(zero_activations, 0, "the same bits"),
    FLAT(add_activations, 0, "one fp32 addition: the same bits", .half_limit = TT_OP_BF16_ONCE,
         .half_reason = "one sum rounded to bf16"),
    {.forward = "library_product",
     .forward_limit = 1e-6,
     .reason = "fp32 sums of up to 131 products",
     .build = product_build,
     .run = product_run,
     .flops = product_flops,
     TT_OP_SHAPES(product_shapes),
     TT_OP_REAL_SHAPES(product_real)},
    {.forward = "sum_squares",
     .forward_limit = 1e-12,
     .reason = "a sum of up to 70001 doubles",
     .build = squares_build,
     .run = squares_run,
     TT_OP_SHAPES(flat_shapes),
     TT_OP_REAL_SHAPES(flat_real)},
    {.forward = "block_squares",
     .forward_limit = 1e-12,
     .reason = "sums of up to 4096 doubles",
     .build = blocks_build,
     .run = blocks_run,
     TT_OP_SHAPES(blocks_shapes),
     TT_OP_REAL_SHAPES(blocks_real)},
    FLAT(adam, 5e-7, "a few fp32 operations an element, a square root and a quotient"),
    {0},
};
