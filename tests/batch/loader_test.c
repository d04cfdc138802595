// The loader's threads: what is read ahead, how much of it, what is waited for, what becomes of chunks that
// cannot be read, and that it can be stopped at any moment. Batches are compared with what the definitions
// give. On any number of ranks up to the number of leaves; the tests of the reader alone are the same on each
// rank.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "batch/assemble.h"
#include "batch/lane_window.h"
#include "batch/read_ahead.h"
#include "core/clock.h"
#include "core/file.h"
#include "random_store.h"

enum { RECORDS = 15 * TT_CHUNK + 77, CHUNKS = 16, LANES = 4, LEAVES = 4, BATCH = 96 };

static tt_comm world;
static char folder[4096];
static tt_store *store;
static tt_chunk chunks[CHUNKS]; // the whole store

// ---- readers put in the place of the store's
// --------------------------------------------------------------------

static atomic_int reads, ended;        // how many were begun, and are over
static atomic_bool shut;               // while it is, readers wait
static atomic_int pause_ms;            // of each read
static atomic_int permits;             // as many reads may go on
static atomic_bool unreadable[CHUNKS]; // chunks that give an error
static tt_status failure = TT_ERR_CORRUPT;
static char remark[701]; // in its message

static void rest(int ms) {
  nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

static tt_status read_chunk(tt_store *s, tt_split split, uint64_t chunk, tt_chunk *out) {
  int before = atomic_fetch_add(&reads, 1);
  rest(atomic_load(&pause_ms));
  while (atomic_load(&shut) || before >= atomic_load(&permits)) rest(1);
  if (atomic_load(&unreadable[chunk]))
    return tt_fail(failure, "made-up error in chunk %d%s", (int)chunk, remark);
  tt_status status = tt_store_read_chunk(s, split, chunk, out);
  atomic_fetch_add(&ended, 1);
  return status;
}

// A system that gives no threads (linked with --wrap).
static bool no_threads;
int __real_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int __wrap_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *user) {
  return no_threads ? EAGAIN : __real_pthread_create(thread, attributes, run, user);
}

static void clear_reader(void) {
  atomic_store(&reads, 0), atomic_store(&ended, 0), atomic_store(&shut, false), atomic_store(&pause_ms, 0);
  atomic_store(&permits, INT_MAX);
  for (int c = 0; c < CHUNKS; c++) atomic_store(&unreadable[c], false);
  failure = TT_ERR_CORRUPT;
  remark[0] = 0;
}

static int set_up(void **state) {
  (void)state;
  clear_reader();
  no_threads = false;
  return 0;
}

// ---- what batches must be
// ---------------------------------------------------------------------------------------

static int64_t cost(const tt_config *config, int atoms) {
  return (int64_t)atoms * atoms + config->train.micro_batches;
}

static tt_config configuration(int read_ahead, tt_bad_chunks bad_chunks) {
  tt_config c = {.data = random_data_config()};
  c.data.lanes = LANES, c.data.read_ahead = read_ahead, c.data.bad_chunks = bad_chunks;
  c.train.seed = 77, c.train.steps = 1000, c.train.batch_size = BATCH, c.train.micro_batches = LEAVES;
  return c;
}

static tt_lanes the_lanes(const tt_config *config) {
  tt_lanes lanes;
  assert_int_equal(
      tt_lanes_init(&lanes, tt_seed_for(config->train.seed, TT_SEED_ORDER), RECORDS, CHUNKS, LANES), TT_OK);
  return lanes;
}

static tt_loader *a_loader(const tt_config *config, const tt_lane_cuts *cuts) {
  tt_loader *loader;
  if (tt_loader_create(&loader, &world, store, config, cost, cuts) != TT_OK)
    fail_msg("%s", tt_error_message());
  return loader;
}

