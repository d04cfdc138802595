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

// Part of a chunk: records first .. first+count of chunk `block` of a shard.
typedef struct {
  uint32_t shard, first, count;
  uint64_t block;
} piece;

// The piece of chunk `chunk` that begins with its record number `at`. shard: of the piece before, if at > 0.
static piece next_piece(const tt_store *store, tt_split split, uint64_t chunk, uint64_t at, uint32_t shard) {
  uint32_t shards = store->manifest.count;
  const uint64_t *whole = store->whole[split], *tail = store->tail[split];
  if (chunk < whole[shards]) {
    shard = holder(whole, shards, chunk);
    return (piece){.shard = shard, .first = 0, .count = TT_CHUNK, .block = chunk - whole[shard]};
  }
  uint64_t start = (chunk - whole[shards]) * TT_CHUNK, first = start + at;
  uint64_t end = tail[shards] - start > TT_CHUNK ? start + TT_CHUNK : tail[shards];
  if (at == 0) shard = holder(tail, shards, first);
  while (tail[shard + 1] <= first) shard++;
  uint64_t stop = tail[shard + 1] < end ? tail[shard + 1] : end;
  return (piece){.shard = shard,
                 .first = (uint32_t)(first - tail[shard]),
                 .count = (uint32_t)(stop - first),
                 .block = store->manifest.entries[shard].records / TT_CHUNK};
}

static uint32_t chunk_records(const tt_store *store, tt_split split, uint64_t chunk) {
  uint64_t left = tt_store_records(store, split) - chunk * TT_CHUNK;
  return left < TT_CHUNK ? (uint32_t)left : TT_CHUNK;
}

static tt_status append(tt_store *store, const piece *p, tt_block *block, tt_chunk *out) {
  chunk_memory *memory = out->memory_;
  tt_open_shard *open;
  char path[PATH_MAX];
  tt_store_path(store, p->shard, path);
  TT_TRY(tt_store_use(store, p->shard, &open));
  TT_TRY(tt_block_read(open, path, p->block, block, memory->decoded));
  memcpy(out->molecules + out->count, memory->decoded + p->first, p->count * sizeof *out->molecules);
  out->count += p->count;
  return TT_OK;
}

tt_status tt_store_read_chunk(tt_store *store, tt_split split, uint64_t chunk, tt_chunk *out) {
  out->count = 0;
  if (chunk >= tt_store_chunks(store, split))
    return tt_fail(TT_ERR_ARGUMENT, "%s has no %s chunk %llu, only %llu", store->folder, tt_split_name(split),
                   (unsigned long long)chunk, (unsigned long long)tt_store_chunks(store, split));
  if (!out->memory_) TT_TRY(tt_alloc(&out->memory_, 1, sizeof(chunk_memory), "a chunk of the store"));
  chunk_memory *memory = out->memory_;
  out->chunk = chunk, out->molecules = memory->molecules, out->records = memory->records;
  for (uint32_t k = 0; k < TT_CHUNK; k++) memory->records[k] = chunk * TT_CHUNK + k;
  uint32_t records = chunk_records(store, split, chunk), shard = 0;
  tt_status status = TT_OK;
  for (uint32_t k = 0; status == TT_OK && out->count < records; k++) {
    piece p = next_piece(store, split, chunk, out->count, shard);
    status = append(store, &p, &memory->blocks[k], out);
    shard = p.shard;
  }
  if (status == TT_OK) return TT_OK;
  out->count = 0;
  return tt_fail_in(status, "cannot read %s chunk %llu", tt_split_name(split), (unsigned long long)chunk);
}

void tt_store_expect_chunk(tt_store *store, tt_split split, uint64_t chunk) {
  if (chunk >= tt_store_chunks(store, split)) return;
  uint32_t records = chunk_records(store, split, chunk), shard = 0;
  for (uint32_t at = 0; at < records;) {
    tt_open_shard *open;
    piece p = next_piece(store, split, chunk, at, shard);
    if (tt_store_use(store, p.shard, &open) == TT_OK) tt_block_expect(open, p.block);
    at += p.count, shard = p.shard;
  }
}

void tt_chunk_free(tt_chunk *chunk) {
  chunk_memory *memory = chunk->memory_;
  for (int k = 0; memory && k < TT_CHUNK; k++) free(memory->blocks[k].data);
  free(memory);
  *chunk = (tt_chunk){0};
}
