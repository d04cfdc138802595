// Opening shards: each check that can be done once a file, and the cache of open files.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/crc32c.h"
#include "core/memory.h"
#include "core/position.h"
#include "store/reader.h"

void tt_store_path(const tt_store *store, uint32_t shard, char path[PATH_MAX]) {
  // the length was checked when the store was opened
  if (snprintf(path, PATH_MAX, "%s/%s", store->folder, store->manifest.entries[shard].file) >= PATH_MAX)
    path[0] = 0;
}

tt_status tt_read_at(int fd, const char *path, void *data, uint64_t bytes, uint64_t at) {
  TT_READING(path);
  char *p = data;
  while (bytes) {
    ssize_t n = pread(fd, p, bytes, (off_t)at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return tt_fail(TT_ERR_IO, "cannot read %s: %s", path, strerror(errno));
    if (n == 0)
      return tt_fail(TT_ERR_CORRUPT, "%s ends at byte %llu: it was cut; " TT_SHARD_REMEDY, path,
                     (unsigned long long)at);
    p += n, bytes -= (uint64_t)n, at += (uint64_t)n;
  }
  return TT_OK;
}

void tt_shard_shut(tt_open_shard *open) {
  if (open->fd >= 0) close(open->fd);
  free(open->starts);
  open->fd = -1, open->starts = NULL, open->crcs = NULL;
}

void tt_store_forget(tt_store *store, uint32_t shard) {
  for (int k = 0; k < TT_OPEN_SHARDS; k++)
    if (store->open[k].fd >= 0 && store->open[k].shard == shard) tt_shard_shut(&store->open[k]);
  store->checked[shard] = false;
}

// Reading needs nothing of the header, but a shard of another store or a damaged one is best refused at once.
static tt_status check_header(const tt_store *store, const char *path, const tt_open_shard *open) {
  char header[TT_SHARD_HEADER];
  TT_TRY(tt_read_at(open->fd, path, header, sizeof header, 0));
  if (tt_crc32c(0, header, sizeof header) != store->manifest.entries[open->shard].header_crc)
    return tt_fail(TT_ERR_CORRUPT,
                   "%s: its header is not the one in the manifest: the file is damaged or of another "
                   "store; " TT_SHARD_REMEDY,
                   path);
  return TT_OK;
}

// The chunk starts begin at 0, never fall and end at the arrays' lengths, so that every chunk lies in its
// arrays. (A right CRC says that the writer meant them, not that the writer was right.)
static bool starts_sound(const tt_open_shard *open) {
  static const tt_array target[TT_STARTS] = {TT_ATOM_FEATURE, TT_BOND_ATOM, TT_COORDINATE, TT_SMILES};
  const tt_shard_layout *layout = &open->layout;
  for (int k = 0; k < TT_STARTS; k++) {
    if (open->starts[0][k] != 0 || open->starts[layout->chunks][k] != layout->rows[target[k]]) return false;
    for (uint64_t c = 0; c < layout->chunks; c++)
      if (open->starts[c + 1][k] < open->starts[c][k]) return false;
  }
  return true;
}

// Chunk starts and index: neighbours in the file, read as one piece under one CRC.
static tt_status read_index(const tt_store *store, const char *path, tt_open_shard *open) {
  const tt_shard_layout *layout = &open->layout;
  uint64_t bytes = layout->bytes[TT_CHUNK_START] + layout->bytes[TT_INDEX];
  TT_TRY(tt_alloc(&open->starts, bytes, 1, "the checksums of a shard"));
  open->crcs = (const uint32_t *)(const void *)(open->starts + layout->rows[TT_CHUNK_START]);
  TT_TRY(tt_read_at(open->fd, path, open->starts, bytes, layout->at[TT_CHUNK_START]));
  if (tt_crc32c(0, open->starts, bytes) != store->manifest.entries[open->shard].index_crc)
    return tt_fail(
        TT_ERR_CORRUPT,
        "%s: its table of chunks and checksums is not the one in the manifest: the file is damaged "
        "or of another store; " TT_SHARD_REMEDY,
        path);
  if (!starts_sound(open))
    return tt_fail(TT_ERR_CORRUPT, "%s: its chunk starts are impossible; " TT_SHARD_REMEDY, path);
  return TT_OK;
}

// The file, open, if it is there and has the size that the manifest says; else *fd is -1.
static tt_status open_file(const char *path, const tt_shard_entry *entry, int *fd) {
  TT_READING(path);
  *fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  if (*fd < 0)
    return tt_fail(TT_ERR_IO, "cannot open %s: %s; %s", path, strerror(errno),
                   errno == EMFILE || errno == ENFILE ? "allow more open files (ulimit -n)"
                                                      : TT_SHARD_REMEDY);
  struct stat s;
  tt_status status = TT_OK;
  if (fstat(*fd, &s) != 0)
    status = tt_fail(TT_ERR_IO, "cannot read %s: %s", path, strerror(errno));
  else if ((uint64_t)s.st_size != entry->bytes)
    status = tt_fail(
        TT_ERR_CORRUPT,
        "%s has %lld bytes instead of %llu: it was cut, damaged or is of another store; " TT_SHARD_REMEDY,
        path, (long long)s.st_size, (unsigned long long)entry->bytes);
  if (status != TT_OK) close(*fd), *fd = -1;
  return status;
}

tt_status tt_store_find_shard(const tt_store *store, uint32_t shard) {
  char path[PATH_MAX];
  int fd;
  tt_store_path(store, shard, path);
  TT_TRY(open_file(path, &store->manifest.entries[shard], &fd));
  close(fd);
  return TT_OK;
}

static tt_status open_shard(tt_store *store, const char *path, tt_open_shard *open) {
  const tt_shard_entry *entry = &store->manifest.entries[open->shard];
  TT_TRY(tt_schema_layout(entry, store->manifest.info.coordinates_2d, &open->layout));
  TT_TRY(open_file(path, entry, &open->fd));
  if (entry->bytes != open->layout.file_bytes)
    return tt_fail(
        TT_ERR_CORRUPT,
        "%s has %llu bytes instead of the %llu that its counts in the manifest make: one of the two "
        "is damaged; " TT_SHARD_REMEDY,
        path, (unsigned long long)entry->bytes, (unsigned long long)open->layout.file_bytes);
  if (!store->checked[open->shard]) TT_TRY(check_header(store, path, open));
  store->checked[open->shard] = true;
  return read_index(store, path, open);
}

tt_status tt_store_use(tt_store *store, uint32_t shard, tt_open_shard **open) {
  tt_open_shard *oldest = &store->open[0];
  for (int k = 0; k < TT_OPEN_SHARDS; k++) {
    tt_open_shard *o = &store->open[k];
    if (o->fd >= 0 && o->shard == shard) {
      o->used = ++store->clock;
      *open = o;
      return TT_OK;
    }
    if (o->fd < 0) o->used = 0;
    if (o->used < oldest->used) oldest = o;
  }
  tt_shard_shut(oldest);
  char path[PATH_MAX];
  tt_store_path(store, shard, path);
  oldest->shard = shard;
  tt_status status = open_shard(store, path, oldest);
  if (status != TT_OK) {
    tt_shard_shut(oldest);
    return status;
  }
  oldest->used = ++store->clock;
  *open = oldest;
  return TT_OK;
}
