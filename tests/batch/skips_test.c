// The list of chunks that ranks leave out, run with 4 ranks under mpirun: by place, whichever rank left a chunk out.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "batch/skips.h"

static tt_comm world;

// Chunk `place` of the sequence is rank (place * 3 + 1) % 4's; chunks 0 to 9 are left out, each rank's last one first.
static void gathered_by_place(void **state) {
  (void)state;
  enum { ALL = 10 };
  tt_skip own[ALL] = {0};
  tt_skips all = {0};
  int count = 0;
  for (int place = ALL - 1; place >= 0; place--)
    if ((place * 3 + 1) % world.size == world.rank) own[count++].cut.position = (uint64_t)place;
  assert_int_equal(tt_skips_gather(&world, own, count, &all), TT_OK);
  assert_int_equal(all.count, ALL);
  for (int place = 0; place < ALL; place++) assert_int_equal(all.list[place].cut.position, place);
  assert_int_equal(tt_skips_gather(&world, NULL, 0, &all), TT_OK);
  assert_int_equal(all.count, 0);
  free(all.list);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(gathered_by_place)};
  if (tt_comm_start(&world) != TT_OK) return 1;
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  tt_comm_finish(&world);
  return failed;
}
