#include "scaling/bootstrap.h"

#include <stdlib.h>
#include <string.h>

#include "core/philox.h"

tt_status tt_clusters_create(tt_clusters *c, const tt_observation *rows, size_t count) {
  *c = (tt_clusters){.count = count};
  int most = 0;
  for (size_t i = 0; i < count; i++)
    if (rows[i].group > most) most = rows[i].group;
  int *number = malloc(((size_t)most + 1) * sizeof *number); // of a group; -1 until it is met
  c->of_row = malloc(count * sizeof *c->of_row);
  c->draws = calloc((size_t)most + 1, sizeof *c->draws);
  c->weight = malloc(count * sizeof *c->weight);
  if (!number || !c->of_row || !c->draws || !c->weight) {
    free(number);
    tt_clusters_free(c);
    return tt_fail(TT_ERR_MEMORY, "no memory to resample %zu rows", count);
  }
  for (int g = 0; g <= most; g++) number[g] = -1;
  for (size_t i = 0; i < count; i++) {
    int *n = &number[rows[i].group];
    if (*n < 0) *n = c->groups++;
    c->of_row[i] = *n;
  }
  free(number);
  return TT_OK;
}

void tt_clusters_free(tt_clusters *c) {
  free(c->of_row), free(c->draws), free(c->weight);
  *c = (tt_clusters){0};
}

static void to_rows(tt_clusters *c) {
  for (size_t i = 0; i < c->count; i++) c->weight[i] = c->draws[c->of_row[i]];
}

void tt_clusters_draw(tt_clusters *c, uint64_t seed, int b) {
  memset(c->draws, 0, c->groups * sizeof *c->draws);
  uint64_t key = tt_stream(seed, 0x626f6f74, b); // "boot"
  for (int k = 0; k < c->groups; k += 4) {
    tt_philox4 four = tt_philox(key, k, 0, 0, 0);
    for (int j = 0; j < 4 && k + j < c->groups; j++) c->draws[(int)(tt_uniform(four.v[j]) * c->groups)]++;
  }
  to_rows(c);
}

void tt_clusters_without(tt_clusters *c, int group) {
  for (int g = 0; g < c->groups; g++) c->draws[g] = g != group;
  to_rows(c);
}
