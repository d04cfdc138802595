// A spill: what one rank found in some blocks of the input, as a file in the order of the keys, from which
// any range of keys can be read again. Written once, under a checksum in every byte.
//
// The file: a header of 96 bytes; segments of entries, about 64 KiB each, those of the training split first,
// in the order of tt_entries_sort; an index of 24 bytes a segment (first key, place, size, CRC-32C); the
// blocks; the rejects of the blocks, by file and record. In the byte order of the machine.
#ifndef TT_BUILDING_SPILL_H
#define TT_BUILDING_SPILL_H

#include <stdint.h>

#include "core/status.h"
#include "building/entries.h"
#include "building/rejects.h"

enum { TT_BLOCK_RECORDS = 256 };

// Records 256 * block .. 256 * block + 255 of a file, counted from 0.
typedef struct {
  uint64_t block;
  uint32_t file, reserved; // 0
} tt_block;

typedef struct {
  uint64_t records; // read
  tt_entry_list entries;
  tt_reject_list rejects;
  tt_block *blocks;
  size_t block_count, block_room;
} tt_spill_content;

// Writes the content as a file that is complete or absent, and empties it (its memory stays for the next
// one). tag: of the build. TT_ERR_IO, TT_ERR_MEMORY: the content is still there.
tt_status tt_spill_write(const char *path, uint64_t tag, const tt_shard_plan *plan,
                         tt_spill_content *content);
void tt_spill_content_free(tt_spill_content *content);

typedef struct {
  uint64_t key, at;
  uint32_t bytes, crc;
} tt_segment;

typedef struct {
  char *path;
  uint64_t records, entries, blocks, rejects, reject_bytes;
  uint64_t data_end;    // where the index is
  uint64_t segments[2]; // of each split
  tt_segment *index;    // in memory while it is open: 24 bytes for every 64 KiB
  uint32_t files, blocks_crc, rejects_crc;
} tt_spill;

// Reads header and index. files: of the build, which entries and rejects refer to. The file is not kept open.
// TT_ERR_IO, TT_ERR_MEMORY; TT_ERR_CORRUPT: it is damaged, or of another build.
tt_status tt_spill_open(tt_spill *spill, const char *path, uint64_t tag, uint32_t files);
void tt_spill_close(tt_spill *spill);

// Adds the entries of a split with first <= key <= last to the list. Errors as above; so of the others.
tt_status tt_spill_range(const tt_spill *spill, tt_split split, uint64_t first, uint64_t last,
                         tt_entry_list *list);

tt_status tt_spill_blocks(const tt_spill *spill, tt_block **blocks);     // (spill->blocks); free() it
tt_status tt_spill_rejects(const tt_spill *spill, tt_reject_list *list); // replaces the list

#endif
