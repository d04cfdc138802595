// A rank's share of the values of a checkpoint: digested, written and read run by run. Knows nothing of MPI
// or HDF5, so that a thread beside training can do it.
#ifndef TT_TRAIN_CHECKPOINT_VALUES_H
#define TT_TRAIN_CHECKPOINT_VALUES_H

#include <stdatomic.h>
#include <stdbool.h>

#include "core/element_digest.h"
#include "device/ops.h"
#include "train/shards.h"

enum { TT_CHECKPOINT_SECTIONS = 3 }; // weights, moment1, moment2

// What a rank holds of a training state.
typedef struct {
  const tt_parameters *parameters;
  const tt_shards *shards;  // which of it the rank owns
  float *weights;           // (parameters->total), or (shards->own) with own_weights
  float *moment1, *moment2; // (shards->own); both NULL: weights only
  bool own_weights;         // a copy of what the rank owns
  const tt_ops *ops;        // whose memory the values are in; NULL: the host's
} tt_checkpoint_share;

// Numbers of tensors: (3, or 1 without moments) x parameters->count; tensor k is section k / count, parameter
// k % count.
int tt_checkpoint_tensors(const tt_checkpoint_share *share);

// Where an element that the rank owns lies.
float *tt_checkpoint_place(const tt_checkpoint_share *share, int section, const tt_own_walk *walk);

typedef struct {
  double digest, write; // seconds
} tt_checkpoint_seconds;

// Each adds to digests[k] (tensors) the digest of the rank's elements of tensor k. at[k]: byte of the file
// where tensor k begins.
void tt_checkpoint_digest_values(const tt_checkpoint_share *share, tt_element_digest *digests);

// Writes them; gives up, without an error, once *stop. TT_ERR_IO.
tt_status tt_checkpoint_put_values(const tt_checkpoint_share *share, int file, const char *path,
                                   const int64_t *at, const atomic_bool *stop, tt_element_digest *digests,
                                   tt_checkpoint_seconds *seconds);

// Reads them. TT_ERR_IO; TT_ERR_CORRUPT where the file ends too soon.
tt_status tt_checkpoint_get_values(const tt_checkpoint_share *share, int file, const char *path,
                                   const int64_t *at, tt_element_digest *digests);

// All `bytes` at place `at` of an open file, or an error that names `path`: TT_ERR_IO, TT_ERR_CORRUPT as
// above.
tt_status tt_checkpoint_put_bytes(int file, const char *path, const void *data, int64_t bytes, int64_t at);
tt_status tt_checkpoint_get_bytes(int file, const char *path, void *data, int64_t bytes, int64_t at);

#endif
