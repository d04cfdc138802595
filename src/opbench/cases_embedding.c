// Cases of embedding tables, Gaussians, and the rows of real atom pairs.
#include "opbench/opcase.h"

#include <math.h>

static void batch_sizes(tt_op_case *c) {
  tt_op_rows(c);
  c->rows = 0;
  tt_op_dense_sizes(c, c->shape->dim);
  c->sizes.tokens = c->batch->tokens, c->sizes.pairs = c->batch->pairs;
}

// ---- embed_tokens ----
enum { TOKEN, ATOM, DEGREE, VNODE, X, DX, DTOKEN, DATOM, DDEGREE, DVNODE };

static void tokens_build(tt_op_case *c) {
  static const char *const names[] = {"token", "atom", "degree", "vnode"};
  static const char *const gradients[] = {"dtoken", "datom", "ddegree", "dvnode"};
  static const int rows[] = {128, 512, 128, 1};
  batch_sizes(c);
  for (int k = 0; k < 4; k++)
    tt_op_input(c, TOKEN + k, names[k], (int64_t)rows[k] * c->shape->dim, -1, 1),
        tt_op_forward_only(c, TOKEN + k);
  tt_op_result(c, X, "x", c->batch->tokens * c->shape->dim), tt_op_forward_only(c, X);
  tt_op_seed(c, DX, "dx", X);
  for (int k = 0; k < 4; k++) tt_op_gradient(c, DTOKEN + k, gradients[k], TOKEN + k, true);
}
static void tokens_run(const tt_ops *ops, tt_op_case *c) {
  ops->embed_tokens(c->batch, c->shape->dim, tt_op_at(c, TOKEN), tt_op_at(c, ATOM), tt_op_at(c, DEGREE),
                    tt_op_at(c, VNODE), tt_op_at(c, X));
}
static void tokens_run_backward(const tt_ops *ops, tt_op_case *c) {
  ops->embed_tokens_backward(c->batch, c->shape->dim, tt_op_at(c, DX), tt_op_at(c, DTOKEN),
                             tt_op_at(c, DATOM), tt_op_at(c, DDEGREE), tt_op_at(c, DVNODE));
}

// ---- embed_pairs ----
enum { PATH, EDGE, PAIR_VNODE, PAIR, DPAIR, DPATH, DEDGE, DPAIR_VNODE };

static void pairs_build(tt_op_case *c) {
  static const char *const names[] = {"path", "edge", "vnode"}, *const gradients[] = {"dpath", "dedge",
                                                                                      "dvnode"};
  static const int rows[] = {512, 64, 1};
  batch_sizes(c);
  for (int k = 0; k < 3; k++)
    tt_op_input(c, PATH + k, names[k], (int64_t)rows[k] * c->shape->dim, -1, 1),
        tt_op_forward_only(c, PATH + k);
  tt_op_result(c, PAIR, "pair", c->batch->pairs * c->shape->dim), tt_op_forward_only(c, PAIR);
  tt_op_seed(c, DPAIR, "dpair", PAIR);
  for (int k = 0; k < 3; k++) tt_op_gradient(c, DPATH + k, gradients[k], PATH + k, true);
}
static void pairs_run(const tt_ops *ops, tt_op_case *c) {
  ops->embed_pairs(c->batch, c->shape->dim, tt_op_at(c, PATH), tt_op_at(c, EDGE), tt_op_at(c, PAIR_VNODE),
                   tt_op_at(c, PAIR));
}
static void pairs_run_backward(const tt_ops *ops, tt_op_case *c) {
  ops->embed_pairs_backward(c->batch, c->shape->dim, tt_op_at(c, DPAIR), tt_op_at(c, DPATH),
                            tt_op_at(c, DEDGE), tt_op_at(c, DPAIR_VNODE));
}

static const tt_op_shape embed_shapes[] = {
    {.molecules = TT_OP_ONE_ATOM, .dim = 3},
    {.dim = 11},
    {.molecules = TT_OP_SEVEN, .dim = 64},
    {.molecules = TT_OP_NONE, .dim = 5, .only_test = true},
};
static const tt_op_shape tokens_real[] = {{.molecules = TT_OP_REAL, .dim = 768}};
static const tt_op_shape pairs_real[] = {{.molecules = TT_OP_REAL, .dim = 512}};

// ---- gaussian ----
enum { MUL, BIAS, CENTRES, G, DG, DMUL, DBIAS };
static const float deviation = 0.0708661452f; // of the published model: 9 / 127

