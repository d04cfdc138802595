// Masked rows and the three losses.
#include "reference.h"

#include <math.h>

static void gather_masked(const tt_batch *b, int dim, const float *x, float *y) {
  for (int64_t k = 0; k < b->masked; k++)
    for (int c = 0; c < dim; c++) y[k * dim + c] = x[(int64_t)b->masked_row[k] * dim + c];
}

static void scatter_masked(const tt_batch *b, int dim, const float *dy, float *dx) {
  for (int64_t k = 0; k < b->masked; k++)
    for (int c = 0; c < dim; c++) dx[(int64_t)b->masked_row[k] * dim + c] += dy[k * dim + c];
}

static void cross_entropy(const tt_batch *b, const float *logits, double weight, double *loss,
                          float *dlogits) {
  for (int64_t k = 0; k < b->masked; k++) {
    const float *row = logits + k * TT_TOKENS;
    double largest = -INFINITY, sum = 0;
    for (int t = 0; t < TT_TOKENS; t++) largest = fmax(largest, row[t]);
    for (int t = 0; t < TT_TOKENS; t++) sum += exp(row[t] - largest);
    loss[k] = log(sum) + largest - row[b->masked_target[k]];
    for (int t = 0; dlogits != NULL && t < TT_TOKENS; t++)
      dlogits[k * TT_TOKENS + t] =
          (float)(weight * (exp(row[t] - largest) / sum - (t == b->masked_target[k])));
  }
}

static double sign(double x) {
  return x > 0 ? 1 : x < 0 ? -1 : 0;
}

// Component c of token row i: moved, and where it should be.
static double moved(const tt_batch *b, const float *move, int64_t i, int c) {
  return (double)b->position[3 * i + c] + move[3 * i + c];
}
static double wanted(const tt_batch *b, int64_t i, int c) {
  return b->target_position[3 * i + c];
}

static void position_losses(const tt_batch *b, const float *move, double position_weight,
                            double distance_weight, double *position, double *distance, float *dmove) {
  for (int m = 0; m < b->molecules; m++) {
    double atoms = b->length[m] - 1, position_sum = 0, distance_sum = 0;
    for (int64_t i = b->token_offset[m]; i < b->token_offset[m + 1]; i++) {
      double d[3] = {0};
      bool real = i > b->token_offset[m];
      for (int c = 0; real && c < 3; c++) {
        double error = moved(b, move, i, c) - wanted(b, i, c);
        position_sum += fabs(error);
        d[c] += position_weight / (atoms + 1e-10) * sign(error);
      }
      for (int64_t j = b->token_offset[m] + 1; real && j < b->token_offset[m + 1]; j++) {
        double r2 = 0, wanted2 = 0;
        for (int c = 0; c < 3; c++) {
          r2 += pow(moved(b, move, j, c) - moved(b, move, i, c), 2);
          wanted2 += pow(wanted(b, j, c) - wanted(b, i, c), 2);
        }
        double error = sqrt(r2) - sqrt(wanted2);
        distance_sum += fabs(error);
        for (int c = 0; r2 > 0 && c < 3; c++) // twice: as (i, j) and as (j, i)
          d[c] += 2 * distance_weight / (atoms * atoms + 1e-10) * sign(error) *
                  (moved(b, move, i, c) - moved(b, move, j, c)) / sqrt(r2);
      }
      for (int c = 0; dmove != NULL && c < 3; c++) dmove[3 * i + c] = (float)d[c];
    }
    position[m] = position_sum / (atoms + 1e-10), distance[m] = distance_sum / (atoms * atoms + 1e-10);
  }
}

void tt_reference_losses(tt_ops *ops) {
  ops->gather_masked = gather_masked;
  ops->scatter_masked = scatter_masked;
  ops->cross_entropy = cross_entropy;
  ops->position_losses = position_losses;
}
