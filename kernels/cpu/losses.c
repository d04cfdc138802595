// Masked rows, the token loss, and the position and distance losses. Losses in double.
#include "cpu.h"

#include <math.h>
#include <string.h>

void TT_CPU(gather_masked)(const tt_batch *batch, int dim, const float *x, float *y) {
  for (int64_t k = 0; k < batch->masked; k++)
    memcpy(y + k * dim, x + (int64_t)batch->masked_row[k] * dim, (size_t)dim * sizeof *y);
}

void TT_CPU(scatter_masked)(const tt_batch *batch, int dim, const float *dy, float *dx) {
  for (int64_t k = 0; k < batch->masked; k++)
    for (int c = 0; c < dim; c++) dx[(int64_t)batch->masked_row[k] * dim + c] += dy[k * dim + c];
}

void TT_CPU(cross_entropy)(const tt_batch *batch, const float *logits, double weight, double *loss,
                           float *dlogits) {
  for (int64_t k = 0; k < batch->masked; k++, logits += TT_TOKENS) {
    int target = batch->masked_target[k];
    double largest = logits[0], sum = 0, share[TT_TOKENS];
    for (int t = 1; t < TT_TOKENS; t++) largest = logits[t] > largest ? logits[t] : largest;
    for (int t = 0; t < TT_TOKENS; t++) sum += share[t] = exp(logits[t] - largest);
    loss[k] = log(sum) - (logits[target] - largest);
    if (dlogits != NULL)
      for (int t = 0; t < TT_TOKENS; t++)
        dlogits[k * TT_TOKENS + t] = (float)(weight * (share[t] / sum - (t == target)));
  }
}

static double sign(double x) {
  return x > 0 ? 1 : x < 0 ? -1 : 0;
}

static double norm3(const double *a, const double *b, double delta[3]) {
  for (int c = 0; c < 3; c++) delta[c] = b[c] - a[c];
  return sqrt(delta[0] * delta[0] + delta[1] * delta[1] + delta[2] * delta[2]);
}

static void predicted(const tt_batch *batch, const float *move, int64_t row, double at[3]) {
  for (int c = 0; c < 3; c++) at[c] = (double)batch->position[3 * row + c] + move[3 * row + c];
}

static void target(const tt_batch *batch, int64_t row, double at[3]) {
  for (int c = 0; c < 3; c++) at[c] = batch->target_position[3 * row + c];
}

void TT_CPU(position_losses)(const tt_batch *batch, const float *move, double position_weight,
                             double distance_weight, double *position, double *distance, float *dmove) {
  for (int m = 0; m < batch->molecules; m++) {
    int64_t start = batch->token_offset[m] + 1, end = batch->token_offset[m + 1];
    double atoms = (double)(end - start);
    double position_scale = 1 / (atoms + 1e-10), distance_scale = 1 / (atoms * atoms + 1e-10);
    double position_sum = 0, distance_sum = 0;
    if (dmove != NULL) memset(dmove + 3 * (start - 1), 0, 3 * sizeof *dmove);
    for (int64_t i = start; i < end; i++) {
      double here[3], wanted[3], gradient[3];
      predicted(batch, move, i, here);
      target(batch, i, wanted);
      for (int c = 0; c < 3; c++) {
        position_sum += fabs(here[c] - wanted[c]);
        gradient[c] = position_weight * position_scale * sign(here[c] - wanted[c]);
      }
      for (int64_t j = start; j < end; j++) {
        if (j == i) continue;
        double there[3], wanted_there[3], delta[3], wanted_delta[3];
        predicted(batch, move, j, there);
        target(batch, j, wanted_there);
        double r = norm3(here, there, delta), error = r - norm3(wanted, wanted_there, wanted_delta);
        distance_sum += fabs(error);
        if (r > 0) // both (i, j) and (j, i) move with atom i
          for (int c = 0; c < 3; c++)
            gradient[c] -= distance_weight * distance_scale * 2 * sign(error) * delta[c] / r;
      }
      if (dmove != NULL)
        for (int c = 0; c < 3; c++) dmove[3 * i + c] = (float)gradient[c];
    }
    position[m] = position_sum * position_scale, distance[m] = distance_sum * distance_scale;
  }
}
