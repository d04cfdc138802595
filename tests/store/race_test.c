// Sampling by scaffold: its draws against the distribution that the definition gives, and the sorting and
// selecting that it is made of.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/philox.h"
#include "derive/race.h"
#include "derive/words.h"

static tt_comm comm;

// ---- sorting, selecting, dealing
// -------------------------------------------------------------------------------

static uint64_t random_word(uint64_t k, uint64_t salt) {
  return tt_mix64(k * 3 + salt);
}

static int compare_words(const void *left, const void *right) {
  const uint64_t *a = left, *b = right;
  for (int w = 0; w < 2; w++)
    if (a[w] != b[w]) return a[w] < b[w] ? -1 : 1;
  return 0;
}

static int compare_word(const void *left, const void *right) {
  uint64_t a, b;
  memcpy(&a, left, sizeof a), memcpy(&b, right, sizeof b);
  return (a > b) - (a < b);
}

static void sorts(void **state) {
  (void)state;
  enum { MOST = 20000 };
  static uint64_t items[2 * MOST], wanted[2 * MOST];
  static const size_t sizes[] = {0, 1, 2, 31, 32, 33, 1000, MOST};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
    for (uint64_t kind = 0; kind < 4; kind++) { // random; few first words; all first words equal; all equal
      for (size_t k = 0; k < sizes[s]; k++) {
        items[2 * k] = kind == 0 ? random_word(k, s) : kind == 1 ? random_word(k % 7, s) : 42;
        items[2 * k + 1] = kind == 3 ? 1 : random_word(k, 99);
      }
      memcpy(wanted, items, sizeof items);
      qsort(wanted, sizes[s], 16, compare_words);
      tt_words_sort(items, sizes[s], 2);
      assert_memory_equal(items, wanted, sizes[s] * 16);
      for (size_t k = 0; k < sizes[s]; k++) items[k] = random_word(kind == 1 ? k % 5 : k, kind);
      memcpy(wanted, items, sizeof items);
      qsort(wanted, sizes[s], 8, compare_word);
      tt_words_sort(items, sizes[s], 1);
      assert_memory_equal(items, wanted, sizes[s] * 8);
    }
}

typedef struct {
  const uint64_t *values;
  size_t count, at;
} list;

static void rewind_list(void *context) {
  ((list *)context)->at = 0;
}

static bool next_of_list(void *context, uint64_t *value) {
  list *l = context;
  if (l->at == l->count) return false;
  *value = l->values[l->at++];
  return true;
}

static void selects(void **state) {
  (void)state;
  enum { COUNT = 500 };
  for (uint64_t kind = 0; kind < 3; kind++) { // random; near each other; many equal
    uint64_t values[COUNT], sorted[COUNT];
    for (uint64_t k = 0; k < COUNT; k++)
      values[k] = kind == 0   ? random_word(k, 1)
                  : kind == 1 ? UINT64_MAX - random_word(k, 2) % 1000
                              : k % 9 << 40;
    memcpy(sorted, values, sizeof sorted);
    qsort(sorted, COUNT, sizeof *sorted, compare_word);
    list l = {values, COUNT, 0};
    tt_word_source source = {rewind_list, next_of_list, &l};
    uint64_t value, below, equal;
    for (uint64_t n = 1; n <= COUNT; n += kind ? 1 : 17) {
      assert_int_equal(tt_words_nth(&comm, &source, n, &value, &below, &equal), TT_OK);
      assert_true(value == sorted[n - 1] && below < n);
      assert_true(below == 0 || sorted[below - 1] < value);
      assert_true(sorted[below] == value && equal > 0 && sorted[below + equal - 1] == value);
      assert_true(below + equal == COUNT || sorted[below + equal] > value);
    }
  }
}

static void inverts(void **state) {
  (void)state;
  for (uint64_t k = 0; k < 1000; k++) {
    uint64_t x = k < 2 ? k - 1 : random_word(k, 5);
    assert_true(tt_unmix64(tt_mix64(x)) == x);
    assert_true(tt_race_key(tt_race_order(x, k), k) == x);
  }
}

// ---- the race against theory
// -----------------------------------------------------------------------------------

enum { GROUPS = 4, RACERS = 11, TAKEN = 4, STATES = 2 * 3 * 4 * 6 };

