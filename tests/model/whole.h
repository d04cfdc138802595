// Whole tensors from the shares of a tensor group's ranks, and back. "Whole" arrays are in the order of a
// table for one rank.
#ifndef TT_TESTS_WHOLE_H
#define TT_TESTS_WHOLE_H

#include "comm/comm.h"
#include "model/parameters.h"

// The own share of `whole`.
void whole_share(const tt_parameters *own, const tt_parameters *one, const float *whole, float *share);

// Collective: split tensors side by side. `parts`: of the others the ranks' arrays are added up, as gradients
// must be; else they are alike on all ranks, as weights are, and rank 0's are taken.
void whole_join(const tt_comm *group, const tt_parameters *own, const tt_parameters *one, bool parts,
                const float *share, float *whole);

#endif
