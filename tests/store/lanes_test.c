// The order of the data: keyed permutations, and lanes against a plain sequential walk.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/philox.h"
#include "store/lanes.h"
#include "store/store.h"

static void bijections(void **state) {
  (void)state;
  static const uint64_t sizes[] = {1,  2,  3,  4,   5,   7,   8,   9,    15,   16,
                                   17, 31, 33, 100, 255, 256, 257, 1000, 4097, 70000};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (uint64_t key = 0; key < (sizes[i] < 1000 ? 20 : 2); key++) {
      uint64_t n = sizes[i];
      uint8_t *seen = calloc(n, 1);
      assert_non_null(seen);
      for (uint64_t k = 0; k < n; k++) {
        uint64_t x = tt_permute(key, n, k);
        assert_true(x < n);
        assert_false(seen[x]);
        seen[x] = 1;
        assert_int_equal(tt_permute_inverse(key, n, x), k);
      }
      free(seen);
    }
  static const uint64_t large[] = {1ull << 32, (1ull << 32) + 1, 1ull << 48, (1ull << 63) + 5, UINT64_MAX};
  for (size_t i = 0; i < sizeof large / sizeof *large; i++)
    for (uint64_t k = 0; k < 50; k++) {
      uint64_t from = k % 2 ? large[i] - 1 - k : k, to = tt_permute(3, large[i], from);
      assert_true(to < large[i]);
      assert_int_equal(tt_permute_inverse(3, large[i], to), from);
    }
}

// Over many keys every permutation of 3 things, and every image of the first of n, comes equally often
// (chi-square below mean + 5 standard deviations; the keys are fixed, so the test is no lottery).
static void uniform_over_keys(void **state) {
  (void)state;
  enum { KEYS = 12000 };
  static const uint64_t sizes[] = {2, 3, 4, 5, 7, 16, 100, 256};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    uint64_t n = sizes[i], count[256] = {0};
    for (uint64_t key = 0; key < KEYS; key++) count[tt_permute(tt_mix64(key), n, 0)]++;
    double chi = 0, mean = (double)KEYS / (double)n, freedom = (double)n - 1;
    for (uint64_t k = 0; k < n; k++) chi += ((double)count[k] - mean) * ((double)count[k] - mean) / mean;
    assert_true(chi < freedom + 5 * sqrt(2 * freedom));
  }
  uint64_t orders[9] = {0};
  for (uint64_t key = 0; key < KEYS; key++)
    orders[3 * tt_permute(tt_mix64(key), 3, 0) + tt_permute(tt_mix64(key), 3, 1)]++;
  for (int k = 0; k < 9; k++) {
    if (k / 3 == k % 3)
      assert_int_equal(orders[k], 0);
    else
      assert_in_range(orders[k], 2000 - 250, 2000 + 250);
  }
}

// Where a record lies in the store says nothing about when it comes, nor do neighbours come together.
static void no_serial_correlation(void **state) {
  (void)state;
  tt_lanes lanes;
  enum { RECORDS = 40 * 256 + 17 };
  assert_int_equal(tt_lanes_init(&lanes, 5, RECORDS, 41, 1), TT_OK);
  double previous = 0, middle = (RECORDS - 1) / 2.0, variance = ((double)RECORDS * RECORDS - 1) / 12,
         order = 0, lag = 0;
  for (uint64_t s = 0; s < RECORDS; s++) {
    tt_sample_place p = tt_lanes_find(&lanes, s);
    double place = (double)(p.chunk * 256 + p.slot) - middle;
    order += place * ((double)s - middle) / variance / RECORDS;
    // a lane's neighbours are mostly of the same chunk (that is what a chunk is for): compare their slots
    double slot = p.slot - 127.5;
    if (s >= 1) lag += slot * previous / (256 * 256 / 12.0) / RECORDS;
    previous = slot;
  }
  assert_true(fabs(lag) < 0.04);   // 4 / sqrt(10257)
  assert_true(fabs(order) < 0.65); // 41 chunks: 4 / sqrt(41)
}

typedef struct {
  uint64_t records, lanes;
} shape;

static const shape shapes[] = {
    {4 * 256, 1},       {3 * 256 + 1, 1},    {10 * 256 + 1, 2}, {10 * 256 + 255, 2}, {12 * 256, 3},
    {11 * 256 + 77, 3}, {17 * 256 + 200, 4}, {29 * 256 + 3, 7}, {64 * 256, 16},      {63 * 256 + 128, 16},
};

