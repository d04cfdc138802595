// Reading a shard chunk by chunk in its own order. (The chunks of a split, which training reads, take the
// ends of all shards together: that is not the order of the keys.)
#ifndef TT_STORE_PARTS_H
#define TT_STORE_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

// Keys and scaffolds of chunk `chunk` (256 records, at most the last is shorter) of a shard, *count of them,
// verified; nothing else of the chunk is read. Errors as tt_store_read_chunk's.
tt_status tt_store_read_keys(tt_store *store, uint32_t shard, uint64_t chunk, uint64_t keys[TT_CHUNK],
                             uint64_t scaffolds[TT_CHUNK], uint32_t *count);

// Chunk `chunk` of a shard. Start from a zeroed tt_shard_part.
typedef struct {
  tt_molecule molecules[TT_CHUNK]; // point into memory of the part
  uint32_t count;
  char *data_; // private
  size_t capacity_;
} tt_shard_part;

tt_status tt_store_read_part(tt_store *store, uint32_t shard, uint64_t chunk, tt_shard_part *part);
void tt_shard_part_free(tt_shard_part *part);

// Closes the shard's file if it is open; it is opened again when it is read.
void tt_store_release_shard(tt_store *store, uint32_t shard);

#endif
