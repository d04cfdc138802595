// Every operation of the table (src/device/ops.h) checked and timed: against the reference backend, gradients
// against finite differences, the same bits again, and speed. Takes any backend, a device's too: arrays lie
// in its memory, activations in what it keeps them in. One process, no files. docs/benchmarks.md defines the
// figures.
#ifndef TT_OPBENCH_OPBENCH_H
#define TT_OPBENCH_OPBENCH_H

#include "device/ops.h"

// Operations are numbered 0 .. tt_opbench_count() - 1, in the table's order (`scratch` is none).
int tt_opbench_count(void);
const char *tt_opbench_name(int op);
// TT_ERR_ARGUMENT, naming the nearest and all others, if there is no such operation.
tt_status tt_opbench_find(const char *name, int *op);
// Whether the backend has the operation at all.
bool tt_opbench_filled(const tt_ops *ops, int op);

// What a check found over all cases of an operation.
typedef struct {
  int cases;          // 0: nothing to check (grad: the operation is no backward)
  double error;       // the largest: of all arrays, by the share of its limit
  double limit;       // it must not exceed this
  const char *reason; // why that limit
  bool ok;
  char worst[200];   // the case and array of the largest error
  char message[300]; // "" or what is wrong besides: wrote outside its arrays, changed an input
} tt_op_check;

// The backend against another one, as a rule the reference backend. error: largest |difference| over largest
// |value of the other|, the worst over output arrays and cases, each with arrays on aligned addresses and
// off them. The limit is wider for dense operations with operands in bf16, and for arrays in bf16. Where a
// backend has activations in bf16, both get numbers that bf16 has.
tt_status tt_opbench_test(const tt_ops *ops, const tt_ops *other, int op, tt_op_check *check);

// A backward against central differences of the reference backend's forward, in random directions. error:
// |gradient . direction - difference| over the gradient's length (2-norm).
tt_status tt_opbench_grad(const tt_ops *ops, int op, tt_op_check *check);

// Whether the same inputs gave the same bits in all cases: called again, with arrays at other addresses, and
// with other garbage in scratch and in outputs that are overwritten.
tt_status tt_opbench_deterministic(const tt_ops *ops, int op, bool *deterministic);

// One operation at the size of the 84M model, with a batch of molecules of mixed length
// (tt_opbench_molecules: a device's is larger). A device's times are from the call to the end of wait(), so
// with what starting and waiting cost.
typedef struct {
  char shape[200];
  int runs;
  double seconds, fastest; // of one run: median, minimum
  double flops;            // matrix products, a multiply-add is 2; a backward is 2 x forward; 0: no products
  double bytes;            // of all arrays passed, read or written once; twice those that are added to
} tt_op_speed;

enum { TT_OP_MOST_SPEEDS = 6 };
tt_status tt_opbench_perf(const tt_ops *ops, int op, double seconds, tt_op_speed speeds[TT_OP_MOST_SPEEDS],
                          int *count);

// The batch of tt_opbench_perf.
void tt_opbench_molecules(const tt_ops *ops, int *molecules, int64_t *tokens, int64_t *pairs);

#endif
