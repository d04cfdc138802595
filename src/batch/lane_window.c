#include "batch/lane_window.h"

#include <stdlib.h>

#include "core/memory.h"

tt_status (*tt_window_read_chunk)(tt_store *, tt_split, uint64_t, tt_chunk *) = tt_store_read_chunk;

tt_status tt_window_init(tt_lane_window *w, tt_store *store, int room) {
  *w = (tt_lane_window){.store = store, .room = room};
  return tt_alloc(&w->ring, (size_t)room, sizeof *w->ring, "the chunks of a lane");
}

void tt_window_free(tt_lane_window *w) {
  for (int k = 0; w->ring && k < w->room; k++)
    if (w->ring[k].chunk.memory_) tt_chunk_free(&w->ring[k].chunk);
  free(w->ring);
  *w = (tt_lane_window){0};
}

void tt_window_seek(tt_lane_window *w, const tt_lanes *lanes, const tt_lane_cuts *cuts, uint64_t lane,
                    uint64_t record) {
  w->count = w->next = w->first = w->unreadable = 0;
  tt_lane_seek(&w->at, lanes, cuts, lane, record);
  w->ahead = w->at;
}

// ---- reading

void tt_window_tell(const tt_lane_window *w) {
  tt_store_expect_chunk(w->store, TT_TRAIN, w->ahead.chunk);
}

void tt_window_read(tt_lane_window *w) {
  tt_held_chunk *held = &w->ring[w->next];
  tt_error_keep(&held->error, tt_window_read_chunk(w->store, TT_TRAIN, w->ahead.chunk, &held->chunk));
  w->next = (w->next + 1) % w->room;
  tt_lane_step_chunk(&w->ahead);
  tt_window_tell(w);
}

// ---- taking out

tt_status tt_window_here(const tt_lane_window *w, const tt_molecule **molecule, uint64_t *record,
                         uint64_t *epoch) {
  const tt_held_chunk *held = &w->ring[w->first];
  TT_TRY(tt_error_again(&held->error));
  tt_sample_place place = tt_lane_here(&w->at);
  if (held->chunk.chunk != place.chunk || place.slot >= held->chunk.count)
    return tt_fail(TT_ERR_CORRUPT, "chunk %llu of store %s has %u records, not more than %u",
                   (unsigned long long)place.chunk, tt_store_folder(w->store), held->chunk.count, place.slot);
  *molecule = &held->chunk.molecules[place.slot];
  *record = held->chunk.records[place.slot];
  *epoch = place.epoch;
  return TT_OK;
}

static bool leaves(tt_lane_window *w, uint64_t position) {
  if (w->at.position == position) return false;
  w->first = (w->first + 1) % w->room;
  return true;
}

bool tt_window_step(tt_lane_window *w) {
  uint64_t position = w->at.position;
  w->unreadable = 0;
  tt_lane_step(&w->at);
  return leaves(w, position);
}

void tt_window_cut(tt_lane_window *w, tt_lane_cut *cut) {
  uint64_t position = w->at.position;
  w->unreadable++;
  tt_lane_cut_here(&w->at, cut);
  (void)leaves(w, position);
}
