// A case of an operation: its shape, its arrays, and how to call it. Private to the room.
//
// Forward and backward of an operation are one family and share their cases. A family's `build` declares the
// arrays of a case; what they hold depends only on the case, so a case can be built again, elsewhere in
// memory, with the same numbers.
//
// The arrays of a case lie on the host, activations as floats too. A backend gets a copy in its own memory
// (place.c), activations as it keeps them, between guards; so a case does not know what it runs on.
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
  TT_OP_MANY,      // each of them sixteen times: timing on a device, which eight would not fill
  TT_OP_LONG,      // of 33 and 140 atoms: more than a tile of attention on a device has
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
  bool copied;            // an output that starts as a copy: the call works in place
  bool activation;        // a tt_activation: a backend may keep it in 16 bits
  bool forward, backward; // passed to the one, the other
  int of;                 // of a seed: the result; of a gradient: the input; else -1
  int64_t count;
  double low, high; // of what it holds before the call
  void *at;
} tt_op_array;

enum { TT_OP_ARRAYS = 28 };

// Where and how the arrays of a copy lie.
typedef struct {
  int shift;     // elements off 256-byte alignment
  float garbage; // in scratch and in outputs that are overwritten
  bool grid;     // inputs are multiples of 2^-12, so that small steps add to them exactly; `filled` holds 0
  bool rounded;  // activations and matrices hold numbers that bf16 has, so that all backends see the same
  bool many;     // TT_OP_MANY for TT_OP_REAL
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
  float *scratch; // in the backend's memory
  int64_t scratch_count;
  const char *damaged; // the last run wrote outside of this array, or of "scratch"
  const tt_ops *ops;   // whose memory the arrays are in; NULL: the host's
  tt_status status;    // the first failure of an allocation
} tt_op_case;

// bf16 is within 2^-8 of a number, relative. Results that are rounded to it once, and nothing before them:
#define TT_OP_BF16_ONCE 0x1.1p-8
// A dense operation of the CPU in bf16, which keeps activations in fp32: operands of products are rounded,
// and what a product makes may be an operand again. Up to 2.25 x 2^-8 of the largest value were seen.
#define TT_OP_BF16_LIMIT 0x1p-6
#define TT_OP_BF16_REASON "operands of products rounded to bf16"

struct tt_op_family {
  const char *forward, *backward;       // names in the table; NULL: none
  double forward_limit, backward_limit; // of errors; results in double have the forward's in both
  const char *reason;                   // of the limits
  // with activations in bf16: of those, and of gradients in fp32; where 0 those above
  double half_limit, half_sums;
  const char *half_reason;
  double step; // of finite differences: a power of two
  double grad_limit;
  const char *grad_reason;
  tt_scratch_of scratch; // the room that both ask for; 0: they take no scratch
  bool single;           // its arrays are fp32 in every backend: of two families that share their functions
  bool dense;            // its products have operands in the backend's precision (tt_ops)
  void (*build)(tt_op_case *c);
  void (*ready)(tt_op_case *c, bool backward); // tt_op_copy where it works in place; NULL: nothing
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
// Marks an input or a result, before its gradient or seed is declared: these are like it.
void tt_op_activation(tt_op_case *c, int slot);
// Rounds what the array holds, where the case is one in bf16 (layout.rounded): for weight matrices, of which
// a backend in bf16 has a copy for products.
void tt_op_round(tt_op_case *c, int slot);
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
// In `run`: an array of one double gets its value.
void tt_op_put(tt_op_case *c, int slot, double value);
// In `ready`: to = from, for operations that work in place
void tt_op_copy(tt_op_case *c, int to, int from);

// ---- for the checks ----
tt_status tt_op_build(tt_op_case *c, const tt_op_family *family, const tt_op_shape *shape,
                      tt_op_layout layout);
void tt_op_free(tt_op_case *c);
// Element e of array `slot`, as a double.
double tt_op_value(const tt_op_case *c, int slot, int64_t e);
size_t tt_op_bytes(const tt_op_array *a);
// Whether an array is an output of the call.
bool tt_op_is_output(const tt_op_array *a, bool backward);
// "embed... (5 molecules, dim 11, dropout 0.2)"
void tt_op_describe(const tt_op_case *c, char *text, size_t size);

// ---- a case in a backend's memory (place.c) ----
// Whether the backend keeps activations in 16 bits.
bool tt_op_halves(const tt_ops *ops);
// The backend's scratch for this operation alone, filled with garbage: until the next call of this function
// for the same backend, of any case.
tt_status tt_op_scratch(tt_op_case *c, const tt_ops *ops);
// One call: the arrays of the case go to the backend's memory and come back; notes in c->damaged what was
// written outside.
tt_status tt_op_run(const tt_ops *ops, tt_op_case *c, bool backward);
// The results of the reference backend's forward, which a backward reads.
tt_status tt_op_prepare(tt_op_case *c);

// For several calls: `on` is the case as the backend sees it.
typedef struct {
  tt_op_case on;
  void *memory[TT_OP_ARRAYS]; // with guards on both sides
} tt_op_placed;

// After tt_op_scratch. The host's arrays stay as they are. tt_op_leave also after a failure.
tt_status tt_op_place(tt_op_placed *p, const tt_ops *ops, const tt_op_case *c);
// The backend's array `slot` gets the host's numbers once more.
tt_status tt_op_renew(tt_op_placed *p, const tt_op_case *c, int slot);
// Queues the call.
void tt_op_call(tt_op_placed *p, bool backward);
// Bytes of an array there.
size_t tt_op_placed_bytes(const tt_op_placed *p, int slot);
void tt_op_leave(tt_op_placed *p);

#endif
