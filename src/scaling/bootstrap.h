// Inside of the intervals: drawing groups with replacement, and refits to what was drawn.
#ifndef TT_SCALING_BOOTSTRAP_H
#define TT_SCALING_BOOTSTRAP_H

#include "scaling/fit.h"

// Rows that are drawn together.
typedef struct {
  int *of_row;    // [count] 0 .. groups-1, every one of them used
  double *draws;  // [groups] how often each was drawn
  double *weight; // [count] the same, a row each
  size_t count;
  int groups;
} tt_clusters;

// Numbers the groups that the rows have without gaps. TT_ERR_MEMORY. Release with tt_clusters_free.
tt_status tt_clusters_create(tt_clusters *clusters, const tt_observation *rows, size_t count);
void tt_clusters_free(tt_clusters *clusters);

// Resample number b of a seed: as many groups as there are, drawn with replacement, to `weight`.
void tt_clusters_draw(tt_clusters *clusters, uint64_t seed, int b);

// All but one group, to `weight`.
void tt_clusters_without(tt_clusters *clusters, int group);

#endif
