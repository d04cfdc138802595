// order RECORDS LANES SEED LANE COUNT: the first COUNT chunks that a lane of a run reads, one a line, so that
// a test can damage the one that it means.
#include <stdio.h>
#include <stdlib.h>

#include "core/philox.h"
#include "store/lanes.h"
#include "store/store.h"

int main(int argc, char **argv) {
  unsigned long long a[6] = {0};
  for (int k = 1; k < 6; k++) a[k] = argc > k ? strtoull(argv[k], NULL, 10) : 0;
  tt_lanes lanes;
  tt_lane_cursor cursor;
  if (argc != 6 || tt_lanes_init(&lanes, tt_seed_for(a[3], TT_SEED_ORDER), a[1],
                                 (a[1] + TT_CHUNK - 1) / TT_CHUNK, a[2]) != TT_OK)
    return 2;
  tt_lane_seek(&cursor, &lanes, NULL, a[4], 0);
  for (unsigned long long k = 0; k < a[5]; k++, tt_lane_step_chunk(&cursor))
    printf("%llu\n", (unsigned long long)cursor.chunk);
  return 0;
}
