#include "building/blocks.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

tt_status tt_blocks_make(tt_block_set *set, uint32_t files) {
  *set = (tt_block_set){.count = files};
  return tt_alloc(&set->files, files, sizeof *set->files, "the blocks of the input");
}

void tt_blocks_free(tt_block_set *set) {
  for (uint32_t k = 0; set->files && k < set->count; k++) free(set->files[k].bits);
  free(set->files);
  *set = (tt_block_set){0};
}

bool tt_blocks_has(const tt_block_set *set, uint32_t file, uint64_t block) {
  const tt_file_blocks *f = &set->files[file];
  return block / 64 < f->words && (f->bits[block / 64] >> block % 64 & 1);
}

tt_status tt_blocks_add(tt_block_set *set, uint32_t file, uint64_t block) {
  tt_file_blocks *f = &set->files[file];
  size_t before = f->words;
  TT_TRY(tt_reserve(&f->bits, &f->words, block / 64 + 1, sizeof *f->bits, "the blocks of the input"));
  if (f->words > before) memset(f->bits + before, 0, (f->words - before) * sizeof *f->bits);
  f->bits[block / 64] |= UINT64_C(1) << block % 64;
  return TT_OK;
}