static const int sizes[GROUPS] = {1, 2, 3, 5};

static int state_of(const int n[GROUPS]) { // mixed radix
  return n[0] + 2 * (n[1] + 3 * (n[2] + 4 * n[3]));
}

// Probability of each vector of counts after TAKEN draws, drawing one after the other as the definition says.
static void theory(double temperature, double *p) {
  double weight[GROUPS];
  memset(p, 0, STATES * sizeof *p);
  for (int g = 0; g < GROUPS; g++) weight[g] = exp((double)sizes[g] / RACERS / temperature);
  p[0] = 1;
  for (int draw = 0; draw < TAKEN; draw++) {
    double next[STATES] = {0};
    for (int n0 = 0; n0 <= 1; n0++)
      for (int n1 = 0; n1 <= 2; n1++)
        for (int n2 = 0; n2 <= 3; n2++)
          for (int n3 = 0; n3 <= 5; n3++) {
            int n[GROUPS] = {n0, n1, n2, n3};
            double here = p[state_of(n)], sum = 0;
            for (int g = 0; g < GROUPS; g++) sum += n[g] < sizes[g] ? weight[g] : 0;
            for (int g = 0; g < GROUPS; g++) {
              if (here == 0 || n[g] == sizes[g]) continue;
              n[g]++;
              next[state_of(n)] += here * weight[g] / sum;
              n[g]--;
            }
          }
    memcpy(p, next, sizeof next);
  }
}

// Races with one seed; n[g]: how many of each group were taken, taken[k]: whether racer k was.
static void race_once(double temperature, uint64_t seed, uint64_t count, int n[GROUPS], bool taken[RACERS]) {
  static const uint64_t scaffolds[GROUPS] = {0, 77, 1ull << 60, 5}; // not in the order of the sizes
  tt_racer racers[RACERS];
  int k = 0;
  for (int g = 0; g < GROUPS; g++)
    for (int m = 0; m < sizes[g]; m++, k++)
      racers[k] = (tt_racer){scaffolds[g], tt_race_order(1000 + (uint64_t)k, seed)};
  tt_words_sort(&racers[0].scaffold, RACERS, 2);
  tt_scaffold_counts before, after;
  size_t got;
  tt_race race = {.seed = seed, .count = count, .temperature = temperature};
  assert_int_equal(tt_race_run(&comm, &race, racers, RACERS, &got, &before, &after), TT_OK);
  assert_int_equal(got, count);
  assert_int_equal(after.molecules, count);
  assert_true(before.molecules == RACERS && before.scaffolds == GROUPS && before.acyclic == 1 &&
              before.squares == 1 + 4 + 9 + 25 && before.largest[0].scaffold == 5 &&
              before.largest[0].molecules == 5 && before.largest[3].molecules == 1);
  memset(taken, 0, RACERS * sizeof *taken);
  for (size_t r = 0; r < got; r++) taken[tt_race_key(racers[r].order, seed) - 1000] = true;
  k = 0;
  for (int g = 0; g < GROUPS; g++) {
    n[g] = 0;
    for (int m = 0; m < sizes[g]; m++) n[g] += taken[k++];
  }
}

// Sum of (found - expected)^2 / expected over what is expected at least 5 times, the rest in one; in standard
// deviations above its mean.
static double excess(const double *expected, const uint64_t *found, int count) {
  double sum = 0, rest_expected = 0, rest_found = 0;
  int terms = 0;
  for (int k = 0; k < count; k++) {
    double e = expected[k], f = (double)found[k];
    if (e < 5) {
      rest_expected += e, rest_found += f;
      continue;
    }
    sum += (f - e) * (f - e) / e, terms++;
  }
  if (rest_expected > 1)
    sum += pow(rest_found - rest_expected, 2) / rest_expected, terms++;
  else
    assert_true(rest_found <= 8); // what never happens does not
  assert_true(terms > 3);
  return (sum - (terms - 1)) / sqrt(2.0 * (terms - 1));
}

