// How well the data are shuffled. A set of molecules is given in the worst order, family by family (a family
// is a scaffold), goes into a store as a build puts it there, and is read in the order of a run; what comes
// out is compared with a random order. Reads no data; the seeds are fixed, so the bounds are no lottery.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/philox.h"
#include "store/lanes.h"
#include "store/plan.h"
#include "store/store.h"

enum {
  CHUNKS = 800,
  COUNT = CHUNKS * TT_CHUNK,
  FAMILIES = 20000,
  LANES = 16,
  BATCH = 256,
  BATCHES = COUNT / BATCH,
  EACH = BATCH / LANES, // records of a lane in a batch
  EPOCHS = 2
};

typedef struct {
  uint64_t key;
  uint32_t input; // place in the input
} molecule;

static uint32_t family[COUNT];         // by place in the input: ascending
static uint32_t members[FAMILIES];     // of each family
static uint32_t record[COUNT];         // of the store: place in the input
static uint32_t order[EPOCHS * COUNT]; // of the run: record of the store
static double same_family;             // chance that two molecules are of one family

// Sizes fall with the rank, as those of scaffolds do: the largest has a tenth of all, half have one or two.
static void make_families(void) {
  double sum = 0;
  uint32_t made = 0;
  for (int f = 0; f < FAMILIES; f++) sum += 1.0 / (f + 1);
  for (uint32_t f = 0; f < FAMILIES && made < COUNT; f++) {
    uint32_t n = f + 1 == FAMILIES ? COUNT - made : 1 + (uint32_t)((COUNT - FAMILIES) / sum / (f + 1));
    for (; n && made < COUNT; n--) family[made++] = f, members[f]++;
  }
  assert_int_equal(made, COUNT);
  for (int f = 0; f < FAMILIES; f++)
    same_family += (double)members[f] * (members[f] - 1.0) / COUNT / (COUNT - 1.0);
}

static int by_key(const void *a, const void *b) {
  uint64_t x = ((const molecule *)a)->key, y = ((const molecule *)b)->key;
  return x < y ? -1 : x > y;
}

// As a build does: a molecule's shard and its place there follow from the hash of its SMILES. Here the SMILES
// of a family's members differ in their last characters only. Then the store's chunks: the whole ones of each
// shard, and the tails of all shards strung together.
static void make_store(void) {
  tt_shard_plan plan = tt_shard_plan_make(COUNT, 0, 0);
  molecule *m = calloc(COUNT, sizeof *m);
  assert_non_null(m);
  for (uint32_t k = 0; k < COUNT; k++) {
    char smiles[64];
    snprintf(smiles, sizeof smiles, "C1CCCCC1%u.%u", family[k], k);
    m[k] = (molecule){tt_plan_key(smiles, 1), k};
  }
  qsort(m, COUNT, sizeof *m, by_key);
  assert_true(plan.shards[TT_TRAIN] > 1);
  uint32_t whole = 0, tail = 0, *tails = calloc(COUNT, sizeof *tails);
  assert_non_null(tails);
  for (uint32_t begin = 0, end; begin < COUNT; begin = end) {
    uint32_t shard = tt_plan_shard(&plan, m[begin].key);
    for (end = begin; end < COUNT && tt_plan_shard(&plan, m[end].key) == shard;) end++;
    uint32_t chunks = (end - begin) / TT_CHUNK * TT_CHUNK;
    for (uint32_t k = begin; k < end; k++)
      *(k < begin + chunks ? &record[whole++] : &tails[tail++]) = m[k].input;
  }
  for (uint32_t k = 0; k < tail; k++) record[whole + k] = tails[k];
  assert_int_equal(whole + tail, COUNT);
  free(tails), free(m);
}

static int prepare(void **state) {
  (void)state;
  make_families();
  make_store();
  tt_lanes lanes;
  if (tt_lanes_init(&lanes, 3, COUNT, CHUNKS, LANES) != TT_OK) return -1;
  for (uint64_t s = 0; s < EPOCHS * COUNT; s++) {
    tt_sample_place place = tt_lanes_find(&lanes, NULL, s);
    order[s] = (uint32_t)(place.chunk * TT_CHUNK + place.slot);
  }
  return 0;
}

// Pairs of samples `lag` apart in the run: the correlation of what `of` says of each, 0 .. COUNT - 1.
static double correlation(uint32_t (*of)(uint32_t s), uint32_t lag) {
  const double mean = (COUNT - 1) / 2.0, variance = ((double)COUNT * COUNT - 1) / 12;
  double sum = 0;
  for (uint32_t s = 0; s + lag < COUNT; s++) sum += (of(s) - mean) * (of(s + lag) - mean);
  return sum / variance / (COUNT - lag);
}

static uint32_t input_of(uint32_t s) {
  return record[order[s]];
}

static uint32_t store_place_of(uint32_t s) {
  return order[s];
}

// Neither the next sample nor the lane's next one nor the next batch knows where in the input a sample was,
// and so of which family. Where it lies in the store says where the lane's next ones lie, for a lane stays in
// a chunk; that is harmless because the store's own order is random, and would be found here if it were not.
static void no_serial_correlation(void **state) {
  (void)state;
  static const uint32_t lags[] = {1,         2,         3,     LANES - 1, LANES,   LANES + 1,
                                  2 * LANES, BATCH - 1, BATCH, 4096,      2 * 4096};
  const double bound = 5 / sqrt(COUNT);
  for (size_t k = 0; k < sizeof lags / sizeof *lags; k++)
    assert_true(fabs(correlation(input_of, lags[k])) < bound);
  assert_true(correlation(store_place_of, LANES) > 0.9);                // the chunks
  assert_true(fabs(correlation(store_place_of, 1)) < 5 / sqrt(CHUNKS)); // of different lanes
}

