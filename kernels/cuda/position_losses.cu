// The position and distance losses, in double: one block a molecule, a thread an atom and its partners.
#include "operations.h"
#include "warp.h"

enum { THREADS = 128 };

TT_DEVICE double sign(double x) {
  return x > 0 ? 1 : x < 0 ? -1 : 0;
}

typedef struct {
  double at[3];
} place;

TT_DEVICE place predicted(const tt_batch &b, const float *move, int64_t row) {
  place p;
  for (int c = 0; c < 3; c++) p.at[c] = (double)b.position[3 * row + c] + move[3 * row + c];
  return p;
}
TT_DEVICE place target(const tt_batch &b, int64_t row) {
  place p;
  for (int c = 0; c < 3; c++) p.at[c] = b.target_position[3 * row + c];
  return p;
}

// |to - from|, and the difference. fma() by name: the same rounding for predicted and wanted places, so that
// their error is 0 where they agree.
TT_DEVICE double apart(const place &from, const place &to, double delta[3]) {
  for (int c = 0; c < 3; c++) delta[c] = to.at[c] - from.at[c];
  return sqrt(fma(delta[0], delta[0], fma(delta[1], delta[1], delta[2] * delta[2])));
}

// What a pair of atoms adds to the distance loss; their gradient is slope * delta at the first atom, for (i,
// j) and (j, i) together.
TT_DEVICE double pair_error(const place &here, const place &there, const place &wanted,
                            const place &wanted_there, double delta[3], double *slope) {
  double unused[3], r = apart(here, there, delta), error = r - apart(wanted, wanted_there, unused);
  *slope = r > 0 ? -2 * sign(error) / r : 0;
  return fabs(error);
}

TT_KERNEL(THREADS)
losses(tt_batch b, const float *move, double position_weight, double distance_weight, double *position,
       double *distance, float *dmove) {
  int m = (int)blockIdx.x;
  int64_t start = b.token_offset[m] + 1, end = b.token_offset[m + 1];
  double atoms = (double)(end - start);
  double position_scale = 1 / (atoms + 1e-10), distance_scale = 1 / (atoms * atoms + 1e-10);
  double position_sum = 0, distance_sum = 0;
  if (dmove != nullptr && threadIdx.x < 3) dmove[3 * (start - 1) + threadIdx.x] = 0;
  for (int64_t i = start + threadIdx.x; i < end; i += THREADS) {
    place here = predicted(b, move, i), wanted = target(b, i);
    double gradient[3];
    for (int c = 0; c < 3; c++) {
      position_sum += fabs(here.at[c] - wanted.at[c]);
      gradient[c] = position_weight * position_scale * sign(here.at[c] - wanted.at[c]);
    }
    for (int64_t j = start; j < end; j++) {
      if (j == i) continue;
      double delta[3], slope;
      distance_sum += pair_error(here, predicted(b, move, j), wanted, target(b, j), delta, &slope);
      for (int c = 0; c < 3; c++) gradient[c] += distance_weight * distance_scale * slope * delta[c];
    }
    if (dmove != nullptr)
      for (int c = 0; c < 3; c++) dmove[3 * i + c] = (float)gradient[c];
  }
  position_sum = tt_block_sum<THREADS>(position_sum);
  distance_sum = tt_block_sum<THREADS>(distance_sum);
  if (threadIdx.x == 0)
    position[m] = position_sum * position_scale, distance[m] = distance_sum * distance_scale;
}

static void position_losses(const tt_batch *batch, const float *move, double position_weight,
                            double distance_weight, double *position, double *distance, float *dmove) {
  TT_LAUNCH((losses), batch->molecules, THREADS, 0, *batch, move, position_weight, distance_weight, position,
            distance, dmove);
}

template <class T> void tt_cuda_fill_position_losses(tt_cuda_table *table) {
  table->ops.position_losses = position_losses;
}
TT_FILL(position_losses)