static void check(const tt_global_batch *b, int64_t step, const tt_config *config, const tt_lane_cuts *cuts) {
  tt_lanes lanes = the_lanes(config);
  tt_sample expected = {0};
  int own = 0;
  assert_int_equal(b->count, BATCH);
  for (int i = 0; i < BATCH; i++) {
    uint64_t sample = (uint64_t)step * BATCH + (uint64_t)i;
    tt_sample_place place = tt_lanes_find(&lanes, cuts, sample);
    const tt_chunk *chunk = &chunks[place.chunk];
    const tt_molecule *molecule = &chunk->molecules[place.slot];
    assert_int_equal(b->sample[i], sample);
    assert_int_equal(b->record[i], chunk->records[place.slot]);
    assert_int_equal(b->epoch[i], place.epoch);
    assert_int_equal(b->atoms[i], molecule->atoms);
    bool mine = b->leaf[i] >= b->first_leaf && b->leaf[i] < b->first_leaf + b->own_leaves;
    assert_int_equal(b->samples[i] != NULL, mine);
    if (!mine) continue;
    own++;
    assert_int_equal(tt_sample_make(&expected, molecule, &config->data, config->train.seed, place.epoch,
                                    chunk->records[place.slot]),
                     TT_OK);
    tt_digest_state *e = tt_digest_begin(), *f = tt_digest_begin();
    digest_sample(e, &expected), digest_sample(f, b->samples[i]);
    assert_string_equal(tt_digest_end(e).text, tt_digest_end(f).text);
  }
  assert_true(own >= b->own_leaves);
  assert_true(b->data_s >= 0);
  tt_sample_free(&expected);
}

// ---- batches
// ----------------------------------------------------------------------------------------------------

static void batches_are_those_of_the_definition(void **state) {
  (void)state;
  // in order past an epoch's end (41.8), then to and fro; the same one twice
  const int64_t jumps[] = {7, 8, 9, 9, 3, 200, 201, 0};
  for (int read_ahead = world.size == 1 ? 0 : 5; read_ahead <= 5; read_ahead += read_ahead ? 4 : 1) {
    tt_config config = configuration(read_ahead, TT_BAD_STOP);
    config.train.steps = 48; // past the last one nothing is made ahead, and may be asked for all the same
    tt_loader *loader = a_loader(&config, NULL);
    const tt_global_batch *batch;
    for (int64_t k = 0; k < 50 + 8; k++) {
      int64_t step = k < 50 ? k : jumps[k - 50];
      assert_int_equal(tt_loader_batch(loader, step, &batch), TT_OK);
      check(batch, step, &config, NULL);
      assert_int_equal(batch->skipped, 0);
    }
    assert_int_equal(tt_loader_cuts(loader)->count, 0);
    tt_loader_free(loader);
  }
}

static void without_threads_they_are_the_same(void **state) {
  (void)state;
  tt_config config = configuration(2, TT_BAD_STOP);
  const tt_global_batch *batch;
  no_threads = true;
  tt_loader *loader = a_loader(&config, NULL);
  for (int64_t step = 5; step < 40; step += step == 25 ? 8 : 1) {
    assert_int_equal(tt_loader_batch(loader, step, &batch), TT_OK);
    check(batch, step, &config, NULL);
    assert_true(batch->data_s > 0);
  }
  tt_loader_free(loader);
}

static void a_batch_stays_while_the_next_one_is_made(void **state) {
  (void)state;
  tt_config config = configuration(2, TT_BAD_STOP);
  tt_loader *loader = a_loader(&config, NULL);
  const tt_global_batch *batch;
  for (int64_t step = 0; step < 4; step++) {
    assert_int_equal(tt_loader_batch(loader, step, &batch), TT_OK);
    rest(5); // the maker is at work, or done, with the next one
    check(batch, step, &config, NULL);
  }
  tt_loader_free(loader);
}

// ---- depth and waits
// --------------------------------------------------------------------------------------------

static tt_read_ahead *a_reader(const tt_config *config, const tt_lanes *lanes) {
  static const tt_comm alone = {.size = 1};
  tt_read_ahead *reader;
  assert_int_equal(tt_read_ahead_create(&reader, store, lanes, &alone, BATCH, config->data.read_ahead, false),
                   TT_OK);
  assert_int_equal(tt_read_ahead_seek(reader, 0, &(tt_lane_cuts){0}), TT_OK);
  return reader;
}

