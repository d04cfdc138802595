// What the ranks of a tensor group exchange; run with 1, 2 and 4 ranks under mpirun. Every rank runs every
// test.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/group.h"

enum { DIM = 5, RANKS = 4 };

static tt_comm comm;

// Rows of each rank: even, uneven, some ranks with none, none at all.
static const int64_t all_rows[][RANKS] = {{3, 3, 3, 3}, {7, 1, 2, 900}, {0, 4, 0, 1}, {2, 0, 0, 0}, {0}};

static int64_t before(const int64_t *rows, int rank) {
  int64_t sum = 0;
  for (int r = 0; r < rank; r++) sum += rows[r];
  return sum;
}
static int64_t total(const int64_t *rows) {
  return before(rows, comm.size);
}

// With all of these rows, in whole messages, and in pieces, some of which end within a float.
static void for_all(void (*check)(const int64_t *rows, int64_t own, int64_t all)) {
  static const int64_t piece_sizes[] = {(int64_t)1 << 30, 7, 64};
  for (size_t k = 0; k < sizeof all_rows / sizeof *all_rows; k++)
    for (size_t p = 0; p < 3; p++) {
      tt_comm_piece_bytes = piece_sizes[p];
      check(all_rows[k], all_rows[k][comm.rank], total(all_rows[k]));
    }
}

// One float more than asked for, to see that nothing is written there.
static float *floats(int64_t count) {
  float *p = malloc(((size_t)count + 1) * sizeof *p);
  assert_non_null(p);
  for (int64_t i = 0; i <= count; i++) p[i] = -77;
  return p;
}
static void done(float *p, int64_t count) {
  assert_true(p[count] == -77);
  free(p);
}

// Numbers whose float sum depends on the order in which they are added.
static float value(int rank, int64_t i) {
  uint32_t x = (uint32_t)(rank * 7919 + i * 104729 + 1) * 2654435761u;
  return (float)((int32_t)x) * (x % 5 == 0 ? 1e-3f : 1.0f);
}

static int64_t sent(void) {
  int64_t bytes = 0;
  for (int k = 0; k < TT_TRAFFIC_KINDS; k++) bytes += comm.traffic->sent[k];
  memset(comm.traffic->sent, 0, sizeof comm.traffic->sent);
  return bytes;
}

static void starts(void **state) {
  (void)state;
  const char *expected = getenv("TT_TEST_RANKS");
  if (expected) assert_int_equal(comm.size, atoi(expected));
  assert_in_range(comm.size, 1, RANKS);
}

static void gather(const int64_t *rows, int64_t own, int64_t all) {
  float *x = floats(all * DIM);
  for (int64_t i = before(rows, comm.rank) * DIM, n = own * DIM; n > 0; i++, n--) x[i] = value(9, i);
  tt_group_gather(&comm, rows, DIM, sizeof(float), x);
  for (int64_t i = 0; i < all * DIM; i++) assert_true(x[i] == value(9, i));
  assert_int_equal(sent(), tt_group_gather_bytes(comm.size, own, DIM, sizeof(float)));
  done(x, all * DIM);
}
static void gathers(void **state) {
  (void)state;
  for_all(gather);
}

static float tree(int rank, int ranks, int64_t i) {
  return ranks == 1 ? value(rank, i) : tree(rank, ranks / 2, i) + tree(rank + ranks / 2, ranks / 2, i);
}

static void sum(const int64_t *rows, int64_t own, int64_t all, bool in_place) {
  int64_t first = before(rows, comm.rank) * DIM, other_order = 0;
  float *partial = floats(all * DIM), *apart = floats(own * DIM);
  float *scratch = floats((comm.size - 1) * own * DIM), *to = in_place ? partial + first : apart;
  for (int64_t i = 0; i < all * DIM; i++) partial[i] = value(comm.rank, i);
  tt_group_sum(&comm, rows, DIM, sizeof(float), partial, to, scratch);
  assert_int_equal(sent(), tt_group_sum_bytes(own, all, DIM, sizeof(float)));
  for (int64_t i = 0; i < own * DIM; i++) {
    float expected = tree(0, comm.size, first + i), chain = value(0, first + i);
    assert_memory_equal(&to[i], &expected, sizeof expected);
    for (int r = 1; r < comm.size; r++) chain += value(r, first + i);
    other_order += memcmp(&chain, &expected, sizeof chain) != 0;
  }
  if (comm.size >= 4 && own > 100) assert_true(other_order > 0); // the numbers can tell the orders apart
  for (int64_t i = 0; i < all * DIM; i++)                        // rows of others stay
    if (i < first || i >= first + own * DIM) assert_true(partial[i] == value(comm.rank, i));
  done(partial, all * DIM), done(apart, own * DIM), done(scratch, (comm.size - 1) * own * DIM);
}
static void sum_in_place(const int64_t *rows, int64_t own, int64_t all) {
  sum(rows, own, all, true);
}
static void sum_apart(const int64_t *rows, int64_t own, int64_t all) {
  sum(rows, own, all, false);
}
static void sums(void **state) {
  (void)state;
  for_all(sum_in_place);
  for_all(sum_apart);
}

static void turn(const int64_t *rows, int64_t own, int64_t all, int64_t columns) {
  int64_t row = before(rows, comm.rank), column = tt_group_share(columns, comm.size, comm.rank);
  int64_t width = tt_group_share(columns, comm.size, comm.rank + 1) - column;
  float *x = floats(own * columns), *y = floats(all * width), *z = floats(own * columns);
  float *scratch = floats(own * (columns - width));
  for (int64_t i = 0; i < own * columns; i++) x[i] = value(3, row * columns + i);
  tt_group_to_columns(&comm, rows, columns, sizeof(float), x, y, scratch);
  assert_int_equal(sent(), tt_group_to_columns_bytes(own, columns, width, sizeof(float)));
  for (int64_t i = 0; i < all; i++)
    for (int64_t c = 0; c < width; c++) assert_true(y[i * width + c] == value(3, i * columns + column + c));
  tt_group_to_rows(&comm, rows, columns, sizeof(float), y, z, scratch);
  assert_int_equal(sent(), tt_group_to_rows_bytes(own, all, width, sizeof(float)));
  assert_memory_equal(x, z, (size_t)(own * columns) * sizeof *x);
  done(x, own * columns), done(y, all * width), done(z, own * columns),
      done(scratch, own * (columns - width));
}
static void turn_8_columns(const int64_t *rows, int64_t own, int64_t all) {
  turn(rows, own, all, 8);
}
static void turn_6_columns(const int64_t *rows, int64_t own, int64_t all) {
  turn(rows, own, all, 6); // of four ranks two have 1, two have 2
}
static void turns_to_columns_and_back(void **state) {
  (void)state;
  for_all(turn_8_columns);
  for_all(turn_6_columns);
}

int main(void) {
  if (tt_comm_start(&comm) != TT_OK) return fprintf(stderr, "%s\n", tt_error_message()), 1;
  const struct CMUnitTest tests[] = {cmocka_unit_test(starts), cmocka_unit_test(gathers),
                                     cmocka_unit_test(sums), cmocka_unit_test(turns_to_columns_and_back)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  if (failed) MPI_Abort(comm.mpi, 1); // the others may be waiting for this rank
  tt_comm_finish(&comm);
  return 0;
}
