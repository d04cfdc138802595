// One chunk of one shard: read, verified, decoded.
#include <fcntl.h>
#include <string.h>

#include "core/crc32c.h"
#include "core/memory.h"
#include "store/features.h"
#include "store/reader.h"

// A chunk at work: which part of each array is its own, and where that lies in memory.
typedef struct {
  const tt_open_shard *open;
  const char *path;
  uint64_t chunk;
  uint32_t count; // records
  uint64_t first[TT_CHUNK_ARRAYS], rows[TT_CHUNK_ARRAYS];
  void *base[TT_CHUNK_ARRAYS];            // as in the file; NULL: the store has no such array
  uint8_t *atom_features, *bond_features; // unpacked
} reader;

static reader begin(const tt_open_shard *open, const char *path, uint64_t chunk) {
  reader r = {.open = open, .path = path, .chunk = chunk};
  r.count = tt_schema_chunk_records(open->layout.rows[TT_KEY], chunk);
  const uint64_t(*starts)[TT_STARTS] = (const uint64_t(*)[TT_STARTS])open->starts;
  for (int a = 0; a < TT_CHUNK_ARRAYS; a++)
    if (open->layout.present[a]) tt_schema_span(&open->layout, starts, a, chunk, &r.first[a], &r.rows[a]);
  return r;
}

static tt_status broken(const reader *r, const char *what, tt_array array) {
  return tt_fail(TT_ERR_CORRUPT, "%s, records %llu to %llu, array %s: %s; " TT_SHARD_REMEDY, r->path,
                 (unsigned long long)r->chunk * TT_CHUNK,
                 (unsigned long long)r->chunk * TT_CHUNK + r->count - 1, tt_schema_array(array)->name, what);
}

// Reads the chunk's part of an array and compares it with its CRC.
static tt_status get(const reader *r, tt_array array) {
  const tt_shard_layout *layout = &r->open->layout;
  uint64_t bytes = r->rows[array] * layout->row_bytes[array];
  uint64_t at = layout->at[array] + r->first[array] * layout->row_bytes[array];
  if (bytes) TT_TRY(tt_read_at(r->open->fd, r->path, r->base[array], bytes, at));
  if (tt_crc32c(0, r->base[array], bytes) != r->open->crcs[r->chunk * layout->checked + array])
    return broken(r, "its checksum is wrong: the file is damaged", array);
  return TT_OK;
}

// The records must fill the chunk's part of each array, no less and no more: else a record would begin in
// another's rows. (A right CRC says that the writer meant the counts, not that the writer was right.)
static tt_status check_counts(const reader *r) {
  const uint16_t(*counts)[TT_COUNT_COLUMNS] = r->base[TT_COUNTS];
  uint64_t atoms = 0, bonds = 0, coordinates = 0, smiles = 0;
  for (uint32_t k = 0; k < r->count; k++) {
    const uint16_t *n = counts[k];
    if (n[TT_COUNT_ATOM] == 0) return broken(r, "a record has no atoms", TT_COUNTS);
    if (n[TT_COUNT_CONFORMER] == 0) return broken(r, "a record has no conformer", TT_COUNTS);
    atoms += n[TT_COUNT_ATOM], bonds += n[TT_COUNT_BOND], smiles += n[TT_COUNT_SMILES];
    coordinates += (uint64_t)n[TT_COUNT_ATOM] * n[TT_COUNT_CONFORMER];
  }
  if (atoms != r->rows[TT_ATOM_FEATURE] || bonds != r->rows[TT_BOND_ATOM] ||
      coordinates != r->rows[TT_COORDINATE] || smiles != r->rows[TT_SMILES])
    return broken(r, "the counts do not fill the chunk", TT_COUNTS);
  return TT_OK;
}

