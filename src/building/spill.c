#include "building/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/crc32c.h"
#include "core/file.h"
#include "core/memory.h"

enum { SEGMENT = 1 << 16 }; // bytes, and what the last entry has beyond

static const char magic[8] = "TTSPILL1";

typedef struct {
  char magic[8];
  uint64_t tag, records, entries, blocks, rejects, reject_bytes, data_bytes, segments[2];
  uint32_t index_crc, blocks_crc, rejects_crc, crc; // crc: of all before it
} header;
_Static_assert(sizeof(header) == 96 && sizeof(tt_segment) == 24 && sizeof(tt_block) == 16, "no gaps");

// ---- writing
// --------------------------------------------------------------------------------------------------

typedef struct {
  FILE *file;
  header head;
  tt_segment *index, segment; // segment: the one being filled
  size_t count, room;
} writer;

static tt_status end_segment(writer *w, tt_split split) {
  if (!w->segment.bytes) return TT_OK;
  TT_TRY(tt_reserve(&w->index, &w->room, w->count + 1, sizeof *w->index, "the index of a spill"));
  w->index[w->count++] = w->segment;
  w->head.segments[split]++;
  w->head.data_bytes += w->segment.bytes;
  w->segment = (tt_segment){0};
  return TT_OK;
}

static tt_status put_entries(writer *w, const tt_shard_plan *plan, const tt_entry **sorted, uint64_t count) {
  tt_split split = TT_TRAIN;
  for (uint64_t k = 0; k < count; k++) {
    tt_split next = tt_plan_split(plan, sorted[k]->key);
    if (next != split || w->segment.bytes >= SEGMENT) TT_TRY(end_segment(w, split));
    split = next;
    size_t bytes = tt_entry_bytes(sorted[k]);
    if (bytes > UINT32_MAX - SEGMENT)
      return tt_fail(TT_ERR_DATA, "a record of %zu bytes is too large", bytes);
    if (!w->segment.bytes)
      w->segment = (tt_segment){.key = sorted[k]->key, .at = sizeof w->head + w->head.data_bytes};
    fwrite(sorted[k], 1, bytes, w->file); // errors stay until the end
    w->segment.crc = tt_crc32c(w->segment.crc, sorted[k], bytes);
    w->segment.bytes += (uint32_t)bytes;
  }
  return end_segment(w, split);
}

static uint32_t put_part(writer *w, const void *data, size_t bytes) {
  if (bytes) fwrite(data, 1, bytes, w->file);
  return tt_crc32c(0, data, bytes);
}

static tt_status put_all(writer *w, uint64_t tag, const tt_shard_plan *plan, tt_spill_content *content) {
  const tt_entry **sorted = NULL;
  tt_status status = tt_rejects_sort(&content->rejects);
  if (status == TT_OK) status = tt_entries_sort(plan, &content->entries, &sorted);
  w->head = (header){.tag = tag,
                     .records = content->records,
                     .entries = content->entries.count,
                     .blocks = content->block_count,
                     .rejects = content->rejects.count,
                     .reject_bytes = content->rejects.used};
  memcpy(w->head.magic, magic, sizeof magic);
  fwrite(&w->head, sizeof w->head, 1, w->file); // its place
  if (status == TT_OK) status = put_entries(w, plan, sorted, content->entries.count);
  free(sorted);
  if (status != TT_OK) return status;
  w->head.index_crc = put_part(w, w->index, w->count * sizeof *w->index);
  w->head.blocks_crc = put_part(w, content->blocks, content->block_count * sizeof *content->blocks);
  w->head.rejects_crc = put_part(w, content->rejects.bytes, content->rejects.used);
  w->head.crc = tt_crc32c(0, &w->head, offsetof(header, crc));
  if (fseek(w->file, 0, SEEK_SET) == 0) fwrite(&w->head, sizeof w->head, 1, w->file);
  return TT_OK;
}

tt_status tt_spill_write(const char *path, uint64_t tag, const tt_shard_plan *plan,
                         tt_spill_content *content) {
  char temporary[PATH_MAX];
  tt_file_temporary(path, temporary, sizeof temporary);
  writer w = {.file = fopen(temporary, "wb")};
  if (!w.file) return tt_fail(TT_ERR_IO, "cannot create %s: %s", temporary, strerror(errno));
  errno = 0;
  tt_status status = put_all(&w, tag, plan, content);
  int failed = ferror(w.file), why = errno;
  if (fclose(w.file) != 0 && !failed) failed = 1, why = errno;
  free(w.index);
  if (status == TT_OK && failed)
    status = tt_fail(TT_ERR_IO, "cannot write %s: %s", path, strerror(why ? why : EIO));
  if (status != TT_OK) {
    tt_file_abandon(temporary);
    return status;
  }
  TT_TRY(tt_file_commit(temporary, path));
  content->records = content->entries.count = content->rejects.count = 0;
  content->entries.used = content->rejects.used = content->block_count = 0;
  return TT_OK;
}

