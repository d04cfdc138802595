#include "batch/read_ahead.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "batch/lane_window.h"
#include "batch/outlook.h"
#include "core/memory.h"
#include "core/position.h"

struct tt_read_ahead {
  const tt_lanes *lanes;
  int rank, size, batch_size, own; // own: lanes of this rank
  bool skip_bad;
  tt_lane_window *windows; // (own)
  tt_lane_cuts cuts;       // those of the seek; chunks left out since then are behind all lanes
  int64_t number;          // of the batch to be taken next
  int turn;                // lane that was read last
  atomic_bool stop;
  pthread_mutex_t mutex; // of the windows' counts
  pthread_cond_t changed;
  pthread_t thread;
  bool started, alone; // alone: the system gave no thread since the seek
};

void tt_step_reading_free(tt_step_reading *reading) {
  tt_reading_free(&reading->records);
  free(reading->skips);
}

tt_status tt_read_ahead_create(tt_read_ahead **out, tt_store *store, const tt_lanes *lanes,
                               const tt_comm *comm, int batch_size, int read_ahead, bool skip_bad) {
  tt_read_ahead *r = NULL;
  *out = NULL;
  TT_TRY(tt_alloc(&r, 1, sizeof *r, "reading ahead"));
  r->lanes = lanes, r->rank = comm->rank, r->size = comm->size, r->batch_size = batch_size,
  r->skip_bad = skip_bad;
  r->own = (int)((lanes->lanes + (uint64_t)(comm->size - 1 - comm->rank)) / (uint64_t)comm->size);
  pthread_mutex_init(&r->mutex, NULL);
  pthread_cond_init(&r->changed, NULL);
  tt_status status = tt_alloc(&r->windows, (size_t)r->own, sizeof *r->windows, "reading ahead");
  for (int k = 0; status == TT_OK && k < r->own; k++)
    status = tt_window_init(&r->windows[k], store, 1 + read_ahead);
  if (status != TT_OK)
    tt_read_ahead_free(r);
  else
    *out = r;
  return status;
}

void tt_read_ahead_free(tt_read_ahead *r) {
  if (!r) return;
  tt_read_ahead_stop(r);
  for (int k = 0; r->windows && k < r->own; k++) tt_window_free(&r->windows[k]);
  free(r->windows);
  tt_lane_cuts_free(&r->cuts);
  pthread_mutex_destroy(&r->mutex);
  pthread_cond_destroy(&r->changed);
  free(r);
}

// ---- the thread
// -------------------------------------------------------------------------------------------------

// The lane with the fewest chunks, of those that have room; NULL: all are full.
static tt_lane_window *most_needy(tt_read_ahead *r) {
  tt_lane_window *best = NULL;
  for (int k = 0; k < r->own; k++) {
    tt_lane_window *w = &r->windows[(r->turn + k) % r->own];
    if (w->count < w->room && (!best || w->count < best->count)) best = w;
  }
  if (best) r->turn = (int)(best - r->windows);
  return best;
}

static void *run(void *user) {
  tt_read_ahead *r = user;
  tt_position_thread(TT_THREAD_READER);
  for (int k = 0; k < r->own && !atomic_load(&r->stop); k++) tt_window_tell(&r->windows[k]);
  pthread_mutex_lock(&r->mutex);
  while (!atomic_load(&r->stop)) {
    tt_lane_window *window = most_needy(r);
    tt_position_do(window ? "a chunk" : NULL);
    if (!window) {
      pthread_cond_wait(&r->changed, &r->mutex);
      continue;
    }
    pthread_mutex_unlock(&r->mutex);
    tt_window_read(window);
    pthread_mutex_lock(&r->mutex);
    window->count++;
    pthread_cond_broadcast(&r->changed);
  }
  pthread_mutex_unlock(&r->mutex);
  tt_position_do(NULL);
  return NULL;
}

tt_status tt_read_ahead_seek(tt_read_ahead *r, int64_t number, const tt_lane_cuts *cuts) {
  tt_read_ahead_stop(r);
  r->cuts.count = 0;
  for (size_t k = 0; k < cuts->count; k++) TT_TRY(tt_lane_cuts_add(&r->cuts, cuts->cuts[k]));
  uint64_t first = (uint64_t)number * (uint64_t)r->batch_size, lanes = r->lanes->lanes;
  for (int k = 0; k < r->own; k++) {
    uint64_t lane = (uint64_t)r->rank + (uint64_t)k * (uint64_t)r->size;
    tt_window_seek(&r->windows[k], r->lanes, &r->cuts, lane, first / lanes + (lane < first % lanes));
  }
  r->number = number, r->turn = 0;
  atomic_store(&r->stop, false);
  r->started = pthread_create(&r->thread, NULL, run, r) == 0;
  r->alone = !r->started;
  return TT_OK;
}

