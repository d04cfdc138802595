// The mesh of ranks, run with 4 ranks under mpirun: who is in which part of it, in which order.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "comm/mesh.h"

static tt_comm world;

// The world ranks in `part`, in its order.
static void expect_members(const tt_comm *part, int count, const int *expected) {
  int members[4];
  assert_int_equal(part->size, count);
  assert_int_equal(tt_comm_gather_all(part, &world.rank, members, 1, sizeof *members), TT_OK);
  for (int i = 0; i < count; i++) assert_int_equal(members[i], expected[i]);
  assert_int_equal(members[part->rank], world.rank);
  assert_ptr_equal(part->traffic, world.traffic);
}

static void groups_of_one(void **state) {
  (void)state;
  tt_mesh mesh;
  assert_int_equal(tt_mesh_make(&mesh, &world, 1), TT_OK);
  expect_members(&mesh.tensor, 1, &world.rank);
  expect_members(&mesh.data, 4, (int[]){0, 1, 2, 3});
  expect_members(&mesh.whole, 4, (int[]){0, 1, 2, 3});
  tt_mesh_free(&mesh);
}

static void groups_of_two(void **state) {
  (void)state;
  tt_mesh mesh;
  int group = world.rank / 2, place = world.rank % 2;
  assert_int_equal(tt_mesh_make(&mesh, &world, 2), TT_OK);
  expect_members(&mesh.tensor, 2, (int[]){2 * group, 2 * group + 1});
  expect_members(&mesh.data, 2, (int[]){place, place + 2});
  expect_members(&mesh.whole, 4, (int[]){0, 2, 1, 3}); // neighbours in the tree: the data ranks of a place
  assert_int_equal(mesh.whole.rank, place * 2 + group);
  tt_mesh_free(&mesh);
}

static void one_group(void **state) {
  (void)state;
  tt_mesh mesh;
  assert_int_equal(tt_mesh_make(&mesh, &world, 4), TT_OK);
  expect_members(&mesh.tensor, 4, (int[]){0, 1, 2, 3});
  expect_members(&mesh.data, 1, &world.rank);
  expect_members(&mesh.whole, 4, (int[]){0, 1, 2, 3});
  tt_mesh_free(&mesh);
  tt_mesh_free(&mesh); // twice is no harm
}

// Refused before anything is exchanged, so ranks that are only played will do.
static void refuses(void **state) {
  (void)state;
  tt_mesh mesh;
  static const struct {
    int ranks, tensor;
    const char *says;
  } wrong[] = {
      {3, 1, "3 ranks"}, {6, 2, "6 ranks"}, {4, 3, "tensor = 3"}, {4, 8, "tensor = 8"}, {4, 0, "= 0"}};
  for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
    tt_comm ranks = {.mpi = MPI_COMM_NULL, .rank = 0, .size = wrong[k].ranks};
    assert_int_equal(tt_mesh_make(&mesh, &ranks, wrong[k].tensor), TT_ERR_CONFIG);
    assert_non_null(strstr(tt_error_message(), wrong[k].says));
    tt_mesh_free(&mesh);
  }
}

int main(void) {
  if (tt_comm_start(&world) != TT_OK) return fprintf(stderr, "%s\n", tt_error_message()), 1;
  if (world.size != 4) return fprintf(stderr, "mesh_test: start 4 ranks\n"), 1;
  const struct CMUnitTest tests[] = {cmocka_unit_test(groups_of_one), cmocka_unit_test(groups_of_two),
                                     cmocka_unit_test(one_group), cmocka_unit_test(refuses)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  if (failed) MPI_Abort(world.mpi, 1);
  tt_comm_finish(&world);
  return 0;
}