void tt_spill_content_free(tt_spill_content *content) {
  tt_entries_free(&content->entries), tt_rejects_free(&content->rejects), free(content->blocks);
  *content = (tt_spill_content){0};
}

// ---- reading
// --------------------------------------------------------------------------------------------------

static tt_status damaged(const char *path, const char *what) {
  return tt_fail(TT_ERR_CORRUPT, "%s is damaged: %s", path, what);
}

// Reads a part whose checksum is known.
static tt_status get(int fd, const char *path, uint64_t at, void *data, uint64_t bytes, uint32_t crc,
                     const char *what) {
  char *p = data;
  for (uint64_t left = bytes; left;) {
    ssize_t n = pread(fd, p, left, (off_t)(at + bytes - left));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return tt_fail(TT_ERR_IO, "cannot read %s: %s", path, strerror(errno));
    if (n == 0) return damaged(path, "it is cut short");
    p += n, left -= (uint64_t)n;
  }
  return tt_crc32c(0, data, bytes) == crc ? TT_OK : damaged(path, what);
}

static int open_file(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) tt_fail(TT_ERR_IO, "cannot open %s: %s", path, strerror(errno));
  return fd;
}

// Takes `bytes` off what is left of a file.
static bool fits(uint64_t *left, uint64_t count, uint64_t size) {
  if (count > *left / size) return false;
  *left -= count * size;
  return true;
}

static tt_status read_header(tt_spill *s, int fd, uint64_t tag, header *h) {
  struct stat file;
  if (fstat(fd, &file) != 0) return tt_fail(TT_ERR_IO, "cannot read %s: %s", s->path, strerror(errno));
  uint64_t left = (uint64_t)file.st_size;
  if (!fits(&left, 1, sizeof *h)) return damaged(s->path, "it is cut short");
  for (ssize_t n = 0, got = 0; got < (ssize_t)sizeof *h; got += n)
    if ((n = pread(fd, (char *)h + got, sizeof *h - (size_t)got, got)) <= 0)
      return tt_fail(TT_ERR_IO, "cannot read %s: %s", s->path, strerror(errno));
  if (memcmp(h->magic, magic, sizeof magic) != 0 || h->crc != tt_crc32c(0, h, offsetof(header, crc)))
    return damaged(s->path, "its header");
  if (h->tag != tag) return tt_fail(TT_ERR_CORRUPT, "%s is of another build", s->path);
  if (!fits(&left, h->data_bytes, 1) || !fits(&left, h->segments[0], sizeof(tt_segment)) ||
      !fits(&left, h->segments[1], sizeof(tt_segment)) || !fits(&left, h->blocks, sizeof(tt_block)) ||
      !fits(&left, h->reject_bytes, 1) || left)
    return damaged(s->path, "its size is not what its header says");
  return TT_OK;
}

// The segments follow each other without gaps, and keys ascend within a split.
static bool index_sound(const tt_spill *s) {
  uint64_t at = sizeof(header), count = s->segments[TT_TRAIN] + s->segments[TT_VALID];
  for (uint64_t k = 0; k < count; at += s->index[k++].bytes)
    if (s->index[k].at != at || s->index[k].bytes < sizeof(tt_entry) ||
        (k && k != s->segments[TT_TRAIN] && s->index[k].key < s->index[k - 1].key))
      return false;
  return at == s->data_end;
}

tt_status tt_spill_open(tt_spill *s, const char *path, uint64_t tag, uint32_t files) {
  *s = (tt_spill){.path = strdup(path), .files = files};
  if (!s->path) return tt_fail(TT_ERR_MEMORY, "out of memory: %s", path);
  int fd = open_file(path);
  header h;
  tt_status status = fd < 0 ? TT_ERR_IO : read_header(s, fd, tag, &h);
  if (status == TT_OK) {
    s->records = h.records, s->entries = h.entries, s->blocks = h.blocks, s->rejects = h.rejects;
    s->reject_bytes = h.reject_bytes, s->data_end = sizeof h + h.data_bytes;
    s->segments[0] = h.segments[0], s->segments[1] = h.segments[1];
    s->blocks_crc = h.blocks_crc, s->rejects_crc = h.rejects_crc;
    uint64_t count = h.segments[0] + h.segments[1];
    status = tt_alloc(&s->index, count, sizeof *s->index, "the index of a spill");
    if (status == TT_OK)
      status = get(fd, path, s->data_end, s->index, count * sizeof *s->index, h.index_crc, "its index");
    if (status == TT_OK && !index_sound(s)) status = damaged(path, "its index");
  }
  if (fd >= 0) close(fd);
  if (status != TT_OK) tt_spill_close(s);
  return status;
}

