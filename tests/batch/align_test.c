// Rigid alignment: finds known motions, is least squares, never mirrors, survives degenerate point sets.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "batch/batch.h"
#include "random_molecule.h"

enum { MAX = 64 };

static void random_rotation(random_source *r, double m[3][3]) {
  double q[4], length = 0;
  for (int k = 0; k < 4; k += 2) {
    tt_philox4 w = tt_philox(r->key, r->next++, 0, 0, 0);
    tt_normal2(w.v[0], w.v[1], &q[k], &q[k + 1]);
  }
  for (int k = 0; k < 4; k++) length += q[k] * q[k];
  for (int k = 0; k < 4; k++) q[k] /= sqrt(length);
  double w = q[0], v[3] = {q[1], q[2], q[3]},
         cross[3][3] = {{0, -v[2], v[1]}, {v[2], 0, -v[0]}, {-v[1], v[0], 0}};
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++)
      m[i][j] = 2 * v[i] * v[j] + 2 * w * cross[i][j] +
                (i == j ? w * w - v[0] * v[0] - v[1] * v[1] - v[2] * v[2] : 0);
}

static void moved(int n, const float *from, double m[3][3], const double shift[3], float *to) {
  for (int i = 0; i < n; i++)
    for (int c = 0; c < 3; c++)
      to[3 * i + c] =
          (float)(m[c][0] * from[3 * i] + m[c][1] * from[3 * i + 1] + m[c][2] * from[3 * i + 2] + shift[c]);
}

static double rmsd(int n, const float *a, const float *b) {
  double sum = 0;
  for (int k = 0; k < 3 * n; k++) sum += ((double)a[k] - b[k]) * ((double)a[k] - b[k]);
  return sqrt(sum / n);
}

static void random_points(random_source *r, int n, int dimensions, float *p) {
  for (int k = 0; k < 3 * n; k++) p[k] = k % 3 < dimensions ? (float)(12 * random_number(r) - 6) : 0;
}

// Of every dimension: 3 general, 2 planar, 1 collinear, 0 all in one place.
static void rigid_motions_are_undone(void **state) {
  (void)state;
  random_source r = {.key = 5};
  for (int round = 0; round < 400; round++) {
    int n = 1 + (int)random_below(&r, MAX);
    float fixed[3 * MAX], moving[3 * MAX];
    double m[3][3], zero[3] = {0, 0, 0}, shift[3] = {20 * random_number(&r), -7, 3};
    random_points(&r, n, round % 4, moving);
    random_rotation(&r, m);
    moved(n, moving, m, zero, fixed); // the flat sets lie askew
    random_rotation(&r, m);
    moved(n, fixed, m, shift, moving);
    tt_align(n, moving, fixed);
    for (int k = 0; k < 3 * n; k++) {
      assert_true(isfinite(moving[k]));
      assert_true(fabs(moving[k] - fixed[k]) < 1e-5);
    }
  }
}

static void no_small_rotation_is_better(void **state) {
  (void)state;
  random_source r = {.key = 6};
  for (int round = 0; round < 200; round++) {
    int n = 1 + (int)random_below(&r, MAX), dimensions = round % 4;
    float fixed[3 * MAX], moving[3 * MAX], other[3 * MAX];
    random_points(&r, n, dimensions, fixed);
    if (round % 3)
      random_points(&r, n, 3, moving); // nothing alike
    else
      for (int k = 0; k < 3 * n; k++) moving[k] = fixed[k] + (float)(0.4 * random_number(&r) - 0.2);
    double before = rmsd(n, moving, fixed);
    tt_align(n, moving, fixed);
    double after = rmsd(n, moving, fixed);
    assert_true(after <= before + 1e-6);
    for (int k = 0; k < 6; k++) { // turns and shifts about each axis
      double a = k % 2 ? 0.01 : -0.01, m[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, shift[3] = {0, 0, 0};
      int i = k / 2, j = (i + 1) % 3;
      m[i][i] = m[j][j] = cos(a), m[i][j] = -sin(a), m[j][i] = sin(a), shift[i] = a;
      moved(n, moving, m, (double[3]){0, 0, 0}, other);
      assert_true(rmsd(n, other, fixed) >= after - 1e-5);
      moved(n, moving, (double[3][3]){{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, shift, other);
      assert_true(rmsd(n, other, fixed) >= after - 1e-5);
    }
  }
}

static void mirror_images_are_not_matched(void **state) {
  (void)state;
  random_source r = {.key = 7};
  for (int round = 0; round < 50; round++) {
    float fixed[3 * 20], moving[3 * 20];
    random_points(&r, 20, 3, fixed);
    for (int k = 0; k < 60; k++) moving[k] = k % 3 == 0 ? -fixed[k] : fixed[k];
    float before[60];
    memcpy(before, moving, sizeof before);
    tt_align(20, moving, fixed);
    assert_true(rmsd(20, moving, fixed) > 0.5);
    // Rigid and proper: the signed volume of any four points is kept.
    for (int k = 0; k + 12 <= 60; k += 12) {
      double volume[2];
      for (int w = 0; w < 2; w++) {
        const float *p = (w ? moving : before) + k;
        double e[3][3];
        for (int a = 0; a < 3; a++)
          for (int c = 0; c < 3; c++) e[a][c] = (double)p[3 * (a + 1) + c] - p[c];
        volume[w] = e[0][0] * (e[1][1] * e[2][2] - e[1][2] * e[2][1]) -
                    e[0][1] * (e[1][0] * e[2][2] - e[1][2] * e[2][0]) +
                    e[0][2] * (e[1][0] * e[2][1] - e[1][1] * e[2][0]);
      }
      assert_true(fabs(volume[0] - volume[1]) < 1e-3);
    }
  }
}

static void degenerate_sets_stay_finite(void **state) {
  (void)state;
  float fixed[12] = {1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3}, moving[12] = {0}; // a point each: only shifted
  tt_align(4, moving, fixed);
  assert_true(rmsd(4, moving, fixed) < 1e-6);
  float one[3] = {5, 5, 5};
  tt_align(1, one, fixed);
  assert_true(rmsd(1, one, fixed) < 1e-6);
  float apart[12] = {0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1},
        place[12] = {0}; // onto one point: keeps its orientation
  float expected[12];
  for (int k = 0; k < 12; k++) expected[k] = apart[k] - 0.25f;
  tt_align(4, apart, place);
  assert_true(rmsd(4, apart, expected) < 1e-6);
  float far[6] = {1e30f, 0, 0, -1e30f, 0, 0}, near[6] = {0, 1e-30f, 0, 0, -1e-30f, 0};
  tt_align(2, far, near);
  for (int k = 0; k < 6; k++) assert_true(isfinite(far[k]));
  tt_align(0, NULL, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rigid_motions_are_undone),
      cmocka_unit_test(no_small_rotation_is_better),
      cmocka_unit_test(mirror_images_are_not_matched),
      cmocka_unit_test(degenerate_sets_stay_finite),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
