// tt_sample_make: what is drawn, how often, and that it is a pure function of (seed, epoch, record).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "batch/batch.h"
#include "random_molecule.h"

static random_molecule random_one; // one at a time: its views point into it

static const tt_molecule *molecule_of(uint32_t atoms, uint64_t seed) {
  random_molecule_make(&random_one, atoms, seed);
  return &random_one.molecule;
}

static void make(tt_sample *s, const tt_molecule *m, const tt_data_config *data, uint64_t seed,
                 uint64_t epoch, uint64_t record) {
  if (tt_sample_make(s, m, data, seed, epoch, record) != TT_OK) fail_msg("%s", tt_error_message());
}

static int same_bytes(const tt_sample *a, const tt_sample *b) {
  size_t n = (size_t)a->atoms;
  return a->atoms == b->atoms && a->record == b->record && a->masked == b->masked &&
         !memcmp(a->token, b->token, n) && !memcmp(a->target, b->target, n) &&
         !memcmp(a->atom_input, b->atom_input, 16 * n) && !memcmp(a->degree, b->degree, 2 * n) &&
         !memcmp(a->path, b->path, 2 * n * n) && !memcmp(a->edge, b->edge, 3 * n * n) &&
         !memcmp(a->pair_class, b->pair_class, n) && !memcmp(a->position, b->position, 12 * n) &&
         !memcmp(a->target_position, b->target_position, 12 * n);
}

// The mean of `trials` counts is within five standard errors.
static void assert_mean(double sum, double trials, double mean, double deviation) {
  if (fabs(sum / trials - mean) > 5 * deviation / sqrt(trials))
    fail_msg("mean %g, expected %g +- %g", sum / trials, mean, deviation / sqrt(trials));
}

static void pure_function_of_seed_epoch_and_record(void **state) {
  (void)state;
  enum { RECORDS = 12 };
  tt_data_config data = random_data_config();
  data.coordinates_2d_probability = 0.5;
  tt_sample forward[RECORDS] = {0}, reused = {0};
  for (int k = 0; k < RECORDS; k++)
    make(&forward[k], molecule_of(5 + 4 * (uint32_t)k, (uint64_t)k), &data, 9, 2, (uint64_t)k);
  for (int k = RECORDS - 1; k >= 0; k--) { // the other way round, in one sample's memory
    const tt_molecule *m = molecule_of(5 + 4 * (uint32_t)k, (uint64_t)k);
    make(&reused, m, &data, 9, 2, (uint64_t)k);
    assert_true(same_bytes(&forward[k], &reused));
    uint64_t other[3][3] = {{8, 2, (uint64_t)k}, {9, 3, (uint64_t)k}, {9, 2, (uint64_t)k + 1}};
    for (int o = 0; o < 3; o++) {
      make(&reused, m, &data, other[o][0], other[o][1], other[o][2]);
      reused.record = forward[k].record;
      assert_false(same_bytes(&forward[k], &reused));
    }
    tt_sample_free(&forward[k]);
  }
  tt_sample_free(&reused);
}

static void reuse_allocates_only_to_grow(void **state) {
  (void)state;
  tt_data_config data = random_data_config();
  tt_sample s = {0};
  make(&s, molecule_of(40, 1), &data, 1, 0, 0);
  void *memory = s.memory_;
  for (uint32_t atoms = 1; atoms <= 40; atoms++) make(&s, molecule_of(atoms, atoms), &data, 1, 0, atoms);
  assert_ptr_equal(s.memory_, memory);
  tt_sample_free(&s);
  assert_null(s.memory_);
  assert_null(s.token);
}

