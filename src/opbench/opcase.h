// A case of an operation: its shape, its arrays, and how to call it. Private to the room.
//
// Forward and backward of an operation are one family and share their cases. A family's `build` declares the
// arrays of a case; what they hold depends only on the case, so a case can be built again, elsewhere in
// memory, with the same numbers.
#ifndef TT_OPBENCH_OPCASE_H
#define TT_OPBENCH_OPCASE_H

#include "device/ops.h"

typedef enum {
  TT_OP_FIVE,      // molecules of 1, 2, 7, 13 and 5 atoms
  TT_OP_ONE_ATOM,  // one molecule of one atom
  TT_OP_SEVEN,     // of 1, 2, 7, 13, 5, 19 and 3 atoms
  TT_OP_ONE_PLACE, // two atoms at the same position
  TT_OP_AT_TARGET, // two atoms where they should be
  TT_OP_REAL,      // eight of mixed length, for timing
  TT_OP_NONE,      // none at all: what a rank of a tensor group may have of a piece
  TT_OP_BATCHES
} tt_op_molecules;

// The packed batch; NULL and an error message when out of memory. Kept until the program ends.
const tt_batch *tt_op_batch(tt_op_molecules molecules);

// What a case is made of; each family uses what it needs.
typedef struct {
  tt_op_molecules molecules;
  int64_t rows; // of dense operations; 0: the batch's
  tt_rows kind; // which of its rows
  int in, out, dim, hidden, heads, head_dim, first;
  int outs[TT_MOST_MAPS];
  double dropout, inner_dropout;
  int first_dropped; // tt_dropout.first: of both dropouts
  double weights[2]; // of losses
  bool no_bias, no_residual, in_place, accumulate, no_dx;
  bool extreme;   // values that overflow a careless implementation
  bool zero;      // parameters at a kink
  bool only_test; // no finite differences: large, or not differentiable
} tt_op_shape;

typedef enum {
  TT_OP_INPUT,    // x: read by forward and backward
  TT_OP_RESULT,   // y: written by the forward, which the backward may read
  TT_OP_SEED,     // dy: gradient of a result, read by the backward
  TT_OP_GRADIENT, // dx: gradient of an input, or another output of the backward
} tt_op_role;

typedef enum { TT_OP_FLOAT, TT_OP_DOUBLE, TT_OP_BYTE } tt_op_type;

typedef struct {
  const char *name; // NULL: the case has no such array
  tt_op_role role;
  tt_op_type type;
  bool filled;            // an output that is added to, or only partly written: holds numbers before the call
  bool spoiled;           // a seed that the call may overwrite
  bool forward, backward; // passed to the one, the other
  int of;                 // of a seed: the result; of a gradient: the input; else -1
  int64_t count;
  double low, high; // of what it holds before the call
  void *at;
  void *memory; // with guards on both sides
} tt_op_array;

enum { TT_OP_ARRAYS = 28 };

// Where and how the arrays of a copy lie.
typedef struct {
  int shift;     // elements off 64-byte alignment
  float garbage; // in scratch and in outputs that are overwritten
  bool grid;     // inputs are multiples of 2^-12, so that small steps add to them exactly; `filled` holds 0
} tt_op_layout;

typedef struct tt_op_family tt_op_family;

typedef struct {
  const tt_op_family *family;
  const tt_op_shape *shape;
  const tt_batch *batch;
  tt_op_layout layout;
  tt_sizes sizes; // what scratch() is asked for: set by `build`
  int64_t rows;   // of dense operations: set by `build`
  tt_drop drop, inner;
  tt_op_array array[TT_OP_ARRAYS];
  float *scratch;
  int64_t scratch_count;
  bool scratch_damaged;
  tt_status status; // the first failure of an allocation
} tt_op_case;

// Of a dense operation in bf16. A product's operands are each within 2^-9, relative, and what it makes may be
// an operand again: up to 4.5 x 2^-9 of the largest value were seen.
#define TT_OP_BF16_LIMIT 0x1p-6
#define TT_OP_BF16_REASON "operands of products rounded to bf16"

