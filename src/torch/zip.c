#include "torch/zip.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "core/memory.h"

enum {
  END_BYTES = 22, // end of the directory, without its comment
  END64_BYTES = 56,
  LOCATOR_BYTES = 20,
  HEADER_BYTES = 46, // of an entry in the directory, without name, extra fields and comment
  LOCAL_BYTES = 30,  // the same before its contents
  COMMENT_MOST = 65535,
  DIRECTORY_MOST = 64 << 20,
};

static uint64_t number(const unsigned char *p, int bytes) {
  uint64_t n = 0;
  for (int k = bytes; k-- > 0;) n = n << 8 | p[k];
  return n;
}

static tt_status broken(const tt_zip *z, const char *what) {
  return tt_fail(TT_ERR_CORRUPT, "%s: %s of its zip archive is broken; the file may be truncated", z->path,
                 what);
}

static tt_status read_at(const tt_zip *z, int64_t at, void *to, int64_t bytes) {
  if (at < 0 || bytes < 0 || at > z->size || bytes > z->size - at)
    return broken(z, "a place outside the file");
  for (char *p = to; bytes > 0;) {
    ssize_t n = pread(z->file, p, (size_t)bytes, at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return tt_fail(TT_ERR_IO, "cannot read %s: %s", z->path, strerror(errno));
    if (n == 0) return tt_fail(TT_ERR_IO, "%s became shorter while it was read", z->path);
    p += n, at += n, bytes -= n;
  }
  return TT_OK;
}

typedef struct {
  int64_t at, bytes, entries;
} directory_place;

// The record at the file's end that says where the directory is.
static tt_status find_directory(const tt_zip *z, directory_place *d) {
  const int64_t most = END_BYTES + COMMENT_MOST, tail = z->size < most ? z->size : most;
  unsigned char *text = malloc((size_t)tail + 1), far[END64_BYTES];
  if (!text) return tt_fail(TT_ERR_MEMORY, "out of memory reading %s", z->path);
  tt_status status = read_at(z, z->size - tail, text, tail);
  int64_t end = tail - END_BYTES;
  while (status == TT_OK && end >= 0 && memcmp(text + end, "PK\5\6", 4) != 0) end--;
  if (status == TT_OK && end < 0)
    status = tt_fail(TT_ERR_CORRUPT, "%s: its zip archive has no end; the file is truncated", z->path);
  if (status == TT_OK) {
    const unsigned char *e = text + end;
    *d =
        (directory_place){(int64_t)number(e + 16, 4), (int64_t)number(e + 12, 4), (int64_t)number(e + 10, 2)};
    const unsigned char *locator = e - LOCATOR_BYTES;
    // a second record with room for larger numbers
    if (end >= LOCATOR_BYTES && memcmp(locator, "PK\6\7", 4) == 0) {
      status = read_at(z, (int64_t)number(locator + 8, 8), far, END64_BYTES);
      if (status == TT_OK && memcmp(far, "PK\6\6", 4) != 0) status = broken(z, "the end");
      if (status == TT_OK)
        *d = (directory_place){(int64_t)number(far + 48, 8), (int64_t)number(far + 40, 8),
                               (int64_t)number(far + 32, 8)};
    }
  }
  free(text);
  return status;
}

// Sizes and places beyond 32 bits stand in an extra field, those that are needed only, in this order.
static void use_large(const unsigned char *extra, int bytes, uint64_t *whole, uint64_t *stored,
                      uint64_t *at) {
  uint64_t *const values[] = {whole, stored, at};
  while (bytes >= 4) {
    int length = (int)number(extra + 2, 2), used = 0;
    if (length > bytes - 4) return;
    for (int k = 0; k < 3 && number(extra, 2) == 1; k++)
      if (*values[k] == 0xffffffff && used + 8 <= length) *values[k] = number(extra + 4 + used, 8), used += 8;
    extra += 4 + length, bytes -= 4 + length;
  }
}

// The contents begin behind a second header, whose length only it says.
static tt_status find_contents(const tt_zip *z, tt_zip_entry *e, uint64_t header) {
  unsigned char local[LOCAL_BYTES];
  if (header > (uint64_t)z->size || e->bytes < 0) return broken(z, "the directory");
  TT_TRY(read_at(z, (int64_t)header, local, LOCAL_BYTES));
  if (memcmp(local, "PK\3\4", 4) != 0) return broken(z, "the directory");
  e->at = (int64_t)header + LOCAL_BYTES + (int64_t)(number(local + 26, 2) + number(local + 28, 2));
  return e->at > z->size || e->bytes > z->size - e->at ? broken(z, "the directory") : TT_OK;
}

static tt_status read_entries(tt_zip *z, const directory_place *d) {
  if (d->bytes < 0 || d->bytes > DIRECTORY_MOST || d->entries < 0 || d->entries > d->bytes / HEADER_BYTES)
    return broken(z, "the directory");
  TT_TRY(tt_alloc(&z->directory, (size_t)d->bytes + 1, 1, "the directory of a zip archive"));
  TT_TRY(tt_alloc(&z->entry, (size_t)d->entries + 1, sizeof *z->entry, "the directory of a zip archive"));
  TT_TRY(read_at(z, d->at, z->directory, d->bytes));
  char *p = z->directory, *end = p + d->bytes;
  for (; z->count < d->entries; z->count++) {
    unsigned char *h = (unsigned char *)p;
    if (end - p < HEADER_BYTES || memcmp(h, "PK\1\2", 4) != 0) return broken(z, "the directory");
    int name = (int)number(h + 28, 2), extra = (int)number(h + 30, 2), comment = (int)number(h + 32, 2);
    if (end - p < HEADER_BYTES + name + extra + comment) return broken(z, "the directory");
    uint64_t stored = number(h + 20, 4), whole = number(h + 24, 4), at = number(h + 42, 4);
    use_large(h + HEADER_BYTES + name, extra, &whole, &stored, &at);
    tt_zip_entry *e = &z->entry[z->count];
    *e = (tt_zip_entry){.name = p, .bytes = (int64_t)stored, .crc = (uint32_t)number(h + 16, 4)};
    e->packed = number(h + 10, 2) != 0 || (number(h + 8, 2) & 1) || stored != whole;
    TT_TRY(find_contents(z, e, at));
    memmove(p, p + HEADER_BYTES, (size_t)name); // over the header that was just read: room for a final 0
    p[name] = 0;
    p += HEADER_BYTES + name + extra + comment;
  }
  return TT_OK;
}

static tt_status open_all(tt_zip *z) {
  struct stat s;
  char start[4] = "";
  if ((z->file = open(z->path, O_RDONLY | O_CLOEXEC)) < 0 || fstat(z->file, &s) != 0)
    return tt_fail(TT_ERR_IO, "cannot open %s: %s", z->path, strerror(errno));
  if (!S_ISREG(s.st_mode)) return tt_fail(TT_ERR_IO, "%s is not a file", z->path);
  z->size = s.st_size;
  if (z->size >= 4) TT_TRY(read_at(z, 0, start, 4));
  if (memcmp(start, "PK\3\4", 4) != 0) return tt_fail(TT_ERR_FORMAT, "%s is no zip archive", z->path);
  directory_place d = {0};
  TT_TRY(find_directory(z, &d));
  return read_entries(z, &d);
}

tt_status tt_zip_open(const char *path, tt_zip *zip) {
  *zip = (tt_zip){.file = -1, .path = strdup(path)};
  tt_status status = zip->path ? open_all(zip) : tt_fail(TT_ERR_MEMORY, "out of memory opening %s", path);
  if (status != TT_OK) tt_zip_close(zip);
  return status;
}

void tt_zip_close(tt_zip *z) {
  if (z->path && z->file >= 0) close(z->file);
  free(z->path), free(z->directory), free(z->entry);
  *z = (tt_zip){.file = -1};
}

tt_zip_entry *tt_zip_find(const tt_zip *z, const char *name) {
  for (int k = 0; k < z->count; k++)
    if (strcmp(z->entry[k].name, name) == 0) return &z->entry[k];
  return NULL;
}

tt_status tt_zip_check(const tt_zip *z, tt_zip_entry *e) {
  enum { PIECE = 1 << 20 };
  if (e->checked) return TT_OK;
  if (e->packed)
    return tt_fail(TT_ERR_UNSUPPORTED,
                   "%s: its entry %s is compressed, which torch.save never does; unpack the "
                   "archive and pack it with 'zip -0'",
                   z->path, e->name);
  unsigned char *piece = malloc(PIECE);
  tt_status status = piece ? TT_OK : tt_fail(TT_ERR_MEMORY, "out of memory reading %s", z->path);
  uLong crc = crc32(0, NULL, 0);
  for (int64_t from = 0; from < e->bytes && status == TT_OK; from += PIECE) {
    int64_t n = e->bytes - from < PIECE ? e->bytes - from : PIECE;
    status = tt_zip_read(z, e, from, piece, n);
    if (status == TT_OK) crc = crc32(crc, piece, (uInt)n);
  }
  free(piece);
  if (status == TT_OK && crc != e->crc)
    status =
        tt_fail(TT_ERR_CORRUPT, "%s: its entry %s is damaged (CRC %08lx, not %08lx); fetch the file again",
                z->path, e->name, crc, (unsigned long)e->crc);
  e->checked = status == TT_OK;
  return status;
}

tt_status tt_zip_read(const tt_zip *z, const tt_zip_entry *e, int64_t from, void *to, int64_t bytes) {
  if (from < 0 || bytes < 0 || from > e->bytes || bytes > e->bytes - from)
    return tt_fail(TT_ERR_CORRUPT, "%s: its entry %s is shorter than its tensors", z->path, e->name);
  return read_at(z, e->at + from, to, bytes);
}
