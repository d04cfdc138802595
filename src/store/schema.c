#include "store/schema.h"

#include <math.h>
#include <stddef.h>

#include "store/features.h"

// Arrays go to the file as they lie in memory.
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the store's reader and writer need a little-endian machine");

static const tt_array_kind kinds[TT_ARRAYS] = {
    [TT_COUNTS] = {"counts", TT_U16, TT_COUNT_COLUMNS},
    [TT_ATOM_FEATURE] = {"atom_features", TT_U32, 1},
    [TT_BOND_ATOM] = {"bond_atoms", TT_U16, 2},
    [TT_BOND_FEATURE] = {"bond_features", TT_U8, 1},
    [TT_COORDINATE] = {"coordinates", TT_F32, 3},
    [TT_SMILES] = {"smiles", TT_U8, 1},
    [TT_KEY] = {"key", TT_U64, 1},
    [TT_SCAFFOLD] = {"scaffold", TT_U64, 1},
    [TT_COORDINATE_2D] = {"coordinates_2d", TT_F32, 3},
    [TT_CHUNK_START] = {"chunk_start", TT_U64, TT_STARTS},
    [TT_INDEX] = {"crc32c", TT_U32, TT_COORDINATE_2D},
};

const tt_array_kind *tt_schema_array(tt_array array) {
  return &kinds[array];
}

uint64_t tt_element_bytes(tt_element element) {
  static const uint8_t bytes[] = {[TT_U8] = 1, [TT_U16] = 2, [TT_U32] = 4, [TT_U64] = 8, [TT_F32] = 4};
  return bytes[element];
}

const char *tt_split_name(tt_split split) {
  return split == TT_VALID ? "valid" : "train";
}

uint32_t tt_schema_chunk_records(uint64_t records, uint64_t chunk) {
  uint64_t first = chunk * TT_CHUNK;
  return records - first < TT_CHUNK ? (uint32_t)(records - first) : TT_CHUNK;
}

tt_status tt_schema_layout(const tt_shard_entry *entry, bool coordinates_2d, tt_shard_layout *layout) {
  enum { LIMIT = 46 }; // bits of any count: keeps sums of sizes, over all shards too, far from overflow
  uint64_t counts[] = {entry->records,         entry->conformers,   entry->atoms, entry->bonds,
                       entry->coordinate_rows, entry->smiles_bytes, entry->pairs};
  for (unsigned k = 0; k < sizeof counts / sizeof *counts; k++)
    if (counts[k] >> LIMIT) return tt_fail(TT_ERR_FORMAT, "%.31s: its counts are impossible", entry->file);

  *layout = (tt_shard_layout){0};
  layout->chunks = (entry->records + TT_CHUNK - 1) / TT_CHUNK;
  layout->checked = coordinates_2d ? TT_COORDINATE_2D + 1 : TT_COORDINATE_2D;
  uint64_t at = TT_SHARD_HEADER;
  for (int a = 0; a < TT_ARRAYS; a++) {
    uint64_t rows = entry->records, columns = kinds[a].columns;
    if (a == TT_ATOM_FEATURE || a == TT_COORDINATE_2D) rows = entry->atoms;
    if (a == TT_BOND_ATOM || a == TT_BOND_FEATURE) rows = entry->bonds;
    if (a == TT_COORDINATE) rows = entry->coordinate_rows;
    if (a == TT_SMILES) rows = entry->smiles_bytes;
    if (a == TT_CHUNK_START) rows = layout->chunks + 1;
    if (a == TT_INDEX) rows = layout->chunks, columns = layout->checked;
    layout->present[a] = a != TT_COORDINATE_2D || coordinates_2d;
    if (!layout->present[a]) continue;
    layout->rows[a] = rows;
    layout->row_bytes[a] = columns * tt_element_bytes(kinds[a].element);
    layout->bytes[a] = rows * layout->row_bytes[a];
    layout->at[a] = at;
    at += layout->bytes[a];
  }
  layout->file_bytes = at;
  return TT_OK;
}

void tt_schema_span(const tt_shard_layout *layout, const uint64_t (*starts)[TT_STARTS], tt_array array,
                    uint64_t chunk, uint64_t *first, uint64_t *rows) {
  static const int8_t column[TT_CHUNK_ARRAYS] = {
      [TT_COUNTS] = -1,
      [TT_ATOM_FEATURE] = TT_START_ATOM,
      [TT_BOND_ATOM] = TT_START_BOND,
      [TT_BOND_FEATURE] = TT_START_BOND,
      [TT_COORDINATE] = TT_START_COORDINATE,
      [TT_SMILES] = TT_START_SMILES,
      [TT_KEY] = -1,
      [TT_SCAFFOLD] = -1,
      [TT_COORDINATE_2D] = TT_START_ATOM,
  };
  int k = column[array];
  *first = k < 0 ? chunk * TT_CHUNK : starts[chunk][k];
  *rows = k < 0 ? tt_schema_chunk_records(layout->rows[TT_KEY], chunk) : starts[chunk + 1][k] - *first;
}

static bool finite_all(const float *x, uint64_t n) {
  for (uint64_t i = 0; i < n; i++)
    if (!isfinite(x[i])) return false;
  return true;
}

static const char *count_fault(const tt_molecule *m) {
  if (m->atoms < 1) return "it has no atoms";
  if (m->conformers < 1) return "it has no conformer";
  if (m->atoms > TT_COUNT_MOST) return "it has more than 65,535 atoms";
  if (m->bonds > TT_COUNT_MOST) return "it has more than 65,535 bonds";
  if (m->conformers > TT_COUNT_MOST) return "it has more than 65,535 conformers";
  if (m->smiles_length > TT_COUNT_MOST) return "its SMILES has more than 65,535 bytes";
  return NULL;
}

const char *tt_molecule_fault(const tt_molecule *m, bool coordinates_2d) {
  const char *fault = count_fault(m);
  if (!fault) fault = tt_features_fault(m->atom_features, m->atoms, m->bond_features, m->bonds);
  if (fault) return fault;
  for (uint32_t i = 0; i < m->bonds; i++) {
    uint16_t a = m->bond_atoms[2 * (uint64_t)i], b = m->bond_atoms[2 * (uint64_t)i + 1];
    if (a >= m->atoms || b >= m->atoms) return "a bond ends at an atom that is not there";
    if (a == b) return "a bond joins an atom to itself";
  }
  if (!finite_all(m->coordinates, 3ull * m->conformers * m->atoms)) return "a coordinate is not finite";
  if (coordinates_2d) {
    if (!m->coordinates_2d) return "it has no 2-D coordinates";
    if (!finite_all(m->coordinates_2d, 3ull * m->atoms)) return "a 2-D coordinate is not finite";
  }
  return NULL;
}

void tt_entry_count(tt_shard_entry *entry, const tt_molecule *m) {
  uint64_t length = m->atoms, bin = length / TT_LENGTH_BIN;
  if (entry->records == 0 || length < entry->shortest) entry->shortest = length;
  if (length > entry->longest) entry->longest = length;
  entry->lengths[bin < TT_LENGTH_BINS ? bin : TT_LENGTH_BINS - 1]++;
  entry->records++;
  entry->conformers += m->conformers;
  entry->atoms += length;
  entry->bonds += m->bonds;
  entry->pairs += (length + 1) * (length + 1);
  entry->coordinate_rows += length * m->conformers;
  entry->smiles_bytes += m->smiles_length;
}
