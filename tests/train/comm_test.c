// The exchanges between ranks; run with 1, 2 and 4 ranks under mpirun. Every rank runs every test.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "comm/comm.h"
#include "comm/reduce.h"

static tt_comm comm;

static const int64_t piece_sizes[] = {(int64_t)1 << 30, 7, 64};

#define FOR_PIECES(k) for (size_t k = 0; k < 3 && (tt_comm_piece_bytes = piece_sizes[k]); k++)

static void starts(void **state) {
  (void)state;
  const char *expected = getenv("TT_TEST_RANKS");
  if (expected) assert_int_equal(comm.size, atoi(expected));
  assert_in_range(comm.rank, 0, comm.size - 1);
}

static void gathers(void **state) {
  (void)state;
  FOR_PIECES(k) {
    int mine[5], *all = calloc((size_t)comm.size * 5, sizeof *all);
    for (int i = 0; i < 5; i++) mine[i] = 100 * comm.rank + i;
    assert_int_equal(tt_comm_gather_all(&comm, mine, all, 5, sizeof *mine), TT_OK);
    for (int r = 0; r < comm.size; r++)
      for (int i = 0; i < 5; i++) assert_int_equal(all[5 * r + i], 100 * r + i);
    free(all);
    assert_int_equal(tt_comm_gather_all(&comm, mine, NULL, 0, sizeof *mine), TT_OK);
  }
}

static void gathers_varying_counts(void **state) {
  (void)state;
  FOR_PIECES(k) {
    int64_t counts[64], total = 0;
    for (int r = 0; r < comm.size; r++) total += counts[r] = 3 * r; // rank 0 has none
    double *mine = calloc((size_t)counts[comm.rank] + 1, 8), *all = calloc((size_t)total + 1, 8);
    for (int64_t i = 0; i < counts[comm.rank]; i++) mine[i] = comm.rank + i / 16.0;
    all[total] = -1;
    assert_int_equal(tt_comm_gather_all_v(&comm, mine, all, counts, 8), TT_OK);
    const double *p = all;
    for (int r = 0; r < comm.size; r++)
      for (int64_t i = 0; i < counts[r]; i++) assert_true(*p++ == r + i / 16.0);
    assert_true(*p == -1);
    memset(all, 0, (size_t)total * 8);
    double *place = all;
    for (int r = 0; r < comm.rank; r++) place += counts[r];
    memcpy(place, mine, (size_t)counts[comm.rank] * 8);
    assert_int_equal(tt_comm_gather_all_v(&comm, place, all, counts, 8), TT_OK);
    p = all;
    for (int r = 0; r < comm.size; r++)
      for (int64_t i = 0; i < counts[r]; i++) assert_true(*p++ == r + i / 16.0);
    free(mine), free(all);
  }
}

// Two gathers under way, the first of them received from ranks that are late.
static void gathers_in_two_halves(void **state) {
  (void)state;
  FOR_PIECES(k) {
    int64_t counts[2][64], total[2] = {0, 0};
    for (int r = 0; r < comm.size; r++) {
      total[0] += counts[0][r] = 1 + 2 * r;
      total[1] += counts[1][r] = 5 - r % 2 * 5;
    }
    int *all[2];
    tt_messages under_way[2];
    usleep((useconds_t)(comm.rank * 2000));
    for (int h = 0; h < 2; h++) {
      all[h] = calloc((size_t)total[h], sizeof(int));
      int *own = all[h];
      for (int r = 0; r < comm.rank; r++) own += counts[h][r];
      for (int64_t i = 0; i < counts[h][comm.rank]; i++) own[i] = 1000 * h + 100 * comm.rank + (int)i;
      under_way[h] = tt_comm_gather_begin(&comm, own, all[h], counts[h], sizeof(int));
    }
    for (int h = 0; h < 2; h++) {
      tt_comm_wait(&under_way[h]);
      const int *p = all[h];
      for (int r = 0; r < comm.size; r++)
        for (int i = 0; i < counts[h][r]; i++) assert_int_equal(*p++, 1000 * h + 100 * r + i);
      free(all[h]);
      tt_comm_wait(&under_way[h]); // nothing left to wait for
    }
  }
}

static int64_t bytes_between(int from, int to) {
  return (from + 2 * to) % 3 == 0 ? 0 : 10 * from + to + 1;
}