static void wait_for_reads(int count) {
  for (double begun = tt_now(); atomic_load(&ended) < count; rest(1))
    if (tt_now() - begun > 60) fail_msg("%d reads instead of %d", atomic_load(&ended), count);
}

// Of each lane the chunk in use and read_ahead more: no fewer, and no more however long it takes.
static void reads_as_far_ahead_as_it_may(void **state) {
  (void)state;
  for (int read_ahead = 0; read_ahead < 4; read_ahead++) {
    tt_config config = configuration(read_ahead, TT_BAD_STOP);
    tt_lanes lanes = the_lanes(&config);
    clear_reader();
    tt_read_ahead *reader = a_reader(&config, &lanes);
    wait_for_reads(LANES * (1 + read_ahead));
    rest(20);
    assert_int_equal(atomic_load(&reads), LANES * (1 + read_ahead));
    tt_read_ahead_free(reader);
  }
}

// With the disk standing still, all that lies in the chunks that are held can be had.
static void a_pause_of_the_disk_is_bridged(void **state) {
  (void)state;
  tt_config config = configuration(2, TT_BAD_STOP);
  tt_lanes lanes = the_lanes(&config);
  tt_read_ahead *reader = a_reader(&config, &lanes);
  wait_for_reads(LANES * 3);
  atomic_store(&shut, true);
  tt_step_reading r = {0};
  const int lane = 2 * TT_CHUNK + RECORDS % TT_CHUNK; // records in three chunks, should one be the short one
  for (int step = 0; step < lane * LANES / BATCH; step++) {
    tt_read_ahead_take(reader, 0, &r);
    assert_int_equal(r.error.status, TT_OK);
    assert_int_equal(r.records.count, BATCH);
  }
  tt_step_reading_free(&r);
  atomic_store(&shut, false);
  tt_read_ahead_free(reader);
}

// Nothing is waited for when the molecules are there; a slow disk is waited for, and counted.
static void waits_are_counted(void **state) {
  (void)state;
  tt_config config = configuration(2, TT_BAD_STOP);
  const tt_global_batch *batch;
  tt_loader *loader = a_loader(&config, NULL);
  bool without = false;
  for (int64_t step = 0; step < 70 && !without; step++) {
    assert_int_equal(tt_loader_batch(loader, step, &batch), TT_OK);
    without = batch->data_s == 0;
    rest(10 << step / 10); // training: long enough sooner or later, on any machine
  }
  assert_true(without);
  tt_loader_free(loader);

  atomic_store(&pause_ms, 20);
  loader = a_loader(&config, NULL);
  assert_int_equal(tt_loader_batch(loader, 0, &batch), TT_OK);
  double most = batch->data_s;
  assert_true(most > 0.02); // a chunk at least
  assert_int_equal(tt_comm_greatest(&world, &most, 1), TT_OK);
  assert_true(batch->data_s == most); // the slowest rank's, on every rank
  tt_loader_free(loader);
}

static void it_can_be_stopped_at_any_moment(void **state) {
  (void)state;
  tt_config config = configuration(2, TT_BAD_STOP);
  const tt_global_batch *batch;
  for (int k = 0; k < (world.size == 1 ? 40 : 8); k++) {
    atomic_store(&pause_ms, k % 3);
    tt_loader *loader = a_loader(&config, NULL);
    for (int step = 0; step < k % 7; step++)
      assert_int_equal(tt_loader_batch(loader, 3 * k + step, &batch), TT_OK);
    if (k % 4 == 0) rest(k % 5);
    if (k % 5 == 0) assert_int_equal(tt_loader_batch(loader, k, &batch), TT_OK);
    tt_loader_free(loader);
  }
}

static atomic_bool stopped;

static void *take_one(void *reader) {
  static tt_step_reading reading;
  tt_read_ahead_take(reader, 0, &reading);
  tt_status status = reading.error.status;
  tt_step_reading_free(&reading);
  reading = (tt_step_reading){0};
  return status == TT_OK ? NULL : reader;
}

