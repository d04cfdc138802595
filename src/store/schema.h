// The arrays of a shard: names, types, shapes and where they lie in the file. One table; writer, reader and
// verification all follow it.
#ifndef TT_STORE_SCHEMA_H
#define TT_STORE_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

// In schema order, which is the order in the file and of the shard's digest. The first five are offset
// tables.
typedef enum {
  TT_ATOM_OFFSET,
  TT_BOND_OFFSET,
  TT_CONFORMER_OFFSET,
  TT_COORDINATE_OFFSET,
  TT_SMILES_OFFSET,
  TT_ATOM_FEATURE,
  TT_BOND_ATOM,
  TT_BOND_FEATURE,
  TT_COORDINATE,
  TT_SMILES,
  TT_KEY,
  TT_SCAFFOLD,
  TT_COORDINATE_2D, // only when the store has 2-D coordinates
  TT_INDEX,         // CRC-32C of each chunk (row) and each array above that is present (column)
  TT_ARRAYS,
  TT_OFFSET_TABLES = TT_ATOM_FEATURE,
} tt_array;

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
  uint32_t checked; // arrays that have a CRC: columns of the index
  bool present[TT_ARRAYS];
  uint64_t rows[TT_ARRAYS]; // first dimension
  uint64_t row_bytes[TT_ARRAYS];
  uint64_t bytes[TT_ARRAYS]; // rows * row_bytes
  uint64_t at[TT_ARRAYS];    // byte offset in the file
  uint64_t file_bytes;
} tt_shard_layout;

// The layout of a shard from the counts in its entry. TT_ERR_FORMAT when the counts are beyond any file's
// size.
tt_status tt_schema_layout(const tt_shard_entry *entry, bool coordinates_2d, tt_shard_layout *layout);

// Records in chunk `chunk` of a shard with that many records.
uint32_t tt_schema_chunk_records(uint64_t records, uint64_t chunk);

// NULL when the molecule is sound (counts, bond ends, feature indices, finite coordinates), else what is
// wrong.
const char *tt_molecule_fault(const tt_molecule *molecule, bool coordinates_2d);

// Adds a molecule to the counts of an entry.
void tt_entry_count(tt_shard_entry *entry, const tt_molecule *molecule);

const char *tt_split_name(tt_split split); // "train", "valid"

#define TT_SHARD_REMEDY "restore the shard from a copy or build the store again"

#endif
