// What ranks exchange of a device's arrays (comm/link.h), on the emulated backend; run with 2 and 4 ranks
// under mpirun, over MPI ("mpi") and over the stand-in for NCCL ("nccl", "nccl-sums"). Every rank runs every
// test. Arrays are the device's, written by copies that are queued just before and read by copies queued just
// after, so that a missing dependency between the queues shows.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/group.h"
#include "comm/link.h"
#include "comm/reduce.h"
#include "device/cuda.h"

enum { DIM = 6, RANKS = 4 };

static tt_comm comm;
static const tt_ops *ops;
static bool library_sums;

static const int64_t all_rows[][RANKS] = {{3, 3, 3, 3}, {7, 1, 2, 90}, {0, 4, 0, 1}, {2, 0, 0, 0}, {0}};

static int64_t before(const int64_t *rows, int rank) {
  int64_t sum = 0;
  for (int r = 0; r < rank; r++) sum += rows[r];
  return sum;
}

static void for_all(void (*check)(const int64_t *rows, int64_t own, int64_t all, size_t element)) {
  for (size_t k = 0; k < sizeof all_rows / sizeof *all_rows; k++)
    for (size_t element = 2; element <= 4; element += 2)
      check(all_rows[k], all_rows[k][comm.rank], before(all_rows[k], comm.size), element);
}

// Numbers whose sum depends on the order of the additions, and which bf16 holds.
static float value(int rank, int64_t i) {
  uint32_t x = (uint32_t)(rank * 7919 + i * 104729 + 1) * 2654435761u;
  float f = (float)((int32_t)x) * (x % 5 == 0 ? 1e-6f : 1.0f);
  memcpy(&x, &f, sizeof x);
  x &= 0xffff0000u;
  memcpy(&f, &x, sizeof f);
  return f;
}

static float tree(int rank, int ranks, int64_t i) {
  return ranks == 1 ? value(rank, i) : tree(rank, ranks / 2, i) + tree(rank + ranks / 2, ranks / 2, i);
}

// A number as the backend keeps it: fp32, or the upper half of one, rounded to nearest, ties to even.
static uint32_t kept(float f, size_t element) {
  uint32_t x;
  memcpy(&x, &f, sizeof x);
  return element == 4 ? x : (x + 0x7fff + (x >> 16 & 1)) >> 16;
}

static char *device_memory(int64_t bytes) {
  char *p = ops->allocate((size_t)bytes);
  assert_non_null(p);
  return p;
}

// Host -> elsewhere on the device -> there, the second of which is queued.
static void put(const void *host, int64_t bytes, char *to) {
  if (bytes == 0) return;
  int64_t floats = (bytes + 3) / 4;
  float *way = ops->allocate((size_t)floats * 4), *padded = calloc((size_t)floats + 1, 4);
  memcpy(padded, host, (size_t)bytes);
  ops->upload(padded, (size_t)floats * 4, way);
  if (bytes % 4 == 0)
    ops->copy(way, floats, (float *)(void *)to);
  else
    ops->upload(host, (size_t)bytes, to);
  ops->release(way), free(padded);
}

static uint32_t number_at(const char *host, int64_t i, size_t element) {
  uint32_t x = 0;
  memcpy(&x, host + i * (int64_t)element, element);
  return x;
}
static void set_number(char *host, int64_t i, size_t element, float f) {
  uint32_t x = kept(f, element);
  memcpy(host + i * (int64_t)element, &x, element);
}

// `count` numbers of an array on the device.
static char *fetched(const char *device, int64_t count, size_t element) {
  char *host = malloc((size_t)count * element + 1);
  ops->download(device, (size_t)count * element, host);
  return host;
}

static int64_t sent(void) {
  int64_t bytes = 0;
  for (int k = 0; k < TT_TRAFFIC_KINDS; k++) bytes += comm.traffic->sent[k];
  memset(comm.traffic->sent, 0, sizeof comm.traffic->sent);
  return bytes;
}

static void gather(const int64_t *rows, int64_t own, int64_t all, size_t element) {
  int64_t first = before(rows, comm.rank) * DIM, size = (int64_t)element;
  char *host = malloc((size_t)(own * DIM * size) + 1), *device = device_memory(all * DIM * size);
  for (int64_t i = 0; i < own * DIM; i++) set_number(host, i, element, value(9, first + i));
  put(host, own * DIM * size, device + first * size);
  tt_group_gather(&comm, rows, DIM, element, device);
  char *got = fetched(device, all * DIM, element);
  for (int64_t i = 0; i < all * DIM; i++)
    assert_int_equal(number_at(got, i, element), kept(value(9, i), element));
  assert_int_equal(sent(), tt_group_gather_bytes(comm.size, own, DIM, element));
  free(host), free(got), ops->release(device);
}
static void gathers(void **state) {
  (void)state;
  for_all(gather);
}

