// The table of parameters: upstream's state-dict names and order, shapes, initial values, places in one flat
// array.
//
// The ranks of a tensor group split the atom track's matrices by heads and columns; all else every one of
// them has whole. Each rank has its own flat array with its share, and the table says where in it what lies.
#ifndef TT_MODEL_PARAMETERS_H
#define TT_MODEL_PARAMETERS_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"

typedef enum {
  TT_INIT_NORMAL, // N(0, 0.02^2)
  TT_INIT_PADDED, // N(0, 0.02^2), row 0 zero (an embedding table with a padding row)
  TT_INIT_ZERO,
  TT_INIT_ONE,
  TT_INIT_UNIFORM, // U(-1/sqrt(columns), 1/sqrt(columns)): lm_head.weight
} tt_init;

// What of a tensor a rank of a tensor group holds: all of it, or a share of its rows or columns.
typedef enum { TT_WHOLE, TT_SPLIT_ROWS, TT_SPLIT_COLUMNS } tt_parameter_split;

typedef struct {
  char name[80];
  int dims, shape[2]; // of the whole tensor, 1 or 2 dimensions; a vector has shape[1] == 1
  tt_parameter_split split;
  int first, width;      // rows, or columns, first .. first + width - 1 are this rank's share
  int64_t offset, count; // of this rank's share: place in the flat array, row by row; elements
  tt_init init;
  bool decayed; // weight decay applies: 2-D and not named "*.bias"
} tt_parameter;

// A stretch of the flat array whose gradients are complete at the same time, and of which a rank's share is
// either all whole or all split.
typedef struct {
  int64_t first, count;
  bool split;
  int layer; // complete once the backward has done this layer; TT_BUCKET_AT_END: once it is over
} tt_bucket;

enum { TT_BUCKET_AT_END = -1 };

typedef struct {
  int count;
  tt_parameter *list; // (count), state-dict order. With one rank in the group back to back in this order;
                      // else bucket by bucket
  int64_t total;    // floats in this rank's flat array: without gaps
  int64_t whole;    // floats of all tensors
  int group, place; // ranks of the tensor group; which of them this table is for
  int buckets;
  tt_bucket *bucket; // (buckets), in the order of the flat array. Their cut depends on the model alone
} tt_parameters;

// Builds the table for rank `place` of a tensor group of `group` ranks, which have whole heads, as even as they
// go (comm/group.h, tt_group_share), and must divide ffn_dim. Allocates nothing of the parameters' own size.
// Free with tt_parameters_free.
tt_status tt_parameters_build(tt_parameters *parameters, const tt_model_config *config, int group, int place);
void tt_parameters_free(tt_parameters *parameters);

// The entry with this name, or NULL.
const tt_parameter *tt_parameters_find(const tt_parameters *parameters, const char *name);

// A run of elements that are neighbours both in the flat array and in a tensor.
typedef struct {
  int index;             // of the tensor in the list
  int64_t offset, count; // in the flat array
  int64_t element;       // of the first one in the whole tensor, row-major
} tt_run_of_elements;

// The longest run that starts at place `offset` (0 <= offset < end <= total) of the flat array and does not
// go beyond `end`. Walks the table: the next run starts at offset + count.
tt_run_of_elements tt_parameters_run(const tt_parameters *parameters, int64_t offset, int64_t end);

// Initial values of this rank's share, a pure function of (seed, parameter, element of the whole tensor).
void tt_parameters_init(const tt_parameters *parameters, uint64_t seed, float *values);

// The Gaussian kernel's fixed centres (buffer se3_invariant_kernel.gaussian.mean): linspace(0, 9, 128) in
// fp32.
void tt_gaussian_means(float means[TT_GAUSSIANS]);

#endif
