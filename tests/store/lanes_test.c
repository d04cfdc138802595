// The order of the data: keyed permutations, and lanes against a plain sequential walk.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
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
    tt_sample_place p = tt_lanes_find(&lanes, NULL, s);
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
        tt_sample_place p = tt_lanes_find(&lanes, NULL, given[lane] * count + lane);
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
        assert_int_equal(p.position, q);
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

// ---- chunks that break off

// All records of the lanes in their order, by a sequential walk of the first `positions` places of the
// sequence.
typedef struct {
  uint64_t position;
  uint32_t index; // in the lane's order of the chunk
} walked;

typedef struct {
  uint64_t lanes, *count; // (lanes) records
  walked **records;       // (lanes, count)
} walk;

static uint32_t length_at(const tt_lanes *lanes, uint64_t position) {
  tt_sample_place place;
  return tt_lane_cut_records(lanes, &(tt_lane_cut){.position = position}, &place);
}

static walk walk_with(const tt_lanes *lanes, const uint32_t *kept, uint64_t positions) {
  walk w = {lanes->lanes, calloc(lanes->lanes, sizeof *w.count), calloc(lanes->lanes, sizeof *w.records)};
  assert_non_null(w.count), assert_non_null(w.records);
  for (uint64_t l = 0; l < w.lanes; l++) {
    w.records[l] = calloc((positions / w.lanes + 1) * TT_CHUNK, sizeof **w.records);
    assert_non_null(w.records[l]);
  }
  for (uint64_t q = 0; q < positions; q++) {
    uint32_t length = length_at(lanes, q);
    for (uint32_t k = 0; k < (kept[q] < length ? kept[q] : length); k++)
      w.records[q % w.lanes][w.count[q % w.lanes]++] = (walked){q, k};
  }
  return w;
}

static void free_walk(walk w) {
  for (uint64_t l = 0; l < w.lanes; l++) free(w.records[l]);
  free(w.records), free(w.count);
}

static void check_place(const tt_lanes *lanes, const walked *expected, tt_sample_place place) {
  assert_int_equal(place.position, expected->position);
  tt_sample_place whole;
  assert_true(tt_lane_cut_records(lanes, &(tt_lane_cut){expected->position, expected->index, 0}, &whole) > 0);
  assert_int_equal(place.epoch, expected->position / lanes->chunks);
  assert_int_equal(place.chunk, whole.chunk);
  assert_int_equal(place.slot, whole.slot);
}

// Finding any sample, walking from the start, walking from any record on: all as the sequential walk has it.
static void check_walk(const tt_lanes *lanes, const tt_lane_cuts *cuts, const walk *w) {
  for (uint64_t l = 0; l < w->lanes; l++) {
    tt_lane_cursor cursor;
    tt_lane_seek(&cursor, lanes, cuts, l, 0);
    for (uint64_t n = 0; n < w->count[l]; n++, tt_lane_step(&cursor)) {
      check_place(lanes, &w->records[l][n], tt_lane_here(&cursor));
      assert_int_equal(cursor.index, w->records[l][n].index);
      if (n % 7 != 0 && n + 2 < w->count[l]) continue; // finding takes a while
      check_place(lanes, &w->records[l][n], tt_lanes_find(lanes, cuts, n * w->lanes + l));
      tt_lane_cursor there;
      tt_lane_seek(&there, lanes, cuts, l, n);
      assert_int_equal(there.position, cursor.position);
      assert_int_equal(there.index, cursor.index);
      assert_int_equal(there.used, cursor.used);
    }
  }
}

