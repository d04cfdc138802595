#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/crc32c.h"
#include "core/digest.h"
#include "core/file.h"
#include "core/memory.h"
#include "store/features.h"
#include "store/header.h"
#include "store/schema.h"
#include "store/store.h"

typedef struct {
  const char *path; // final name, for messages
  int fd;
  const tt_molecule *molecules;
  tt_shard_layout layout;
  tt_digest_state *digest;
  uint64_t (*starts)[TT_STARTS]; // (chunks + 1), and behind it in the same memory
  uint32_t *crcs;                // (chunks, checked)
  char *buffer;
  size_t capacity;
} writer;

static tt_status put(const writer *w, const void *data, size_t bytes, uint64_t at) {
  const char *p = data;
  while (bytes) {
    ssize_t n = pwrite(w->fd, p, bytes, (off_t)at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      return tt_fail(TT_ERR_IO, "cannot write %s: %s", w->path,
                     n < 0 ? strerror(errno) : "nothing was written");
    p += n, bytes -= (size_t)n, at += (uint64_t)n;
  }
  return TT_OK;
}

// Claims the whole file's space, so that a full disk shows before anything is computed.
static tt_status claim(const writer *w) {
  off_t bytes = (off_t)w->layout.file_bytes;
  if (ftruncate(w->fd, bytes) != 0)
    return tt_fail(TT_ERR_IO, "cannot write %s (%lld bytes): %s", w->path, (long long)bytes, strerror(errno));
  // a file system without this call shows a full disk later, at the write
  if (fallocate(w->fd, 0, 0, bytes) != 0 && (errno == ENOSPC || errno == EFBIG || errno == EDQUOT))
    return tt_fail(TT_ERR_IO, "cannot write %s (%lld bytes): %s; free some space and build again", w->path,
                   (long long)bytes, strerror(errno));
  return TT_OK;
}

// Appends what a molecule has in an array to the buffer; returns the end.
static char *append(char *p, const tt_molecule *m, tt_array array) {
  size_t atoms = m->atoms, bonds = m->bonds, bytes = 0;
  const void *data = NULL;
  uint16_t counts[TT_COUNT_COLUMNS] = {
      [TT_COUNT_ATOM] = (uint16_t)m->atoms,
      [TT_COUNT_BOND] = (uint16_t)m->bonds,
      [TT_COUNT_CONFORMER] = (uint16_t)m->conformers,
      [TT_COUNT_SMILES] = (uint16_t)m->smiles_length,
  };
  switch (array) {
  case TT_ATOM_FEATURE:
    tt_atoms_pack(m->atom_features, atoms, (uint32_t *)(void *)p);
    return p + atoms * sizeof(uint32_t);
  case TT_BOND_FEATURE:
    tt_bonds_pack(m->bond_features, bonds, (uint8_t *)p);
    return p + bonds;
  case TT_COUNTS:
    data = counts, bytes = sizeof counts;
    break;
  case TT_BOND_ATOM:
    data = m->bond_atoms, bytes = bonds * 2 * sizeof(uint16_t);
    break;
  case TT_COORDINATE:
    data = m->coordinates, bytes = atoms * m->conformers * 3 * sizeof(float);
    break;
  case TT_SMILES:
    data = m->smiles, bytes = m->smiles_length;
    break;
  case TT_KEY:
    data = &m->key, bytes = sizeof m->key;
    break;
  case TT_SCAFFOLD:
    data = &m->scaffold, bytes = sizeof m->scaffold;
    break;
  default:
    data = m->coordinates_2d, bytes = atoms * 3 * sizeof(float);
  }
  if (bytes) memcpy(p, data, bytes);
  return p + bytes;
}

static void count_starts(writer *w) {
  for (uint64_t c = 0; c < w->layout.chunks; c++) {
    const tt_molecule *m = w->molecules + c * TT_CHUNK;
    uint64_t *sum = w->starts[c + 1];
    memcpy(sum, w->starts[c], sizeof *w->starts);
    for (uint32_t k = tt_schema_chunk_records(w->layout.rows[TT_KEY], c); k; k--, m++) {
      sum[TT_START_ATOM] += m->atoms;
      sum[TT_START_BOND] += m->bonds;
      sum[TT_START_COORDINATE] += (uint64_t)m->conformers * m->atoms;
      sum[TT_START_SMILES] += m->smiles_length;
    }
  }
}

static tt_status put_array(writer *w, tt_array array) {
  uint64_t records = w->layout.rows[TT_KEY], at = w->layout.at[array];
  for (uint64_t c = 0; c < w->layout.chunks; c++) {
    const tt_molecule *first = w->molecules + c * TT_CHUNK;
    uint32_t count = tt_schema_chunk_records(records, c);
    uint64_t start, rows;
    tt_schema_span(&w->layout, (const uint64_t(*)[TT_STARTS])w->starts, array, c, &start, &rows);
    size_t bytes = rows * w->layout.row_bytes[array];
    TT_TRY(tt_reserve(&w->buffer, &w->capacity, bytes, 1, "a chunk of a shard"));
    char *p = w->buffer;
    for (uint32_t k = 0; k < count; k++) p = append(p, first + k, array);
    w->crcs[c * w->layout.checked + array] = tt_crc32c(0, w->buffer, bytes);
    tt_digest_add(w->digest, w->buffer, bytes);
    TT_TRY(put(w, w->buffer, bytes, at));
    at += bytes;
  }
  return TT_OK;
}

static tt_status put_all(writer *w, uint32_t number, const tt_store_info *info, tt_shard_entry *entry) {
  TT_TRY(claim(w));
  TT_TRY(tt_reserve(&w->buffer, &w->capacity, TT_SHARD_HEADER, 1, "the header of a shard"));
  TT_TRY(tt_header_make(w->path, number, entry->split, info, &w->layout, w->buffer));
  entry->header_bytes = TT_SHARD_HEADER;
  entry->header_crc = tt_crc32c(0, w->buffer, TT_SHARD_HEADER);
  TT_TRY(put(w, w->buffer, TT_SHARD_HEADER, 0));

  w->digest = tt_digest_begin();
  if (!w->digest) return tt_fail(TT_ERR_MEMORY, "out of memory: a digest");
  uint64_t starts_bytes = w->layout.bytes[TT_CHUNK_START],
           tail_bytes = starts_bytes + w->layout.bytes[TT_INDEX];
  TT_TRY(tt_alloc(&w->starts, tail_bytes, 1, "the checksums of a shard"));
  w->crcs = (uint32_t *)(void *)(w->starts + w->layout.rows[TT_CHUNK_START]);
  count_starts(w);
  for (int a = 0; a < TT_CHUNK_ARRAYS; a++)
    if (w->layout.present[a]) TT_TRY(put_array(w, a));
  tt_digest_add(w->digest, w->starts, starts_bytes);
  entry->index_crc = tt_crc32c(0, w->starts, tail_bytes);
  entry->bytes = w->layout.file_bytes;
  return put(w, w->starts, tail_bytes, w->layout.at[TT_CHUNK_START]);
}

tt_status tt_shard_write(const char *folder, uint32_t number, tt_split split, const tt_store_info *info,
                         const tt_molecule *molecules, uint64_t count, tt_shard_entry *entry) {
  char path[PATH_MAX], temporary[PATH_MAX];
  memset(entry, 0, sizeof *entry);
  snprintf(entry->file, sizeof entry->file, "shard-%05u.h5", number);
  entry->split = split;
  if (snprintf(path, sizeof path, "%s/%s", folder, entry->file) >= (int)sizeof path - 16)
    return tt_fail(TT_ERR_IO, "the path %.60s... is too long", folder);
  for (uint64_t k = 0; k < count; k++) {
    const tt_molecule *m = &molecules[k];
    const char *fault = tt_molecule_fault(m, info->coordinates_2d);
    if (fault)
      return tt_fail(TT_ERR_DATA, "%s: molecule %llu (%.*s) cannot be stored: %s", path,
                     (unsigned long long)k, m->smiles_length < 80 ? (int)m->smiles_length : 80,
                     m->smiles_length ? m->smiles : "", fault);
    tt_entry_count(entry, m);
  }

  writer w = {.path = path, .molecules = molecules};
  TT_TRY(tt_schema_layout(entry, info->coordinates_2d, &w.layout));
  tt_file_temporary(path, temporary, sizeof temporary);
  w.fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (w.fd < 0) return tt_fail(TT_ERR_IO, "cannot create %s: %s", temporary, strerror(errno));
  tt_status status = put_all(&w, number, info, entry);
  tt_digest digest = tt_digest_end(w.digest);
  memcpy(entry->digest, digest.text, sizeof digest.text);
  free(w.starts);
  free(w.buffer);
  if (close(w.fd) != 0 && status == TT_OK)
    status = tt_fail(TT_ERR_IO, "cannot write %s: %s", path, strerror(errno));
  if (status == TT_OK) return tt_file_commit(temporary, path);
  tt_file_abandon(temporary);
  return status;
}
