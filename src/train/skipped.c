#include "train/skipped.h"

#include <stdio.h>

#include "core/philox.h"
#include "core/progress.h"

// The shard of a whole chunk; NULL for a chunk that is strung together from the ends of several.
static const char *file_of(const tt_store *store, uint64_t chunk) {
  uint64_t whole = 0;
  for (uint32_t s = 0; s < tt_store_shards(store); s++) {
    const tt_shard_entry *entry = tt_store_shard(store, s);
    if (entry->split == TT_TRAIN) whole += entry->records / TT_CHUNK;
    if (chunk < whole) return entry->file;
  }
  return NULL;
}

static tt_status tell(const tt_trainer *t, const tt_lanes *lanes, const tt_store *store, const tt_skip *skip,
                      tt_runlog *log) {
  tt_sample_place place;
  uint32_t records = tt_lane_cut_records(lanes, &skip->cut, &place);
  long long step = (long long)t->state.step + 1, lane = (long long)(skip->cut.position % lanes->lanes);
  tt_progress_clear();
  fprintf(stderr,
          "twotrack: warning: step %lld, lane %lld: %u molecules of chunk %llu are left out, the lane's next "
          "ones "
          "take their place: %s\n",
          step, lane, records, (unsigned long long)place.chunk, skip->reason);
  return tt_runlog_append(log, json_pack("{s:s, s:I, s:I, s:I, s:I, s:s?, s:I, s:I, s:s}", "type", "skip",
                                         "step", (json_int_t)step, "lane", (json_int_t)lane, "epoch",
                                         (json_int_t)place.epoch, "chunk", (json_int_t)place.chunk, "file",
                                         file_of(store, place.chunk), "records", (json_int_t)records,
                                         "position", (json_int_t)skip->cut.position, "reason", skip->reason));
}

tt_status tt_skipped_note(tt_trainer *t, const tt_store *store, const tt_global_batch *batch,
                          tt_runlog *log) {
  tt_lanes lanes;
  TT_TRY(tt_lanes_init(&lanes, tt_seed_for(t->config->train.seed, TT_SEED_ORDER),
                       tt_store_records(store, TT_TRAIN), tt_store_chunks(store, TT_TRAIN),
                       (uint64_t)t->config->data.lanes));
  for (int k = 0; k < batch->skipped; k++) {
    TT_TRY(tt_lane_cuts_add(&t->state.skipped, batch->skips[k].cut));
    if (t->comm->rank == 0) TT_TRY(tell(t, &lanes, store, &batch->skips[k], log));
  }
  return TT_OK;
}
