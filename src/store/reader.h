// Inside the store room: an open store and its open shards.
#ifndef TT_STORE_READER_H
#define TT_STORE_READER_H

#include <limits.h>

#include "store/manifest.h"
#include "store/schema.h"

enum { TT_OPEN_SHARDS = 64 };

typedef struct {
  int fd; // -1: free
  uint32_t shard;
  uint64_t used; // when last used, for eviction
  tt_shard_layout layout;
  uint64_t (*starts)[TT_STARTS]; // (chunks + 1): where each chunk begins; sound
  const uint32_t *crcs;          // (chunks, checked): CRC-32C of each chunk of each array; in the same memory
} tt_open_shard;

struct tt_store {
  char folder[PATH_MAX];
  tt_manifest manifest;
  bool *checked; // (shards) whether the header was found right; it is not read again then
  uint64_t *whole[2],
      *tail[2]; // (shards + 1) for each split: whole chunks and tail records before each shard
  tt_open_shard open[TT_OPEN_SHARDS];
  uint64_t clock;
};

// Full name of a shard's file.
void tt_store_path(const tt_store *store, uint32_t shard, char path[PATH_MAX]);

// The shard, open. On its first use its header is compared with the manifest; each time it is opened its
// size, its chunk starts and its index are checked. The pointer holds until the next call.
tt_status tt_store_use(tt_store *store, uint32_t shard, tt_open_shard **open);

// Closes the shard, if open, and forgets what was checked.
void tt_store_forget(tt_store *store, uint32_t shard);

// Closes an open shard; nothing if it is closed.
void tt_shard_shut(tt_open_shard *open);

// Reads bytes at an offset. TT_ERR_IO, or TT_ERR_CORRUPT when the file ends before.
tt_status tt_read_at(int fd, const char *path, void *data, uint64_t bytes, uint64_t at);

// Memory for the arrays of one shard's chunk.
typedef struct {
  char *data;
  size_t capacity;
} tt_block;

// Reads, verifies and decodes chunk `chunk` of an open shard into molecules (TT_CHUNK), which point into
// *block.
tt_status tt_block_read(const tt_open_shard *open, const char *path, uint64_t chunk, tt_block *block,
                        tt_molecule *molecules);

// Tells the kernel that this chunk will be read soon.
void tt_block_expect(const tt_open_shard *open, uint64_t chunk);

#endif
