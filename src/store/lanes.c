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

tt_sample_place tt_lanes_find(const tt_lanes *lanes, uint64_t sample) {
  uint64_t lane = sample % lanes->lanes, n = sample / lanes->lanes; // the n-th record of its lane
  uint64_t last = last_chunk_records(lanes), missing = TT_CHUNK - last;
  // Were all chunks whole, record n would be in the lane's chunk n / 256. Each time that the lane has met the
  // short chunk (at most once an epoch), it is `missing` records further on.
  for (uint64_t epoch = 0; missing; epoch++) {
    uint64_t position = lane + lanes->lanes * (n / TT_CHUNK);
    uint64_t shortage =
        epoch * lanes->chunks + tt_permute_inverse(chunk_key(lanes, epoch), lanes->chunks, lanes->chunks - 1);
    if (shortage > position || (shortage == position && n % TT_CHUNK < last)) break;
    if (shortage % lanes->lanes == lane) n += missing;
  }
  uint64_t position = lane + lanes->lanes * (n / TT_CHUNK);
  tt_sample_place place = {.epoch = position / lanes->chunks};
  place.chunk = tt_permute(chunk_key(lanes, place.epoch), lanes->chunks, position % lanes->chunks);
  uint64_t length = place.chunk + 1 == lanes->chunks ? last : TT_CHUNK;
  place.slot = (uint32_t)tt_permute(slot_key(lanes, place.epoch, place.chunk), length, n % TT_CHUNK);
  return place;
}
