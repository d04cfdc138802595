#include "store/lanes.h"

#include "core/philox.h"
#include "store/store.h"

// Streams of the seed: the order of the chunks of an epoch, and of the records of a chunk.
enum { STREAM_CHUNKS = 1, STREAM_SLOTS = 2 };

static uint64_t chunk_key(const tt_lanes *lanes, uint64_t epoch) {
  return tt_stream(lanes->seed, STREAM_CHUNKS, epoch);
}

static uint64_t slot_key(const tt_lanes *lanes, uint64_t epoch, uint64_t chunk) {
  return tt_stream(tt_stream(lanes->seed, STREAM_SLOTS, epoch), chunk, 0);
}

static uint64_t last_chunk_records(const tt_lanes *lanes) {
  return lanes->records - (lanes->chunks - 1) * TT_CHUNK;
}

static uint32_t chunk_records(const tt_lanes *lanes, uint64_t chunk) {
  return (uint32_t)(chunk + 1 == lanes->chunks ? last_chunk_records(lanes) : TT_CHUNK);
}

static uint64_t chunk_at(const tt_lanes *lanes, uint64_t position) {
  return tt_permute(chunk_key(lanes, position / lanes->chunks), lanes->chunks, position % lanes->chunks);
}

tt_status tt_lanes_init(tt_lanes *lanes, uint64_t seed, uint64_t records, uint64_t chunks, uint64_t count) {
  typedef unsigned long long number;
  if (count == 0 || chunks != (records + TT_CHUNK - 1) / TT_CHUNK)
    return tt_fail(TT_ERR_ARGUMENT, "%llu records in %llu chunks cannot be dealt to %llu lanes",
                   (number)records, (number)chunks, (number)count);
  if (chunks / 4 < count) {
    // 4 chunks a lane: one in use, one read ahead, and neighbours far enough apart that the epochs' order is
    // mixed
    uint64_t wanted = count > UINT64_MAX / (8 * TT_CHUNK) ? UINT64_MAX : (4 * count - 1) * TT_CHUNK + 1;
    if (chunks < 4)
      return tt_fail(
          TT_ERR_DATA,
          "the store's %llu training molecules are too few for any number of data.lanes: one lane needs %d, "
          "data.lanes = %llu needs %llu; build a larger store",
          (number)records, 3 * TT_CHUNK + 1, (number)count, (number)wanted);
    return tt_fail(TT_ERR_DATA,
                   "the store's %llu molecules (%llu chunks) are too few for data.lanes = %llu, which needs "
                   "%llu; set data.lanes to %llu or less, or build a larger store",
                   (number)records, (number)chunks, (number)count, (number)wanted, (number)(chunks / 4));
  }
  *lanes = (tt_lanes){.seed = seed, .records = records, .chunks = chunks, .lanes = count};
  return TT_OK;
}

// ---- gaps: places of the sequence with fewer than TT_CHUNK records

// In ascending order of position, of all lanes: the short chunk once an epoch, and the cuts.
typedef struct {
  const tt_lanes *lanes;
  const tt_lane_cuts *cuts;
  uint64_t epoch, shortage; // where the epoch's short chunk is; NONE if there is no such chunk
  uint64_t last;            // records of the short chunk
  size_t cut;
} gaps;

static const uint64_t NONE = UINT64_MAX;

static uint64_t find_shortage(const gaps *g) {
  if (g->last == TT_CHUNK) return NONE;
  uint64_t chunks = g->lanes->chunks;
  return g->epoch * chunks + tt_permute_inverse(chunk_key(g->lanes, g->epoch), chunks, chunks - 1);
}

static gaps first_gap(const tt_lanes *lanes, const tt_lane_cuts *cuts) {
  gaps g = {.lanes = lanes, .cuts = cuts, .last = last_chunk_records(lanes)};
  g.shortage = find_shortage(&g);
  return g;
}

// The next gap as if it were a cut; position NONE when there is none any more.
static tt_lane_cut next_gap(gaps *g) {
  tt_lane_cut gap = {.position = g->shortage, .kept = (uint32_t)g->last};
  if (g->cuts && g->cut < g->cuts->count && g->cuts->cuts[g->cut].position <= g->shortage)
    gap = g->cuts->cuts[g->cut++];
  if (gap.position == g->shortage && g->shortage != NONE) { // a cut of the short chunk stands for both
    g->epoch++;
    g->shortage = find_shortage(g);
  }
  return gap;
}

// ---- finding