static void exchanges(void **state) {
  (void)state;
  FOR_PIECES(k) {
    int64_t send_counts[64], receive_counts[64], total = 0;
    for (int r = 0; r < comm.size; r++) total += send_counts[r] = bytes_between(comm.rank, r);
    char *send = malloc((size_t)total + 1), *p = send;
    for (int r = 0; r < comm.size; r++)
      for (int64_t i = 0; i < send_counts[r]; i++) *p++ = (char)(comm.rank * 31 + r * 7 + i);
    void *receive = NULL;
    assert_int_equal(tt_comm_exchange(&comm, send, send_counts, &receive, receive_counts), TT_OK);
    p = receive;
    for (int r = 0; r < comm.size; r++) {
      assert_int_equal(receive_counts[r], bytes_between(r, comm.rank));
      for (int64_t i = 0; i < receive_counts[r]; i++)
        assert_int_equal(*p++, (char)(r * 31 + comm.rank * 7 + i));
    }
    free(receive), free(send);
  }
}

static void exchanges_nothing(void **state) {
  (void)state;
  int64_t none[64] = {0}, receive_counts[64];
  void *receive = NULL;
  assert_int_equal(tt_comm_exchange(&comm, NULL, none, &receive, receive_counts), TT_OK);
  assert_non_null(receive);
  free(receive);
}

static void broadcasts(void **state) {
  (void)state;
  FOR_PIECES(k) {
    char data[100];
    int root = comm.size - 1;
    for (int i = 0; i < 100; i++) data[i] = (char)(comm.rank == root ? i * 3 : 0);
    assert_int_equal(tt_comm_broadcast(&comm, data, sizeof data, root), TT_OK);
    for (int i = 0; i < 100; i++) assert_int_equal(data[i], (char)(i * 3));
  }
  assert_int_equal(tt_comm_barrier(&comm), TT_OK);
}

// Numbers whose float sum depends on the order in which they are added.
static float value(int rank, int64_t i) {
  uint32_t x = (uint32_t)(rank * 7919 + i * 104729 + 1) * 2654435761u;
  return (float)((int32_t)x) * (x % 5 == 0 ? 1e-3f : 1.0f);
}

static float tree(int rank, int ranks, int64_t i) {
  return ranks == 1 ? value(rank, i) : tree(rank, ranks / 2, i) + tree(rank + ranks / 2, ranks / 2, i);
}

// Elements of a stretch; some ranks own none of it, some stretches have none at all.
static const int64_t stretch_elements[] = {5001, 0, 3, 70001, 1, 640};
enum { STRETCHES = 6, ALL = 75646 };

// Cuts each stretch unevenly; returns the floats that a reduction of them needs.
static int64_t cut_stretches(int64_t segment[STRETCHES][65]) {
  int64_t floats = 0, first = 0, n = comm.size;
  for (int s = 0; s < STRETCHES; s++) {
    int64_t longest = 0;
    for (int r = 0; r <= n; r++) segment[s][r] = first + stretch_elements[s] * r * r / (n * n);
    for (int r = 0; r < n; r++)
      if (segment[s][r + 1] - segment[s][r] > longest) longest = segment[s][r + 1] - segment[s][r];
    int64_t needs = tt_reduction_floats(comm.size, longest);
    if (needs > floats) floats = needs;
    first += stretch_elements[s];
  }
  assert_int_equal(first, ALL);
  return floats;
}

static void expect_tree_sums(const float *partial, int64_t segment[STRETCHES][65]) {
  int64_t other_order = 0;
  for (int s = 0; s < STRETCHES; s++)
    for (int64_t i = segment[s][0]; i < segment[s][comm.size]; i++) {
      bool own = i >= segment[s][comm.rank] && i < segment[s][comm.rank + 1];
      float expected = own ? tree(0, comm.size, i) : value(comm.rank, i), chain = value(0, i);
      assert_memory_equal(&partial[i], &expected, sizeof expected);
      for (int r = 1; r < comm.size; r++) chain += value(r, i);
      other_order += own && memcmp(&chain, &expected, sizeof chain) != 0;
    }
  // the numbers can tell the orders apart
  if (comm.size >= 4 && comm.rank == comm.size - 1) assert_true(other_order > 0);
}

