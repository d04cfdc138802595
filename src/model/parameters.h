// The table of parameters: upstream's state-dict names and order, shapes, initial values, places in one flat
// array.
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

typedef struct {
  char name[80];
  int dims, shape[2];    // 1 or 2 dimensions; a vector has shape[1] == 1
  int64_t offset, count; // place in the flat array
  tt_init init;
  bool decayed; // weight decay applies: 2-D and not named "*.bias"
} tt_parameter;

typedef struct {
  int count;
  tt_parameter *list; // (count), state-dict order, back to back without gaps
  int64_t total;      // floats in the flat array
} tt_parameters;

// Builds the table; allocates nothing of the parameters' own size. Free with tt_parameters_free.
tt_status tt_parameters_build(tt_parameters *parameters, const tt_model_config *config);
void tt_parameters_free(tt_parameters *parameters);

// The entry with this name, or NULL.
const tt_parameter *tt_parameters_find(const tt_parameters *parameters, const char *name);

// Initial values, a pure function of (seed, parameter, element).
void tt_parameters_init(const tt_parameters *parameters, uint64_t seed, float *values);

// The Gaussian kernel's fixed centres (buffer se3_invariant_kernel.gaussian.mean): linspace(0, 9, 128) in
// fp32.
void tt_gaussian_means(float means[TT_GAUSSIANS]);

#endif
