// Copies of the parameters that must be equal: of what is not split, all ranks have one; of what is split
// over a tensor group, the ranks with the same tensor place. A bit that memory, a processor or the network
// turns round in one of them makes ranks train different models, which no loss would show.
//
// Weights only: every element of the moments is on one rank.
#ifndef TT_TRAIN_REPLICAS_H
#define TT_TRAIN_REPLICAS_H

#include "device/ops.h"
#include "comm/mesh.h"
#include "model/parameters.h"

// Collective. Compares digests of the copies: one of each rank and, only if those differ, one of each tensor.
// TT_ERR_MPI on all ranks when they differ, reported once: the first tensor, and the rank (or ranks) that
// most of those that have the tensor disagree with; all that have it when no copy has a majority. `step`:
// updates done, for the message.
tt_status tt_replicas_check(const tt_mesh *mesh, const tt_parameters *parameters, const tt_ops *ops,
                            const float *weights, int64_t step);

#endif
