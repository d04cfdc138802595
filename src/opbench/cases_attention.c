// Cases of attention and of the movement head.
#include "opbench/opcase.h"

static void attention_sizes(tt_op_case *c) {
  int width = c->shape->heads * c->shape->head_dim;
  tt_op_rows(c);
  c->rows = 0;
  tt_op_dense_sizes(c, width);
  c->sizes.heads = c->shape->heads, c->sizes.pair_dim = 1, c->sizes.ffn_dim = 1;
  c->sizes.tokens = c->batch->tokens, c->sizes.pairs = c->batch->pairs;
}

static int64_t qkv_count(const tt_op_case *c) {
  return c->batch->tokens * 3 * c->shape->heads * c->shape->head_dim;
}
static int64_t prob_count(const tt_op_case *c) {
  return c->batch->pairs * c->shape->heads;
}

// sum over molecules of L^2, times 2 D: one product of queries and keys, or of probabilities and values
static double product_flops(const tt_op_case *c) {
  return 2.0 * (double)c->batch->pairs * c->shape->heads * c->shape->head_dim;
}

// ---- attention ----
enum { QKV, BIAS, PROB, DPROB, DQKV, DBIAS };

static void attention_build(tt_op_case *c) {
  double reach = c->shape->extreme ? 3000 : 2;
  attention_sizes(c);
  tt_op_input(c, QKV, "qkv", qkv_count(c), -2, 2), tt_op_activation(c, QKV);
  tt_op_input(c, BIAS, "bias", prob_count(c), -reach, reach), tt_op_forward_only(c, BIAS);
  tt_op_activation(c, BIAS);
  tt_op_result(c, PROB, "prob", prob_count(c)), tt_op_activation(c, PROB);
  tt_op_seed(c, DPROB, "dprob", PROB), c->array[DPROB].spoiled = true;
  tt_op_gradient(c, DQKV, "dqkv", QKV, true); // the third of v is somebody else's
  tt_op_gradient(c, DBIAS, "dbias", BIAS, false);
}
static void attention_run(const tt_ops *ops, tt_op_case *c) {
  ops->attention(c->batch, c->shape->first, c->shape->heads, c->shape->head_dim, tt_op_at(c, QKV),
                 tt_op_at(c, BIAS), tt_op_at(c, PROB), c->scratch);
}
static void attention_run_backward(const tt_ops *ops, tt_op_case *c) {
  ops->attention_backward(c->batch, c->shape->first, c->shape->heads, c->shape->head_dim, tt_op_at(c, QKV),
                          tt_op_at(c, PROB), tt_op_at(c, DPROB), tt_op_at(c, DQKV), tt_op_at(c, DBIAS),
                          c->scratch);
}

static const tt_op_shape attention_shapes[] = {
    {.molecules = TT_OP_ONE_ATOM, .heads = 1, .head_dim = 1},
    {.molecules = TT_OP_ONE_ATOM, .heads = 2, .head_dim = 3, .first = 1},
    {.heads = 3, .head_dim = 7},
    {.heads = 3, .head_dim = 7, .first = 1},
    {.molecules = TT_OP_SEVEN, .heads = 4, .head_dim = 16},
    {.heads = 1, .head_dim = 300, .only_test = true}, // deeper than a panel of a small product
    {.molecules = TT_OP_REAL, .heads = 2, .head_dim = 16, .only_test = true},
    {.molecules = TT_OP_SEVEN, .heads = 16, .head_dim = 24, .only_test = true},
    {.molecules = TT_OP_LONG, .heads = 8, .head_dim = 16, .first = 1, .only_test = true},
    {.heads = 1, .head_dim = 2, .extreme = true, .only_test = true},
    {.molecules = TT_OP_NONE, .heads = 3, .head_dim = 2, .only_test = true},
};
static const tt_op_shape attention_real[] = {{.molecules = TT_OP_REAL, .heads = 48, .head_dim = 16}};

