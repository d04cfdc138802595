// The order of the data at the size of the paper's set, 838 million records: each chunk and each record once
// an epoch, seeking equal to walking, epochs that end in the middle of everything, ranks up to 4096. Reads no
// data. TT_TEST_LONG: every single record.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "batch/outlook.h"
#include "core/philox.h"
#include "store/lanes.h"
#include "store/store.h"

static const uint64_t RECORDS = 838000000, CHUNKS = 3273438, SHORT_CHUNK = 128;

static tt_lanes make_lanes(uint64_t count) {
  tt_lanes lanes;
  assert_int_equal(tt_lanes_init(&lanes, 2024, RECORDS, CHUNKS, count), TT_OK);
  return lanes;
}

static uint64_t draw(uint64_t stream, uint64_t k) {
  return tt_mix64(tt_mix64(stream) + k);
}

static void assert_same_place(tt_sample_place a, tt_sample_place b) {
  assert_int_equal(a.epoch, b.epoch);
  assert_int_equal(a.chunk, b.chunk);
  assert_int_equal(a.slot, b.slot);
  assert_int_equal(a.position, b.position);
}

// ---- bits, one a thing that may come once

typedef struct {
  uint64_t *words, count;
} marks;

static marks make_marks(uint64_t count) {
  marks m = {calloc(count / 64 + 1, sizeof(uint64_t)), count};
  assert_non_null(m.words);
  return m;
}

static void mark(marks *m, uint64_t k) {
  assert_true(k < m->count);
  assert_false(m->words[k / 64] >> k % 64 & 1);
  m->words[k / 64] |= 1ull << k % 64;
}

static void assert_all_marked(marks *m) {
  for (uint64_t k = 0; k < m->count / 64; k++) assert_true(m->words[k] == UINT64_MAX);
  for (uint64_t k = m->count / 64 * 64; k < m->count; k++) assert_true(m->words[k / 64] >> k % 64 & 1);
  free(m->words);
}

// ---- what an epoch holds

static void each_chunk_once_an_epoch(void **state) {
  (void)state;
  for (uint64_t epoch = 0; epoch < 2; epoch++) {
    const uint64_t count = epoch ? 4096 : 64;
    tt_lanes lanes = make_lanes(count);
    marks chunks = make_marks(CHUNKS);
    uint64_t ends[2] = {UINT64_MAX, 0}; // the fewest and the most chunks that a lane has
    for (uint64_t l = 0; l < count; l++) {
      tt_lane_cursor cursor;
      uint64_t first = (epoch * CHUNKS + count - 1 - l) / count,
               seen = 0; // chunks of the lane before the epoch
      // not more than a chunk's records for each of them, so this is before the epoch or in its beginning
      tt_lane_seek(&cursor, &lanes, NULL, l, (first > 2 ? first - 2 : 0) * TT_CHUNK);
      while (cursor.epoch < epoch) tt_lane_step_chunk(&cursor);
      for (; cursor.epoch == epoch; tt_lane_step_chunk(&cursor), seen++) {
        mark(&chunks, cursor.chunk);
        assert_int_equal(cursor.used, cursor.chunk + 1 == CHUNKS ? SHORT_CHUNK : TT_CHUNK);
      }
      if (seen < ends[0]) ends[0] = seen;
      if (seen > ends[1]) ends[1] = seen;
    }
    assert_all_marked(&chunks);
    assert_true(ends[1] - ends[0] <= 1);
  }
}

static void each_slot_once_a_chunk(void **state) {
  (void)state;
  tt_lanes lanes = make_lanes(64);
  const uint64_t tries = getenv("TT_TEST_LONG") ? 20000 : 500;
  for (uint64_t k = 0; k < tries; k++) {
    tt_lane_cursor cursor;
    tt_lane_seek(&cursor, &lanes, NULL, draw(1, k) % 64,
                 draw(2, k) % (RECORDS / 64 * 3) / TT_CHUNK * TT_CHUNK);
    if (cursor.index) tt_lane_step_chunk(&cursor); // the lane has met the short chunk
    marks slots = make_marks(cursor.used);
    for (uint64_t position = cursor.position; cursor.position == position; tt_lane_step(&cursor))
      mark(&slots, tt_lane_here(&cursor).slot);
    assert_all_marked(&slots);
  }
}