// Cuts of every kind: whole chunks, after some records, in a row, the epoch's short chunk.
static void cuts_as_walked(void **state) {
  (void)state;
  enum { EPOCHS = 3 };
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    for (uint64_t key = 0; key < 4; key++) {
      uint64_t chunks = (shapes[i].records + 255) / 256, positions = EPOCHS * chunks;
      tt_lanes lanes;
      assert_int_equal(tt_lanes_init(&lanes, 7 + i, shapes[i].records, chunks, shapes[i].lanes), TT_OK);
      uint32_t *kept = calloc(positions, sizeof *kept);
      assert_non_null(kept);
      tt_lane_cuts cuts = {0};
      for (uint64_t q = positions; q-- > 0;) { // from behind: the list sorts itself
        uint64_t draw = tt_mix64(tt_mix64(1000 * i + key) + q);
        uint32_t length = length_at(&lanes, q);
        bool is_cut = draw % 100 < 25 * key || (key && length < 256 && draw % 2);
        kept[q] = is_cut ? (uint32_t)(draw >> 8) % (draw % 3 ? length : 1) : length;
        if (is_cut) assert_int_equal(tt_lane_cuts_add(&cuts, (tt_lane_cut){q, kept[q], 0}), TT_OK);
      }
      assert_int_equal(tt_lane_cuts_check(&lanes, &cuts), TT_OK);
      walk w = walk_with(&lanes, kept, positions);
      check_walk(&lanes, &cuts, &w);
      // the sample that a cut first concerns: the one after the lane's records before it
      for (size_t k = 0; k < cuts.count; k++) {
        uint64_t lane = cuts.cuts[k].position % lanes.lanes, before = 0;
        for (uint64_t q = lane; q <= cuts.cuts[k].position; q += lanes.lanes) before += kept[q];
        assert_int_equal(tt_lane_cut_sample(&lanes, &cuts, &cuts.cuts[k]), before * lanes.lanes + lane);
      }
      if (cuts.count == 0) check_walk(&lanes, NULL, &w);
      free_walk(w), free(kept), tt_lane_cuts_free(&cuts);
    }
}

// A cut made on the way: what came before stays, the lane goes on with its next chunk, other lanes notice
// nothing; and a list of cuts made so finds what was walked.
static void cutting_on_the_way(void **state) {
  (void)state;
  tt_lanes lanes;
  assert_int_equal(tt_lanes_init(&lanes, 12, 29 * 256 + 3, 30, 7), TT_OK);
  enum { STEPS = 5000 };
  tt_lane_cuts cuts = {0};
  walked *seen = calloc(STEPS * 7, sizeof *seen);
  assert_non_null(seen);
  tt_lane_cursor cursor[7];
  for (uint64_t l = 0; l < 7; l++) tt_lane_seek(&cursor[l], &lanes, &cuts, l, 0);
  for (uint64_t s = 0; s < STEPS * 7; s++) {
    tt_lane_cursor *c = &cursor[s % 7];
    while (tt_mix64(s + (c->position << 32)) % 300 == 0) { // now and then two in a row
      tt_lane_cut made;
      uint64_t position = c->position;
      uint32_t index = c->index;
      tt_lane_cut_here(c, &made);
      assert_int_equal(made.position, position);
      assert_int_equal(made.kept, index);
      assert_int_equal(made.reserved, 0);
      assert_int_equal(c->position, position + 7);
      assert_int_equal(c->index, 0);
      assert_int_equal(tt_lane_cuts_add(&cuts, made), TT_OK);
      assert_int_equal(tt_lane_cut_sample(&lanes, &cuts, &made), s);
    }
    seen[s] = (walked){c->position, c->index};
    check_place(&lanes, &seen[s], tt_lane_here(c));
    tt_lane_step(c);
  }
  assert_true(cuts.count > 50);
  for (uint64_t s = 0; s < STEPS * 7; s++)
    if (s % 11 == 0 || s > STEPS * 7 - 8) check_place(&lanes, &seen[s], tt_lanes_find(&lanes, &cuts, s));
  free(seen), tt_lane_cuts_free(&cuts);
}

