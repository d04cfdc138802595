// The 240 rows of the Chinchilla table that are fitted: vectors/chinchilla_245.csv (Besiroglu et al. 2024,
// arXiv 2404.10102, read off a figure of Hoffmann et al. 2022) less the 5 highest losses; D = C / (6 N).
#ifndef TT_TEST_CHINCHILLA_H
#define TT_TEST_CHINCHILLA_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "scaling/observations.h"

enum { CHINCHILLA_ROWS = 245, CHINCHILLA_FITTED = 240 };

static int by_loss(const void *a, const void *b) {
  double x = ((const tt_observation *)a)->loss, y = ((const tt_observation *)b)->loss;
  return (x > y) - (x < y);
}

// The file is $TT_TEST_VECTORS/chinchilla_245.csv. Returns the number of rows, 0 when the file is not as
// expected.
static size_t chinchilla(tt_observation rows[CHINCHILLA_ROWS]) {
  char path[1024], line[256];
  snprintf(path, sizeof path, "%s/chinchilla_245.csv", getenv("TT_TEST_VECTORS"));
  FILE *file = fopen(path, "r");
  if (!file || !fgets(line, sizeof line, file)) return 0;
  size_t count = 0;
  double size, flops, loss;
  while (count < CHINCHILLA_ROWS && fscanf(file, "%lf,%lf,%lf", &size, &flops, &loss) == 3)
    rows[count++] = (tt_observation){.size = size,
                                     .samples = flops / (6 * size),
                                     .steps = NAN,
                                     .flops = flops,
                                     .loss = loss,
                                     .loss_se = NAN};
  fclose(file);
  if (count != CHINCHILLA_ROWS) return 0;
  qsort(rows, count, sizeof *rows, by_loss);
  for (int i = 0; i < CHINCHILLA_FITTED; i++) rows[i].group = i;
  return CHINCHILLA_FITTED;
}

#endif