// ---- attention_values ----
enum { V_PROB, V_QKV, OUT, DOUT, V_DPROB, V_DQKV };

static void values_build(tt_op_case *c) {
  attention_sizes(c);
  tt_op_input(c, V_PROB, "prob", prob_count(c), 0, 1), tt_op_activation(c, V_PROB);
  tt_op_input(c, V_QKV, "qkv", qkv_count(c), -1, 1), tt_op_activation(c, V_QKV);
  tt_op_result(c, OUT, "out", qkv_count(c) / 3), tt_op_forward_only(c, OUT);
  tt_op_activation(c, OUT);
  tt_op_seed(c, DOUT, "dout", OUT);
  tt_op_gradient(c, V_DPROB, "dprob", V_PROB, false);
  tt_op_gradient(c, V_DQKV, "dqkv", V_QKV, true); // q's and k's thirds are somebody else's
}
static void values_run(const tt_ops *ops, tt_op_case *c) {
  ops->attention_values(c->batch, c->shape->heads, c->shape->head_dim, tt_op_at(c, V_PROB), &c->drop.dropout,
                        tt_op_at(c, V_QKV), tt_op_at(c, OUT), c->scratch);
}
static void values_run_backward(const tt_ops *ops, tt_op_case *c) {
  ops->attention_values_backward(c->batch, c->shape->heads, c->shape->head_dim, tt_op_at(c, V_PROB),
                                 &c->drop.dropout, tt_op_at(c, V_QKV), tt_op_at(c, DOUT),
                                 tt_op_at(c, V_DPROB), tt_op_at(c, V_DQKV), c->scratch);
}

static const tt_op_shape values_shapes[] = {
    {.molecules = TT_OP_ONE_ATOM, .heads = 1, .head_dim = 3},
    {.heads = 3, .head_dim = 7},
    {.heads = 3, .head_dim = 7, .dropout = 0.25},
    {.molecules = TT_OP_SEVEN, .heads = 4, .head_dim = 16, .dropout = 0.1},
    {.heads = 2, .head_dim = 5, .dropout = 0.25, .first_dropped = 3}, // two heads of a tensor group
    {.molecules = TT_OP_REAL, .heads = 2, .head_dim = 16, .dropout = 0.1, .only_test = true},
    {.molecules = TT_OP_SEVEN, .heads = 16, .head_dim = 24, .dropout = 0.1, .only_test = true},
    {.molecules = TT_OP_LONG, .heads = 2, .head_dim = 16, .dropout = 0.1, .only_test = true},
    {.molecules = TT_OP_NONE, .heads = 3, .head_dim = 2, .dropout = 0.25, .only_test = true},
};
static const tt_op_shape values_real[] = {
    {.molecules = TT_OP_REAL, .heads = 48, .head_dim = 16, .dropout = 0.1}};

// ---- movement ----
enum { M_PROB, M_QKV, FORCE, MOVE, DMOVE, M_DPROB, M_DQKV, DFORCE };

