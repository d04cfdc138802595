#include <math.h>

#include "batch/batch.h"

// Turns the symmetric matrix to diagonal form by Jacobi's plane rotations; the columns of `vectors` are then
// its eigenvectors, the diagonal its eigenvalues. Converges quadratically; a zero matrix is diagonal already.
static void jacobi(double a[4][4], double vectors[4][4]) {
  double norm = 0;
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 4; j++) norm += a[i][j] * a[i][j], vectors[i][j] = i == j;
  for (int sweep = 0; sweep < 50; sweep++) {
    double off = 0;
    for (int p = 0; p < 4; p++)
      for (int q = p + 1; q < 4; q++) off += a[p][q] * a[p][q];
    if (off <= 1e-32 * norm) return;
    for (int p = 0; p < 4; p++)
      for (int q = p + 1; q < 4; q++) {
        if (a[p][q] == 0) continue;
        double theta = (a[q][q] - a[p][p]) / (2 * a[p][q]); // may be infinite: then t = 0
        double t = (theta < 0 ? -1 : 1) / (fabs(theta) + hypot(theta, 1)), c = 1 / sqrt(t * t + 1), s = t * c;
        for (int k = 0; k < 4; k++) {
          double x = a[k][p], y = a[k][q];
          a[k][p] = c * x - s * y, a[k][q] = s * x + c * y;
        }
        for (int k = 0; k < 4; k++) {
          double x = a[p][k], y = a[q][k];
          a[p][k] = c * x - s * y, a[q][k] = s * x + c * y;
          x = vectors[k][p], y = vectors[k][q];
          vectors[k][p] = c * x - s * y, vectors[k][q] = s * x + c * y;
        }
      }
  }
}

// The rotation that takes the centred points onto the fixed ones, from their covariance s[c][d] = sum
// moving_c fixed_d: the unit quaternion that is the eigenvector of the largest eigenvalue (Horn 1987). Never
// a mirror image.
static void rotation(double s[3][3], double r[3][3]) {
  double n[4][4] = {
      {s[0][0] + s[1][1] + s[2][2], s[1][2] - s[2][1], s[2][0] - s[0][2], s[0][1] - s[1][0]},
      {0, s[0][0] - s[1][1] - s[2][2], s[0][1] + s[1][0], s[2][0] + s[0][2]},
      {0, 0, -s[0][0] + s[1][1] - s[2][2], s[1][2] + s[2][1]},
      {0, 0, 0, -s[0][0] - s[1][1] + s[2][2]},
  };
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < i; j++) n[i][j] = n[j][i];
  double vectors[4][4];
  jacobi(n, vectors);
  int best = 0; // ties: the lowest, which is the identity where all points coincide
  for (int k = 1; k < 4; k++)
    if (n[k][k] > n[best][best]) best = k;
  double w = vectors[0][best], x = vectors[1][best], y = vectors[2][best], z = vectors[3][best];
  double length = w * w + x * x + y * y + z * z;
  double m[3][3] = {
      {w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)},
      {2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)},
      {2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z},
  };
  for (int c = 0; c < 3; c++)
    for (int d = 0; d < 3; d++) r[c][d] = m[c][d] / length;
}

void tt_align(int n, float *moving, const float *fixed) {
  if (n < 1) return;
  double from[3] = {0, 0, 0}, to[3] = {0, 0, 0}, s[3][3] = {{0}}, r[3][3];
  for (int i = 0; i < n; i++)
    for (int c = 0; c < 3; c++) from[c] += moving[3 * i + c], to[c] += fixed[3 * i + c];
  for (int c = 0; c < 3; c++) from[c] /= n, to[c] /= n;
  for (int i = 0; i < n; i++)
    for (int c = 0; c < 3; c++)
      for (int d = 0; d < 3; d++) s[c][d] += (moving[3 * i + c] - from[c]) * (fixed[3 * i + d] - to[d]);
  rotation(s, r);
  for (int i = 0; i < n; i++) {
    double p[3];
    for (int c = 0; c < 3; c++) p[c] = moving[3 * i + c] - from[c];
    for (int c = 0; c < 3; c++)
      moving[3 * i + c] = (float)(r[c][0] * p[0] + r[c][1] * p[1] + r[c][2] * p[2] + to[c]);
  }
}