// Neighbours of one family: as many as in a random order, in the run, in each lane, in the store.
static void scaffolds_come_as_in_a_random_order(void **state) {
  (void)state;
  static const uint32_t lags[] = {1, LANES, BATCH, 0};
  const double expected = COUNT * same_family, bound = 5 * sqrt(expected);
  for (size_t k = 0; k < 4; k++) {
    double pairs = 0; // lag 0: neighbours in the store
    for (uint32_t s = 0; s + (lags[k] ? lags[k] : 1) < COUNT; s++)
      pairs += lags[k] ? family[input_of(s)] == family[input_of(s + lags[k])]
                       : family[record[s]] == family[record[s + 1]];
    assert_true(fabs(pairs - expected) < bound);
  }
  uint32_t longest = 1, run = 1; // the input: one run a family
  for (uint32_t s = 1; s < COUNT; s++) {
    run = family[input_of(s)] == family[input_of(s - 1)] ? run + 1 : 1;
    if (run > longest) longest = run;
  }
  const double largest = (double)members[0] / COUNT; // runs longer than this come once in 100,000 orders
  assert_true(longest <= 1 + log(1e5 * COUNT) / -log(largest));
}

// The batches have as many pairs of one family as random ones, on average and in their scatter.
static void batches_are_random_samples(void **state) {
  (void)state;
  static uint32_t seen[FAMILIES];
  double sum = 0, squares = 0;
  for (uint32_t b = 0; b < BATCHES; b++) {
    double pairs = 0;
    for (uint32_t i = 0; i < BATCH; i++) pairs += seen[family[input_of(b * BATCH + i)]]++;
    for (uint32_t i = 0; i < BATCH; i++) seen[family[input_of(b * BATCH + i)]] = 0;
    sum += pairs, squares += pairs * pairs;
  }
  double mean = sum / BATCHES, deviation = sqrt(squares / BATCHES - mean * mean);
  assert_true(fabs(mean - same_family * BATCH * (BATCH - 1) / 2) < 5 * deviation / sqrt(BATCHES));
  // the same from orders that are random
  uint64_t key = 11;
  double sum_r = 0, squares_r = 0;
  for (uint32_t b = 0; b < BATCHES; b++) {
    double pairs = 0;
    uint32_t drawn[BATCH];
    for (uint32_t i = 0; i < BATCH; i++) {
      drawn[i] = family[tt_permute(key, COUNT, b * BATCH + i)];
      pairs += seen[drawn[i]]++;
    }
    for (uint32_t i = 0; i < BATCH; i++) seen[drawn[i]] = 0;
    sum_r += pairs, squares_r += pairs * pairs;
  }
  double mean_r = sum_r / BATCHES, deviation_r = sqrt(squares_r / BATCHES - mean_r * mean_r);
  assert_true(fabs(deviation / deviation_r - 1) <
              5 / sqrt(BATCHES)); // a deviation's own error: 1 / sqrt(2 n), twice
}

// What chunks cost: molecules of one batch meet again in a batch of the next epoch more often than by chance,
// for a batch has EACH neighbours of each chunk, and a chunk is as long as TT_CHUNK / EACH batches. Not more
// often than that.
static void epochs_mix_what_met(void **state) {
  (void)state;
  static uint32_t next[COUNT]; // batch of the next epoch, by record
  for (uint32_t s = 0; s < COUNT; s++) next[order[COUNT + s]] = s / BATCH;
  double met = 0, met_of_a_chunk = 0;
  for (uint32_t b = 0; b < BATCHES; b++)
    for (uint32_t i = 0; i < BATCH; i++)
      for (uint32_t j = 0; j < i; j++) {
        uint32_t x = order[b * BATCH + i], y = order[b * BATCH + j];
        if (next[x] != next[y]) continue;
        met++, met_of_a_chunk += x / TT_CHUNK == y / TT_CHUNK;
      }
  const double of_a_chunk = (double)BATCHES * LANES * EACH * (EACH - 1) / 2 * (EACH - 1) / (TT_CHUNK - 1);
  const double others =
      (double)BATCHES * (BATCH * (BATCH - EACH) / 2.0) * (BATCH - EACH) / (COUNT - TT_CHUNK);
  assert_true(fabs(met_of_a_chunk / of_a_chunk - 1) < 0.03);
  // two chunks that were side by side are so again, or are not: as many such pairs as there are scatter
  const double chunk_pairs = CHUNKS * (LANES - 1) / 2.0 * (LANES - 1) / (CHUNKS - 1);
  assert_true(fabs((met - met_of_a_chunk) / others - 1) < 5 / sqrt(chunk_pairs));
}

// When a record comes in one epoch says nothing about the next.
static void epochs_are_independent(void **state) {
  (void)state;
  static uint32_t when[COUNT];
  const double mean = (COUNT - 1) / 2.0, variance = ((double)COUNT * COUNT - 1) / 12;
  double sum = 0;
  for (uint32_t s = 0; s < COUNT; s++) when[order[s]] = s;
  for (uint32_t s = 0; s < COUNT; s++) sum += (s - mean) * (when[order[COUNT + s]] - mean);
  assert_true(fabs(sum / variance / COUNT) < 5 / sqrt(CHUNKS));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_serial_correlation),      cmocka_unit_test(scaffolds_come_as_in_a_random_order),
      cmocka_unit_test(batches_are_random_samples), cmocka_unit_test(epochs_mix_what_met),
      cmocka_unit_test(epochs_are_independent),
  };
  return cmocka_run_group_tests(tests, prepare, NULL);
}
