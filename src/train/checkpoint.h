// Checkpoints: one HDF5 file under global names; the layout of ranks is nowhere in it (docs/formats.md).
#ifndef TT_TRAIN_CHECKPOINT_H
#define TT_TRAIN_CHECKPOINT_H

#include "core/digest.h"
#include "core/status.h"
#include "model/parameters.h"

// What a run has to remember besides its tensors.
typedef struct {
  int64_t step;                           // updates done
  uint64_t samples;                       // molecules seen
  uint64_t atoms, pairs;                  // cumulative, as in the run log
  double flops_executed, flops_reference; // cumulative
  char store_digest[33];                  // of the store trained on ("" unknown)
  char *config;                           // resolved configuration text; owned
} tt_progress_state;

// Writes path (temporary file, sync, rename): groups "weights", "moment1", "moment2", one contiguous dataset
// a tensor under its global name and shape, buffer se3_invariant_kernel.gaussian.mean in "weights", a digest
// attribute on each, the state and the whole digest as attributes of the root. Arrays are flat, in table
// order (parameters->total floats). Called by one rank, with gathered arrays. TT_ERR_IO (disk full...):
// nothing is left under the final name.
tt_status tt_checkpoint_write(const char *path, const tt_parameters *parameters, const float *weights,
                              const float *moment1, const float *moment2, const tt_progress_state *state);

// Reads and verifies (every tensor's digest). moment1 and moment2 may be NULL (weights only). TT_ERR_FORMAT
// when names or shapes are another model's (first difference named), TT_ERR_CORRUPT when a digest differs
// (tensor named), TT_ERR_IO. state->config is malloc'ed; state may be NULL.
tt_status tt_checkpoint_read(const char *path, const tt_parameters *parameters, float *weights,
                             float *moment1, float *moment2, tt_progress_state *state);

// The digest of parameters, moments and counters (step, samples): independent of layout and of the file. NULL
// moments (a weights-only file) are left out.
tt_digest tt_checkpoint_digest(const tt_parameters *parameters, const float *weights, const float *moment1,
                               const float *moment2, const tt_progress_state *state);

// Path of the newest checkpoint of a run folder ("RUN/checkpoints/step-000001234.h5"), or an empty string.
// Temporary files are ignored.
tt_status tt_checkpoint_newest(const char *run, char *path, size_t size);

// Removes all but the `keep` newest checkpoints of a run (0: keeps all).
tt_status tt_checkpoint_prune(const char *run, int keep);

#endif