static void gaussian_build(tt_op_case *c) {
  batch_sizes(c);
  tt_op_input(c, MUL, "mul", 512, c->shape->zero ? 0 : 0.25, c->shape->zero ? 0 : 1);
  tt_op_input(c, BIAS, "bias", 512, 0, 1);
  tt_op_input(c, CENTRES, "mean", TT_GAUSSIANS, 0, 0);
  tt_op_result(c, G, "g", c->batch->atom_pairs * TT_GAUSSIANS), tt_op_forward_only(c, G);
  tt_op_seed(c, DG, "dg", G);
  tt_op_gradient(c, DMUL, "dmul", MUL, true), tt_op_gradient(c, DBIAS, "dbias", BIAS, true);
  for (int k = 0; c->status == TT_OK && k < TT_GAUSSIANS; k++)
    tt_op_at(c, CENTRES)[k] = (float)(9.0 * k / 127);
  for (int k = 0; c->status == TT_OK && k < 512; k += 2) tt_op_at(c, MUL)[k] = -tt_op_at(c, MUL)[k];
}
static void gaussian_run(const tt_ops *ops, tt_op_case *c) {
  ops->gaussian(c->batch, tt_op_at(c, MUL), tt_op_at(c, BIAS), tt_op_at(c, CENTRES), deviation,
                tt_op_at(c, G));
}
static void gaussian_run_backward(const tt_ops *ops, tt_op_case *c) {
  ops->gaussian_backward(c->batch, tt_op_at(c, MUL), tt_op_at(c, BIAS), tt_op_at(c, CENTRES), deviation,
                         tt_op_at(c, DG), tt_op_at(c, DMUL), tt_op_at(c, DBIAS));
}

static const tt_op_shape gaussian_shapes[] = {
    {.molecules = TT_OP_ONE_ATOM},
    {.molecules = TT_OP_FIVE},
    {.molecules = TT_OP_SEVEN},
    {.molecules = TT_OP_FIVE, .zero = true, .only_test = true}, // |mul| has no slope at 0
    {.molecules = TT_OP_NONE, .only_test = true},
};
static const tt_op_shape gaussian_real[] = {{.molecules = TT_OP_REAL}};

// ---- atom_pairs ----
enum { A, ALL, DALL, DA };

static void atom_pairs_build(tt_op_case *c) {
  batch_sizes(c);
  tt_op_input(c, A, "a", c->batch->atom_pairs * c->shape->dim, -1, 1), tt_op_forward_only(c, A);
  tt_op_in_out(c, ALL, "pair", c->batch->pairs * c->shape->dim, -1, 1);
  tt_op_seed(c, DALL, "dpair", ALL);
  tt_op_gradient(c, DA, "da", A, false);
}
static void atom_pairs_run(const tt_ops *ops, tt_op_case *c) {
  ops->atom_pairs_add(c->batch, c->shape->dim, tt_op_at(c, A), tt_op_at(c, ALL));
}
static void atom_pairs_run_backward(const tt_ops *ops, tt_op_case *c) {
  ops->atom_pairs_get(c->batch, c->shape->dim, tt_op_at(c, DALL), tt_op_at(c, DA));
}

const tt_op_family tt_op_embedding[] = {
    {.forward = "embed_tokens",
     .backward = "embed_tokens_backward",
     .forward_limit = 5e-7,
     .backward_limit = 1e-6,
     .reason = "fp32 sums of ten rows; a table row's gradient sums all its tokens",
     .step = 0x1p-4,
     .grad_limit = 2e-5,
     .grad_reason = "linear: fp32 rounding of the results only",
     .build = tokens_build,
     .run = tokens_run,
     .run_backward = tokens_run_backward,
     TT_OP_SHAPES(embed_shapes),
     TT_OP_REAL_SHAPES(tokens_real)},
    {.forward = "embed_pairs",
     .backward = "embed_pairs_backward",
     .forward_limit = 5e-7,
     .backward_limit = 2e-6,
     .reason = "a table row's gradient sums hundreds of pairs in fp32",
     .step = 0x1p-4,
     .grad_limit = 2e-5,
     .grad_reason = "linear: fp32 rounding of the results only",
     .build = pairs_build,
     .run = pairs_run,
     .run_backward = pairs_run_backward,
     TT_OP_SHAPES(embed_shapes),
     TT_OP_REAL_SHAPES(pairs_real)},
    {.forward = "gaussian",
     .backward = "gaussian_backward",
     .forward_limit = 2e-5,
     .backward_limit = 2e-5,
     .reason = "z is rounded before its difference from a centre is divided by 0.07",
     .step = 0x1p-11,
     .grad_limit = 1e-4,
     .grad_reason = "narrow bells need small steps, which fp32 rounding of the results limits",
     .build = gaussian_build,
     .run = gaussian_run,
     .run_backward = gaussian_run_backward,
     TT_OP_SHAPES(gaussian_shapes),
     TT_OP_REAL_SHAPES(gaussian_real)},
    {.forward = "atom_pairs_add",
     .backward = "atom_pairs_get",
     .forward_limit = 0,
     .backward_limit = 0,
     .reason = "one fp32 addition, or a copy: the same bits",
     .step = 0x1p-4,
     .grad_limit = 1e-5,
     .grad_reason = "linear: fp32 rounding of the results only",
     .build = atom_pairs_build,
     .run = atom_pairs_run,
     .run_backward = atom_pairs_run_backward,
     TT_OP_SHAPES(embed_shapes),
     TT_OP_REAL_SHAPES(pairs_real)},
    {0},
};
