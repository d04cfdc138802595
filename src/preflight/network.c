#include "preflight/network.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"

static tt_status check(int code, const char *call) {
  if (code == MPI_SUCCESS) return TT_OK;
  char why[MPI_MAX_ERROR_STRING] = "unknown error";
  int length = 0;
  MPI_Error_string(code, why, &length);
  return tt_fail(TT_ERR_MPI, "%s: %s", call, why);
}

#define CHECK(call) TT_TRY(check(call, #call))

static bool leads_node(const tt_preflight *p) {
  return p->nodes[p->node_of[p->comm.rank]].first == p->comm.rank;
}

// ---- clocks

static double unix_time(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// Rank 0 asks the first rank of each node for its time, a few times; the quickest answer says most.
tt_status tt_network_clocks(tt_preflight *p) {
  enum { TIMES = 5, TAG = 21 };
  MPI_Comm mpi = p->comm.mpi;
  tt_attendance_at(&p->attendance, true, "comparing clocks");
  for (int n = 0; n < p->node_count; n++) {
    int other = p->nodes[n].first;
    double best = 1e9, ahead = 0;
    for (int k = 0; k < TIMES && other != 0; k++) {
      double theirs = 0, sent = unix_time();
      if (p->comm.rank == 0) {
        CHECK(MPI_Send(NULL, 0, MPI_BYTE, other, TAG, mpi));
        CHECK(MPI_Recv(&theirs, 1, MPI_DOUBLE, other, TAG, mpi, MPI_STATUS_IGNORE));
        double back = unix_time();
        if (back - sent < best) best = back - sent, ahead = theirs - (sent + back) / 2;
      } else if (p->comm.rank == other) {
        CHECK(MPI_Recv(NULL, 0, MPI_BYTE, 0, TAG, mpi, MPI_STATUS_IGNORE));
        theirs = unix_time();
        CHECK(MPI_Send(&theirs, 1, MPI_DOUBLE, 0, TAG, mpi));
      }
    }
    if (other == 0) continue;
    if (p->comm.rank == 0) CHECK(MPI_Send(&ahead, 1, MPI_DOUBLE, other, TAG, mpi));
    if (p->comm.rank != other) continue;
    CHECK(MPI_Recv(&p->own.clock, 1, MPI_DOUBLE, 0, TAG, mpi, MPI_STATUS_IGNORE));
    if (p->own.clock > 1 || p->own.clock < -1)
      tt_report_note(
          &p->own, "its clock is %.1f s %s that of rank 0's node: time limits and dates of files will be off",
          p->own.clock > 0 ? p->own.clock : -p->own.clock, p->own.clock > 0 ? "ahead of" : "behind");
  }
  return TT_OK;
}

// ---- sums

// Whole numbers, so that any order of adding has the same sum: value k of rank r is (r + 1)(k % 1000 + 1).
tt_status tt_network_reduce(tt_preflight *p) {
  enum { COUNT = 1 << 17 };
  double *values, n = p->comm.size, begun;
  tt_attendance_at(&p->attendance, true, "an all-reduce of 1 MB");
  TT_TRY(tt_alloc(&values, COUNT, sizeof *values, "an all-reduce"));
  tt_status status = TT_OK;
  for (int time = 0; time < 2 && status == TT_OK; time++) { // the first one sets up connections
    for (int k = 0; k < COUNT; k++) values[k] = (p->comm.rank + 1.0) * (k % 1000 + 1);
    status = check(MPI_Barrier(p->comm.mpi), "MPI_Barrier");
    begun = tt_now();
    if (status == TT_OK)
      status = check(MPI_Allreduce(MPI_IN_PLACE, values, COUNT, MPI_DOUBLE, MPI_SUM, p->comm.mpi),
                     "MPI_Allreduce");
    p->reduce_seconds = tt_now() - begun;
  }
  for (int k = 0; k < COUNT && status == TT_OK; k++) {
    double right = n * (n + 1) / 2 * (k % 1000 + 1);
    if (values[k] == right) continue;
    tt_report_problem(
        &p->own, "an all-reduce of known values gave %.17g in place of %.17g: memory, processor or network",
        values[k], right);
    break;
  }
  free(values);
  return status;
}

// ---- messages

enum { WORDS = 1 << 19 }; // 4 MB

static uint64_t word(int from, int to, int k) {
  uint64_t x =
      ((uint64_t)(unsigned)from << 40 ^ (uint64_t)(unsigned)to << 20 ^ (uint64_t)k) * 0x9E3779B97F4A7C15u;
  return x ^ x >> 29;
}

// Sends to one node and receives from another at the same time.
static tt_status shift(tt_preflight *p, int distance, uint64_t *send, uint64_t *receive) {
  enum { TAG = 22 };
  int n = p->node_count, here = p->node_of[p->comm.rank];
  int to = p->nodes[(here + distance) % n].first, from = p->nodes[(here - distance + n) % n].first;
  for (int k = 0; k < WORDS; k++) send[k] = word(p->comm.rank, to, k);
  memset(receive, 0, sizeof *receive * WORDS);
  tt_attendance_at(&p->attendance, true, "a message of 4 MB to rank %d and one from rank %d", to, from);
  double begun = tt_now();
  CHECK(MPI_Sendrecv(send, WORDS, MPI_UINT64_T, to, TAG, receive, WORDS, MPI_UINT64_T, from, TAG, p->comm.mpi,
                     MPI_STATUS_IGNORE));
  double rate = 2.0 * sizeof *send * WORDS / (tt_now() - begun);
  if (rate > p->own.rate) p->own.rate = rate;
  for (int k = 0; k < WORDS; k++) {
    if (receive[k] == word(from, p->comm.rank, k)) continue;
    tt_report_problem(&p->own, "a message of 4 MB from rank %d did not arrive as it was sent", from);
    break;
  }
  return TT_OK;
}

// Distances 1, 2, 4, ... around the ring of nodes: a few messages a node, whatever their number. The first
// one of each distance sets up the connection.
tt_status tt_network_messages(tt_preflight *p) {
  if (p->node_count > 1 && leads_node(p)) {
    uint64_t *send = NULL, *receive = NULL;
    tt_status status = tt_alloc(&send, WORDS, sizeof *send, "messages");
    if (status == TT_OK) status = tt_alloc(&receive, WORDS, sizeof *receive, "messages");
    if (status != TT_OK) tt_comm_abort(&p->comm); // others wait for these messages
    for (int distance = 1; distance < p->node_count && status == TT_OK; distance *= 2)
      for (int k = 0; k < 2 && status == TT_OK; k++) status = shift(p, distance, send, receive);
    free(send), free(receive);
    TT_TRY(status);
  }
  tt_attendance_at(&p->attendance, true, "the end of the messages between nodes");
  CHECK(MPI_Barrier(p->comm.mpi));
  return TT_OK;
}

// ---- the run's folder

// NFS may show a new file some seconds late.
static bool reads(const char *path, const char *token) {
  for (double begun = tt_now(); tt_now() - begun < 5;) {
    char *text;
    size_t bytes;
    if (tt_file_read(path, &text, &bytes) == TT_OK) {
      bool same = strcmp(text, token) == 0;
      free(text);
      if (same) return true;
    }
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
  }
  return false;
}

// Whether a lock that rank 0 holds is seen here.
static void look_at_lock(tt_preflight *p, const char *path) {
  int file = open(path, O_RDWR | O_CLOEXEC);
  if (file >= 0 && p->own.locks_work && flock(file, LOCK_EX | LOCK_NB) == 0)
    tt_report_note(
        &p->own,
        "%s: file locks hold within a node only, so two jobs on different nodes would both write there",
        p->options.run);
  if (file >= 0) close(file);
}

tt_status tt_network_folder(tt_preflight *p) {
  char path[PATH_MAX + 160], token[128] = "";
  int lock = -1;
  tt_attendance_at(&p->attendance, p->comm.rank != 0, "comparing the folder %s", p->options.run);
  snprintf(path, sizeof path, "%s/token", p->attendance.folder);
  if (p->comm.rank == 0 && p->own.folder_works) {
    snprintf(token, sizeof token, "%s %ld %lld", p->launcher.node, (long)getpid(),
             (long long)(1e9 * unix_time()));
    if (tt_file_replace(path, token, strlen(token)) != TT_OK) token[0] = 0;
    lock = open(path, O_RDWR | O_CLOEXEC);
    if (lock >= 0) flock(lock, LOCK_EX | LOCK_NB);
  }
  CHECK(MPI_Bcast(token, sizeof token, MPI_BYTE, 0, p->comm.mpi));
  if (token[0] && p->own.folder_works && p->comm.rank != 0) {
    tt_attendance_at(&p->attendance, false, "looking for rank 0's file in %s", p->options.run);
    if (!reads(path, token))
      tt_report_problem(
          &p->own,
          "run folder: %s is not the same folder as on rank 0's node: it must be on a file system "
          "that all nodes share",
          p->options.run);
    else if (leads_node(p))
      look_at_lock(p, path);
  }
  tt_attendance_at(&p->attendance, true, "the end of comparing folders");
  CHECK(MPI_Barrier(p->comm.mpi));
  if (lock >= 0) close(lock);
  return TT_OK;
}