static void *stop_it(void *reader) {
  tt_read_ahead_stop(reader);
  atomic_store(&stopped, true);
  return NULL;
}

// A stop ends the waiting for chunks: none is read but the one in hand, whoever reads.
static void a_stop_ends_the_waiting(void **state) {
  (void)state;
  tt_config config = configuration(2, TT_BAD_STOP);
  tt_lanes lanes = the_lanes(&config);
  for (int round = 0; round < 2; round++) {
    clear_reader();
    atomic_store(&permits, 0), atomic_store(&stopped, false);
    no_threads = round == 1;
    tt_read_ahead *reader = a_reader(&config, &lanes);
    no_threads = false;
    pthread_t taker, stopper;
    void *failed;
    assert_int_equal(pthread_create(&taker, NULL, take_one, reader), 0);
    while (atomic_load(&reads) == 0) rest(1);
    assert_int_equal(pthread_create(&stopper, NULL, stop_it, reader), 0);
    for (int k = 0; k < LANES - 1 && !atomic_load(&stopped); k++) { // the first one, on a machine with time
      rest(100);
      atomic_fetch_add(&permits, 1);
      for (int ms = 0; ms < 200 && !atomic_load(&stopped); ms++) rest(1);
    }
    int begun = atomic_load(&permits);
    rest(20);
    atomic_store(&permits, INT_MAX);
    assert_int_equal(pthread_join(stopper, NULL), 0);
    assert_int_equal(pthread_join(taker, &failed), 0);
    assert_non_null(failed); // a batch needs a chunk of every lane
    assert_int_equal(atomic_load(&reads), begun);
    tt_read_ahead_free(reader);
  }
}

// ---- chunks that cannot be read
// ---------------------------------------------------------------------------------

// The chunk of the n-th place of a lane, in the first epoch.
static uint64_t chunk_of(const tt_lanes *lanes, uint64_t lane, uint64_t n) {
  return tt_lanes_find(lanes, NULL, n * TT_CHUNK * LANES + lane).chunk;
}

// Fails at the update that needs the chunk, not before; with its message; again when asked again; and updates
// before it can still be had.
static void a_chunk_that_cannot_be_read_stops_in_time(void **state) {
  (void)state;
  tt_config config = configuration(2, TT_BAD_STOP);
  tt_lanes lanes = the_lanes(&config);
  uint64_t lost = chunk_of(&lanes, 2, 1);
  atomic_store(&unreadable[lost], true);
  uint64_t first = 0; // of its samples, by the definition
  while (tt_lanes_find(&lanes, NULL, first).chunk != lost) first++;
  int64_t step, fails = (int64_t)(first / BATCH);
  assert_true(fails > 2);
  tt_loader *loader = a_loader(&config, NULL);
  const tt_global_batch *batch;
  for (step = 0; step < fails; step++) {
    assert_int_equal(tt_loader_batch(loader, step, &batch), TT_OK);
    check(batch, step, &config, NULL);
  }
  for (int again = 0; again < 2; again++) {
    assert_int_equal(tt_loader_batch(loader, fails, &batch), TT_ERR_CORRUPT);
    assert_null(batch);
    assert_non_null(strstr(tt_error_message(), "made-up error in chunk"));
  }
  assert_int_equal(tt_loader_batch(loader, fails - 1, &batch), TT_OK);
  check(batch, fails - 1, &config, NULL);
  tt_loader_free(loader);
}

