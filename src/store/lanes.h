// The order of the training data, for ever (design: lanes). A pure function of (seed, store size, lanes).
//
// The chunk sequence is the concatenation over epochs of a keyed permutation of the chunks. Lane l takes
// positions l, l + lanes, ... of it. Within a chunk a keyed permutation orders the records. Sample s of the
// run (0-based, all batches strung together) is the (s / lanes)-th record of lane s % lanes. Neither ranks
// nor micro-batches enter.
//
// A chunk that could not be read (data.bad_chunks = "skip") is a cut: at its place in the sequence it breaks
// off and its lane goes on with its next chunk. So samples after it move up in that lane, and nothing else
// changes: with the same cuts the order is again a pure function. The chunk's other visits, in later epochs,
// are places of their own.
#ifndef TT_STORE_LANES_H
#define TT_STORE_LANES_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct {
  uint64_t seed, records, chunks, lanes;
} tt_lanes;

typedef struct {
  uint64_t epoch, chunk; // which chunk of the store, in which pass over it
  uint32_t slot;         // record within the chunk, already permuted
  uint64_t position;     // of the chunk in the chunk sequence; of lane position % lanes
} tt_sample_place;

// A chunk that breaks off: of its records, in the lane's order, only the first `kept` are used.
typedef struct {
  uint64_t position;       // in the chunk sequence
  uint32_t kept, reserved; // kept: fewer than the chunk has; reserved: 0
} tt_lane_cut;

// In ascending order of position, no position twice. Zeroed: none. 16 bytes each; nothing else grows with
// them.
typedef struct {
  tt_lane_cut *cuts;
  size_t count, room_;
} tt_lane_cuts;

// TT_ERR_DATA unless chunks >= 4 * lanes; the message says which lane count fits.
tt_status tt_lanes_init(tt_lanes *lanes, uint64_t seed, uint64_t records, uint64_t chunks, uint64_t count);

// Where sample s is, given the cuts made so far (NULL: none). O(epochs so far + cuts), no tables.
tt_sample_place tt_lanes_find(const tt_lanes *lanes, const tt_lane_cuts *cuts, uint64_t sample);

// One lane, walking from record to record. Plain data: a copy walks on by itself, to look ahead for example.
// `lanes` and `cuts` are used, not copied; cuts are looked up when a chunk is entered, so the list may grow
// between calls (but not in another thread while one is under way).
typedef struct {
  const tt_lanes *lanes;
  const tt_lane_cuts *cuts;
  uint64_t position, epoch, chunk; // of the chunk in hand
  uint32_t index;                  // of the record in the lane's order of this chunk: 0 .. used - 1
  uint32_t used, length; // records of the chunk that are used (all unless it is cut), and that it has
  uint64_t key_;         // of the order within the chunk
} tt_lane_cursor;

// To the record-th record (from 0) of the lane, that is to sample record * lanes + lane. O(epochs + cuts).
void tt_lane_seek(tt_lane_cursor *cursor, const tt_lanes *lanes, const tt_lane_cuts *cuts, uint64_t lane,
                  uint64_t record);

// The record that the cursor is at; equal to tt_lanes_find of its sample. O(1), as the steps are.
tt_sample_place tt_lane_here(const tt_lane_cursor *cursor);
void tt_lane_step(tt_lane_cursor *cursor);       // to the lane's next record
void tt_lane_step_chunk(tt_lane_cursor *cursor); // to the first record of the lane's next chunk

// The chunk in hand breaks off before the current record: moves to the lane's next chunk and says in *made
// what is to be added to the cuts (not done here: the list may be shared).
void tt_lane_cut_here(tt_lane_cursor *cursor, tt_lane_cut *made);

// Adds a cut in its place. One that is there already changes nothing; at a position that is there with
// another number of records the smaller number stays (a chunk that had been read in part and cannot be any
// more). TT_ERR_ARGUMENT unless kept < TT_CHUNK and reserved is 0; TT_ERR_MEMORY.
tt_status tt_lane_cuts_add(tt_lane_cuts *cuts, tt_lane_cut cut);
// Makes `to` (anything, or zeroed) equal to `from`. TT_ERR_MEMORY.
tt_status tt_lane_cuts_copy(tt_lane_cuts *to, const tt_lane_cuts *from);
void tt_lane_cuts_free(tt_lane_cuts *cuts);
const tt_lane_cut *tt_lane_cuts_at(const tt_lane_cuts *cuts, uint64_t position); // NULL: not cut

// TT_ERR_CORRUPT unless each cut (of a file, say) leaves out records that its chunk has, in ascending
// positions.
tt_status tt_lane_cuts_check(const tt_lanes *lanes, const tt_lane_cuts *cuts);

// The first sample that a cut concerns: the one that would have been the first record left out. `cuts` are
// all of the run (NULL: none); the cut itself may be among them.
uint64_t tt_lane_cut_sample(const tt_lanes *lanes, const tt_lane_cuts *cuts, const tt_lane_cut *cut);

// The records that it leaves out, and where they are: place.slot is the first of them, in the lane's order.
uint32_t tt_lane_cut_records(const tt_lanes *lanes, const tt_lane_cut *cut, tt_sample_place *place);

// Bijection of 0..n-1 (Feistel network over Philox, cycle walking), and its inverse. n >= 1.
uint64_t tt_permute(uint64_t key, uint64_t n, uint64_t i);
uint64_t tt_permute_inverse(uint64_t key, uint64_t n, uint64_t i);

#endif
