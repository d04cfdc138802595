// Which blocks of the input have been dealt with: a bit each.
#ifndef TT_BUILDING_BLOCKS_H
#define TT_BUILDING_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct {
  uint64_t *bits; // (words)
  size_t words;
} tt_file_blocks;

typedef struct {
  tt_file_blocks *files; // (count)
  uint32_t count;
} tt_block_set;

tt_status tt_blocks_make(tt_block_set *set, uint32_t files); // an empty set
void tt_blocks_free(tt_block_set *set);

bool tt_blocks_has(const tt_block_set *set, uint32_t file, uint64_t block);

// TT_ERR_MEMORY.
tt_status tt_blocks_add(tt_block_set *set, uint32_t file, uint64_t block);

#endif
