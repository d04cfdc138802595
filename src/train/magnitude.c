#include "train/magnitude.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

void tt_magnitude_add(tt_magnitude *m, const float *x, int64_t count) {
  m->count += (double)count;
  for (int64_t i = 0; i < count; i++) {
    double value = fabs((double)x[i]);
    if (!isfinite(value)) {
      m->not_finite++;
      continue;
    }
    m->squares += value * value;
    if (value > m->largest) m->largest = value;
  }
}

double tt_magnitude_norm(const tt_magnitude *m) {
  return sqrt(m->squares);
}

double tt_magnitude_rms(const tt_magnitude *m) {
  double finite = m->count - m->not_finite;
  return finite > 0 ? sqrt(m->squares / finite) : 0;
}

void tt_magnitude_join(tt_magnitude *whole, const tt_magnitude *part) {
  whole->count += part->count;
  whole->not_finite += part->not_finite;
  whole->squares += part->squares;
  if (part->largest > whole->largest) whole->largest = part->largest;
}

tt_status tt_magnitude_combine(const tt_comm *comm, tt_magnitude *list, int count) {
  tt_magnitude *all = NULL;
  size_t n = (size_t)count;
  TT_TRY(tt_comm_agree(comm, tt_alloc(&all, (size_t)comm->size * n, sizeof *all, "the ranks' statistics")));
  tt_status status = tt_comm_gather_all(comm, list, all, n, sizeof *all);
  memset(list, 0, n * sizeof *list);
  for (int r = 0; status == TT_OK && r < comm->size; r++)
    for (size_t k = 0; k < n; k++) tt_magnitude_join(&list[k], &all[(size_t)r * n + k]);
  free(all);
  return status;
}
