// Everything in a store against every checksum, and HDF5's view of its shards against the layout.
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/memory.h"
#include "store/header.h"
#include "store/reader.h"

static tt_status check_digest(const tt_open_shard *open, const char *path, const tt_shard_entry *entry) {
  enum { PIECE = 1 << 20 };
  char *piece;
  TT_TRY(tt_alloc(&piece, PIECE, 1, "verification"));
  tt_digest_state *state = tt_digest_begin();
  tt_status status = state ? TT_OK : tt_fail(TT_ERR_MEMORY, "out of memory: a digest");
  for (int a = 0; a < TT_INDEX && status == TT_OK; a++) {
    uint64_t at = open->layout.at[a], left = open->layout.present[a] ? open->layout.bytes[a] : 0;
    while (left && status == TT_OK) {
      uint64_t bytes = left < PIECE ? left : PIECE;
      status = tt_read_at(open->fd, path, piece, bytes, at);
      tt_digest_add(state, piece, bytes);
      at += bytes, left -= bytes;
    }
  }
  tt_digest digest = tt_digest_end(state);
  free(piece);
  TT_TRY(status);
  if (strcmp(digest.text, entry->digest) != 0)
    return tt_fail(
        TT_ERR_CORRUPT,
        "%s: its arrays have not the digest in the manifest: the file is damaged; " TT_SHARD_REMEDY, path);
  return TT_OK;
}

static bool same_counts(const tt_shard_entry *a, const tt_shard_entry *b) {
  return a->records == b->records && a->conformers == b->conformers && a->atoms == b->atoms &&
         a->bonds == b->bonds && a->pairs == b->pairs && a->coordinate_rows == b->coordinate_rows &&
         a->smiles_bytes == b->smiles_bytes && a->shortest == b->shortest && a->longest == b->longest &&
         memcmp(a->lengths, b->lengths, sizeof a->lengths) == 0;
}

// Each chunk's checksums and structure, and that the counts in the manifest are those of the molecules.
static tt_status check_chunks(const tt_open_shard *open, const char *path, const tt_shard_entry *entry) {
  tt_molecule *molecules;
  TT_TRY(tt_alloc(&molecules, TT_CHUNK, sizeof *molecules, "verification"));
  tt_block block = {0};
  tt_shard_entry counted = {0};
  tt_status status = TT_OK;
  for (uint64_t c = 0; c < open->layout.chunks && status == TT_OK; c++) {
    status = tt_block_read(open, path, c, &block, molecules);
    for (uint32_t k = 0; status == TT_OK && k < tt_schema_chunk_records(entry->records, c); k++)
      tt_entry_count(&counted, &molecules[k]);
  }
  free(block.data);
  free(molecules);
  TT_TRY(status);
  if (!same_counts(&counted, entry))
    return tt_fail(TT_ERR_CORRUPT,
                   "%s: its molecules are not as many as the manifest counts; " TT_SHARD_REMEDY, path);
  return TT_OK;
}

tt_status tt_store_verify_shard(tt_store *store, uint32_t shard) {
  const tt_shard_entry *entry = &store->manifest.entries[shard];
  tt_open_shard *open;
  char path[PATH_MAX];
  tt_store_path(store, shard, path);
  tt_store_forget(store, shard);
  TT_TRY(tt_store_use(store, shard, &open));
  TT_TRY(tt_header_check(path, shard, &store->manifest.info, &open->layout)); // its CRC is right
  TT_TRY(check_chunks(open, path, entry));                                    // first: its messages say where
  return check_digest(open, path, entry);
}

tt_status tt_store_verify(tt_store *store, void (*report)(void *context, const char *message),
                          void *context) {
  tt_status first = TT_OK;
  char message[2048] = "";
  for (uint32_t s = 0; s < store->manifest.count; s++) {
    tt_status status = tt_store_verify_shard(store, s);
    if (status == TT_OK) continue;
    if (report) report(context, tt_error_message());
    if (first == TT_OK) first = status, strncpy(message, tt_error_message(), sizeof message - 1);
  }
  return first == TT_OK ? TT_OK : tt_fail(first, "%s", message);
}