struct tt_op_family {
  const char *forward, *backward;       // names in the table; NULL: none
  double forward_limit, backward_limit; // of errors; results in double have the forward's in both
  const char *reason;                   // of the limits
  double step;                          // of finite differences: a power of two
  double grad_limit;
  const char *grad_reason;
  tt_scratch_of scratch; // the room that both ask for; 0: they take no scratch
  bool dense;            // its products have operands in the backend's precision (tt_ops)
  void (*build)(tt_op_case *c);
  void (*run)(const tt_ops *ops, tt_op_case *c);
  void (*run_backward)(const tt_ops *ops, tt_op_case *c);
  double (*flops)(const tt_op_case *c); // of the forward; NULL: no matrix products
  const tt_op_shape *shapes, *real;     // for checks, for timing
  int shape_count, real_count;
};

#define TT_OP_SHAPES(list) .shapes = list, .shape_count = sizeof list / sizeof *list
#define TT_OP_REAL_SHAPES(list) .real = list, .real_count = sizeof list / sizeof *list

// The family that an operation is the forward or the backward of; NULL if nobody has written its cases.
const tt_op_family *tt_op_family_of(const char *name, bool *backward);
// The tables of families, one a file; each ends with an empty entry.
extern const tt_op_family tt_op_dense[], tt_op_fused[], tt_op_embedding[], tt_op_attention[], tt_op_pair[],
    tt_op_losses[], tt_op_flat[];

// ---- for `build` ----
// Allocates the array and fills it; the functions below are its common uses.
void tt_op_declare(tt_op_case *c, int slot, tt_op_array array);
// An array that is read; uniform numbers in [low, high].
void tt_op_input(tt_op_case *c, int slot, const char *name, int64_t count, double low, double high);
// An output of the forward: overwritten
void tt_op_result(tt_op_case *c, int slot, const char *name, int64_t count);
// An output of the forward that is added to
void tt_op_in_out(tt_op_case *c, int slot, const char *name, int64_t count, double low, double high);
// The gradient of result `of`, in [-1, 1]
void tt_op_seed(tt_op_case *c, int slot, const char *name, int of);
// The gradient of input `of`: overwritten, or `filled`
void tt_op_gradient(tt_op_case *c, int slot, const char *name, int of, bool filled);
// The array is not passed to the backward: its own result, a bias
void tt_op_forward_only(tt_op_case *c, int slot);
// The row's molecule, kind and dropout; c->rows is set to the batch's rows.
void tt_op_rows(tt_op_case *c);
// sizes of dense operations: `width` for every dimension. Where an operation's own say less, its case sets
// those: a size that is wrong must not hide behind others.
void tt_op_dense_sizes(tt_op_case *c, int width);

// ---- for `run` ----
static inline float *tt_op_at(const tt_op_case *c, int slot) {
  return c->array[slot].at;
}
// to = from, for operations that work in place
void tt_op_copy(tt_op_case *c, int to, int from);

// ---- for the checks ----
tt_status tt_op_build(tt_op_case *c, const tt_op_family *family, const tt_op_shape *shape,
                      tt_op_layout layout);
void tt_op_free(tt_op_case *c);
// The backend's scratch for this operation alone, filled with garbage: until the next call of this function,
// of any case.
tt_status tt_op_scratch(tt_op_case *c, const tt_ops *ops);
void tt_op_run(const tt_ops *ops, tt_op_case *c, bool backward);
// The results of the reference backend's forward, which a backward reads.
tt_status tt_op_prepare(tt_op_case *c);
// Whether the last call wrote outside an array, or scratch; NULL or the array's name.
const char *tt_op_damage(const tt_op_case *c);
// Element e of array `slot`, as a double.
double tt_op_value(const tt_op_case *c, int slot, int64_t e);
size_t tt_op_bytes(const tt_op_array *a);
// Whether an array is an output of the call.
bool tt_op_is_output(const tt_op_array *a, bool backward);
// "embed... (5 molecules, dim 11, dropout 0.2)"
void tt_op_describe(const tt_op_case *c, char *text, size_t size);

#endif