static void movement_build(tt_op_case *c) {
  int heads = c->shape->heads;
  attention_sizes(c);
  tt_op_input(c, M_PROB, "prob", prob_count(c), 0, 1), tt_op_activation(c, M_PROB);
  tt_op_input(c, M_QKV, "qkv", qkv_count(c), -1, 1), tt_op_activation(c, M_QKV);
  tt_op_input(c, FORCE, "force", (int64_t)heads * c->shape->head_dim, -1, 1);
  tt_op_result(c, MOVE, "move", c->batch->tokens * 3), tt_op_forward_only(c, MOVE);
  tt_op_seed(c, DMOVE, "dmove", MOVE);
  tt_op_gradient(c, M_DPROB, "dprob", M_PROB, false);
  tt_op_gradient(c, M_DQKV, "dqkv", M_QKV, true);
  tt_op_gradient(c, DFORCE, "dforce", FORCE, true);
  for (int m = 0; c->status == TT_OK && m < c->batch->molecules;
       m++)                           // virtual rows and columns, as attention
    for (int h = 0; h < heads; h++) { // leaves them with first = 1
      int64_t length = c->batch->length[m];
      float *prob = tt_op_at(c, M_PROB) + c->batch->pair_offset[m] * heads + h * length * length;
      for (int64_t i = 0; i < length; i++) prob[i] = prob[i * length] = 0;
    }
}
static void movement_run(const tt_ops *ops, tt_op_case *c) {
  ops->movement(c->batch, c->shape->heads, c->shape->head_dim, tt_op_at(c, M_PROB), &c->drop.dropout,
                tt_op_at(c, M_QKV), tt_op_at(c, FORCE), tt_op_at(c, MOVE), c->scratch);
}
static void movement_run_backward(const tt_ops *ops, tt_op_case *c) {
  ops->movement_backward(c->batch, c->shape->heads, c->shape->head_dim, tt_op_at(c, M_PROB), &c->drop.dropout,
                         tt_op_at(c, M_QKV), tt_op_at(c, FORCE), tt_op_at(c, DMOVE), tt_op_at(c, M_DPROB),
                         tt_op_at(c, M_DQKV), tt_op_at(c, DFORCE), c->scratch);
}
// one scalar a head and atom, then its weighted sum (docs/benchmarks.md)
static double movement_flops(const tt_op_case *c) {
  double atoms = (double)(c->batch->tokens - c->batch->molecules), heads = c->shape->heads;
  return 2 * atoms * heads * c->shape->head_dim + 2 * (double)c->batch->atom_pairs * (heads + 3);
}

const tt_op_family tt_op_attention[] = {
    {.forward = "attention",
     .backward = "attention_backward",
     .scratch = TT_SCRATCH_ATTENTION,
     .forward_limit = 2e-6,
     .backward_limit = 2e-6,
     .reason = "exp in fp32 of logits up to 60, whose rounding it multiplies",
     .half_limit = 0x1p-7,
     .half_reason = "results rounded to bf16, and gradients of logits before they are multiplied",
     .step = 0x1p-7,
     .grad_limit = 1e-4,
     .grad_reason = "h^4 term of softmax, fp32 rounding over the step",
     .build = attention_build,
     .run = attention_run,
     .run_backward = attention_run_backward,
     .flops = product_flops,
     TT_OP_SHAPES(attention_shapes),
     TT_OP_REAL_SHAPES(attention_real)},
    {.forward = "attention_values",
     .backward = "attention_values_backward",
     .scratch = TT_SCRATCH_ATTENTION,
     .forward_limit = 1e-6,
     .backward_limit = 1e-6,
     .reason = "fp32 sums of up to 141 products",
     .half_limit = 0x1p-7,
     .half_reason = "results rounded to bf16, and probabilities after dropout",
     .step = 0x1p-6,
     .grad_limit = 2e-5,
     .grad_reason = "linear: fp32 rounding of the results only",
     .build = values_build,
     .run = values_run,
     .run_backward = values_run_backward,
     .flops = product_flops,
     TT_OP_SHAPES(values_shapes),
     TT_OP_REAL_SHAPES(values_real)},
    {.forward = "movement",
     .backward = "movement_backward",
     .scratch = TT_SCRATCH_MOVEMENT,
     .forward_limit = 2e-6,
     .backward_limit = 2e-6,
     .reason = "fp32 sums over heads, channels and atoms",
     .half_limit = TT_OP_BF16_ONCE,
     .half_reason = "gradients rounded to bf16 once",
     .step = 0x1p-6,
     .grad_limit = 2e-5,
     .grad_reason = "linear in each argument: fp32 rounding of the results only",
     .build = movement_build,
     .run = movement_run,
     .run_backward = movement_run_backward,
     .flops = movement_flops,
     TT_OP_SHAPES(values_shapes),
     TT_OP_REAL_SHAPES(values_real)},
    {0},
};
