// The arrays of a shard: names, types, shapes and where they lie in the file. One table; writer, reader and
// verification all follow it.
#ifndef TT_STORE_SCHEMA_H
#define TT_STORE_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

// In schema order, which is the order in the file and of the shard's digest.
typedef enum {
  TT_COUNTS, // atoms, bonds, conformers and SMILES bytes of each record
  TT_ATOM_FEATURE,
  TT_BOND_ATOM,
  TT_BOND_FEATURE,
  TT_COORDINATE,
  TT_SMILES,
  TT_KEY,
  TT_SCAFFOLD,
  TT_COORDINATE_2D, // only when the store has 2-D coordinates
  TT_CHUNK_START,   // rows of atoms, bonds, coordinates and SMILES before each chunk, and all of them
  TT_INDEX, // CRC-32C of each chunk (row) and each array above the chunk starts that is present (column)
  TT_ARRAYS,
  TT_CHUNK_ARRAYS = TT_CHUNK_START, // the arrays before it hold records, chunk by chunk
} tt_array;

// Columns of the chunk starts.
enum { TT_START_ATOM, TT_START_BOND, TT_START_COORDINATE, TT_START_SMILES, TT_STARTS };

// Columns of the counts, and the most that each may be.
enum { TT_COUNT_ATOM, TT_COUNT_BOND, TT_COUNT_CONFORMER, TT_COUNT_SMILES, TT_COUNT_COLUMNS };
enum { TT_COUNT_MOST = 65535 };

typedef enum { TT_U8, TT_U16, TT_U32, TT_U64, TT_F32 } tt_element;

typedef struct {
  const char *name; // of the HDF5 dataset
  tt_element element;
  uint32_t columns; // 1: the dataset has one dimension
} tt_array_kind;

const tt_array_kind *tt_schema_array(tt_array array); // columns of the index: see the layout
uint64_t tt_element_bytes(tt_element element);

// The header: everything that HDF5 itself writes (superblock, group, attributes, dataset descriptions) fits
// in it, and the arrays follow without gaps. So one CRC guards all that the HDF5 library parses.
enum { TT_SHARD_HEADER = 16384 };

typedef struct {
  uint64_t chunks;  // records / 256, rounded up
  uint32_t checked; // arrays that have a CRC a chunk: columns of the index
  bool present[TT_ARRAYS];
  uint64_t rows[TT_ARRAYS]; // first dimension
  uint64_t row_bytes[TT_ARRAYS];
  uint64_t bytes[TT_ARRAYS]; // rows * row_bytes
  uint64_t at[TT_ARRAYS];    // byte offset in the file
  uint64_t file_bytes;
} tt_shard_layout;

// The layout of a shard from the counts in its entry. TT_ERR_FORMAT when the counts are beyond any file's
// size. The chunk starts and the index, the last two arrays, are what a reader keeps of an open shard; one
// CRC in the manifest is over both.
tt_status tt_schema_layout(const tt_shard_entry *entry, bool coordinates_2d, tt_shard_layout *layout);

// Records in chunk `chunk` of a shard with that many records.
uint32_t tt_schema_chunk_records(uint64_t records, uint64_t chunk);

// The rows of an array that belong to a chunk: *first and *rows. starts: (chunks + 1, TT_STARTS).
void tt_schema_span(const tt_shard_layout *layout, const uint64_t (*starts)[TT_STARTS], tt_array array,
                    uint64_t chunk, uint64_t *first, uint64_t *rows);

// NULL when the molecule is sound (counts, bond ends, feature indices, finite coordinates), else what is
// wrong.
const char *tt_molecule_fault(const tt_molecule *molecule, bool coordinates_2d);

// Adds a molecule to the counts of an entry.
void tt_entry_count(tt_shard_entry *entry, const tt_molecule *molecule);

const char *tt_split_name(tt_split split); // "train", "valid"

#define TT_SHARD_REMEDY "restore the shard from a copy or build the store again"

#endif
