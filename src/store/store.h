// The store: a folder of write-once HDF5 shards and a manifest (docs/formats.md).
#ifndef TT_STORE_STORE_H
#define TT_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "chem/molecule.h"
#include "core/status.h"

enum { TT_CHUNK = 256, TT_STORE_SCHEMA = 2 };

typedef enum { TT_TRAIN = 0, TT_VALID = 1 } tt_split;

// ---- writing
// ------------------------------------------------------------------------------------------------

typedef struct {
  bool hydrogens;      // hydrogens kept in the records
  bool coordinates_2d; // records carry 2-D coordinates
  uint64_t seed;       // of the build
  char toolkit[64];    // what made the records, e.g. "RDKit 2022.09.3"
  char recipe[256];    // how, in words
} tt_store_info;

// Molecules by their number of atoms: bin k counts 8k .. 8k+7 atoms, the last one 248 and more.
enum { TT_LENGTH_BIN = 8, TT_LENGTH_BINS = 32 };

// Plain data without pointers or uninitialised bytes: ranks may send it as bytes.
typedef struct {
  char file[32]; // "shard-00000.h5"
  tt_split split;
  uint64_t records, conformers, atoms, bonds, pairs, bytes; // pairs: sum of (atoms+1)^2; bytes: of the file
  uint64_t coordinate_rows, smiles_bytes;                   // sum of conformers * atoms; length of all SMILES
  uint64_t shortest, longest; // atoms of the smallest and the largest molecule; 0, 0 when empty
  uint64_t lengths[TT_LENGTH_BINS];
  uint32_t header_bytes, header_crc; // all bytes before the first array (HDF5's own), and their CRC-32C
  uint32_t index_crc;                // CRC-32C of the shard's last two datasets: chunk starts and index
  char digest[33];                   // of all arrays' bytes but the index, in schema order
} tt_shard_entry;

// Writes one shard of `count` molecules, in the order given, as folder/shard-NNNNN.h5 (temporary file, then
// rename) and fills *entry for the manifest. Deterministic: the same molecules give the same bytes. Uses HDF5
// serially. A molecule needs at least one atom and one conformer, at most 65,535 each of atoms, bonds,
// conformers and SMILES bytes, and finite coordinates. count may be 0. Errors: TT_ERR_DATA (names the
// molecule), TT_ERR_IO (disk full: nothing left under the final name), TT_ERR_MEMORY.
tt_status tt_shard_write(const char *folder, uint32_t number, tt_split split, const tt_store_info *info,
                         const tt_molecule *molecules, uint64_t count, tt_shard_entry *entry);

// Writes folder/manifest.json, last of all: a folder without one is not a store. Entries in shard order. The
// folder has none before, and none after an error.
tt_status tt_manifest_write(const char *folder, const tt_store_info *info, const tt_shard_entry *entries,
                            uint32_t count);

// ---- reading
// ------------------------------------------------------------------------------------------------

typedef struct tt_store tt_store;

// Opens a store: reads the manifest only (shards are opened when first read). Errors: TT_ERR_IO (no such
// folder or manifest), TT_ERR_FORMAT (not a store, other schema version), TT_ERR_CORRUPT (manifest damaged).
tt_status tt_store_open(tt_store **store, const char *folder);
void tt_store_close(tt_store *store);

const char *tt_store_folder(const tt_store *store);
const tt_store_info *tt_store_information(const tt_store *store);
uint32_t tt_store_shards(const tt_store *store);
const tt_shard_entry *tt_store_shard(const tt_store *store, uint32_t shard);
const char *tt_store_digest(const tt_store *store); // of the manifest: names the data of a run

// Whether the shard's file is there, can be opened and has the size that the manifest says; its contents are
// not looked at. TT_ERR_IO, TT_ERR_CORRUPT.
tt_status tt_store_find_shard(const tt_store *store, uint32_t shard);

// Records of a split, and its chunks. Chunks 0 .. n/256-1 hold 256 records each; at most the last one is
// shorter. Whole chunks of all shards come first, in shard order; then the shards' tails (records % 256 each)
// are strung together and cut into chunks again. So equal chunks need no equal shards.
uint64_t tt_store_records(const tt_store *store, tt_split split);
uint64_t tt_store_chunks(const tt_store *store, tt_split split);

// One decoded chunk. All pointers in `molecules` point into its own memory. Start from a zeroed one; reusable
// by further reads.
typedef struct {
  uint64_t chunk;
  uint32_t count;         // molecules
  tt_molecule *molecules; // (count)
  uint64_t *records; // (count) index of each record within its split, 256 * chunk + slot: names the sample
                     // for ever
  void *memory_;     // private
} tt_chunk;

// Reads, verifies (CRC-32C of every array) and decodes chunk `chunk` of a split. Every count, offset and
// index is checked, so that a damaged file can give an error but never a wild read. Errors name file and
// chunk: TT_ERR_IO, TT_ERR_CORRUPT; TT_ERR_ARGUMENT for a chunk that is not there. Calls neither HDF5 nor
// MPI, so a thread may read while another one uses them. A store belongs to one thread at a time (what takes
// a const tt_store apart); a folder may be open several times. At most 64 shards are kept open.
tt_status tt_store_read_chunk(tt_store *store, tt_split split, uint64_t chunk, tt_chunk *out);

// Tells the kernel that this chunk will be read soon, so that a slow disk can begin. Opens the shard if it is
// not open; whatever fails is left for the read to report.
void tt_store_expect_chunk(tt_store *store, tt_split split, uint64_t chunk);

void tt_chunk_free(tt_chunk *chunk);

// Reads everything and checks it against every checksum and the manifest; HDF5 must see each shard as the
// program does. Calls `report` (may be NULL) for
// each broken shard with its error; returns TT_OK only if all is well, else the first error.
tt_status tt_store_verify(tt_store *store, void (*report)(void *context, const char *message), void *context);

// The same for one shard.
tt_status tt_store_verify_shard(tt_store *store, uint32_t shard);

#endif
