#include "store/parts.h"

#include <stdlib.h>

#include "core/crc32c.h"
#include "store/reader.h"

// This chunk's rows of an array that has one row a record.
static tt_status read_words(const tt_open_shard *open, const char *path, tt_array array, uint64_t chunk,
                            uint32_t count, uint64_t *words) {
  const tt_shard_layout *layout = &open->layout;
  uint64_t bytes = count * sizeof *words, at = layout->at[array] + chunk * TT_CHUNK * sizeof *words;
  TT_TRY(tt_read_at(open->fd, path, words, bytes, at));
  if (tt_crc32c(0, words, bytes) == open->crcs[chunk * layout->checked + array]) return TT_OK;
  return tt_fail(
      TT_ERR_CORRUPT,
      "%s, records %llu to %llu, array %s: its checksum is wrong: the file is damaged; " TT_SHARD_REMEDY,
      path, (unsigned long long)(chunk * TT_CHUNK), (unsigned long long)(chunk * TT_CHUNK + count - 1),
      tt_schema_array(array)->name);
}

tt_status tt_store_read_keys(tt_store *store, uint32_t shard, uint64_t chunk, uint64_t keys[TT_CHUNK],
                             uint64_t scaffolds[TT_CHUNK], uint32_t *count) {
  tt_open_shard *open;
  char path[PATH_MAX];
  tt_store_path(store, shard, path);
  TT_TRY(tt_store_use(store, shard, &open));
  *count = tt_schema_chunk_records(open->layout.rows[TT_KEY], chunk);
  TT_TRY(read_words(open, path, TT_KEY, chunk, *count, keys));
  return read_words(open, path, TT_SCAFFOLD, chunk, *count, scaffolds);
}

tt_status tt_store_read_part(tt_store *store, uint32_t shard, uint64_t chunk, tt_shard_part *part) {
  tt_open_shard *open;
  tt_block block = {part->data_, part->capacity_};
  char path[PATH_MAX];
  part->count = 0;
  tt_store_path(store, shard, path);
  TT_TRY(tt_store_use(store, shard, &open));
  tt_status status = tt_block_read(open, path, chunk, &block, part->molecules);
  part->data_ = block.data, part->capacity_ = block.capacity;
  if (status == TT_OK) part->count = tt_schema_chunk_records(open->layout.rows[TT_KEY], chunk);
  return status;
}

void tt_shard_part_free(tt_shard_part *part) {
  free(part->data_);
  part->data_ = NULL, part->capacity_ = 0, part->count = 0;
}

void tt_store_release_shard(tt_store *store, uint32_t shard) {
  for (int k = 0; k < TT_OPEN_SHARDS; k++)
    if (store->open[k].fd >= 0 && store->open[k].shard == shard) tt_shard_shut(&store->open[k]);
}
