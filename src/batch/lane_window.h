// One lane: the chunk in use and, behind it, those that were read ahead. Private to the batch room.
//
// Two threads may share a window: one reads chunks into it, the other takes records out. Each has its own
// functions and fields; `count` is for them to keep, under a lock of theirs: the reader adds the chunk that
// it has read, the other one takes off the chunk that it has left.
#ifndef TT_BATCH_LANE_WINDOW_H
#define TT_BATCH_LANE_WINDOW_H

#include <stdbool.h>

#include "core/error.h"
#include "store/lanes.h"
#include "store/store.h"

typedef struct {
  tt_chunk chunk;
  tt_error error; // why it could not be read
} tt_held_chunk;

typedef struct {
  tt_store *store;
  tt_held_chunk *ring; // (room)
  int room, count;     // count: chunks held
  // who reads
  tt_lane_cursor ahead; // in the chunk to be read next
  int next;             // its place in the ring
  // who takes out
  tt_lane_cursor at; // the next record
  int first;         // place of its chunk
  int unreadable;    // chunks left out in a row
} tt_lane_window;

// How chunks are read: tt_store_read_chunk. Tests put a slow or a failing reader in its place.
extern tt_status (*tt_window_read_chunk)(tt_store *store, tt_split split, uint64_t chunk, tt_chunk *out);

// `room` >= 1 chunks. Memory for them is taken when they are read, and kept. TT_ERR_MEMORY.
tt_status tt_window_init(tt_lane_window *window, tt_store *store, int room);
void tt_window_free(tt_lane_window *window);

// To the record-th record of a lane; it then holds nothing. `cuts` must stay as they are.
void tt_window_seek(tt_lane_window *window, const tt_lanes *lanes, const tt_lane_cuts *cuts, uint64_t lane,
                    uint64_t record);

// Reads the lane's next chunk, for which there must be room (count < room). A failure is kept until a record
// of it is asked for. The kernel is told of the chunk after it, so that the disks of many lanes' chunks work
// at once.
void tt_window_read(tt_lane_window *window);

// Tells the kernel of the chunk to be read next; after a seek.
void tt_window_tell(const tt_lane_window *window);

// The record that the lane is at, its chunk being there (count > 0). *molecule is valid until the chunk is
// let go. Errors: the chunk's.
tt_status tt_window_here(const tt_lane_window *window, const tt_molecule **molecule, uint64_t *record,
                         uint64_t *epoch);

// To the next record; whether that left the chunk, which is then to be let go (count - 1).
bool tt_window_step(tt_lane_window *window);

// After an error of tt_window_here: leaves out what is left of the chunk, which is to be let go. *cut says
// so.
void tt_window_cut(tt_lane_window *window, tt_lane_cut *cut);

#endif
