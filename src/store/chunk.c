// A chunk of a split: one chunk of one shard, or pieces of the shards' tails.
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "store/reader.h"

typedef struct {
  tt_molecule molecules[TT_CHUNK];
  tt_molecule decoded[TT_CHUNK]; // all of a shard's tail, of which this chunk may hold a part
  uint64_t records[TT_CHUNK];
  tt_block blocks[TT_CHUNK]; // one a piece; a piece has at least one record
} chunk_memory;

// The last shard s with before[s] <= x: the one that holds item x (before[] never falls, before[shards] > x).
static uint32_t holder(const uint64_t *before, uint32_t shards, uint64_t x) {
  uint32_t low = 0, high = shards;
  while (high - low > 1) {
    uint32_t middle = low + (high - low) / 2;
    if (before[middle] <= x)
      low = middle;
    else
      high = middle;
  }
  return low;
}

// Appends records first .. first+count of chunk `block` of a shard.
static tt_status append(tt_store *store, uint32_t shard, uint64_t block, uint32_t first, uint32_t count,
                        uint32_t piece, tt_chunk *out) {
  chunk_memory *memory = out->memory_;
  tt_open_shard *open;
  char path[PATH_MAX];
  tt_store_path(store, shard, path);
  TT_TRY(tt_store_use(store, shard, &open));
  TT_TRY(tt_block_read(open, path, block, &memory->blocks[piece], memory->decoded));
  memcpy(out->molecules + out->count, memory->decoded + first, count * sizeof *out->molecules);
  out->count += count;
  return TT_OK;
}

static tt_status read_tails(tt_store *store, tt_split split, uint64_t first, tt_chunk *out) {
  const uint64_t *tail = store->tail[split];
  uint32_t shards = store->manifest.count, piece = 0;
  uint64_t end = tail[shards] - first > TT_CHUNK ? first + TT_CHUNK : tail[shards];
  for (uint32_t s = holder(tail, shards, first); first < end; s++) {
    uint64_t stop = tail[s + 1] < end ? tail[s + 1] : end;
    if (stop == first) continue;
    uint64_t block = store->manifest.entries[s].records / TT_CHUNK;
    TT_TRY(append(store, s, block, (uint32_t)(first - tail[s]), (uint32_t)(stop - first), piece++, out));
    first = stop;
  }
  return TT_OK;
}

tt_status tt_store_read_chunk(tt_store *store, tt_split split, uint64_t chunk, tt_chunk *out) {
  uint32_t shards = store->manifest.count;
  uint64_t whole = store->whole[split][shards];
  out->count = 0;
  if (chunk >= tt_store_chunks(store, split))
    return tt_fail(TT_ERR_ARGUMENT, "%s has no %s chunk %llu, only %llu", store->folder, tt_split_name(split),
                   (unsigned long long)chunk, (unsigned long long)tt_store_chunks(store, split));
  if (!out->memory_) TT_TRY(tt_alloc(&out->memory_, 1, sizeof(chunk_memory), "a chunk of the store"));
  chunk_memory *memory = out->memory_;
  out->chunk = chunk, out->molecules = memory->molecules, out->records = memory->records;
  for (uint32_t k = 0; k < TT_CHUNK; k++) memory->records[k] = chunk * TT_CHUNK + k;
  tt_status status;
  if (chunk < whole) {
    uint32_t s = holder(store->whole[split], shards, chunk);
    status = append(store, s, chunk - store->whole[split][s], 0, TT_CHUNK, 0, out);
  } else {
    status = read_tails(store, split, (chunk - whole) * TT_CHUNK, out);
  }
  if (status == TT_OK) return TT_OK;
  out->count = 0;
  return tt_fail_in(status, "cannot read %s chunk %llu", tt_split_name(split), (unsigned long long)chunk);
}

void tt_chunk_free(tt_chunk *chunk) {
  chunk_memory *memory = chunk->memory_;
  for (int k = 0; memory && k < TT_CHUNK; k++) free(memory->blocks[k].data);
  free(memory);
  *chunk = (tt_chunk){0};
}