static void lists_of_cuts(void **state) {
  (void)state;
  tt_lanes lanes;
  assert_int_equal(tt_lanes_init(&lanes, 12, 7 * 256 + 3, 8, 2), TT_OK);
  tt_lane_cuts cuts = {0};
  assert_int_equal(tt_lane_cuts_add(&cuts, (tt_lane_cut){9, 5, 0}), TT_OK);
  assert_int_equal(tt_lane_cuts_add(&cuts, (tt_lane_cut){4, 255, 0}), TT_OK);
  assert_int_equal(tt_lane_cuts_add(&cuts, (tt_lane_cut){9, 7, 0}), TT_OK); // the smaller number stays
  assert_int_equal(tt_lane_cuts_at(&cuts, 9)->kept, 5);
  assert_int_equal(tt_lane_cuts_add(&cuts, (tt_lane_cut){9, 0, 0}), TT_OK);
  assert_int_equal(tt_lane_cuts_at(&cuts, 9)->kept, 0);
  assert_int_equal(cuts.count, 2);
  assert_int_equal(cuts.cuts[0].position, 4);
  assert_null(tt_lane_cuts_at(&cuts, 5));
  assert_null(tt_lane_cuts_at(NULL, 5));
  assert_int_equal(tt_lane_cuts_add(&cuts, (tt_lane_cut){9, 256, 0}), TT_ERR_ARGUMENT);
  assert_int_equal(tt_lane_cuts_add(&cuts, (tt_lane_cut){11, 2, 1}), TT_ERR_ARGUMENT);
  assert_int_equal(tt_lane_cuts_check(&lanes, &cuts), TT_OK);
  // what a file may hold: out of order, more records than the chunk has
  cuts.cuts[0].position = 9;
  assert_int_equal(tt_lane_cuts_check(&lanes, &cuts), TT_ERR_CORRUPT);
  uint64_t q = 0;
  while (length_at(&lanes, q) != 3) q++;
  cuts.cuts[0] = (tt_lane_cut){q, 2, 0}, cuts.count = 1;
  assert_int_equal(tt_lane_cuts_check(&lanes, &cuts), TT_OK);
  cuts.cuts[0].kept = 3;
  assert_int_equal(tt_lane_cuts_check(&lanes, &cuts), TT_ERR_CORRUPT);
  tt_lane_cuts_free(&cuts);
  assert_int_equal(cuts.count, 0);
}

// Each epoch, and each seed, has another order of chunks and of the records in a chunk.
static void epochs_and_seeds_differ(void **state) {
  (void)state;
  tt_lanes a, b;
  assert_int_equal(tt_lanes_init(&a, 1, 64 * 256, 64, 1), TT_OK);
  assert_int_equal(tt_lanes_init(&b, 2, 64 * 256, 64, 1), TT_OK);
  int epoch_chunk = 0, seed_chunk = 0, chunk_slot = 0, epoch_slot = 0;
  for (uint64_t c = 0; c < 64; c++) {
    tt_sample_place here = tt_lanes_find(&a, NULL, c * 256), later = tt_lanes_find(&a, NULL, (c + 64) * 256);
    tt_sample_place elsewhere = tt_lanes_find(&b, NULL, c * 256), first = tt_lanes_find(&a, NULL, 0);
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
    struct {
      uint64_t epoch, chunk;
      uint32_t slot;
    } place;
  } pinned[] = {
      {0, {0, 633, 53}},       {1, {0, 98, 233}},       {7, {0, 446, 4}},
      {8, {0, 633, 234}},      {2048, {0, 953, 121}},   {256100, {1, 707, 64}},
      {256099, {1, 984, 106}}, {1000000, {3, 659, 84}}, {123456789, {482, 542, 175}},
  };
  tt_lanes lanes;
  assert_int_equal(tt_lanes_init(&lanes, 2024, 1000 * 256 + 100, 1001, 8), TT_OK);
  for (size_t k = 0; k < sizeof pinned / sizeof *pinned; k++) {
    tt_sample_place p = tt_lanes_find(&lanes, NULL, pinned[k].sample);
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
      cmocka_unit_test(bijections),         cmocka_unit_test(uniform_over_keys),
      cmocka_unit_test(find_equals_walk),   cmocka_unit_test(no_serial_correlation),
      cmocka_unit_test(for_ever),           cmocka_unit_test(epochs_and_seeds_differ),
      cmocka_unit_test(too_few_chunks),     cmocka_unit_test(cuts_as_walked),
      cmocka_unit_test(cutting_on_the_way), cmocka_unit_test(lists_of_cuts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