// Sequential walk: the chunks of each epoch in turn, dealt to the lanes; each lane's records in order.
static void find_equals_walk(void **state) {
  (void)state;
  enum { EPOCHS = 6 };
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    uint64_t records = shapes[i].records, count = shapes[i].lanes, chunks = (records + 255) / 256;
    tt_lanes lanes;
    assert_int_equal(tt_lanes_init(&lanes, 99 + i, records, chunks, count), TT_OK);
    uint64_t *given = calloc(count, sizeof *given); // records of each lane so far
    uint8_t *seen = calloc(EPOCHS * records, 1), *chunk_seen = calloc(chunks, 1);
    assert_non_null(given), assert_non_null(seen), assert_non_null(chunk_seen);
    for (uint64_t q = 0; q < EPOCHS * chunks; q++) {
      uint64_t lane = q % count, epoch = q / chunks, chunk = 0;
      uint64_t length = 0;
      for (uint64_t k = 0; k == 0 || k < length; k++) {
        tt_sample_place p = tt_lanes_find(&lanes, given[lane] * count + lane);
        if (k == 0) {
          chunk = p.chunk;
          assert_true(chunk < chunks);
          length = chunk + 1 == chunks ? records - 256 * (chunks - 1) : 256;
          if (q % chunks == 0) memset(chunk_seen, 0, chunks);
          assert_false(chunk_seen[chunk]);
          chunk_seen[chunk] = 1;
        }
        assert_int_equal(p.epoch, epoch);
        assert_int_equal(p.chunk, chunk);
        assert_true(p.slot < length);
        uint8_t *mark = &seen[epoch * records + 256 * chunk + p.slot];
        assert_false(*mark); // each record once an epoch; with the counts below, exactly once
        *mark = 1;
        given[lane]++;
      }
    }
    for (uint64_t k = 0; k < EPOCHS * records; k++) assert_true(seen[k]);
    free(given), free(seen), free(chunk_seen);
  }
}

// Each epoch, and each seed, has another order of chunks and of the records in a chunk.
static void epochs_and_seeds_differ(void **state) {
  (void)state;
  tt_lanes a, b;
  assert_int_equal(tt_lanes_init(&a, 1, 64 * 256, 64, 1), TT_OK);
  assert_int_equal(tt_lanes_init(&b, 2, 64 * 256, 64, 1), TT_OK);
  int epoch_chunk = 0, seed_chunk = 0, chunk_slot = 0, epoch_slot = 0;
  for (uint64_t c = 0; c < 64; c++) {
    tt_sample_place here = tt_lanes_find(&a, c * 256), later = tt_lanes_find(&a, (c + 64) * 256);
    tt_sample_place elsewhere = tt_lanes_find(&b, c * 256), first = tt_lanes_find(&a, 0);
    epoch_chunk += here.chunk == later.chunk;
    seed_chunk += here.chunk == elsewhere.chunk;
    chunk_slot += here.slot == first.slot;
    epoch_slot += here.slot == later.slot;
  }
  assert_true(epoch_chunk < 8 && seed_chunk < 8 && chunk_slot < 8 && epoch_slot < 8);
}

// The order is a promise to every run that will be resumed: these places may never change.
static void for_ever(void **state) {
  (void)state;
  static const struct {
    uint64_t sample;
    tt_sample_place place;
  } pinned[] = {
      {0, {0, 633, 53}},       {1, {0, 98, 233}},       {7, {0, 446, 4}},
      {8, {0, 633, 234}},      {2048, {0, 953, 121}},   {256100, {1, 707, 64}},
      {256099, {1, 984, 106}}, {1000000, {3, 659, 84}}, {123456789, {482, 542, 175}},
  };
  tt_lanes lanes;
  assert_int_equal(tt_lanes_init(&lanes, 2024, 1000 * 256 + 100, 1001, 8), TT_OK);
  for (size_t k = 0; k < sizeof pinned / sizeof *pinned; k++) {
    tt_sample_place p = tt_lanes_find(&lanes, pinned[k].sample);
    assert_int_equal(p.epoch, pinned[k].place.epoch);
    assert_int_equal(p.chunk, pinned[k].place.chunk);
    assert_int_equal(p.slot, pinned[k].place.slot);
  }
}

static void too_few_chunks(void **state) {
  (void)state;
  tt_lanes lanes;
  assert_int_equal(tt_lanes_init(&lanes, 1, 100 * 256, 100, 25), TT_OK);
  assert_int_equal(tt_lanes_init(&lanes, 1, 100 * 256, 100, 26), TT_ERR_DATA);
  assert_non_null(strstr(tt_error_message(), "data.lanes = 26"));
  assert_non_null(strstr(tt_error_message(), "set data.lanes to 25 or less"));
  assert_non_null(strstr(tt_error_message(), "needs 26369")); // 103 whole chunks and one record
  assert_int_equal(tt_lanes_init(&lanes, 1, 26369, 104, 26), TT_OK);
  assert_int_equal(tt_lanes_init(&lanes, 1, 26368, 103, 26), TT_ERR_DATA);
  assert_int_equal(tt_lanes_init(&lanes, 1, 700, 3, 1), TT_ERR_DATA);
  assert_non_null(strstr(tt_error_message(), "needs 769"));
  assert_int_equal(tt_lanes_init(&lanes, 1, 769, 4, 1), TT_OK);
  assert_int_equal(tt_lanes_init(&lanes, 1, 0, 0, 1), TT_ERR_DATA);
  assert_int_equal(tt_lanes_init(&lanes, 1, 100 * 256, 100, 0), TT_ERR_ARGUMENT);
  assert_int_equal(tt_lanes_init(&lanes, 1, 100 * 256, 99, 1), TT_ERR_ARGUMENT);
  assert_int_equal(tt_lanes_init(&lanes, 1, 100 * 256, 100, UINT64_MAX), TT_ERR_DATA);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bijections),       cmocka_unit_test(uniform_over_keys),
      cmocka_unit_test(find_equals_walk), cmocka_unit_test(no_serial_correlation),
      cmocka_unit_test(for_ever),         cmocka_unit_test(epochs_and_seeds_differ),
      cmocka_unit_test(too_few_chunks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
