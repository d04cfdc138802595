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
#include "store/header.h"
#include "store/schema.h"
#include "store/store.h"

typedef struct {
  const char *path; // final name, for messages
  int fd;
  const tt_molecule *molecules;
  tt_shard_layout layout;
  tt_digest_state *digest;
  uint32_t *index; // (chunks, checked)
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

static uint64_t table_step(const tt_molecule *m, tt_array table) {
  switch (table) {
  case TT_ATOM_OFFSET:
    return m->atoms;
  case TT_BOND_OFFSET:
    return m->bonds;
  case TT_CONFORMER_OFFSET:
    return m->conformers;
  case TT_COORDINATE_OFFSET:
    return (uint64_t)m->conformers * m->atoms;
  default:
    return m->smiles_length;
  }
}

// The bytes of one molecule in an array that is no offset table.
static const void *part(const tt_molecule *m, tt_array array, size_t *bytes) {
  size_t atoms = m->atoms, bonds = m->bonds;
  switch (array) {
  case TT_ATOM_FEATURE:
    return *bytes = atoms * TT_ATOM_FEATURES, m->atom_features;
  case TT_BOND_ATOM:
    return *bytes = bonds * 2 * sizeof(uint16_t), m->bond_atoms;
  case TT_BOND_FEATURE:
    return *bytes = bonds * TT_BOND_FEATURES, m->bond_features;
  case TT_COORDINATE:
    return *bytes = atoms * m->conformers * 3 * sizeof(float), m->coordinates;
  case TT_SMILES:
    return *bytes = m->smiles_length, m->smiles;
  case TT_KEY:
    return *bytes = sizeof m->key, &m->key;
  case TT_SCAFFOLD:
    return *bytes = sizeof m->scaffold, &m->scaffold;
  default:
    return *bytes = atoms * 3 * sizeof(float), m->coordinates_2d;
  }
}

static tt_status put_table(writer *w, tt_array array) {
  uint64_t records = w->layout.rows[TT_KEY], bytes = w->layout.bytes[array];
  TT_TRY(tt_reserve(&w->buffer, &w->capacity, bytes, 1, "the offsets of a shard"));
  uint64_t *table = (uint64_t *)(void *)w->buffer;
  table[0] = 0;
  for (uint64_t r = 0; r < records; r++) table[r + 1] = table[r] + table_step(&w->molecules[r], array);
  for (uint64_t c = 0; c < w->layout.chunks; c++) {
    size_t entries = tt_schema_chunk_records(records, c) + (size_t)1; // the end of its last record too
    w->index[c * w->layout.checked + array] = tt_crc32c(0, table + c * TT_CHUNK, entries * sizeof *table);
  }
  tt_digest_add(w->digest, table, bytes);
  return put(w, table, bytes, w->layout.at[array]);
}

static tt_status put_array(writer *w, tt_array array) {
  uint64_t records = w->layout.rows[TT_KEY], at = w->layout.at[array];
  for (uint64_t c = 0; c < w->layout.chunks; c++) {
    const tt_molecule *first = w->molecules + c * TT_CHUNK;
    uint32_t count = tt_schema_chunk_records(records, c);
    size_t bytes = 0, one;
    for (uint32_t k = 0; k < count; k++) part(first + k, array, &one), bytes += one;
    TT_TRY(tt_reserve(&w->buffer, &w->capacity, bytes, 1, "a chunk of a shard"));
    char *p = w->buffer;
    for (uint32_t k = 0; k < count; k++) {
      const void *data = part(first + k, array, &one);
      if (one) memcpy(p, data, one), p += one;
    }
    w->index[c * w->layout.checked + array] = tt_crc32c(0, w->buffer, bytes);
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
  TT_TRY(tt_alloc(&w->index, w->layout.bytes[TT_INDEX], 1, "the checksums of a shard"));
  for (int a = 0; a < TT_INDEX; a++)
    if (w->layout.present[a]) TT_TRY(a < TT_OFFSET_TABLES ? put_table(w, a) : put_array(w, a));
  entry->index_crc = tt_crc32c(0, w->index, w->layout.bytes[TT_INDEX]);
  entry->bytes = w->layout.file_bytes;
  return put(w, w->index, w->layout.bytes[TT_INDEX], w->layout.at[TT_INDEX]);
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
  free(w.index);
  free(w.buffer);
  if (close(w.fd) != 0 && status == TT_OK)
    status = tt_fail(TT_ERR_IO, "cannot write %s: %s", path, strerror(errno));
  if (status == TT_OK) return tt_file_commit(temporary, path);
  tt_file_abandon(temporary);
  return status;
}
