// Reads a zip archive whose entries are stored, not compressed: what torch.save writes (PKWARE's APPNOTE 6.3,
// with its 64-bit extension). Nothing in the file is believed: every place is checked against its size.
#ifndef TT_TORCH_ZIP_H
#define TT_TORCH_ZIP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

typedef struct {
  const char *name; // 0-terminated; lies in the archive's directory
  int64_t at;       // byte in the file where the entry's contents begin
  int64_t bytes;
  uint32_t crc; // CRC-32 of the contents
  bool packed;  // compressed or encrypted: cannot be read
  bool checked; // its CRC has been found right
} tt_zip_entry;

typedef struct {
  int file;
  int64_t size; // of the file
  char *path, *directory;
  int count;
  tt_zip_entry *entry; // (count)
} tt_zip;

// Opens an archive and reads its directory. TT_ERR_IO; TT_ERR_FORMAT when it is no zip archive;
// TT_ERR_CORRUPT when its directory is broken. Close with tt_zip_close (also after a failure: no-op).
tt_status tt_zip_open(const char *path, tt_zip *zip);
void tt_zip_close(tt_zip *zip);

// The entry of this name, or NULL.
tt_zip_entry *tt_zip_find(const tt_zip *zip, const char *name);

// Compares the entry's contents with its CRC, once. TT_ERR_CORRUPT, TT_ERR_IO, TT_ERR_UNSUPPORTED (packed).
tt_status tt_zip_check(const tt_zip *zip, tt_zip_entry *entry);

// Bytes `from` ... `from + bytes - 1` of an entry's contents, which must be inside it. TT_ERR_IO.
tt_status tt_zip_read(const tt_zip *zip, const tt_zip_entry *entry, int64_t from, void *to, int64_t bytes);

#endif
