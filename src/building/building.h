// DIR/building: what a build that is under way keeps on disk besides finished shards, so that the same
// command can go on with it. Used by one rank.
//
//   build.json                 which build this is: options, inputs; how often it was begun. Removed last
//   spill-AAAA-RRRRR-NNNNNN    what rank R found, begun for the A-th time (spill.h)
//   found.json                 the first pass is over: which spills hold what it found
//   shard-NNNNN.note           shard N is finished (note.h)
#ifndef TT_BUILDING_BUILDING_H
#define TT_BUILDING_BUILDING_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "building/build.h"

typedef struct {
  char folder[PATH_MAX];    // DIR
  char path[PATH_MAX + 16]; // DIR/building
  uint64_t tag;             // a hash of what build.json says of options and inputs; every file bears it
  uint32_t attempt;         // how often the build was begun, from 1
  uint32_t reserved;
} tt_building;

enum { TT_SPILL_NAME = 32 };
typedef struct {
  char text[TT_SPILL_NAME];
} tt_spill_name;

// Goes on with the build in options->folder, or begins one where there is none. The folder is claimed. What a
// killed build has left half done is cleared. TT_ERR_ARGUMENT: another build was begun there, and the message
// says what differs. TT_ERR_IO, TT_ERR_CORRUPT (build.json).
tt_status tt_building_open(tt_building *building, const tt_build_options *options,
                           const tt_build_file *files);

// Whether the folder holds a finished store whose build, with the same options and inputs, was stopped before
// it could remove what it had on disk; that is removed now (also of any other finished build).
tt_status tt_building_was_finished(const tt_build_options *options, const tt_build_file *files,
                                   bool *finished);

// Whether the inputs are still those that the build was begun with. TT_ERR_ARGUMENT, and the message says
// what differs: they were changed while they were read, so nothing that was found counts.
tt_status tt_building_check_inputs(const tt_building *building, const tt_build_options *options,
                                   const tt_build_file *files);

void tt_building_spill_name(const tt_building *building, int rank, uint32_t number, tt_spill_name *name);
void tt_building_file(const tt_building *building, const char *name, char *path, size_t size);
void tt_building_note(const tt_building *building, uint32_t shard, char *path, size_t size);

// The names of all spills there, in order. free() *names.
tt_status tt_building_spills(const tt_building *building, tt_spill_name **names, size_t *count);

// found.json. *there is false, and nothing is read, when it is not there or not sound.
tt_status tt_building_write_found(const tt_building *building, const tt_spill_name *names, size_t count);
tt_status tt_building_read_found(const tt_building *building, tt_spill_name **names, size_t *count,
                                 bool *there);
void tt_building_forget_found(const tt_building *building);

// Marks those of `shards` shards that have a note. Names are listed, not tried: a network file system may
// remember for a while that there was none.
tt_status tt_building_notes(const tt_building *building, uint8_t *there, uint32_t shards);

// Removes shards that have no note: done (shards): whether one has.
tt_status tt_building_clear_shards(const tt_building *building, const uint8_t *done, uint32_t shards);

// Removes everything, when the store is complete or nothing can come of the build.
tt_status tt_building_remove(const tt_building *building);

// The same if nothing was achieved yet.
void tt_building_remove_if_bare(const tt_building *building);

#endif
