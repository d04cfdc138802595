// One chunk of one shard: read, verified, decoded.
#include <string.h>

#include "core/crc32c.h"
#include "core/memory.h"
#include "store/reader.h"

typedef struct {
  const tt_open_shard *open;
  const char *path;
  uint64_t chunk;
  uint32_t count; // records
  uint64_t table[TT_OFFSET_TABLES][TT_CHUNK + 1];
} reader;

static tt_status broken(const reader *r, const char *what, tt_array array) {
  return tt_fail(TT_ERR_CORRUPT, "%s, records %llu to %llu, array %s: %s; " TT_SHARD_REMEDY, r->path,
                 (unsigned long long)r->chunk * TT_CHUNK,
                 (unsigned long long)r->chunk * TT_CHUNK + r->count - 1, tt_schema_array(array)->name, what);
}

// Rows first .. first+rows of an array, which are this chunk's part, compared with their CRC.
static tt_status get(const reader *r, tt_array array, uint64_t first, uint64_t rows, void *data) {
  const tt_shard_layout *layout = &r->open->layout;
  uint64_t bytes = rows * layout->row_bytes[array];
  if (bytes)
    TT_TRY(
        tt_read_at(r->open->fd, r->path, data, bytes, layout->at[array] + first * layout->row_bytes[array]));
  if (tt_crc32c(0, data, bytes) != r->open->index[r->chunk * layout->checked + array])
    return broken(r, "its checksum is wrong: the file is damaged", array);
  return TT_OK;
}

// Offsets begin at 0, never fall, and end at the array's length. (A right CRC says that the writer meant
// them, not that the writer was right.)
static tt_status check_tables(const reader *r) {
  static const tt_array target[] = {TT_ATOM_FEATURE, TT_BOND_ATOM, TT_ARRAYS, TT_COORDINATE, TT_SMILES};
  const tt_shard_layout *layout = &r->open->layout;
  for (int a = 0; a < TT_OFFSET_TABLES; a++) {
    const uint64_t *t = r->table[a];
    bool sound = r->chunk != 0 || t[0] == 0;
    for (uint32_t k = 0; k < r->count; k++)
      if (t[k + 1] < t[k] || t[k + 1] - t[k] > UINT32_MAX) sound = false;
    uint64_t end = t[r->count], length = target[a] == TT_ARRAYS ? end : layout->rows[target[a]];
    if (end > length || (r->chunk + 1 == layout->chunks && end != length)) sound = false;
    if (!sound) return broken(r, "its offsets are impossible", a);
  }
  for (uint32_t k = 0; k < r->count; k++) {
    const uint64_t(*t)[TT_CHUNK + 1] = r->table;
    uint64_t atoms = t[TT_ATOM_OFFSET][k + 1] - t[TT_ATOM_OFFSET][k];
    uint64_t conformers = t[TT_CONFORMER_OFFSET][k + 1] - t[TT_CONFORMER_OFFSET][k];
    uint64_t rows = t[TT_COORDINATE_OFFSET][k + 1] - t[TT_COORDINATE_OFFSET][k];
    if (atoms == 0 || atoms > 65536 || conformers == 0 || rows != atoms * conformers)
      return broken(r, "its offsets do not agree with those of atoms and conformers", TT_COORDINATE_OFFSET);
  }
  return TT_OK;
}

// The part [first, first + rows) of an array that belongs to this chunk.
static void span(const reader *r, tt_array array, uint64_t *first, uint64_t *rows) {
  int table = -1;
  switch (array) {
  case TT_ATOM_FEATURE:
  case TT_COORDINATE_2D:
    table = TT_ATOM_OFFSET;
    break;
  case TT_BOND_ATOM:
  case TT_BOND_FEATURE:
    table = TT_BOND_OFFSET;
    break;
  case TT_COORDINATE:
    table = TT_COORDINATE_OFFSET;
    break;
  case TT_SMILES:
    table = TT_SMILES_OFFSET;
    break;
  default:
    break;
  }
  *first = r->chunk * TT_CHUNK, *rows = r->count;
  if (table >= 0) *first = r->table[table][0], *rows = r->table[table][r->count] - *first;
}

