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
// order (parameters->total floats); both moments or neither (NULL: a weights-only file). The bytes depend on
// the arguments only. Called by one rank, with gathered arrays. TT_ERR_IO (disk full...): nothing is left
// under the final name.
tt_status tt_checkpoint_write(const char *path, const tt_parameters *parameters, const float *weights,
                              const float *moment1, const float *moment2, const tt_progress_state *state);

// Reads and verifies (the digest of every tensor read, of the state and of the whole). moment1 and moment2
// may both be NULL (weights only). TT_ERR_FORMAT when names or shapes are another model's (first difference
// named), TT_ERR_CORRUPT when a digest differs (tensor named) or the file's structure is broken, TT_ERR_IO;
// the arrays are then undefined. state->config is malloc'ed; state may be NULL.
tt_status tt_checkpoint_read(const char *path, const tt_parameters *parameters, float *weights,
                             float *moment1, float *moment2, tt_progress_state *state);

// The digest of parameters, moments and counters (step, samples): independent of layout and of the file. NULL
// moments (a weights-only file) are left out.
tt_digest tt_checkpoint_digest(const tt_parameters *parameters, const float *weights, const float *moment1,
                               const float *moment2, const tt_progress_state *state);

// What a checkpoint says of itself; its model need not be known.
typedef struct {
  tt_parameters
      parameters; // names, shapes and places in a flat array, in file order; no initial values, no decay
  bool has_moments;
  tt_progress_state state;
  tt_digest digest;   // of the whole, as stored
  tt_digest *digests; // as stored: (parameters.count) of the weights, then, if there, of moment1, of moment2
  int64_t *at;        // byte in the file where each of these tensors begins
  tt_digest buffer_digest; // of se3_invariant_kernel.gaussian.mean
  int64_t buffer_at;
} tt_checkpoint_info;

// Reads everything but the tensors' values and checks it. TT_ERR_IO, TT_ERR_FORMAT (not a checkpoint),
// TT_ERR_CORRUPT.
tt_status tt_checkpoint_info_read(const char *path, tt_checkpoint_info *info);
void tt_checkpoint_info_free(tt_checkpoint_info *info);

// Recomputes every digest from the values. Calls report(user, "weights/NAME") for each tensor whose digest
// differs (NULL: no calls); *digest (may be NULL) gets the whole digest of what the file holds now. TT_OK
// when all is as it was written; TT_ERR_CORRUPT, TT_ERR_FORMAT, TT_ERR_IO.
tt_status tt_checkpoint_verify(const char *path, void (*report)(void *user, const char *tensor), void *user,
                               tt_digest *digest);

// Where the checkpoint of a step belongs: "RUN/checkpoints/step-000001234.h5". TT_ERR_IO when it does not
// fit.
tt_status tt_checkpoint_path(const char *run, int64_t step, char *path, size_t size);

// Path of the newest checkpoint (highest step) of a run folder, or an empty string. Temporary files are
// ignored.
tt_status tt_checkpoint_newest(const char *run, char *path, size_t size);

// Removes all but the `keep` newest checkpoints of a run (0: keeps all), and temporary files that a stopped
// writer left. Not while one is being written.
tt_status tt_checkpoint_prune(const char *run, int keep);

#endif