static void matches_theory(void **state) {
  (void)state;
  static const double temperatures[] = {0.15, 1, 1000};
  enum { RUNS = 3000 };
  for (int t = 0; t < 3; t++) {
    double p[STATES];
    theory(temperatures[t], p);
    uint64_t found[STATES] = {0}, members[5] = {0}, of_last = 0;
    for (uint64_t seed = 0; seed < RUNS; seed++) {
      int n[GROUPS];
      bool taken[RACERS];
      race_once(temperatures[t], seed, TAKEN, n, taken);
      found[state_of(n)]++;
      for (int m = 0; m < 5; m++) members[m] += taken[6 + m], of_last += taken[6 + m];
    }
    for (int s = 0; s < STATES; s++) p[s] *= RUNS;
    double high = excess(p, found, STATES);
    if (high > 4) fail_msg("temperature %g: counts are %.1f deviations from theory", temperatures[t], high);
    for (int m = 0; m < 5;
         m++) { // each molecule of a scaffold alike; a deviation is at most that of independent draws
      double mean = (double)of_last / 5, z = ((double)members[m] - mean) / sqrt(mean);
      if (fabs(z) > 4)
        fail_msg("temperature %g: molecule %d of a scaffold, %.1f deviations", temperatures[t], m, z);
    }
  }
}

static void extremes(void **state) {
  (void)state;
  int n[GROUPS];
  bool all[RACERS], taken[RACERS];
  for (uint64_t seed = 0; seed < 20; seed++) {
    race_once(1e-6, seed, 8, n, taken); // the largest first
    assert_true(n[3] == 5 && n[2] == 3);
    race_once(1, seed, RACERS, n, taken);
    for (int k = 0; k < RACERS; k++) assert_true(taken[k]);
    memset(all, 0, sizeof all); // more molecules hold the fewer ones
    for (uint64_t count = 1; count <= RACERS; count++) {
      race_once(0.15, seed, count, n, taken);
      for (int k = 0; k < RACERS; k++) assert_true(taken[k] || !all[k]);
      memcpy(all, taken, sizeof all);
    }
  }
  tt_racer one = {0, 1};
  size_t got;
  tt_scaffold_counts before, after;
  tt_race race = {.count = 2, .temperature = 1};
  (void)freopen("/dev/null", "w", stderr); // the message
  assert_int_equal(tt_race_run(&comm, &race, &one, 1, &got, &before, &after), TT_ERR_ARGUMENT);
}

// race_test TEMPERATURE TAKEN RUNS SIZE...: for other programs; prints for each group how many of its
// molecules were taken, in the mean over the seeds 0 ... RUNS - 1.
static int print_means(int argc, char **argv) {
  tt_race race = {.temperature = atof(argv[1]), .count = strtoull(argv[2], NULL, 10)};
  uint64_t runs = strtoull(argv[3], NULL, 10);
  size_t groups = (size_t)argc - 4, all = 0;
  for (size_t g = 0; g < groups; g++) all += strtoull(argv[4 + g], NULL, 10);
  tt_racer *racers = calloc(all, sizeof *racers);
  uint64_t *sums = calloc(groups, sizeof *sums);
  for (race.seed = 0; racers && sums && race.seed < runs; race.seed++) {
    size_t k = 0, taken;
    for (size_t g = 0; g < groups; g++)
      for (uint64_t m = strtoull(argv[4 + g], NULL, 10); m; m--, k++)
        racers[k] = (tt_racer){g, tt_race_order(k, race.seed)};
    tt_words_sort(&racers[0].scaffold, all, 2);
    tt_scaffold_counts before, after;
    if (tt_race_run(&comm, &race, racers, all, &taken, &before, &after) != TT_OK) return 1;
    for (size_t r = 0; r < taken; r++) sums[racers[r].scaffold]++;
  }
  for (size_t g = 0; g < groups; g++) printf("%.17g\n", (double)sums[g] / (double)runs);
  free(racers), free(sums);
  return 0;
}

int main(int argc, char **argv) {
  if (tt_comm_start(&comm) != TT_OK) return 1;
  static const struct CMUnitTest tests[] = {cmocka_unit_test(sorts), cmocka_unit_test(selects),
                                            cmocka_unit_test(inverts), cmocka_unit_test(matches_theory),
                                            cmocka_unit_test(extremes)};
  int failed = argc > 4 ? print_means(argc, argv) : cmocka_run_group_tests(tests, NULL, NULL);
  tt_comm_finish(&comm);
  return failed;
}
