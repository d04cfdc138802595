#include "batch/find_shards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/digest.h"
#include "core/memory.h"

// What a rank sees: a folder as its node shows it.
static tt_digest view_of(const tt_store *store) {
  char host[256] = "", view[8192];
  gethostname(host, sizeof host - 1);
  int length = snprintf(view, sizeof view, "%s:%s", host, tt_store_folder(store));
  return tt_digest_of(view, (size_t)length < sizeof view ? (size_t)length : sizeof view - 1);
}

tt_status tt_store_find_all(const tt_comm *comm, const tt_store *store) {
  tt_digest own = view_of(store), *all = NULL;
  TT_TRY(tt_comm_agree(comm, tt_alloc(&all, (size_t)comm->size, sizeof *all, "the ranks' stores")));
  tt_status status = tt_comm_gather_all(comm, &own, all, 1, sizeof own);
  uint32_t place = 0, sharers = 0; // of the ranks that see the same
  for (int r = 0; status == TT_OK && r < comm->size; r++) {
    if (strcmp(all[r].text, own.text) != 0) continue;
    place += r < comm->rank;
    sharers++;
  }
  for (uint32_t s = place; status == TT_OK && s < tt_store_shards(store); s += sharers)
    status = tt_store_find_shard(store, s);
  free(all);
  return tt_comm_agree(comm, status);
}