static void each_record_once_an_epoch(void **state) {
  (void)state;
  if (!getenv("TT_TEST_LONG")) skip();
  tt_lanes lanes = make_lanes(64);
  marks records = make_marks(RECORDS);
  for (uint64_t l = 0; l < 64; l++) {
    tt_lane_cursor cursor;
    for (tt_lane_seek(&cursor, &lanes, NULL, l, 0); cursor.epoch == 0; tt_lane_step(&cursor)) {
      tt_sample_place place = tt_lane_here(&cursor);
      mark(&records, place.chunk * TT_CHUNK + place.slot);
    }
  }
  assert_all_marked(&records);
}

// ---- resume

static void seeking_equals_walking(void **state) {
  (void)state;
  tt_lanes lanes = make_lanes(64);
  const uint64_t tries = getenv("TT_TEST_LONG") ? 3000 : 100;
  for (uint64_t k = 0; k < tries; k++) {
    uint64_t sample = draw(3, k) % (RECORDS * (k % 10 + 1)), steps = draw(4, k) % 2000;
    tt_lane_cursor walked, sought;
    tt_lane_seek(&walked, &lanes, NULL, sample % 64, sample / 64);
    assert_same_place(tt_lane_here(&walked), tt_lanes_find(&lanes, NULL, sample));
    for (uint64_t s = 0; s < steps; s++) tt_lane_step(&walked);
    tt_lane_seek(&sought, &lanes, NULL, sample % 64, sample / 64 + steps);
    assert_same_place(tt_lane_here(&walked), tt_lane_here(&sought));
    assert_same_place(tt_lane_here(&walked), tt_lanes_find(&lanes, NULL, sample + steps * 64));
  }
}

// The same with thousands of chunks cut out; and the samples that cuts concern are those where walks meet
// them.
static void seeking_past_cuts(void **state) {
  (void)state;
  enum { CUTS = 2000 };
  tt_lanes lanes = make_lanes(64);
  tt_lane_cuts cuts = {0};
  for (uint64_t k = 0; k < CUTS; k++) {
    tt_lane_cut cut = {.position = draw(5, k) % (2 * CHUNKS),
                       .kept = k % 3 ? 0 : (uint32_t)(draw(6, k) % 100)};
    assert_int_equal(tt_lane_cuts_add(&cuts, cut), TT_OK);
  }
  assert_int_equal(tt_lane_cuts_check(&lanes, &cuts), TT_OK);
  for (size_t k = 0; k < cuts.count; k += 37) {
    const tt_lane_cut *cut = &cuts.cuts[k];
    uint64_t lane = cut->position % 64, first = tt_lane_cut_sample(&lanes, &cuts, cut);
    assert_int_equal(first % 64, lane);
    tt_lane_cursor before;
    tt_lane_seek(&before, &lanes, &cuts, lane, first / 64 - 1);
    assert_true(before.position <= cut->position);
    tt_lane_step(&before);
    assert_true(before.position > cut->position);
    assert_same_place(tt_lane_here(&before), tt_lanes_find(&lanes, &cuts, first));
    // without this cut the sample would be the first record that it leaves out
    tt_lane_cuts others = {0};
    for (size_t j = 0; j < cuts.count; j++)
      if (j != k) assert_int_equal(tt_lane_cuts_add(&others, cuts.cuts[j]), TT_OK);
    tt_sample_place place;
    assert_true(tt_lane_cut_records(&lanes, cut, &place) > 0);
    assert_same_place(tt_lanes_find(&lanes, &others, first), place);
    tt_lane_cuts_free(&others);
  }
  tt_lane_cuts_free(&cuts);
}

// ---- where epochs end

