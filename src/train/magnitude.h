// How large the elements of an array are that may be spread over ranks.
#ifndef TT_TRAIN_MAGNITUDE_H
#define TT_TRAIN_MAGNITUDE_H

#include "comm/comm.h"

// Whole numbers in doubles, too, for ranks to exchange them alike.
typedef struct {
  double count, not_finite; // elements, and those of them that are no finite numbers
  double squares, largest;  // of the finite ones: sum of squares, largest absolute value
} tt_magnitude;

void tt_magnitude_add(tt_magnitude *magnitude, const float *values, int64_t count);

double tt_magnitude_norm(const tt_magnitude *magnitude); // root of the sum of squares
double tt_magnitude_rms(const tt_magnitude *magnitude);  // of the mean square; 0 without finite elements

// Adds those of a part to those of the whole.
void tt_magnitude_join(tt_magnitude *whole, const tt_magnitude *part);

// Collective: list[k] becomes that of all ranks' list[k] together, joined in the order of ranks.
// TT_ERR_MEMORY.
tt_status tt_magnitude_combine(const tt_comm *comm, tt_magnitude *list, int count);

#endif