static void sum(const int64_t *rows, int64_t own, int64_t all, size_t element) {
  int64_t first = before(rows, comm.rank) * DIM, size = (int64_t)element, other_order = 0;
  char *host = malloc((size_t)(all * DIM * size) + 1), *partial = device_memory(all * DIM * size);
  char *scratch = device_memory((comm.size - 1) * own * DIM * size), *to = device_memory(own * DIM * size);
  for (int64_t i = 0; i < all * DIM; i++) set_number(host, i, element, value(comm.rank, i));
  put(host, all * DIM * size, partial);
  tt_group_sum(&comm, rows, DIM, element, partial, to, scratch);
  char *got = fetched(to, own * DIM, element);
  for (int64_t i = 0; i < own * DIM; i++) {
    float chain = value(0, first + i);
    for (int r = 1; r < comm.size; r++) chain += value(r, first + i);
    assert_int_equal(number_at(got, i, element), kept(tree(0, comm.size, first + i), element));
    other_order += kept(chain, element) != number_at(got, i, element);
  }
  if (comm.size >= 4 && own > 80 && element == 4) assert_true(other_order > 0);
  assert_int_equal(sent(), tt_group_sum_bytes(own, all, DIM, element));
  free(host), free(got), ops->release(partial), ops->release(scratch), ops->release(to);
}
static void sums(void **state) {
  (void)state;
  for_all(sum);
}

static void turn(const int64_t *rows, int64_t own, int64_t all, size_t element) {
  int64_t row = before(rows, comm.rank), column = tt_group_share(DIM, comm.size, comm.rank);
  int64_t width = tt_group_share(DIM, comm.size, comm.rank + 1) - column, size = (int64_t)element;
  char *host = malloc((size_t)(own * DIM * size) + 1), *x = device_memory(own * DIM * size);
  char *y = device_memory(all * width * size), *z = device_memory(own * DIM * size);
  char *scratch = device_memory(own * (DIM - width) * size);
  for (int64_t i = 0; i < own * DIM; i++) set_number(host, i, element, value(3, row * DIM + i));
  put(host, own * DIM * size, x);
  tt_group_to_columns(&comm, rows, DIM, element, x, y, scratch);
  assert_int_equal(sent(), tt_group_to_columns_bytes(own, DIM, width, element));
  tt_group_to_rows(&comm, rows, DIM, element, y, z, scratch);
  assert_int_equal(sent(), tt_group_to_rows_bytes(own, all, width, element));
  char *columns = fetched(y, all * width, element), *back = fetched(z, own * DIM, element);
  for (int64_t i = 0; i < all; i++)
    for (int64_t c = 0; c < width; c++)
      assert_int_equal(number_at(columns, i * width + c, element),
                       kept(value(3, i * DIM + column + c), element));
  assert_memory_equal(host, back, (size_t)(own * DIM * size));
  free(host), free(columns), free(back);
  ops->release(x), ops->release(y), ops->release(z), ops->release(scratch);
}
static void turns_to_columns_and_back(void **state) {
  (void)state;
  for_all(turn);
}

// Elements of a stretch; some ranks own none of it, one has equal segments, one is longer than what there is
// room for at a time.
enum { STRETCHES = 4, ALL = 5001 + 3 + 640 + 33 };
static const int64_t stretch_elements[STRETCHES] = {5001, 3, 640, 33};

static int64_t cut_stretches(int64_t segment[STRETCHES][65]) {
  int64_t first = 0, n = comm.size;
  for (int s = 0; s < STRETCHES; s++) {
    for (int r = 0; r <= n; r++)
      segment[s][r] = first + (s == 2 ? stretch_elements[s] * r / n : stretch_elements[s] * r * r / (n * n));
    first += stretch_elements[s];
  }
  return 1000 * (n - 1);
}

static bool nearly(float a, float b) {
  return fabsf(a - b) <= 1e-6f * 4e9f;
}

static void expect_sums(const float *partial, int64_t segment[STRETCHES][65]) {
  int64_t other_order = 0;
  for (int s = 0; s < STRETCHES; s++)
    for (int64_t i = segment[s][comm.rank]; i < segment[s][comm.rank + 1]; i++) {
      float expected = tree(0, comm.size, i);
      if (library_sums)
        assert_true(nearly(partial[i], expected));
      else
        assert_memory_equal(&partial[i], &expected, sizeof expected);
      other_order += memcmp(&partial[i], &expected, sizeof expected) != 0;
    }
  if (library_sums && comm.size >= 4 && comm.rank == comm.size - 1) assert_true(other_order > 0);
}