// The lane's first record of `epoch` or later.
static uint64_t first_of_epoch(const tt_lanes *lanes, uint64_t lane, uint64_t epoch) {
  uint64_t low = 0, high = (epoch + 1) * (RECORDS / lanes->lanes + 2 * TT_CHUNK);
  while (low < high) {
    uint64_t middle = low + (high - low) / 2;
    if (tt_lanes_find(lanes, NULL, middle * lanes->lanes + lane).epoch < epoch)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// Lanes end an epoch at samples of their own, up to a chunk apart and one of them in the short chunk; all the
// same the records of an epoch add up.
static void lanes_end_epochs_in_different_places(void **state) {
  (void)state;
  static const uint64_t counts[] = {1, 7, 64, 4096};
  for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
    tt_lanes lanes = make_lanes(counts[c]);
    for (uint64_t epoch = 1; epoch <= 3; epoch++) {
      uint64_t sum = 0, least = UINT64_MAX, most = 0;
      for (uint64_t l = 0; l < counts[c]; l++) {
        uint64_t before = first_of_epoch(&lanes, l, epoch);
        sum += before;
        if (before < least) least = before;
        if (before > most) most = before;
      }
      assert_int_equal(sum, epoch * RECORDS);
      assert_true(most - least <= TT_CHUNK + epoch * SHORT_CHUNK);
    }
  }
}

// ---- ranks

// What all ranks read, each walking the lanes that are its own, is the batch: each sample on one rank, and
// none without work.
static void ranks_share_a_batch(void **state) {
  (void)state;
  enum { LANES = 4096, BATCH = 8192 };
  tt_lanes lanes = make_lanes(LANES);
  const uint64_t step = 70000, first = step * BATCH; // of the 102,295 of an epoch
  tt_sample_place *whole = calloc(BATCH, sizeof *whole);
  assert_non_null(whole);
  for (uint64_t i = 0; i < BATCH; i++) whole[i] = tt_lanes_find(&lanes, NULL, first + i);
  for (int size = 1; size <= LANES; size *= 2) {
    marks batch = make_marks(BATCH);
    for (int rank = 0; rank < size; rank++) {
      uint64_t read = 0;
      for (uint64_t l = (uint64_t)rank; l < LANES; l += (uint64_t)size) {
        tt_lane_cursor cursor;
        tt_lane_seek(&cursor, &lanes, NULL, l, (first + l) / LANES);
        for (uint64_t i = l; i < BATCH; i += LANES, read++, tt_lane_step(&cursor)) {
          assert_int_equal(tt_sample_reader(first + i, LANES, size), rank);
          mark(&batch, i);
          assert_same_place(tt_lane_here(&cursor), whole[i]);
        }
      }
      assert_int_equal(read, BATCH / size);
    }
    assert_all_marked(&batch);
  }
  free(whole);
}

// 64-bit everywhere: far beyond any store, and after a thousand epochs.
static void larger_than_any_store(void **state) {
  (void)state;
  const uint64_t records = 1000000000000007, chunks = (records + 255) / 256;
  tt_lanes lanes;
  assert_int_equal(tt_lanes_init(&lanes, 1, records, chunks, 65536), TT_OK);
  for (uint64_t k = 0; k < 200; k++) {
    uint64_t sample = draw(7, k) % (records * 1000);
    tt_lane_cursor cursor;
    tt_lane_seek(&cursor, &lanes, NULL, sample % 65536, sample / 65536);
    tt_sample_place place = tt_lane_here(&cursor);
    assert_true(place.chunk < chunks && place.slot < TT_CHUNK);
    assert_true(place.epoch <= sample / records + 1 && place.epoch + 1 >= sample / records);
    for (int s = 0; s < 300; s++) tt_lane_step(&cursor);
    assert_same_place(tt_lane_here(&cursor), tt_lanes_find(&lanes, NULL, sample + 300 * 65536ull));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_chunk_once_an_epoch),  cmocka_unit_test(each_slot_once_a_chunk),
      cmocka_unit_test(each_record_once_an_epoch), cmocka_unit_test(seeking_equals_walking),
      cmocka_unit_test(seeking_past_cuts),         cmocka_unit_test(lanes_end_epochs_in_different_places),
      cmocka_unit_test(ranks_share_a_batch),       cmocka_unit_test(larger_than_any_store),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