// Twice, for what the first time leaves; the ranks begin each stretch at different times, and what travels is
// not disturbed by exchanges of other kinds.
static void reduces_in_the_order_of_the_tree(void **state) {
  (void)state;
  FOR_PIECES(k) {
    int64_t segment[STRETCHES][65], none[65] = {0};
    tt_reduction *reduction;
    float *partial = malloc(ALL * sizeof *partial);
    assert_int_equal(tt_reduction_create(&reduction, STRETCHES, &comm, cut_stretches(segment)), TT_OK);
    for (int again = 0; again < 2; again++) {
      for (int64_t i = 0; i < ALL; i++) partial[i] = value(comm.rank, i);
      for (int s = 0; s < STRETCHES; s++) {
        usleep((useconds_t)((comm.rank * 5 + s * 3) % 7 * 300));
        tt_reduction_begin(reduction, &comm, partial, segment[s]);
        for (int p = 0; p < (comm.rank + s) % 3; p++) tt_reduction_progress(reduction);
        int mine = comm.rank + s, all[64];
        int64_t counts[64];
        for (int r = 0; r < comm.size; r++) counts[r] = 1;
        if (s == 3) assert_int_equal(tt_comm_agree(&comm, TT_OK), TT_OK);
        if (s == 4) {
          assert_int_equal(tt_comm_gather_all_v(&comm, &mine, all, counts, sizeof mine), TT_OK);
          for (int r = 0; r < comm.size; r++) assert_int_equal(all[r], r + s);
        }
      }
      tt_reduction_finish(reduction);
      expect_tree_sums(partial, segment);
    }
    tt_reduction_begin(reduction, &comm, partial, none);
    tt_reduction_finish(reduction);
    tt_reduction_finish(reduction); // nothing was begun
    tt_reduction_free(reduction);
    free(partial);
  }
  tt_reduction_free(NULL);
}

// What the tests above send, counted by hand: each kind alone grows, by what goes to other ranks.
static void counts_what_it_sends(void **state) {
  (void)state;
  FOR_PIECES(k) {
    int n = comm.size, me = comm.rank;
    int64_t expected[TT_TRAFFIC_KINDS] = {0}, counts[64], received[64], segment[65] = {0};
    tt_comm copy = comm; // counts in the same table
    memset(comm.traffic->sent, 0, sizeof comm.traffic->sent);

    int mine[5] = {0}, all[5 * 64];
    tt_comm_count_as(&comm, TT_TRAFFIC_LOSSES);
    assert_int_equal(tt_comm_gather_all(&copy, mine, all, 5, sizeof *mine), TT_OK);
    expected[TT_TRAFFIC_LOSSES] = 20 * (n - 1);

    for (int r = 0; r < n; r++)
      counts[r] = r; // rank 0 sends nothing, rank 3 three ints to each of the others
    tt_comm_count_as(&copy, TT_TRAFFIC_WEIGHTS);
    assert_int_equal(tt_comm_gather_all_v(&comm, all, all + 5 * n, (int64_t[64]){0}, sizeof *all), TT_OK);
    int *varying = calloc((size_t)n * (size_t)n, sizeof *varying);
    assert_int_equal(tt_comm_gather_all_v(&comm, all, varying, counts, sizeof *all), TT_OK);
    free(varying);
    expected[TT_TRAFFIC_WEIGHTS] = 4 * me * (n - 1);

    char bytes[64 * 10] = {0};
    void *receive = NULL;
    for (int r = 0; r < n; r++) counts[r] = r == me ? 10 : r; // what a rank sends itself does not count
    tt_comm_count_as(&comm, TT_TRAFFIC_RECORDS);
    assert_int_equal(tt_comm_exchange(&comm, bytes, counts, &receive, received), TT_OK);
    free(receive);
    expected[TT_TRAFFIC_RECORDS] = n * (n - 1) / 2 - me;

    for (int r = 0; r < n; r++) segment[r + 1] = segment[r] + 10 + r; // rank r owns 10 + r elements
    float *partial = calloc((size_t)segment[n], sizeof *partial);
    tt_reduction *reduction;
    assert_int_equal(tt_reduction_create(&reduction, 1, &comm, tt_reduction_floats(n, 9 + n)), TT_OK);
    tt_comm_count_as(&comm, TT_TRAFFIC_GRADIENTS);
    tt_reduction_begin(reduction, &comm, partial, segment);
    tt_comm_count_as(&comm, TT_TRAFFIC_OTHER); // what it goes on to send is counted already
    tt_reduction_finish(reduction);
    tt_reduction_free(reduction), free(partial);
    expected[TT_TRAFFIC_GRADIENTS] = 4 * (10 * n + n * (n - 1) / 2 - 10 - me);

    tt_comm_count_as(&comm, TT_TRAFFIC_OTHER);
    assert_int_equal(tt_comm_agree(&comm, TT_OK), TT_OK);
    assert_int_equal(tt_comm_broadcast(&comm, bytes, sizeof bytes, 0), TT_OK);
    assert_int_equal(tt_comm_barrier(&comm), TT_OK);
    for (int kind = 0; kind < TT_TRAFFIC_KINDS; kind++)
      assert_int_equal(comm.traffic->sent[kind], expected[kind]);
  }
}

