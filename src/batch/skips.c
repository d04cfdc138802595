#include "batch/skips.h"

#include <stdlib.h>

#include "core/memory.h"

static int by_position(const void *a, const void *b) {
  uint64_t x = ((const tt_skip *)a)->cut.position, y = ((const tt_skip *)b)->cut.position;
  return (x > y) - (x < y);
}

tt_status tt_skips_gather(const tt_comm *comm, const tt_skip *own, int count, tt_skips *all) {
  int64_t mine = count, total = 0, *counts = NULL;
  all->count = 0;
  tt_status status = tt_alloc(&counts, (size_t)comm->size, sizeof *counts, "chunks left out");
  status = tt_comm_agree_quietly(comm, status);
  if (status == TT_OK) status = tt_comm_gather_all(comm, &mine, counts, 1, sizeof mine);
  for (int r = 0; status == TT_OK && r < comm->size; r++) total += counts[r];
  if (status == TT_OK)
    status = tt_reserve(&all->list, &all->room_, (size_t)total, sizeof *all->list, "chunks left out");
  status = tt_comm_agree_quietly(comm, status);
  if (status == TT_OK) status = tt_comm_gather_all_v(comm, own, all->list, counts, sizeof *own);
  free(counts);
  if (status != TT_OK) return status;
  all->count = (int)total;
  qsort(all->list, (size_t)total, sizeof *all->list, by_position);
  return TT_OK;
}