static void a_chunk_that_cannot_be_read_is_left_out(void **state) {
  (void)state;
  tt_config config = configuration(2, TT_BAD_SKIP);
  tt_lanes lanes = the_lanes(&config);
  // two in a row in lane 1, one in lane 3; each is met once an epoch
  const uint64_t lost[] = {chunk_of(&lanes, 1, 1), chunk_of(&lanes, 1, 2), chunk_of(&lanes, 3, 2)};
  const tt_status codes[] = {TT_ERR_CORRUPT, TT_ERR_IO, TT_ERR_FORMAT};
  for (int k = 0; k < 3; k++) atomic_store(&unreadable[lost[k]], true);
  tt_lane_cuts seen = {0};
  for (int k = 0; k < (world.size == 1 ? 3 : 1); k++) {
    failure = codes[k];
    tt_loader *loader = a_loader(&config, NULL);
    const tt_global_batch *batch;
    tt_lane_cuts_free(&seen);
    for (int64_t step = 0; step < 90; step++) { // two epochs and more
      if (tt_loader_batch(loader, step, &batch) != TT_OK) fail_msg("%s", tt_error_message());
      for (int s = 0; s < batch->skipped; s++) {
        const tt_skip *skip = &batch->skips[s];
        tt_sample_place place;
        uint32_t left_out = tt_lane_cut_records(&lanes, &skip->cut, &place);
        assert_int_equal(left_out, chunks[place.chunk].count);
        assert_true(atomic_load(&unreadable[place.chunk]));
        assert_int_equal(skip->cut.kept, 0);
        assert_non_null(strstr(skip->reason, "made-up error in chunk"));
        assert_int_equal(tt_lane_cuts_add(&seen, skip->cut), TT_OK);
        assert_int_equal(tt_lane_cut_sample(&lanes, &seen, &skip->cut) / BATCH, step);
      }
      const tt_lane_cuts *cuts = tt_loader_cuts(loader);
      assert_int_equal(cuts->count, seen.count);
      if (seen.count) assert_memory_equal(cuts->cuts, seen.cuts, seen.count * sizeof *seen.cuts);
      check(batch, step, &config, &seen);
      for (int i = 0; i < BATCH; i++) assert_false(atomic_load(&unreadable[batch->record[i] / TT_CHUNK]));
    }
    assert_in_range(seen.count, 6, 9);
    tt_loader_free(loader);
  }
  // a loader that is told the cuts goes on alike from anywhere, without a look at the chunks
  clear_reader();
  tt_loader *loader = a_loader(&config, &seen);
  const tt_global_batch *batch;
  for (int64_t step = 60; step > 0; step -= 13) {
    assert_int_equal(tt_loader_batch(loader, step, &batch), TT_OK);
    assert_int_equal(batch->skipped, 0);
    check(batch, step, &config, &seen);
  }
  tt_loader_free(loader);
  tt_lane_cuts_free(&seen);
}

// A batch is left out after it was returned, as a run does by itself, or from the start: the batches after it
// are the same, also where it holds a chunk that cannot be read. Then from the middle, as after a resume.
static void left_out_batches_do_not_change_the_others(void **state) {
  (void)state;
  static const int64_t numbers[] = {0, 6, 7, 20, 47};
  enum { OUT = sizeof numbers / sizeof *numbers, STEPS = 45, LATER = 30 };
  tt_config config = configuration(2, TT_BAD_SKIP);
  config.train.steps = STEPS;
  tt_lanes lanes = the_lanes(&config);
  atomic_store(&unreadable[chunk_of(&lanes, 1, 0)], true); // which batch 0 begins with
  atomic_store(&unreadable[chunk_of(&lanes, 3, 1)],
               true); // 256 records a lane, 24 a batch: batch 10 begins in it
  tt_number_set list = {0}, all = {0};
  for (int k = 0; k < OUT; k++) assert_int_equal(tt_number_set_add(&all, numbers[k]), TT_OK);
  no_threads = true; // a store is one thread's, and here are three loaders of one
  tt_loader *told = a_loader(&config, NULL), *alone = a_loader(&config, NULL), *later = NULL;
  const tt_global_batch *batch;
  assert_int_equal(tt_loader_leave_out(told, &all), TT_OK);
  for (int64_t step = 0; step < STEPS; step++) {
    if (step == LATER) {
      later = a_loader(&config, tt_loader_cuts(told));
      assert_int_equal(tt_loader_leave_out(later, &all), TT_OK);
    }
    int64_t number = tt_number_set_missing(&all, step);
    assert_int_equal(tt_loader_batch(told, step, &batch), TT_OK);
    assert_int_equal(batch->number, number);
    check(batch, number, &config, tt_loader_cuts(told));
    for (;;) { // each batch is taken, and only then left out
      assert_int_equal(tt_loader_batch(alone, step, &batch), TT_OK);
      assert_int_equal(batch->number, tt_number_set_missing(&list, step));
      check(batch, batch->number, &config, tt_loader_cuts(alone));
      if (!tt_number_set_has(&all, batch->number)) break;
      assert_int_equal(tt_number_set_add(&list, batch->number), TT_OK);
      assert_int_equal(tt_loader_leave_out(alone, &list), TT_OK);
    }
    assert_int_equal(batch->number, number);
    const tt_lane_cuts *a = tt_loader_cuts(told), *b = tt_loader_cuts(alone);
    assert_true(a->count > 0);
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->cuts, b->cuts, a->count * sizeof *a->cuts);
    if (!later) continue;
    assert_int_equal(tt_loader_batch(later, step, &batch), TT_OK);
    check(batch, number, &config, tt_loader_cuts(told));
  }
  assert_int_equal(list.count, OUT);
  tt_number_set_free(&list), tt_number_set_free(&all);
  tt_loader_free(told), tt_loader_free(alone), tt_loader_free(later);
}

