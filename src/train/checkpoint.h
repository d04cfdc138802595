// Checkpoints: one HDF5 file under global names; the layout of ranks is nowhere in it (docs/formats.md). Here
// is what one process does with a file; saver.h writes and checkpoint_load.h reads it, all ranks together.
#ifndef TT_TRAIN_CHECKPOINT_H
#define TT_TRAIN_CHECKPOINT_H

#include "core/digest.h"
#include "core/number_set.h"
#include "core/status.h"
#include "model/parameters.h"
#include "store/lanes.h"

// What a run has to remember besides its tensors.
typedef struct {
  int64_t step;                           // updates done
  uint64_t samples;                       // molecules seen
  uint64_t atoms, pairs;                  // cumulative, as in the run log
  double flops_executed, flops_reference; // cumulative
  char store_digest[33];                  // of the store trained on ("" unknown)
  float means[TT_GAUSSIANS];     // centres of the Gaussian kernel: those of imported weights are rounded
  char *config;                  // resolved configuration text; owned
  tt_lane_cuts skipped;          // chunks that could not be read, in batches returned so far; owned
  tt_number_set skipped_batches; // left out so far, and those ahead that are known to be; owned
} tt_progress_state;

// How many batches were left out before the last one that was used: the first so many of skipped_batches.
size_t tt_progress_batches_passed(const tt_progress_state *state);

// Releases what the state owns.
void tt_progress_state_free(tt_progress_state *state);

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
  int64_t skipped_at, skipped_batches_at; // of the lists of these; only when there are any
  size_t room; // private to writing: bytes that the structure takes, once they are known; 0 before
} tt_checkpoint_info;

// Writes a file of weights only: a flat array of one rank that holds them whole. Called by one process.
// TT_ERR_IO (disk full...): nothing is left under the final name.
tt_status tt_checkpoint_write_weights(const char *path, const tt_parameters *parameters, const float *weights,
                                      const tt_progress_state *state);

// Reads everything but the tensors' values (state.means neither) and checks it. TT_ERR_IO, TT_ERR_FORMAT (not
// a checkpoint), TT_ERR_UNSUPPORTED (of another version of the format), TT_ERR_CORRUPT.
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

// The newest checkpoint (highest step) of a run folder with a step below `before`: its step and path; -1 and
// an empty string when there is none. Temporary files and those that were set aside are ignored.
tt_status tt_checkpoint_newest(const char *run, int64_t before, int64_t *step, char *path, size_t size);

// Renames a broken checkpoint to "PATH.broken": it is then no checkpoint any more, but not lost either.
// TT_ERR_IO.
tt_status tt_checkpoint_set_aside(const char *path);

// Removes all but the `keep` newest checkpoints of a run (0: keeps all), and temporary files that a stopped
// writer left. Not while one is being written.
tt_status tt_checkpoint_prune(const char *run, int keep);

#endif