void tt_spill_close(tt_spill *s) {
  free(s->path), free(s->index);
  *s = (tt_spill){0};
}

// Adds what of a segment's entries is in the range.
static tt_status take(const tt_spill *s, const char *bytes, size_t size, uint64_t first, uint64_t last,
                      tt_entry_list *list) {
  for (size_t at = 0; at < size;) {
    const tt_entry *e = (const tt_entry *)(const void *)(bytes + at);
    if (!tt_entry_sound(e, size - at, s->files)) return damaged(s->path, "an entry");
    if (e->key >= first && e->key <= last) TT_TRY(tt_entries_append(list, e));
    at += tt_entry_bytes(e);
  }
  return TT_OK;
}

tt_status tt_spill_range(const tt_spill *s, tt_split split, uint64_t first, uint64_t last,
                         tt_entry_list *list) {
  const tt_segment *index = s->index + (split == TT_VALID ? s->segments[TT_TRAIN] : 0);
  uint64_t low = 0, high = s->segments[split]; // the first segment that begins in the range or beyond
  while (low < high) {
    uint64_t middle = low + (high - low) / 2;
    if (index[middle].key < first)
      low = middle + 1;
    else
      high = middle;
  }
  if (low) low--; // the one before may reach into it
  if (low == s->segments[split] || index[low].key > last) return TT_OK;
  int fd = open_file(s->path);
  if (fd < 0) return TT_ERR_IO;
  tt_status status = TT_OK;
  char *bytes = NULL;
  size_t room = 0;
  for (uint64_t k = low; status == TT_OK && k < s->segments[split] && index[k].key <= last; k++) {
    status = tt_reserve(&bytes, &room, index[k].bytes, 1, "a segment of a spill");
    if (status == TT_OK)
      status = get(fd, s->path, index[k].at, bytes, index[k].bytes, index[k].crc, "a segment of it");
    if (status == TT_OK) status = take(s, bytes, index[k].bytes, first, last, list);
  }
  free(bytes);
  close(fd);
  return status;
}

static uint64_t blocks_at(const tt_spill *s) {
  return s->data_end + (s->segments[0] + s->segments[1]) * sizeof *s->index;
}

static tt_status read_part(const tt_spill *s, uint64_t at, void *data, uint64_t bytes, uint32_t crc,
                           const char *what) {
  int fd = open_file(s->path);
  if (fd < 0) return TT_ERR_IO;
  tt_status status = get(fd, s->path, at, data, bytes, crc, what);
  close(fd);
  return status;
}

tt_status tt_spill_blocks(const tt_spill *s, tt_block **blocks) {
  TT_TRY(tt_alloc(blocks, s->blocks, sizeof **blocks, "the blocks of a spill"));
  tt_status status =
      read_part(s, blocks_at(s), *blocks, s->blocks * sizeof **blocks, s->blocks_crc, "its list of blocks");
  for (uint64_t k = 0; status == TT_OK && k < s->blocks; k++)
    if ((*blocks)[k].file >= s->files || (*blocks)[k].block >> 48)
      status = damaged(s->path, "its list of blocks");
  if (status != TT_OK) free(*blocks), *blocks = NULL;
  return status;
}

tt_status tt_spill_rejects(const tt_spill *s, tt_reject_list *list) {
  list->used = 0, list->count = 0;
  TT_TRY(tt_reserve(&list->bytes, &list->capacity, s->reject_bytes, 1, "the rejects of a spill"));
  TT_TRY(read_part(s, blocks_at(s) + s->blocks * sizeof(tt_block), list->bytes, s->reject_bytes,
                   s->rejects_crc, "its list of rejects"));
  if (!tt_rejects_sound(list->bytes, s->reject_bytes, s->rejects, s->files))
    return damaged(s->path, "its list of rejects");
  list->used = s->reject_bytes, list->count = s->rejects;
  return TT_OK;
}
