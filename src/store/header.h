// The HDF5 part of a shard file: making and checking the first bytes, in which HDF5 describes the arrays. The
// arrays' own bytes never go through HDF5: pwrite and pread move them. Reading a store calls nothing here.
#ifndef TT_STORE_HEADER_H
#define TT_STORE_HEADER_H

#include "store/schema.h"

// Fills header (TT_SHARD_HEADER bytes) for a file with that layout. `path` only for messages.
// Touches no file. Errors: TT_ERR_IO, TT_ERR_UNSUPPORTED (an HDF5 library that lays files out otherwise).
tt_status tt_header_make(const char *path, uint32_t number, tt_split split, const tt_store_info *info,
                         const tt_shard_layout *layout, void *header);

// Opens the file with HDF5 and compares its attributes and the types, shapes and places of its datasets with
// the layout. For verification only: reading follows the layout. HDF5 may crash on a damaged header, so its
// CRC must have been found right before. Errors: TT_ERR_FORMAT.
tt_status tt_header_check(const char *path, uint32_t number, const tt_store_info *info,
                          const tt_shard_layout *layout);

#endif