static void point(const reader *r, void *const base[TT_ARRAYS], uint32_t k, tt_molecule *m) {
  uint64_t at[TT_OFFSET_TABLES], n[TT_OFFSET_TABLES];
  for (int a = 0; a < TT_OFFSET_TABLES; a++)
    at[a] = r->table[a][k] - r->table[a][0], n[a] = r->table[a][k + 1] - r->table[a][k];
  *m = (tt_molecule){
      .atoms = (uint32_t)n[TT_ATOM_OFFSET],
      .bonds = (uint32_t)n[TT_BOND_OFFSET],
      .conformers = (uint32_t)n[TT_CONFORMER_OFFSET],
      .atom_features = (const uint8_t *)base[TT_ATOM_FEATURE] + at[TT_ATOM_OFFSET] * TT_ATOM_FEATURES,
      .bond_atoms = (const uint16_t *)base[TT_BOND_ATOM] + at[TT_BOND_OFFSET] * 2,
      .bond_features = (const uint8_t *)base[TT_BOND_FEATURE] + at[TT_BOND_OFFSET] * TT_BOND_FEATURES,
      .coordinates = (const float *)base[TT_COORDINATE] + at[TT_COORDINATE_OFFSET] * 3,
      .smiles = (const char *)base[TT_SMILES] + at[TT_SMILES_OFFSET],
      .smiles_length = (uint32_t)n[TT_SMILES_OFFSET],
      .key = ((const uint64_t *)base[TT_KEY])[k],
      .scaffold = ((const uint64_t *)base[TT_SCAFFOLD])[k],
  };
  if (base[TT_COORDINATE_2D])
    m->coordinates_2d = (const float *)base[TT_COORDINATE_2D] + at[TT_ATOM_OFFSET] * 3;
}

tt_status tt_block_read(const tt_open_shard *open, const char *path, uint64_t chunk, tt_block *block,
                        tt_molecule *molecules) {
  const tt_shard_layout *layout = &open->layout;
  reader r = {.open = open, .path = path, .chunk = chunk};
  r.count = tt_schema_chunk_records(layout->rows[TT_KEY], chunk);
  for (int a = 0; a < TT_OFFSET_TABLES; a++) TT_TRY(get(&r, a, chunk * TT_CHUNK, r.count + 1ull, r.table[a]));
  TT_TRY(check_tables(&r));

  uint64_t first[TT_ARRAYS], rows[TT_ARRAYS], place[TT_ARRAYS], bytes = 0;
  for (int a = TT_ATOM_FEATURE; a < TT_INDEX; a++) {
    if (!layout->present[a]) continue;
    span(&r, a, &first[a], &rows[a]);
    place[a] = bytes;
    bytes += (rows[a] * layout->row_bytes[a] + 63) / 64 * 64; // aligned for vector loads
  }
  TT_TRY(tt_reserve(&block->data, &block->capacity, bytes, 1, "a chunk of the store"));
  void *base[TT_ARRAYS] = {0};
  for (int a = TT_ATOM_FEATURE; a < TT_INDEX; a++) {
    if (!layout->present[a]) continue;
    base[a] = block->data + place[a];
    TT_TRY(get(&r, a, first[a], rows[a], base[a]));
  }
  for (uint32_t k = 0; k < r.count; k++) {
    point(&r, base, k, &molecules[k]);
    const char *fault = tt_molecule_fault(&molecules[k], layout->present[TT_COORDINATE_2D]);
    if (fault)
      return tt_fail(TT_ERR_CORRUPT, "%s, record %llu cannot be used: %s; " TT_SHARD_REMEDY, path,
                     (unsigned long long)chunk * TT_CHUNK + k, fault);
  }
  return TT_OK;
}
