// An open store: its folder, manifest, and which records of which shards make up each chunk.
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "store/reader.h"

static tt_status map_chunks(tt_store *store) {
  uint32_t shards = store->manifest.count;
  for (int split = 0; split < 2; split++) {
    TT_TRY(tt_alloc(&store->whole[split], shards + (size_t)1, sizeof(uint64_t), "the chunks of a store"));
    TT_TRY(tt_alloc(&store->tail[split], shards + (size_t)1, sizeof(uint64_t), "the chunks of a store"));
    for (uint32_t s = 0; s < shards; s++) {
      const tt_shard_entry *entry = &store->manifest.entries[s];
      uint64_t records = (int)entry->split == split ? entry->records : 0;
      store->whole[split][s + 1] = store->whole[split][s] + records / TT_CHUNK;
      store->tail[split][s + 1] = store->tail[split][s] + records % TT_CHUNK;
    }
  }
  return TT_OK;
}

static tt_status fill(tt_store *store, const char *folder) {
  if (snprintf(store->folder, sizeof store->folder, "%s", folder) >= (int)sizeof store->folder - 32)
    return tt_fail(TT_ERR_IO, "the path %.60s... is too long", folder);
  TT_TRY(tt_manifest_read(folder, &store->manifest));
  TT_TRY(tt_alloc(&store->checked, store->manifest.count, sizeof(bool), "the shards of a store"));
  return map_chunks(store);
}

tt_status tt_store_open(tt_store **out, const char *folder) {
  *out = NULL;
  tt_store *store;
  TT_TRY(tt_alloc(&store, 1, sizeof *store, "a store"));
  for (int k = 0; k < TT_OPEN_SHARDS; k++) store->open[k].fd = -1;
  tt_status status = fill(store, folder);
  if (status != TT_OK) {
    tt_store_close(store);
    return status;
  }
  *out = store;
  return TT_OK;
}

void tt_store_close(tt_store *store) {
  if (!store) return;
  for (int k = 0; k < TT_OPEN_SHARDS; k++) tt_shard_shut(&store->open[k]);
  for (int split = 0; split < 2; split++) free(store->whole[split]), free(store->tail[split]);
  free(store->checked);
  free(store->manifest.entries);
  free(store);
}

const char *tt_store_folder(const tt_store *store) {
  return store->folder;
}
const tt_store_info *tt_store_information(const tt_store *store) {
  return &store->manifest.info;
}
uint32_t tt_store_shards(const tt_store *store) {
  return store->manifest.count;
}
const tt_shard_entry *tt_store_shard(const tt_store *store, uint32_t shard) {
  return &store->manifest.entries[shard];
}
const char *tt_store_digest(const tt_store *store) {
  return store->manifest.digest.text;
}

uint64_t tt_store_records(const tt_store *store, tt_split split) {
  uint32_t shards = store->manifest.count;
  return store->whole[split][shards] * TT_CHUNK + store->tail[split][shards];
}

uint64_t tt_store_chunks(const tt_store *store, tt_split split) {
  return (tt_store_records(store, split) + TT_CHUNK - 1) / TT_CHUNK;
}