// A chunk that was read in part before a resume, and then cannot be read any more.
static void the_rest_of_a_chunk_is_left_out(void **state) {
  (void)state;
  tt_config config = configuration(1, TT_BAD_SKIP);
  tt_lanes lanes = the_lanes(&config);
  const int64_t step = 4; // 96 records into each lane's chunk
  atomic_store(&unreadable[chunk_of(&lanes, 2, 0)], true);
  tt_loader *loader = a_loader(&config, NULL);
  const tt_global_batch *batch;
  assert_int_equal(tt_loader_batch(loader, step, &batch), TT_OK);
  assert_int_equal(batch->skipped, 1);
  assert_int_equal(batch->skips[0].cut.kept, step * BATCH / LANES);
  assert_int_equal(batch->skips[0].cut.position, 2);
  check(batch, step, &config, tt_loader_cuts(loader));
  assert_int_equal(tt_loader_batch(loader, step - 1, &batch), TT_OK);
  assert_int_equal(batch->skipped, 1); // its records before the cut cannot be read either
  tt_loader_free(loader);
}

// However long the path is and whatever it is written in, the reason is text.
static void a_long_reason_is_cut_between_characters(void **state) {
  (void)state;
  tt_config config = configuration(2, TT_BAD_SKIP);
  tt_lanes lanes = the_lanes(&config);
  atomic_store(&unreadable[chunk_of(&lanes, 1, 0)], true);
  for (int shift = 0; shift < 2; shift++) {
    for (size_t k = 0; k < 700; k++) remark[k] = (k + (size_t)shift) % 2 ? '\xa9' : '\xc3'; // é
    remark[0] = shift ? '.' : remark[0], remark[700] = 0;
    tt_loader *loader = a_loader(&config, NULL);
    const tt_global_batch *batch;
    assert_int_equal(tt_loader_batch(loader, 0, &batch), TT_OK);
    assert_int_equal(batch->skipped, 1);
    const char *reason = batch->skips[0].reason;
    assert_non_null(strstr(reason, "made-up error in chunk"));
    int lead = 0, tail = 0;
    for (const char *c = reason; *c; c++) lead += *c == '\xc3', tail += *c == '\xa9';
    assert_int_equal(lead, tail);
    assert_true(strlen(reason) >= sizeof batch->skips[0].reason - 2);
    tt_loader_free(loader);
  }
}

