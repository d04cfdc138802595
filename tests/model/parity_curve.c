// Trains on upstream's own batches from upstream's own weights and compares the losses with its float64 run:
// parity_curve INIT.h5 BATCHES.h5 LOSSES.csv [UPDATES]. 400 updates planned, 24 of warm-up, peak 1e-3. Under
// mpirun the ranks are one tensor group.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner.h"

// Loss of the training row `step` (1-based) of the CSV: run,seed,split,step,lr,loss,...
static double published(const char *path, int step) {
  FILE *f = fopen(path, "r");
  if (!f) exit(2);
  char line[512];
  double loss = NAN;
  while (fgets(line, sizeof line, f)) {
    char split[16];
    int at;
    double value;
    if (sscanf(line, "%*[^,],%*[^,],%15[^,],%d,%*[^,],%lf", split, &at, &value) == 3 && at == step &&
        strcmp(split, "train") == 0)
      loss = value;
  }
  fclose(f);
  return loss;
}

int main(int argc, char **argv) {
  if (argc < 4) return fprintf(stderr, "usage: parity_curve INIT.h5 BATCHES.h5 LOSSES.csv [UPDATES]\n"), 2;
  tt_comm ranks;
  if (tt_comm_start(&ranks) != TT_OK) return fprintf(stderr, "%s\n", tt_error_message()), 2;
  int updates = argc > 4 ? atoi(argv[4]) : 25;
  hid_t init = h5_open(argv[1]), batches = h5_open(argv[2]);
  runner r;
  runner_start(&r, init, runner_backend("cpu", TT_FP32), &ranks);
  double worst = 0;
  int missed = 0;
  for (int u = 0; u < updates; u++) {
    char prefix[32];
    snprintf(prefix, sizeof prefix, "step%05d/", u);
    padded_batch b;
    padded_read(batches, prefix, &ranks, &b);
    runner_pass(&r, &b);
    double want = published(argv[3], u + 1), error = fabs(r.loss - want) / want;
    if (!(error <= 1e-5)) missed++;
    if (!(error <= worst)) worst = error;
    if (!ranks.rank)
      printf("update %2d: loss %.9f, upstream float64 %.9f, relative error %.2e%s\n", u + 1, r.loss, want,
             error, error <= 1e-5 ? "" : "  MISS");
    runner_update(&r, u <= 24 ? 1e-3 * u / 24 : 1e-3 * (1 - (u - 24) / 376.0));
    padded_free(&b);
  }
  runner_free(&r);
  H5Fclose(init);
  H5Fclose(batches);
  if (!ranks.rank)
    printf("worst relative error over %d updates %.2e; %d above 1e-5\n", updates, worst, missed);
  tt_comm_finish(&ranks);
  return missed || updates < 1;
}