void tt_read_ahead_stop(tt_read_ahead *r) {
  atomic_store(&r->stop, true);  // at once: who reads without a thread holds the lock
  pthread_mutex_lock(&r->mutex); // and after this everyone has seen it, or waits
  pthread_cond_broadcast(&r->changed);
  pthread_mutex_unlock(&r->mutex);
  TT_AWAITING("its reader");
  if (r->started) pthread_join(r->thread, NULL);
  r->started = false;
}

// ---- taking out
// -------------------------------------------------------------------------------------------------

// Until the lane has its chunk.
static tt_status wait_for_chunk(tt_read_ahead *r, tt_lane_window *window) {
  TT_AWAITING("its reader");
  pthread_mutex_lock(&r->mutex);
  if (r->alone && !atomic_load(&r->stop) && window->count == 0) tt_window_read(window), window->count++;
  while (window->count == 0 && !atomic_load(&r->stop)) pthread_cond_wait(&r->changed, &r->mutex);
  bool there = window->count > 0;
  pthread_mutex_unlock(&r->mutex);
  return there ? TT_OK : tt_fail(TT_ERR_ARGUMENT, "reading ahead was stopped");
}

static void let_go(tt_read_ahead *r, tt_lane_window *window) {
  pthread_mutex_lock(&r->mutex);
  window->count--;
  pthread_cond_broadcast(&r->changed);
  pthread_mutex_unlock(&r->mutex);
}

static bool is_bad_chunk(tt_status status) {
  return status == TT_ERR_CORRUPT || status == TT_ERR_IO || status == TT_ERR_FORMAT;
}

// As much of the message as there is room for, in whole characters (UTF-8), for a log holds no parts of them.
static void copy_reason(char *reason, size_t room) {
  const char *message = tt_error_message();
  size_t length = strlen(message);
  if (length >= room)
    for (length = room - 1; length > 0 && (message[length] & 0xc0) == 0x80;) length--;
  snprintf(reason, room, "%.*s", (int)length, message);
}

// The window's chunk could not be read, for the reason that tt_error_message tells.
static tt_status leave_out(tt_read_ahead *r, tt_lane_window *window, tt_status status,
                           tt_step_reading *reading) {
  if (!r->skip_bad || !is_bad_chunk(status)) return status;
  if (window->unreadable + 1 == TT_UNREADABLE_IN_A_ROW)
    return tt_fail_in(
        status, "%d chunks in a row of a lane cannot be read, so data.bad_chunks = \"skip\" does not help",
        TT_UNREADABLE_IN_A_ROW);
  tt_skip skip = {0};
  copy_reason(skip.reason, sizeof skip.reason);
  tt_window_cut(window, &skip.cut);
  let_go(r, window);
  size_t count = (size_t)reading->skipped + 1;
  TT_TRY(tt_reserve(&reading->skips, &reading->skips_room_, count, sizeof skip, "chunks left out"));
  reading->skips[reading->skipped++] = skip;
  return TT_OK;
}

static tt_status take_sample(tt_read_ahead *r, tt_lane_window *window, int index, tt_step_reading *reading) {
  const tt_molecule *molecule;
  uint64_t record, epoch;
  for (;;) {
    TT_TRY(wait_for_chunk(r, window));
    tt_status status = tt_window_here(window, &molecule, &record, &epoch);
    if (status == TT_OK) break;
    TT_TRY(leave_out(r, window, status, reading));
  }
  TT_TRY(tt_reading_add(&reading->records, molecule, record, epoch, index));
  if (tt_window_step(window)) let_go(r, window);
  return TT_OK;
}

static tt_status take_batch(tt_read_ahead *r, tt_step_reading *reading) {
  uint64_t first = (uint64_t)r->number++ * (uint64_t)r->batch_size;
  for (int i = 0; i < r->batch_size; i++) {
    uint64_t sample = first + (uint64_t)i, lane = sample % r->lanes->lanes;
    if (tt_sample_reader(sample, r->lanes->lanes, r->size) == r->rank)
      TT_TRY(take_sample(r, &r->windows[lane / (uint64_t)r->size], i, reading));
  }
  return TT_OK;
}

void tt_read_ahead_take(tt_read_ahead *r, int64_t pass, tt_step_reading *reading) {
  tt_status status = TT_OK;
  reading->skipped = 0;
  for (int64_t k = 0; status == TT_OK && k <= pass; k++) {
    tt_reading_clear(&reading->records);
    status = take_batch(r, reading);
  }
  tt_error_keep(&reading->error, status);
}
