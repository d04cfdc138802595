// A model with weights from a parity file, one training pass over a batch, and upstream's clip and Adam; the
// ranks of `group` share all three.
#ifndef TT_TESTS_RUNNER_H
#define TT_TESTS_RUNNER_H

#include "model/model.h"
#include "padded.h"

typedef struct {
  const tt_ops *ops;
  const tt_comm *group;
  tt_model *model;
  const tt_parameters *own;      // what this rank holds
  float *held, *partial, *m, *v; // of that: weights; the pass's gradient; moments
  uint8_t *decayed;
  tt_parameters parameters; // whole tensors
  float *weights, *gradient;
  float *host; // one of the arrays held, on the host
  int64_t updates;
  double loss, token, position, distance; // of the last pass, means over the batch
} runner;

// The backend of `device`, "cpu" or "cuda", made ready. Ends the program where there is none.
const tt_ops *runner_backend(const char *device, tt_precision precision);
// Loads "weights/<name>" (and the Gaussian centres). Ends the program on any error.
void runner_start(runner *r, hid_t file, const tt_ops *ops, const tt_comm *group);
void runner_free(runner *r);
// Forward, losses, gradient (from zero), all loss weights 1, no dropout. Collective, as is runner_update.
void runner_pass(runner *r, const padded_batch *b);
double runner_gradient_norm(const runner *r);
// Clip to 1.0, then Adam (0.9, 0.99), eps 1e-6, decay lr * 1e-4 on decayed parameters (upstream's CPU class).
void runner_update(runner *r, double lr);

#endif
