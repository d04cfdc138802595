// manifest.json as a structure. Inside the store room; others use store.h.
#ifndef TT_STORE_MANIFEST_H
#define TT_STORE_MANIFEST_H

#include "core/digest.h"
#include "store/store.h"

typedef struct {
  tt_store_info info;
  tt_shard_entry *entries; // (count)
  uint32_t count;
  tt_digest digest; // of everything before it in the file
} tt_manifest;

// Reads and checks folder/manifest.json. Errors as tt_store_open's. free(entries) when done.
tt_status tt_manifest_read(const char *folder, tt_manifest *manifest);

#endif
