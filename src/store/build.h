// Builds a store from SMILES and SDF files, on any number of ranks.
//
// Two passes. First the ranks share out the records of the files and find each one's canonical SMILES, whose
// hash, keyed with the seed, then decides everything: the shard, the place in it, the split and the
// conformers. Records of one molecule thus meet on one rank: it is kept once, and with several SDF records
// their distinct geometries become its conformers, in the order of their bytes (records without geometry add
// nothing then). In the second pass each rank makes its own shards; rank 0 writes the manifest last. The
// files of the store are therefore byte for byte the same for any number of ranks and any order of the input.
// Memory: about 100 bytes a SMILES (twice for a moment), 12 more an atom of an SDF record, over all ranks.
//
// A record that cannot be used is listed in DIR/rejected.tsv and does not stop the build.
#ifndef TT_STORE_BUILD_H
#define TT_STORE_BUILD_H

#include <stdint.h>

#include "chem/rdkit.h"
#include "comm/comm.h"
#include "core/status.h"
#include "store/input.h"
#include "store/rejects.h"
#include "store/store.h"

typedef struct {
  const char *path;
  tt_input_kind kind;
} tt_build_file;

typedef struct {
  tt_build_file *files; // sorted by path in the build
  int file_count;
  const char *folder;
  tt_chem_recipe recipe;
  uint64_t seed;
  double valid_fraction; // of the molecules, 0 .. 0.5
  uint32_t shards;       // of the training split, at most 90000; 0: from the number of records
} tt_build_options;

typedef struct {
  uint64_t read, rejected, merged;          // records; merged: gave no molecule of their own
  uint64_t molecules[2], conformers;        // molecules of each split
  uint64_t geometry[TT_GEOMETRY_ETKDG + 1]; // molecules by tt_geometry
  uint32_t shards;                          // of both splits
  tt_reject_kind kinds[TT_REJECT_KINDS];
  double seconds;
} tt_build_summary;

// Collective. Complete on rank 0: *summary. Errors are printed (once, tt_comm_agree); in the second pass, a
// rank that fails ends the job. What it leaves then has no manifest, and the next build into the folder
// clears it. TT_ERR_ARGUMENT (folder holds a store), TT_ERR_IO, TT_ERR_DATA (no molecule to train on is
// left), TT_ERR_UNSUPPORTED (no RDKit), TT_ERR_MEMORY.
tt_status tt_store_build(const tt_comm *comm, const tt_build_options *options, tt_build_summary *summary);

#endif
