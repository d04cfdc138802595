// The note of a finished shard, written after it: what the manifest and the summary will say of it. A shard
// with a note is never made again.
#ifndef TT_BUILDING_NOTE_H
#define TT_BUILDING_NOTE_H

#include <stdint.h>

#include "chem/rdkit.h"
#include "core/status.h"
#include "building/rejects.h"
#include "store/store.h"

typedef struct {
  tt_shard_entry shard;
  uint64_t entries;                         // that fell to it: records of the input
  uint64_t merged;                          // of them, those that gave no molecule of their own
  uint64_t geometry[TT_GEOMETRY_ETKDG + 1]; // molecules by tt_geometry
} tt_shard_note;

// Complete or absent. tag: of the build. TT_ERR_IO, TT_ERR_MEMORY.
tt_status tt_note_write(const char *path, uint64_t tag, const tt_shard_note *note,
                        const tt_reject_list *rejects);

// rejects (may be NULL): replaced; by file and record. files: of the build. TT_ERR_IO, TT_ERR_MEMORY;
// TT_ERR_CORRUPT: it is damaged, or of another build.
tt_status tt_note_read(const char *path, uint64_t tag, uint32_t files, tt_shard_note *note,
                       tt_reject_list *rejects);

#endif