// Were all chunks whole, record n of the lane would be in its chunk n / 256. With each gap that the lane has
// met it is as many records further on as the gap lacks.
static uint64_t skip_gaps(const tt_lanes *lanes, const tt_lane_cuts *cuts, uint64_t lane, uint64_t n) {
  gaps g = first_gap(lanes, cuts);
  for (;;) {
    tt_lane_cut gap = next_gap(&g);
    uint64_t position = lane + lanes->lanes * (n / TT_CHUNK);
    if (gap.position > position || (gap.position == position && n % TT_CHUNK < gap.kept)) return n;
    if (gap.position % lanes->lanes == lane) n += TT_CHUNK - gap.kept;
  }
}

tt_sample_place tt_lanes_find(const tt_lanes *lanes, const tt_lane_cuts *cuts, uint64_t sample) {
  tt_lane_cursor cursor;
  tt_lane_seek(&cursor, lanes, cuts, sample % lanes->lanes, sample / lanes->lanes);
  return tt_lane_here(&cursor);
}

// ---- walking

// At the first record used at or after `position`, in the same lane.
static void enter(tt_lane_cursor *c, uint64_t position) {
  const tt_lanes *lanes = c->lanes;
  const tt_lane_cut *cut = tt_lane_cuts_at(c->cuts, position);
  for (; cut && cut->kept == 0; cut = tt_lane_cuts_at(c->cuts, position)) position += lanes->lanes;
  c->position = position;
  c->epoch = position / lanes->chunks;
  c->chunk = chunk_at(lanes, position);
  c->length = chunk_records(lanes, c->chunk);
  c->used = cut && cut->kept < c->length ? cut->kept : c->length;
  c->index = 0;
  c->key_ = slot_key(lanes, c->epoch, c->chunk);
}

void tt_lane_seek(tt_lane_cursor *cursor, const tt_lanes *lanes, const tt_lane_cuts *cuts, uint64_t lane,
                  uint64_t record) {
  uint64_t n = skip_gaps(lanes, cuts, lane, record);
  *cursor = (tt_lane_cursor){.lanes = lanes, .cuts = cuts};
  enter(cursor, lane + lanes->lanes * (n / TT_CHUNK));
  cursor->index = (uint32_t)(n % TT_CHUNK);
}

tt_sample_place tt_lane_here(const tt_lane_cursor *c) {
  return (tt_sample_place){.epoch = c->epoch,
                           .chunk = c->chunk,
                           .slot = (uint32_t)tt_permute(c->key_, c->length, c->index),
                           .position = c->position};
}

void tt_lane_step_chunk(tt_lane_cursor *cursor) {
  enter(cursor, cursor->position + cursor->lanes->lanes);
}

void tt_lane_step(tt_lane_cursor *cursor) {
  if (++cursor->index >= cursor->used) tt_lane_step_chunk(cursor);
}

void tt_lane_cut_here(tt_lane_cursor *cursor, tt_lane_cut *made) {
  *made = (tt_lane_cut){.position = cursor->position, .kept = cursor->index};
  tt_lane_step_chunk(cursor);
}

// ---- what a cut means

uint64_t tt_lane_cut_sample(const tt_lanes *lanes, const tt_lane_cuts *cuts, const tt_lane_cut *cut) {
  uint64_t lane = cut->position % lanes->lanes, record = cut->position / lanes->lanes * TT_CHUNK + cut->kept;
  gaps g = first_gap(lanes, cuts);
  for (tt_lane_cut gap = next_gap(&g); gap.position < cut->position; gap = next_gap(&g))
    if (gap.position % lanes->lanes == lane) record -= TT_CHUNK - gap.kept;
  return record * lanes->lanes + lane;
}

uint32_t tt_lane_cut_records(const tt_lanes *lanes, const tt_lane_cut *cut, tt_sample_place *place) {
  tt_lane_cursor whole = {.lanes = lanes};
  enter(&whole, cut->position);
  whole.index = cut->kept;
  *place = tt_lane_here(&whole);
  return whole.length - cut->kept;
}

tt_status tt_lane_cuts_check(const tt_lanes *lanes, const tt_lane_cuts *cuts) {
  for (size_t k = 0; k < cuts->count; k++) {
    const tt_lane_cut *cut = &cuts->cuts[k];
    if ((k > 0 && cut->position <= cut[-1].position) || cut->reserved != 0 ||
        cut->kept >= chunk_records(lanes, chunk_at(lanes, cut->position)))
      return tt_fail(TT_ERR_CORRUPT,
                     "skipped chunk %zu (place %llu of the order, after %u records) cannot be", k,
                     (unsigned long long)cut->position, cut->kept);
  }
  return TT_OK;
}