static void masks_are_counted_and_hide_the_element(void **state) {
  (void)state;
  enum { ATOMS = 17, RECORDS = 4000 };
  tt_data_config data = random_data_config();
  const tt_molecule *m = molecule_of(ATOMS, 1);
  tt_sample s = {0}, graph = {0};
  assert_int_equal(tt_sample_graph(&graph, m, 256), TT_OK);
  double sum = 0, of_atom[ATOMS] = {0}, up_and_dropped = 0, dropped = 0;
  for (uint64_t r = 0; r < RECORDS; r++) {
    make(&s, m, &data, 1, 0, r);
    int masked = 0;
    for (int a = 0; a < ATOMS; a++) {
      bool hidden = s.token[a] == TT_MASK_TOKEN;
      assert_int_equal(s.target[a], hidden ? tt_atomic_number(m, (uint32_t)a) : 0);
      if (!hidden) assert_int_equal(s.token[a], tt_atomic_number(m, (uint32_t)a));
      masked += hidden, of_atom[a] += hidden;
    }
    assert_int_equal(masked, s.masked);
    assert_int_equal(masked, tt_masked_count(ATOMS, 0.15, 1, 0, r));
    assert_true(masked == 2 || masked == 3); // 2.55
    sum += masked;
    dropped += s.degree[0] == 1, up_and_dropped += s.degree[0] == 1 && masked == 3;
  }
  assert_mean(sum, RECORDS, 0.15 * ATOMS, sqrt(0.55 * 0.45));
  for (int a = 0; a < ATOMS; a++) assert_mean(of_atom[a], RECORDS, 0.15, sqrt(0.15 * 0.85));
  assert_mean(up_and_dropped, dropped, 0.55, sqrt(0.55 * 0.45)); // rounding knows nothing of dropping
  for (int atoms = 1; atoms < 30; atoms++) {
    assert_int_equal(tt_masked_count(atoms, 1, 1, 0, 0), atoms);
    assert_int_equal(tt_masked_count(atoms, 0, 1, 0, 0), 0);
  }
  tt_sample_free(&s);
  tt_sample_free(&graph);
}

static void features_are_dropped_all_or_none(void **state) {
  (void)state;
  enum { ATOMS = 14, RECORDS = 3000 };
  tt_data_config data = random_data_config();
  data.drop_features_probability = 0.3;
  const tt_molecule *m = molecule_of(ATOMS, 2);
  tt_sample s = {0}, graph = {0};
  assert_int_equal(tt_sample_graph(&graph, m, 256), TT_OK);
  double drops = 0;
  for (uint64_t r = 0; r < RECORDS; r++) {
    make(&s, m, &data, 1, 0, r);
    bool dropped = s.degree[0] == 1;
    drops += dropped;
    for (int a = 0; a < ATOMS; a++) {
      assert_int_equal(s.degree[a], dropped ? 1 : graph.degree[a]);
      assert_int_equal(s.pair_class[a], dropped ? 1 : graph.pair_class[a]);
    }
    for (int k = 0; k < ATOMS * TT_ATOM_INPUTS; k++)
      assert_int_equal(s.atom_input[k], dropped ? 1 : graph.atom_input[k]);
    for (int k = 0; k < ATOMS * ATOMS; k++)
      assert_int_equal(s.path[k], dropped ? TT_PATH_DROPPED : graph.path[k]);
    for (int k = 0; k < 3 * ATOMS * ATOMS; k++) assert_int_equal(s.edge[k], dropped ? 1 : graph.edge[k]);
  }
  assert_mean(drops, RECORDS, 0.3, sqrt(0.3 * 0.7));
  tt_sample_free(&s);
  tt_sample_free(&graph);
}

// Which coordinates a sample has: 0.. a conformer, -1 the 2-D ones, -2 neither. All are centred.
static int coordinates_of(const tt_sample *s, const tt_molecule *m) {
  for (int which = -1; which < (int)m->conformers; which++) {
    const float *from = which < 0 ? m->coordinates_2d : m->coordinates + (uint32_t)which * m->atoms * 3;
    double mean[3] = {0}, worst = 0;
    for (uint32_t k = 0; k < 3 * m->atoms; k++) mean[k % 3] += (double)from[k] / m->atoms;
    for (uint32_t k = 0; k < 3 * m->atoms; k++)
      worst = fmax(worst, fabs(from[k] - mean[k % 3] - s->target_position[k]));
    if (worst < 1e-5) return which;
  }
  return -2;
}

