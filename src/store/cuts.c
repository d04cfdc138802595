#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "store/lanes.h"
#include "store/store.h"

// The first cut at `position` or after it.
static size_t find(const tt_lane_cuts *cuts, uint64_t position) {
  size_t low = 0, high = cuts->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (cuts->cuts[middle].position < position)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

const tt_lane_cut *tt_lane_cuts_at(const tt_lane_cuts *cuts, uint64_t position) {
  if (!cuts) return NULL;
  size_t k = find(cuts, position);
  return k < cuts->count && cuts->cuts[k].position == position ? &cuts->cuts[k] : NULL;
}

tt_status tt_lane_cuts_add(tt_lane_cuts *cuts, tt_lane_cut cut) {
  if (cut.kept >= TT_CHUNK || cut.reserved != 0)
    return tt_fail(TT_ERR_ARGUMENT, "a chunk of %d records cannot break off after %u", TT_CHUNK, cut.kept);
  size_t k = find(cuts, cut.position);
  if (k < cuts->count && cuts->cuts[k].position == cut.position) {
    if (cut.kept < cuts->cuts[k].kept) cuts->cuts[k].kept = cut.kept;
    return TT_OK;
  }
  TT_TRY(tt_reserve(&cuts->cuts, &cuts->room_, cuts->count + 1, sizeof *cuts->cuts, "the chunks skipped"));
  memmove(&cuts->cuts[k + 1], &cuts->cuts[k], (cuts->count - k) * sizeof *cuts->cuts);
  cuts->cuts[k] = cut;
  cuts->count++;
  return TT_OK;
}

tt_status tt_lane_cuts_copy(tt_lane_cuts *to, const tt_lane_cuts *from) {
  TT_TRY(tt_reserve(&to->cuts, &to->room_, from->count, sizeof *to->cuts, "the chunks skipped"));
  if (from->count) memcpy(to->cuts, from->cuts, from->count * sizeof *to->cuts);
  to->count = from->count;
  return TT_OK;
}

void tt_lane_cuts_free(tt_lane_cuts *cuts) {
  free(cuts->cuts);
  *cuts = (tt_lane_cuts){0};
}
