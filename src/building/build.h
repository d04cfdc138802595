// Builds a store from files of molecules, on any number of ranks that see one file system.
//
// Two passes. First the ranks share out the records of the files and find each one's canonical SMILES, whose
// hash, keyed with the seed, then decides everything: the shard, the place in it, the split and the
// conformers. What a rank has found goes to disk in spills, in the order of the keys (spill.h). In the second
// pass each rank makes shards of its own: it reads their keys from all spills, so that the records of one
// molecule meet. The molecule is kept once, and the distinct geometries of its records, if they bring any,
// become its conformers in the order of their bytes (records without geometry add nothing then). Rank 0
// writes the manifest last. The files of the store are therefore byte for byte the same for any number of
// ranks and any order of the input.
//
// A build that was stopped, however that was, is gone on with by the same options and inputs, on any number
// of ranks: spills and finished shards are kept in DIR/building and DIR (building.h), and the result is the
// same bytes. A rank loses at most its last ten minutes of the first pass, or the shard in hand.
//
// Memory of a rank, whatever the size of the inputs: spill_bytes (somewhat more while they are sorted), then
// the records of one shard; and, of inputs that large, 24 bytes for each 64 KiB of spills and a bit for each
// 256 records.
//
// A record that cannot be used is listed in DIR/rejected.tsv and does not stop the build.
#ifndef TT_BUILDING_BUILD_H
#define TT_BUILDING_BUILD_H

#include <stdint.h>

#include "chem/rdkit.h"
#include "comm/comm.h"
#include "core/status.h"
#include "input/input.h"
#include "building/rejects.h"
#include "store/store.h"

typedef struct {
  const char *path;
  tt_input_kind kind;
} tt_build_file;

enum { TT_BUILD_SPILL = 256 << 20 };

typedef struct {
  tt_build_file *files; // sorted by path in the build
  int file_count;
  const char *folder;
  tt_chem_recipe recipe;
  uint64_t seed;
  double valid_fraction; // of the molecules, 0 .. 0.5
  uint32_t shards;       // of the training split, at most 90000; 0: from the number of records
  size_t spill_bytes;    // that a rank gathers before they go to disk; 0: TT_BUILD_SPILL. Changes no byte of
                         // the store, and may differ when a build is gone on with
} tt_build_options;

typedef struct {
  uint64_t read, rejected, merged;          // records; merged: gave no molecule of their own
  uint64_t molecules[2], conformers;        // molecules of each split
  uint64_t geometry[TT_GEOMETRY_ETKDG + 1]; // molecules by tt_geometry
  uint32_t shards;                          // of both splits
  tt_reject_kind kinds[TT_REJECT_KINDS];
  // of a build that was gone on with: records read, molecules and shards made before
  uint64_t read_before, molecules_before;
  uint32_t shards_before;
  bool was_finished; // nothing was left to do; known are molecules, conformers and shards
  double seconds;    // of this time
} tt_build_summary;

// Collective. Complete on rank 0: *summary. Errors are printed (once, tt_comm_agree); in the second pass, a
// rank that fails ends the job. Unless nothing was achieved yet, all that is finished stays for the next
// start. TT_ERR_ARGUMENT (folder holds a store, or the beginnings of another build; an input was changed
// while it was read), TT_ERR_IO (also: another job builds there), TT_ERR_DATA (no molecule to train on is
// left; the folder is cleared), TT_ERR_UNSUPPORTED (no RDKit), TT_ERR_MEMORY, TT_ERR_CORRUPT (DIR/building is
// damaged).
tt_status tt_store_build(const tt_comm *comm, const tt_build_options *options, tt_build_summary *summary);

#endif
