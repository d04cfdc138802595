#include "building/note.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/crc32c.h"
#include "core/file.h"
#include "core/memory.h"

static const char magic[8] = "TTNOTE01";

// Followed by the rejects.
typedef struct {
  char magic[8];
  uint64_t tag, rejects, reject_bytes;
  tt_shard_note note;
  uint32_t rejects_crc, crc; // crc: of all before it
} front;

tt_status tt_note_write(const char *path, uint64_t tag, const tt_shard_note *note,
                        const tt_reject_list *rejects) {
  size_t bytes = sizeof(front) + rejects->used;
  char *text;
  TT_TRY(tt_alloc(&text, bytes, 1, "the note of a shard")); // zeroed: gaps in the structure too
  front *f = (front *)(void *)text;
  memcpy(f->magic, magic, sizeof magic);
  f->tag = tag, f->rejects = rejects->count, f->reject_bytes = rejects->used;
  memcpy(&f->note, note, sizeof *note);
  f->rejects_crc = tt_crc32c(0, rejects->bytes, rejects->used);
  f->crc = tt_crc32c(0, text, offsetof(front, crc));
  if (rejects->used) memcpy(text + sizeof *f, rejects->bytes, rejects->used);
  tt_status status = tt_file_replace(path, text, bytes);
  free(text);
  return status;
}

static bool sound(const char *text, size_t bytes, uint32_t files) {
  front f;
  if (bytes < sizeof f) return false;
  memcpy(&f, text, sizeof f);
  size_t left = bytes - sizeof f;
  return memcmp(f.magic, magic, sizeof magic) == 0 && f.crc == tt_crc32c(0, text, offsetof(front, crc)) &&
         f.reject_bytes == left && f.rejects_crc == tt_crc32c(0, text + sizeof f, left) &&
         tt_rejects_sound(text + sizeof f, left, f.rejects, files) &&
         memchr(f.note.shard.file, 0, sizeof f.note.shard.file) &&
         memchr(f.note.shard.digest, 0, sizeof f.note.shard.digest) &&
         (unsigned)f.note.shard.split <= TT_VALID;
}

tt_status tt_note_read(const char *path, uint64_t tag, uint32_t files, tt_shard_note *note,
                       tt_reject_list *rejects) {
  char *text;
  size_t bytes;
  TT_TRY(tt_file_read(path, &text, &bytes));
  const front *f = (const front *)(const void *)text;
  tt_status status = TT_OK;
  if (!sound(text, bytes, files))
    status = tt_fail(TT_ERR_CORRUPT, "%s is damaged", path);
  else if (f->tag != tag)
    status = tt_fail(TT_ERR_CORRUPT, "%s is of another build", path);
  else {
    memcpy(note, &f->note, sizeof *note);
    if (rejects) {
      rejects->used = 0, rejects->count = 0;
      status = tt_reserve(&rejects->bytes, &rejects->capacity, f->reject_bytes, 1, "the rejects of a shard");
      if (status == TT_OK && f->reject_bytes) memcpy(rejects->bytes, text + sizeof *f, f->reject_bytes);
      if (status == TT_OK) rejects->used = f->reject_bytes, rejects->count = f->rejects;
    }
  }
  free(text);
  return status;
}