static void a_store_that_cannot_be_read_stops(void **state) {
  (void)state;
  tt_config config = configuration(2, TT_BAD_SKIP);
  tt_lanes lanes = the_lanes(&config);
  for (uint64_t n = 0; n < 3; n++) atomic_store(&unreadable[chunk_of(&lanes, 1, n)], true);
  tt_loader *loader = a_loader(&config, NULL);
  const tt_global_batch *batch;
  assert_int_equal(tt_loader_batch(loader, 0, &batch), TT_ERR_CORRUPT);
  assert_non_null(strstr(tt_error_message(), "3 chunks in a row"));
  tt_loader_free(loader);

  clear_reader();
  atomic_store(&unreadable[chunk_of(&lanes, 1, 0)], true);
  failure = TT_ERR_MEMORY; // nothing is wrong with the chunk
  loader = a_loader(&config, NULL);
  assert_int_equal(tt_loader_batch(loader, 0, &batch), TT_ERR_MEMORY);
  tt_loader_free(loader);
}

// ---- putting it together
// ----------------------------------------------------------------------------------------

static void make_store(void) {
  tt_store_info info = {.coordinates_2d = true, .seed = 1, .toolkit = "test", .recipe = "random"};
  tt_shard_entry entries[2];
  if (world.rank == 0) {
    random_shard_write(folder, 0, TT_TRAIN, 0, 1500, UINT64_MAX, &info, &entries[0]);
    random_shard_write(folder, 1, TT_TRAIN, 1500, RECORDS - 1500, UINT64_MAX, &info, &entries[1]);
    assert_int_equal(tt_manifest_write(folder, &info, entries, 2), TT_OK);
  }
  tt_comm_barrier(&world);
  if (tt_store_open(&store, folder) != TT_OK) fail_msg("%s", tt_error_message());
  for (uint64_t c = 0; c < CHUNKS; c++)
    if (tt_store_read_chunk(store, TT_TRAIN, c, &chunks[c]) != TT_OK) fail_msg("%s", tt_error_message());
  tt_window_read_chunk = read_chunk;
}

static int begin(void **state) {
  (void)state;
  make_store();
  return 0;
}

static int end(void **state) {
  (void)state;
  for (int c = 0; c < CHUNKS; c++) tt_chunk_free(&chunks[c]);
  tt_store_close(store);
  return 0;
}

int main(void) {
  if (tt_comm_start(&world) != TT_OK) return fprintf(stderr, "%s\n", tt_error_message()), 1;
  const char *temporary = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/twotrack-loader-XXXXXX", temporary ? temporary : P_tmpdir);
  if (world.rank == 0 && !mkdtemp(folder)) return perror(folder), MPI_Abort(world.mpi, 1), 1;
  if (tt_comm_broadcast(&world, folder, sizeof folder, 0) != TT_OK) return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(batches_are_those_of_the_definition, set_up),
      cmocka_unit_test_setup(without_threads_they_are_the_same, set_up),
      cmocka_unit_test_setup(a_chunk_that_cannot_be_read_stops_in_time, set_up),
      cmocka_unit_test_setup(a_chunk_that_cannot_be_read_is_left_out, set_up),
      cmocka_unit_test_setup(left_out_batches_do_not_change_the_others, set_up),
      cmocka_unit_test_setup(the_rest_of_a_chunk_is_left_out, set_up),
      cmocka_unit_test_setup(a_long_reason_is_cut_between_characters, set_up),
      cmocka_unit_test_setup(a_store_that_cannot_be_read_stops, set_up),
      cmocka_unit_test_setup(waits_are_counted, set_up),
      cmocka_unit_test_setup(a_batch_stays_while_the_next_one_is_made, set_up),
      cmocka_unit_test_setup(it_can_be_stopped_at_any_moment, set_up),
      cmocka_unit_test_setup(a_stop_ends_the_waiting, set_up),
      cmocka_unit_test_setup(reads_as_far_ahead_as_it_may, set_up),
      cmocka_unit_test_setup(a_pause_of_the_disk_is_bridged, set_up),
  };
  int failed = cmocka_run_group_tests(tests, begin, end);
  if (failed) MPI_Abort(world.mpi, 1); // the others may be waiting for this rank
  tt_comm_barrier(&world);
  if (world.rank == 0) remove_folder(folder);
  tt_comm_finish(&world);
  return 0;
}
