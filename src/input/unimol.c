#include "input/unimol.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "chem/elements.h"
#include "core/memory.h"
#include "pickle/arrays.h"

enum { MOST_UNPACKED = 2 << 20 }; // as much as is read of a value that is not compressed (input.h)

// Others make a record be refused: what it needs are plain values and arrays. The names of RDKit and torch
// are of entries that some add, which nobody looks at.
static const char *const allowed[] = {TT_PICKLE_ARRAY_NAMES,
                                      "numpy.core.multiarray scalar",
                                      "numpy._core.multiarray scalar",
                                      "numpy str_",
                                      "collections OrderedDict",
                                      "rdkit.Chem.rdchem Mol",
                                      NULL};

static tt_status refuse(const char *why) {
  return tt_fail(TT_ERR_DATA, "record: %s", why);
}

void tt_unimol_free(tt_unimol *u) {
  free(u->smiles), free(u->numbers), free(u->coordinates);
  memset(u, 0, sizeof *u);
}

// ---- atoms

static tt_status add_atom(tt_unimol *u, const char *symbol, size_t length) {
  int number = tt_element_number(symbol, length);
  if (!number) return tt_fail(TT_ERR_DATA, "element: '%.20s' among its atoms is none", symbol);
  if (u->atoms == TT_UNIMOL_ATOMS)
    return tt_fail(TT_ERR_DATA, "too many atoms: more than %d", TT_UNIMOL_ATOMS);
  TT_TRY(tt_reserve(&u->numbers, &u->room_[0], u->atoms + 1, 1, "a record"));
  u->numbers[u->atoms++] = (uint8_t)number;
  return TT_OK;
}

static tt_status read_atoms(tt_unimol *u, const tt_py *atoms) {
  tt_py_array a;
  if (!atoms) return refuse("its pickle has no \"atoms\"");
  if (atoms->kind == TT_PY_LIST || atoms->kind == TT_PY_TUPLE) {
    for (size_t k = 0; k < atoms->count; k++) {
      const tt_py *symbol = atoms->items[k];
      if (symbol->kind != TT_PY_TEXT) return refuse("its \"atoms\" are no symbols");
      TT_TRY(add_atom(u, symbol->text, symbol->length));
    }
  } else if (tt_py_array_describe(atoms, &a) && a.dims == 1 && (a.kind == 'U' || a.kind == 'S')) {
    for (int64_t k = 0; k < a.count; k++) {
      char symbol[8];
      if (!tt_py_array_text(&a, k, symbol, sizeof symbol)) return refuse("its \"atoms\" are no symbols");
      TT_TRY(add_atom(u, symbol, strlen(symbol)));
    }
  } else
    return refuse("its \"atoms\" are no list");
  return u->atoms ? TT_OK : refuse("it has no atoms");
}

// ---- coordinates

static tt_status add_conformer(tt_unimol *u, int64_t rows, float **place) {
  if (rows != u->atoms)
    return tt_fail(TT_ERR_DATA, "coordinates: %lld rows for %u atoms", (long long)rows, u->atoms);
  if (u->conformers == TT_UNIMOL_CONFORMERS)
    return tt_fail(TT_ERR_DATA, "coordinates: more than %d geometries", TT_UNIMOL_CONFORMERS);
  size_t size = 3 * (size_t)u->atoms;
  TT_TRY(tt_reserve(&u->coordinates, &u->room_[1], (u->conformers + 1) * size, sizeof(float), "a record"));
  *place = u->coordinates + u->conformers++ * size;
  return TT_OK;
}

// (atoms, 3), or (geometries, atoms, 3).
static tt_status take_array(tt_unimol *u, const tt_py_array *a) {
  int rows = a->dims - 2; // which side counts them
  bool numbers = a->kind == 'f' || a->kind == 'i' || a->kind == 'u';
  if (!numbers || rows < 0 || rows > 1 || a->shape[rows + 1] != 3)
    return tt_fail(TT_ERR_DATA, "coordinates: an array of another shape or type");
  for (int64_t c = 0; c < (rows ? a->shape[0] : 1); c++) {
    float *to = NULL;
    TT_TRY(add_conformer(u, a->shape[rows], &to));
    for (int64_t i = 0; i < a->shape[rows]; i++)
      for (int64_t x = 0; x < 3; x++)
        *to++ = (float)tt_py_array_number(a, (rows ? c * a->step[0] : 0) + i * a->step[rows] +
                                                 x * a->step[rows + 1]);
  }
  return TT_OK;
}

static bool is_list(const tt_py *v) {
  return v->kind == TT_PY_LIST || v->kind == TT_PY_TUPLE;
}

static bool is_number(const tt_py *v) {
  return v->kind == TT_PY_FLOAT || v->kind == TT_PY_INT;
}

static bool is_row(const tt_py *v) {
  return is_list(v) && v->count == 3 && is_number(v->items[0]) && is_number(v->items[1]) &&
         is_number(v->items[2]);
}