// Places for the chunk's arrays, and for its features unpacked, in the block's memory.
static tt_status place(reader *r, tt_block *block) {
  const tt_shard_layout *layout = &r->open->layout;
  uint64_t at[TT_CHUNK_ARRAYS], bytes = 0;
  for (int a = 0; a < TT_CHUNK_ARRAYS; a++) {
    at[a] = bytes;
    bytes += (r->rows[a] * layout->row_bytes[a] + 63) / 64 * 64; // aligned for vector loads
  }
  uint64_t atoms = r->rows[TT_ATOM_FEATURE] * TT_ATOM_FEATURES,
           bonds = r->rows[TT_BOND_FEATURE] * TT_BOND_FEATURES;
  TT_TRY(tt_reserve(&block->data, &block->capacity, bytes + atoms + bonds, 1, "a chunk of the store"));
  for (int a = 0; a < TT_CHUNK_ARRAYS; a++) r->base[a] = layout->present[a] ? block->data + at[a] : NULL;
  r->atom_features = (uint8_t *)block->data + bytes;
  r->bond_features = r->atom_features + atoms;
  return TT_OK;
}

// Points the molecules to their parts, one behind the other.
static void point(const reader *r, tt_molecule *molecules) {
  const uint16_t(*counts)[TT_COUNT_COLUMNS] = r->base[TT_COUNTS];
  const uint16_t *bond_atoms = r->base[TT_BOND_ATOM];
  const float *coordinates = r->base[TT_COORDINATE], *flat = r->base[TT_COORDINATE_2D];
  const uint64_t *keys = r->base[TT_KEY], *scaffolds = r->base[TT_SCAFFOLD];
  const uint8_t *atom_features = r->atom_features, *bond_features = r->bond_features;
  const char *smiles = r->base[TT_SMILES];
  for (uint32_t k = 0; k < r->count; k++) {
    uint32_t atoms = counts[k][TT_COUNT_ATOM], bonds = counts[k][TT_COUNT_BOND];
    molecules[k] = (tt_molecule){
        .atoms = atoms,
        .bonds = bonds,
        .conformers = counts[k][TT_COUNT_CONFORMER],
        .atom_features = atom_features,
        .bond_atoms = bond_atoms,
        .bond_features = bond_features,
        .coordinates = coordinates,
        .coordinates_2d = flat,
        .smiles = smiles,
        .smiles_length = counts[k][TT_COUNT_SMILES],
        .key = keys[k],
        .scaffold = scaffolds[k],
    };
    atom_features += (size_t)atoms * TT_ATOM_FEATURES, bond_features += (size_t)bonds * TT_BOND_FEATURES;
    bond_atoms += (size_t)bonds * 2, smiles += molecules[k].smiles_length;
    coordinates += (size_t)atoms * molecules[k].conformers * 3;
    if (flat) flat += (size_t)atoms * 3;
  }
}

tt_status tt_block_read(const tt_open_shard *open, const char *path, uint64_t chunk, tt_block *block,
                        tt_molecule *molecules) {
  reader r = begin(open, path, chunk);
  TT_TRY(place(&r, block));
  for (int a = 0; a < TT_CHUNK_ARRAYS; a++)
    if (open->layout.present[a]) TT_TRY(get(&r, a));
  TT_TRY(check_counts(&r));
  if (!tt_atoms_unpack(r.base[TT_ATOM_FEATURE], r.rows[TT_ATOM_FEATURE], r.atom_features))
    return broken(&r, "a bit that means nothing is set", TT_ATOM_FEATURE);
  if (!tt_bonds_unpack(r.base[TT_BOND_FEATURE], r.rows[TT_BOND_FEATURE], r.bond_features))
    return broken(&r, "a bit that means nothing is set", TT_BOND_FEATURE);
  point(&r, molecules);
  for (uint32_t k = 0; k < r.count; k++) {
    const char *fault = tt_molecule_fault(&molecules[k], open->layout.present[TT_COORDINATE_2D]);
    if (fault)
      return tt_fail(TT_ERR_CORRUPT, "%s, record %llu cannot be used: %s; " TT_SHARD_REMEDY, path,
                     (unsigned long long)chunk * TT_CHUNK + k, fault);
  }
  return TT_OK;
}

void tt_block_expect(const tt_open_shard *open, uint64_t chunk) {
  reader r = begin(open, NULL, chunk);
  for (int a = 0; a < TT_CHUNK_ARRAYS; a++) {
    uint64_t row = open->layout.row_bytes[a];
    // zero bytes would mean "to the end of the file"; a refusal costs only time
    if (r.rows[a])
      (void)posix_fadvise(open->fd, (off_t)(open->layout.at[a] + r.first[a] * row), (off_t)(r.rows[a] * row),
                          POSIX_FADV_WILLNEED);
  }
}