// Runs tt_comm_agree with stderr going to a file; *printed gets what this rank wrote there.
static tt_status agree_and_listen(tt_status status, char *printed, size_t size) {
  fflush(stderr);
  FILE *file = tmpfile();
  int kept = dup(STDERR_FILENO);
  dup2(fileno(file), STDERR_FILENO);
  status = tt_comm_agree(&comm, status);
  fflush(stderr);
  dup2(kept, STDERR_FILENO);
  close(kept);
  rewind(file);
  printed[fread(printed, 1, size - 1, file)] = 0;
  fclose(file);
  return status;
}

// The others hear of it while they work; were it not so, this would never end.
static void calls_off(void **state) {
  (void)state;
  char printed[4096];
  int last = comm.size - 1;
  tt_status mine = TT_OK;
  assert_false(tt_comm_is_called_off(&comm));
  assert_int_equal(tt_comm_barrier(&comm), TT_OK);
  if (comm.rank == last) {
    mine = tt_fail(TT_ERR_IO, "no disk");
    tt_comm_call_off(&comm);
  } else {
    while (!tt_comm_is_called_off(&comm))
      ;
  }
  assert_int_equal(agree_and_listen(mine, printed, sizeof printed), TT_ERR_IO);
}

static void agrees(void **state) {
  (void)state;
  char printed[4096];
  assert_int_equal(agree_and_listen(TT_OK, printed, sizeof printed), TT_OK);
  assert_string_equal(printed, "");

  // every rank fails, each in its own way: rank 0 speaks
  tt_fail(TT_ERR_IO, "trouble of %d", comm.rank);
  assert_int_equal(agree_and_listen(comm.rank ? TT_ERR_DATA : TT_ERR_IO, printed, sizeof printed), TT_ERR_IO);
  assert_string_equal(printed, comm.rank ? "" : "twotrack: error: trouble of 0\n");
  assert_string_equal(tt_error_message(), "trouble of 0");

  // only the last rank fails
  int last = comm.size - 1;
  char expected[100];
  tt_status mine = TT_OK;
  if (comm.rank == last) mine = tt_fail(TT_ERR_NUMERIC, "no number");
  assert_int_equal(agree_and_listen(mine, printed, sizeof printed), TT_ERR_NUMERIC);
  snprintf(expected, sizeof expected, last ? "rank %d: no number" : "no number", last);
  assert_string_equal(tt_error_message(), expected);
  snprintf(expected, sizeof expected,
           last ? "twotrack: error: rank %d: no number\n" : "twotrack: error: no number\n", last);
  assert_string_equal(printed, comm.rank == last ? expected : "");
}

// Open MPI has no other way to ask which MPI-IO it will use than its own variable.
static void leaves_ompio_out(void **state) {
  (void)state;
  int provided, index, count;
  char chosen[4096] = "";
  MPI_T_cvar_handle handle;
  assert_int_equal(MPI_T_init_thread(MPI_THREAD_SINGLE, &provided), MPI_SUCCESS);
  assert_int_equal(MPI_T_cvar_get_index("io", &index), MPI_SUCCESS);
  assert_int_equal(MPI_T_cvar_handle_alloc(index, NULL, &handle, &count), MPI_SUCCESS);
  assert_in_range(count, 1, sizeof chosen);
  assert_int_equal(MPI_T_cvar_read(handle, chosen), MPI_SUCCESS);
  assert_string_equal(chosen, "^ompio");
  MPI_T_cvar_handle_free(&handle);
  MPI_T_finalize();
}

int main(void) {
  if (tt_comm_start(&comm) != TT_OK) return fprintf(stderr, "%s\n", tt_error_message()), 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(starts),
      cmocka_unit_test(gathers),
      cmocka_unit_test(exchanges),
      cmocka_unit_test(gathers_varying_counts),
      cmocka_unit_test(gathers_in_two_halves),
      cmocka_unit_test(broadcasts),
      cmocka_unit_test(reduces_in_the_order_of_the_tree),
      cmocka_unit_test(agrees),
      cmocka_unit_test(calls_off),
      cmocka_unit_test(exchanges_nothing),
      cmocka_unit_test(counts_what_it_sends),
      cmocka_unit_test(leaves_ompio_out),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  if (failed) MPI_Abort(comm.mpi, 1); // the others may be waiting for this rank
  tt_comm_finish(&comm);
  return 0;
}
