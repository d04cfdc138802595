// The parts of a build, in the order in which they run (build.h). Inside the store room.
#ifndef TT_BUILDING_BUILD_PARTS_H
#define TT_BUILDING_BUILD_PARTS_H

#include "building/build.h"
#include "building/building.h"
#include "store/claim.h"
#include "store/plan.h"
#include "building/spill.h"

typedef struct {
  const tt_comm *comm;
  const tt_build_options *options;
  tt_build_file *files; // sorted by path
  const char **paths;   // of the files
  tt_store_claim claim; // rank 0's
  tt_building building; // the same on all ranks
  tt_shard_plan plan;   // in the first pass only who is for validation is known
  tt_store_info info;
  tt_spill *spills; // (spill_count) of all ranks, open once the first pass is over
  size_t spill_count;
  uint64_t entries;         // in the spills
  double begun;             // clock
  tt_build_summary summary; // rank 0's
} tt_build;

// Collective, all of these. First pass: what is not in spills yet is read from the inputs; then opens all
// spills.
tt_status tt_build_find(tt_build *b);

// Second pass: makes the shards that are not finished. A rank that fails ends the job where there are others:
// they could not know of it before they are done, which may take hours.
tt_status tt_build_make(tt_build *b);

// Rejects, manifest, summary; DIR/building goes.
tt_status tt_build_end(tt_build *b);

// The message when no molecule is left; TT_ERR_DATA. All that the build has on disk goes.
tt_status tt_build_nothing_left(tt_build *b);

// The summary of a store that was finished already, from its manifest. One rank.
tt_status tt_build_describe_finished(tt_build *b);

// Adds to the message of a failure, unless it is TT_OK, that the same command goes on where this one stopped.
tt_status tt_build_can_go_on(tt_status status);

// A spill that turned out to be damaged is removed, so that the next start reads its records again; other
// failures pass through.
tt_status tt_build_drop_damaged(const tt_spill *spill, tt_status status);

#endif