static tt_status take_rows(tt_unimol *u, const tt_py *rows) {
  float *to = NULL;
  TT_TRY(add_conformer(u, (int64_t)rows->count, &to));
  for (size_t i = 0; i < rows->count; i++) {
    const tt_py *row = rows->items[i];
    if (!is_row(row)) return tt_fail(TT_ERR_DATA, "coordinates: row %zu has no three numbers", i);
    for (int x = 0; x < 3; x++) {
      const tt_py *number = row->items[x];
      *to++ = number->kind == TT_PY_FLOAT ? (float)number->real : (float)number->number;
    }
  }
  return TT_OK;
}

// One geometry or several, as upstream's files have them: arrays, lists of rows, lists of either.
static tt_status take_geometries(tt_unimol *u, const tt_py *v, int depth) {
  tt_py_array a;
  if (tt_py_array_describe(v, &a)) return take_array(u, &a);
  if (!is_list(v) || depth > 1) return tt_fail(TT_ERR_DATA, "coordinates: neither an array nor a list");
  if (v->count && is_row(v->items[0])) return take_rows(u, v);
  for (size_t k = 0; k < v->count; k++) TT_TRY(take_geometries(u, v->items[k], depth + 1));
  return TT_OK;
}

static bool is_flat(const float *xyz, size_t atoms) {
  for (size_t i = 0; i < atoms; i++)
    if (xyz[3 * i + 2] != 0) return false;
  return true;
}

// Upstream's first data set has a drawing after the conformers: it would be trained on as a geometry.
static void leave_out_drawings(tt_unimol *u) {
  size_t size = 3 * (size_t)u->atoms;
  uint32_t kept = 0;
  for (uint32_t c = 0; c < u->conformers; c++) {
    if (is_flat(u->coordinates + c * size, u->atoms)) continue;
    memmove(u->coordinates + kept++ * size, u->coordinates + c * size, size * sizeof(float));
  }
  if (kept) u->conformers = kept;
}

// ---- the record

static tt_status read_pickle(tt_unimol *u, const void *data, size_t bytes) {
  tt_pickle pickle;
  tt_status status = tt_pickle_read("the record", data, bytes, allowed, &pickle);
  if (status == TT_ERR_FORMAT || status == TT_ERR_CORRUPT)
    return tt_fail(TT_ERR_DATA, "pickle: %s", tt_error_message());
  TT_TRY(status);
  const tt_py *smiles = tt_py_get(pickle.root, "smi"), *coordinates = tt_py_get(pickle.root, "coordinates");
  if (!smiles || smiles->kind != TT_PY_TEXT)
    status = refuse("its pickle has no \"smi\", or that is no text");
  else if (!coordinates)
    status = refuse("its pickle has no \"coordinates\"");
  else if (!(u->smiles = malloc(smiles->length + 1)))
    status = tt_fail(TT_ERR_MEMORY, "out of memory reading a record");
  else {
    memcpy(u->smiles, smiles->text, smiles->length + 1);
    u->smiles_length = smiles->length;
    status = read_atoms(u, tt_py_get(pickle.root, "atoms"));
    if (status == TT_OK) status = take_geometries(u, coordinates, 0);
  }
  tt_pickle_free(&pickle);
  if (status == TT_OK) leave_out_drawings(u);
  return status;
}

// Neither begins as a pickle does.
static bool is_packed(const unsigned char *p, size_t bytes) {
  return bytes > 2 && ((p[0] == 0x1f && p[1] == 0x8b) || (p[0] == 0x78 && (p[0] << 8 | p[1]) % 31 == 0));
}

static tt_status unpack(const void *value, size_t bytes, unsigned char **data, size_t *length) {
  *data = NULL;
  z_stream z = {.next_in = (unsigned char *)(uintptr_t)value, .avail_in = (uInt)bytes};
  if (inflateInit2(&z, 32 + MAX_WBITS) != Z_OK) // 32: gzip and zlib
    return tt_fail(TT_ERR_MEMORY, "out of memory reading a record");
  size_t room = 0;
  int code = Z_OK;
  tt_status status = TT_OK;
  while (status == TT_OK && code == Z_OK && z.total_out < MOST_UNPACKED) {
    status = tt_reserve(data, &room, z.total_out + 8 * bytes + 4096, 1, "a record");
    if (status != TT_OK) break;
    z.next_out = *data + z.total_out, z.avail_out = (uInt)(room - z.total_out);
    code = inflate(&z, Z_NO_FLUSH);
  }
  *length = z.total_out;
  inflateEnd(&z);
  TT_TRY(status);
  return code == Z_STREAM_END ? TT_OK : refuse("it is compressed, and damaged or too large");
}

tt_status tt_unimol_read(const void *value, size_t bytes, tt_unimol *u) {
  memset(u, 0, sizeof *u);
  if (!is_packed(value, bytes)) return read_pickle(u, value, bytes);
  unsigned char *data;
  size_t length = 0;
  tt_status status = unpack(value, bytes, &data, &length);
  if (status == TT_OK) status = read_pickle(u, data, length);
  free(data);
  return status;
}
