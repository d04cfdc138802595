// Reads an LMDB database (data format 1, as all of LMDB 0.9 writes it, 64-bit little-endian) from first to
// last entry. The format is a B+ tree of pages without checksums, whose library maps the file and follows
// whatever a page says; this reader reads pages as it needs them and checks each place before it goes there,
// so a damaged or cut file is an error and never a crash. It takes no locks: the file must not change
// meanwhile. Memory: a page for each level of the tree, and one value.
#ifndef TT_INPUT_LMDB_H
#define TT_INPUT_LMDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct tt_lmdb tt_lmdb;

// Valid until the next call.
typedef struct {
  const unsigned char *key, *value;
  size_t key_length, value_length;
} tt_lmdb_entry;

// Opens the file of a database ("subdir = False"; else DIR/data.mdb). Values longer than `longest` bytes are
// cut. TT_ERR_IO, TT_ERR_FORMAT (no LMDB file; one with several databases, or several values a key),
// TT_ERR_CORRUPT (cut short), TT_ERR_MEMORY.
tt_status tt_lmdb_open(tt_lmdb **lmdb, const char *path, size_t longest);
void tt_lmdb_close(tt_lmdb *lmdb); // fine on NULL

uint64_t tt_lmdb_entries(const tt_lmdb *lmdb);

// The next entry, in the order of the keys; *end: there is none. TT_ERR_IO, TT_ERR_CORRUPT (names the page).
tt_status tt_lmdb_next(tt_lmdb *lmdb, tt_lmdb_entry *entry, bool *end);

// Passes over `count` entries, or what is left; large values are not touched.
tt_status tt_lmdb_skip(tt_lmdb *lmdb, uint64_t count);

#endif
