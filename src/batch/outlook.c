#include "batch/outlook.h"

#include <stdlib.h>

#include "batch/exchange.h"
#include "batch/record.h"
#include "core/memory.h"
#include "core/philox.h"
#include "store/lanes.h"

int64_t tt_outlook_bytes(const tt_molecule *molecule) {
  return (int64_t)tt_record_bytes(molecule);
}

int64_t tt_outlook_announcement(void) {
  return (int64_t)sizeof(tt_reading_entry);
}

// A lane stays in a chunk for many samples: they are taken lane by lane, so one chunk is held at a time.
static tt_status read_lane(tt_store *store, const tt_lanes *lanes, uint64_t first, int count, int lane,
                           tt_chunk *chunk, int32_t *atoms, int64_t *bytes) {
  bool held = false;
  for (int i = lane; i < count; i += (int)lanes->lanes) {
    tt_sample_place place = tt_lanes_find(lanes, NULL, first + (uint64_t)i);
    if (!held || chunk->chunk != place.chunk)
      TT_TRY(tt_store_read_chunk(store, TT_TRAIN, place.chunk, chunk));
    held = true;
    if (place.slot >= chunk->count)
      return tt_fail(TT_ERR_CORRUPT, "chunk %llu of store %s has %u records, not more than %u",
                     (unsigned long long)place.chunk, tt_store_folder(store), chunk->count, place.slot);
    const tt_molecule *m = &chunk->molecules[place.slot];
    atoms[i] = (int32_t)m->atoms;
    bytes[i] = (int64_t)tt_record_bytes(m);
  }
  return TT_OK;
}

tt_status tt_outlook(tt_store *store, const tt_config *config, uint64_t first, int count, int32_t *atoms,
                     int64_t *bytes) {
  tt_lanes lanes;
  tt_chunk chunk = {0};
  TT_TRY(tt_lanes_init(&lanes, tt_seed_for(config->train.seed, TT_SEED_ORDER),
                       tt_store_records(store, TT_TRAIN), tt_store_chunks(store, TT_TRAIN),
                       (uint64_t)config->data.lanes));
  tt_status status = TT_OK;
  for (int lane = 0; status == TT_OK && lane < config->data.lanes; lane++)
    status = read_lane(store, &lanes, first, count, lane, &chunk, atoms, bytes);
  tt_chunk_free(&chunk);
  return status;
}
