// How many floating-point operations a molecule costs: matrix products only, a multiply-add is 2
// (docs/model.md, Counting operations).
#ifndef TT_MODEL_FLOPS_H
#define TT_MODEL_FLOPS_H

#include "config/config.h"

// Forward pass of one molecule of `atoms` atoms, `masked` of them with a target, at its real length (no
// padding).
//  executed:  the algorithm as run here (outer product factored; atoms' movement by scalars)
//  reference: upstream's algorithm, which forms the outer product
// Training counts 3 x forward in both conventions; recomputation is not counted.
double tt_flops_executed(const tt_model_config *config, int atoms, double masked);
double tt_flops_reference(const tt_model_config *config, int atoms, double masked);

// 1000s of operations that training on such a molecule executes, with the number of masked atoms to be
// expected: what batches are dealt by (tt_molecule_cost).
int64_t tt_flops_cost(const tt_config *config, int atoms);

#endif