static void conformations_are_chosen_evenly(void **state) {
  (void)state;
  enum { RECORDS = 2000 };
  tt_data_config data = random_data_config();
  data.noise = TT_NOISE_NONE;
  data.coordinates_2d_probability = 0.4;
  const tt_molecule *m = molecule_of(6, 3);
  tt_sample s = {0};
  double flat = 0, kept = 0, full[RANDOM_CONFORMERS] = {0};
  for (uint64_t r = 0; r < RECORDS; r++) {
    make(&s, m, &data, 1, 0, r);
    assert_memory_equal(s.position, s.target_position, 6 * 3 * sizeof(float));
    int which = coordinates_of(&s, m);
    assert_true(which >= -1);
    if (which < 0) assert_true(s.degree[0] != 1); // dropped features: always 3-D
    kept += s.degree[0] != 1, flat += which < 0;
    if (which >= 0) full[which]++;
  }
  assert_mean(flat, kept, 0.4, sqrt(0.4 * 0.6));
  for (int c = 0; c < RANDOM_CONFORMERS; c++) assert_mean(full[c], RECORDS - flat, 1.0 / 3, sqrt(2.0 / 9));
  tt_sample_free(&s);
}

typedef struct {
  double square, fourth, beyond, largest;
} noise_statistics;

// Of position - target in units of the scale. Alignment takes 6 of the 3N degrees of freedom.
static noise_statistics noise_of(tt_noise type, double scale) {
  enum { ATOMS = 64, RECORDS = 300 };
  tt_data_config data = random_data_config();
  data.noise = type, data.noise_scale = scale;
  const tt_molecule *m = molecule_of(ATOMS, 4);
  tt_sample s = {0};
  noise_statistics out = {0};
  for (uint64_t r = 0; r < RECORDS; r++) {
    make(&s, m, &data, 1, 0, r);
    float again[3 * ATOMS];
    memcpy(again, s.position, sizeof again);
    tt_align(ATOMS, again, s.target_position); // aligned already
    for (int k = 0; k < 3 * ATOMS; k++) {
      assert_true(fabs(again[k] - s.position[k]) < 1e-5);
      double x = ((double)s.position[k] - s.target_position[k]) / scale;
      out.square += x * x / (RECORDS * (3 * ATOMS - 6)),
          out.fourth += x * x * x * x / (RECORDS * (3 * ATOMS - 6));
      out.beyond += (fabs(x) > 2.2) / (RECORDS * 3.0 * ATOMS), out.largest = fmax(out.largest, fabs(x));
    }
  }
  tt_sample_free(&s);
  return out;
}

static void noise_has_the_distribution_of_its_type(void **state) {
  (void)state;
  noise_statistics n = noise_of(TT_NOISE_NORMAL, 0.05), u = noise_of(TT_NOISE_UNIFORM, 0.05),
                   t = noise_of(TT_NOISE_TRUNCATED_NORMAL, 0.05);
  // 57,600 values each: five standard errors of the mean square are about 0.03 and 0.006.
  assert_true(fabs(n.square - 1) < 0.03);
  assert_true(fabs(n.fourth / (n.square * n.square) - 3) < 0.25);
  assert_true(fabs(n.beyond - 0.0278) < 0.006 && n.largest > 3);
  assert_true(fabs(u.square - 1.0 / 3) < 0.01);
  assert_true(fabs(u.fourth / (u.square * u.square) - 1.8) < 0.15);
  assert_true(u.largest < 1.5);
  assert_true(fabs(t.square - 0.92055) < 0.03); // of a normal number clipped (not redrawn) at 2
  assert_true(t.beyond < 0.006 && t.largest < 2.8);
}

static double distance(const float *p, int i, int j) {
  double sum = 0;
  for (int c = 0; c < 3; c++)
    sum += ((double)p[3 * i + c] - p[3 * j + c]) * ((double)p[3 * i + c] - p[3 * j + c]);
  return sqrt(sum);
}