static void reduces(void **state) {
  (void)state;
  int64_t segment[STRETCHES][65];
  tt_reduction *reduction;
  float *host = malloc(ALL * sizeof *host);
  char *partial = device_memory(ALL * 4), *copy = device_memory(ALL * 4);
  assert_int_equal(tt_reduction_create(&reduction, STRETCHES, &comm, cut_stretches(segment)), TT_OK);
  for (int again = 0; again < 2; again++) {
    for (int64_t i = 0; i < ALL; i++) host[i] = value(comm.rank, i);
    for (int s = 0; s < STRETCHES; s++) {
      int64_t first = segment[s][0], count = stretch_elements[s];
      put(host + first, count * 4, partial + first * 4);
      tt_comm_count_as(&comm, TT_TRAFFIC_GRADIENTS);
      tt_reduction_begin(reduction, &comm, (float *)(void *)partial, segment[s]);
      tt_reduction_progress(reduction);
      tt_comm_count_as(&comm, TT_TRAFFIC_TOKENS); // a group's exchange between two stretches
      const int64_t rows[RANKS] = {1, 2, 0, 1};
      sent();
      gather(rows, rows[comm.rank], before(rows, comm.size), 4);
    }
    tt_reduction_finish(reduction);
    ops->copy((float *)(void *)partial, ALL, (float *)(void *)copy);
    ops->download(copy, ALL * 4, host);
    expect_sums(host, segment);
  }
  tt_reduction_finish(reduction); // nothing was begun
  tt_reduction_free(reduction);
  free(host), ops->release(partial), ops->release(copy);
  sent();
}

static void counts_reductions(void **state) {
  (void)state;
  int64_t segment[65] = {0};
  tt_reduction *reduction;
  for (int r = 0; r < comm.size; r++) segment[r + 1] = segment[r] + 10 + r;
  int64_t all = segment[comm.size], own = 10 + comm.rank;
  char *partial = device_memory(all * 4);
  float *host = calloc((size_t)all, 4);
  put(host, all * 4, partial);
  assert_int_equal(tt_reduction_create(&reduction, 1, &comm, tt_reduction_floats(comm.size, 9 + comm.size)),
                   TT_OK);
  sent();
  tt_comm_count_as(&comm, TT_TRAFFIC_GRADIENTS);
  tt_reduction_begin(reduction, &comm, (float *)(void *)partial, segment);
  tt_comm_count_as(&comm, TT_TRAFFIC_OTHER);
  tt_reduction_finish(reduction);
  assert_int_equal(comm.traffic->sent[TT_TRAFFIC_GRADIENTS], 4 * (all - own));
  assert_int_equal(sent(), 4 * (all - own));
  tt_reduction_free(reduction), free(host), ops->release(partial);
}

// Two under way, as when weights go to all ranks while the next ones are updated.
static void gathers_weights(void **state) {
  (void)state;
  int64_t counts[2][64], total[2] = {0, 0};
  char *all[2], *copy[2];
  tt_messages under_way[2];
  for (int r = 0; r < comm.size; r++) {
    total[0] += counts[0][r] = 100 + 20 * r;
    total[1] += counts[1][r] = 5 - r % 2 * 5;
  }
  sent();
  for (int h = 0; h < 2; h++) {
    int64_t first = before(counts[h], comm.rank), own = counts[h][comm.rank];
    float *host = malloc((size_t)own * 4 + 4);
    for (int64_t i = 0; i < own; i++) host[i] = value(h, first + i);
    all[h] = device_memory(total[h] * 4), copy[h] = device_memory(total[h] * 4);
    put(host, own * 4, all[h] + first * 4);
    under_way[h] = tt_link_gather_begin(&comm, (float *)(void *)all[h], counts[h]);
    free(host);
  }
  for (int h = 0; h < 2; h++) {
    tt_comm_wait(&under_way[h]);
    ops->copy((float *)(void *)all[h], total[h], (float *)(void *)copy[h]);
    char *got = fetched(copy[h], total[h], 4);
    for (int64_t i = 0; i < total[h]; i++) assert_int_equal(number_at(got, i, 4), kept(value(h, i), 4));
    free(got);
  }
  assert_int_equal(sent(), 4 * (comm.size - 1) * (counts[0][comm.rank] + counts[1][comm.rank]));
  for (int h = 0; h < 2; h++) ops->release(all[h]), ops->release(copy[h]);
}

int main(int argc, char **argv) {
  if (tt_comm_start(&comm) != TT_OK) return fprintf(stderr, "%s\n", tt_error_message()), 1;
  bool nccl = argc > 1 && strncmp(argv[1], "nccl", 4) == 0;
  library_sums = argc > 1 && strcmp(argv[1], "nccl-sums") == 0;
  ops = tt_ops_cuda(TT_FP32);
  tt_status status = tt_cuda_start(0);
  if (status == TT_OK) status = tt_link_ready(nccl ? TT_LINK_NCCL : TT_LINK_MPI);
  if (tt_comm_agree(&comm, status) != TT_OK) return tt_comm_finish(&comm), 1;
  tt_device_arrays arrays = {ops->allocate, ops->release, ops->upload, ops->download, tt_cuda_queues()};
  tt_link_make(&comm, &arrays, nccl ? TT_LINK_NCCL : TT_LINK_MPI, library_sums);
  const struct CMUnitTest tests[] = {cmocka_unit_test(gathers),
                                     cmocka_unit_test(sums),
                                     cmocka_unit_test(turns_to_columns_and_back),
                                     cmocka_unit_test(reduces),
                                     cmocka_unit_test(counts_reductions),
                                     cmocka_unit_test(gathers_weights)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  if (failed) MPI_Abort(comm.mpi, 1); // the others may be waiting for this rank
  tt_link_free(comm.link);
  tt_comm_finish(&comm);
  return 0;
}
