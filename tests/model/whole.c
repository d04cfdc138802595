#include "whole.h"

#include <stdlib.h>
#include <string.h>

// Place in a whole array of what begins at `run`.
static int64_t place_of(const tt_parameters *one, tt_run_of_elements run) {
  return one->list[run.index].offset + run.element;
}

void whole_share(const tt_parameters *own, const tt_parameters *one, const float *whole, float *share) {
  for (int64_t at = 0; at < own->total;) {
    tt_run_of_elements run = tt_parameters_run(own, at, own->total);
    memcpy(share + run.offset, whole + place_of(one, run), (size_t)run.count * sizeof *share);
    at += run.count;
  }
}

// In double, so that the sum's own rounding is nothing beside that of its terms.
void whole_join(const tt_comm *group, const tt_parameters *own, const tt_parameters *one, bool parts,
                const float *share, float *whole) {
  double *sum = calloc((size_t)one->total, sizeof *sum);
  if (!sum) exit(2);
  for (int64_t at = 0; at < own->total;) {
    tt_run_of_elements run = tt_parameters_run(own, at, own->total);
    bool counts = parts || group->rank == 0 || own->list[run.index].split != TT_WHOLE;
    for (int64_t i = 0; counts && i < run.count; i++) sum[place_of(one, run) + i] = share[run.offset + i];
    at += run.count;
  }
  if (group->size > 1) MPI_Allreduce(MPI_IN_PLACE, sum, (int)one->total, MPI_DOUBLE, MPI_SUM, group->mpi);
  for (int64_t i = 0; i < one->total; i++) whole[i] = (float)sum[i];
  free(sum);
}