// Alignment moves every atom, but among the atoms without noise no distance changes.
static void noise_falls_on_the_asked_fraction(void **state) {
  (void)state;
  enum { ATOMS = 30, RECORDS = 400 };
  tt_data_config data = random_data_config();
  data.noise = TT_NOISE_UNIFORM, data.noise_scale = 1, data.noise_probability = 0.15;
  const tt_molecule *m = molecule_of(ATOMS, 5);
  tt_sample s = {0};
  double sum = 0;
  for (uint64_t r = 0; r < RECORDS; r++) {
    make(&s, m, &data, 1, 0, r);
    int kept = 0;
    for (int i = 0; i < ATOMS; i++)
      for (int j = i + 1; j < ATOMS; j++)
        kept += fabs(distance(s.position, i, j) - distance(s.target_position, i, j)) < 1e-5;
    int count = 4; // 4.5, rounded up or down
    if (kept < (ATOMS - 4) * (ATOMS - 5) / 2) count = 5;
    assert_true(abs(kept - (ATOMS - count) * (ATOMS - count - 1) / 2) <= 1); // a chance coincidence at most
    sum += count;
  }
  assert_mean(sum, RECORDS, 4.5, 0.5);
  tt_sample_free(&s);
}

static void expect_error(tt_sample *s, const tt_molecule *m, const tt_data_config *data, const char *word) {
  assert_int_equal(tt_sample_make(s, m, data, 1, 0, 4711), TT_ERR_DATA);
  if (!strstr(tt_error_message(), "4711") || !strstr(tt_error_message(), word))
    fail_msg("no '4711' or '%s' in '%s'", word, tt_error_message());
}

static void unusable_molecules_are_errors_naming_the_record(void **state) {
  (void)state;
  tt_data_config data = random_data_config();
  tt_sample s = {0};
  tt_molecule m = *molecule_of(10, 6), good = m;
  make(&s, &m, &data, 1, 0, 4711);
  m.atoms = 0, expect_error(&s, &m, &data, "without atoms"), m = good;
  data.max_atoms = 9, expect_error(&s, &m, &data, "max_atoms"), data.max_atoms = 256;
  random_one.bond_atoms[1] = 10, expect_error(&s, &m, &data, "bond"), molecule_of(10, 6);
  random_one.bond_atoms[1] = random_one.bond_atoms[0], expect_error(&s, &m, &data, "bond"),
  molecule_of(10, 6);
  random_one.bond_features[1] = 6, expect_error(&s, &m, &data, "table"), molecule_of(10, 6);
  random_one.atom_features[9 + 1] = 7, expect_error(&s, &m, &data, "table"), molecule_of(10, 6);
  random_one.atom_features[9] = 118, expect_error(&s, &m, &data, "atomic number"), molecule_of(10, 6);
  m.conformers = 0, expect_error(&s, &m, &data, "conformation"), m = good;
  for (int k = 0; k < RANDOM_CONFORMERS * 30; k++) random_one.coordinates[k] = k % 30 == 7 ? NAN : 0;
  expect_error(&s, &m, &data, "not finite");
  for (int k = 0; k < RANDOM_CONFORMERS * 30; k++) random_one.coordinates[k] = k % 30 == 7 ? INFINITY : 0;
  expect_error(&s, &m, &data, "not finite");
  molecule_of(10, 6);
  data.coordinates_2d_probability = 1, data.drop_features_probability = 0, m.coordinates_2d = NULL;
  expect_error(&s, &m, &data, "store build --coordinates-2d");
  data.drop_features_probability = 1;
  make(&s, &m, &data, 1, 0, 4711); // and is usable again after errors
  tt_sample_free(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pure_function_of_seed_epoch_and_record),
      cmocka_unit_test(reuse_allocates_only_to_grow),
      cmocka_unit_test(masks_are_counted_and_hide_the_element),
      cmocka_unit_test(features_are_dropped_all_or_none),
      cmocka_unit_test(conformations_are_chosen_evenly),
      cmocka_unit_test(noise_has_the_distribution_of_its_type),
      cmocka_unit_test(noise_falls_on_the_asked_fraction),
      cmocka_unit_test(unusable_molecules_are_errors_naming_the_record),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
