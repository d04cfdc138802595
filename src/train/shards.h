// Who owns what of the parameters: optimizer state is split over the ranks that hold the same parameters
// (ZeRO stage 1, Rajbhandari et al., arXiv 1910.02054), and so is the work on checkpoints.
//
// Each bucket is cut into blocks of TT_BLOCK elements, and each rank of the bucket's ranks owns consecutive
// blocks of it, as evenly as they go; any number of parameters, any number of ranks.
#ifndef TT_TRAIN_SHARDS_H
#define TT_TRAIN_SHARDS_H

#include "comm/mesh.h"
#include "model/parameters.h"

enum { TT_BLOCK = 8192 }; // elements; the gradient norm is summed block by block

typedef struct {
  const tt_comm *ranks; // that share the bucket: mesh->data if it is split over the tensor group, else
                        // mesh->whole
  int64_t *segment; // (ranks->size + 1): rank r of them owns places segment[r] .. segment[r+1]-1 of the flat
                    // array
  int64_t *counts;  // (ranks->size): elements of each segment
  int64_t first, count; // the own segment in the flat array
  int64_t own;          // place of the own segment among all that this rank owns
} tt_shard;

typedef struct {
  int count;
  tt_shard *list; // one a bucket
  int64_t own;    // elements that this rank owns, all buckets
  int64_t own_blocks;
} tt_shards;

// Where the segment of rank r of `ranks` begins in the flat array; r == ranks: where the bucket ends. A pure
// function, as the two below: they serve layouts that are only thought of, too.
int64_t tt_shard_begin(const tt_bucket *bucket, int ranks, int r);

// What rank `place` of `data` ranks owns of the table of its tensor place: elements, and blocks of TT_BLOCK.
typedef struct {
  int64_t elements, blocks;
} tt_ownership;
tt_ownership tt_shards_owned(const tt_parameters *parameters, int data, int place);

// Adds what that rank sends to others in one update: gradients, norms and weights (bytes).
void tt_shards_traffic(const tt_parameters *parameters, int data, int place, int64_t sent[TT_TRAFFIC_KINDS]);

// Floats that a reduction of all buckets needs for what arrives (comm/reduce.h).
int64_t tt_shards_landing(const tt_parameters *parameters, int data);

// `mesh` and `parameters` must outlive *shards. TT_ERR_MEMORY.
tt_status tt_shards_make(tt_shards *shards, const tt_mesh *mesh, const tt_parameters *parameters);
void tt_shards_free(tt_shards *shards);

// A walk over a rank's own elements, run by run. Start from zeroes.
typedef struct {
  tt_run_of_elements run; // where it lies in the flat array and in its tensor
  int64_t own;            // place of its first element among all that the rank owns
  int shard;              // private: the shard that the run is of, and where in it the next one starts
  int64_t next;
} tt_own_walk;

// The next run of `walk`; false at the end.
bool tt_shards_next(const tt_shards *shards, const tt_parameters *parameters, tt_own_walk *walk);

// Collective: every rank gets what the others own of `flat`, an array like that of the weights.
tt_status tt_shards_gather(const tt_shards *shards, float *flat);

#endif
