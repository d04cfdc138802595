#include "comm/comm.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/all_to_all.h"
#include "comm/check.h"
#include "comm/device_exchange.h"
#include "core/exit_codes.h"
#include "core/progress.h"

int64_t tt_comm_piece_bytes = (int64_t)1 << 30;

static tt_traffic process_traffic;

void tt_comm_count_as(const tt_comm *comm, tt_traffic_kind kind) {
  if (comm->traffic) comm->traffic->now = kind;
}

void tt_comm_count(const tt_comm *comm, int64_t bytes) {
  if (comm->traffic) comm->traffic->sent[comm->traffic->now] += bytes;
}

static int all_ranks; // of the job

void tt_comm_meet(const tt_comm *comm) {
  if (comm->size == all_ranks) tt_position_meet();
}

static void (*tell)(const char *message);

void tt_comm_on_error(void (*told)(const char *message)) {
  tell = told;
}

_Noreturn static void end_job(const tt_comm *comm, int exit_code);

_Noreturn void tt_comm_call_failed(const tt_comm *comm, int code, const char *call, const char *file,
                                   int line) {
  char why[MPI_MAX_ERROR_STRING] = "unknown error";
  int length = 0;
  MPI_Error_string(code, why, &length);
  const char *base = strrchr(file, '/');
  tell = NULL;
  tt_fail(TT_ERR_MPI, "%s at %s:%d: %s", call, base ? base + 1 : file, line, why);
  end_job(comm, TT_EXIT_MACHINE);
}

_Noreturn void tt_comm_machine_failed(const tt_comm *comm) {
  tell = NULL;
  end_job(comm, TT_EXIT_MACHINE);
}

// Whether mpirun, srun or the like started this process as one of several.
static bool launched(void) {
  static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_FD",
                                      "SLURM_PROCID"};
  for (size_t k = 0; k < sizeof names / sizeof *names; k++)
    if (getenv(names[k])) return true;
  return false;
}

// Open MPI starts a daemon beside a process that is alone, in case that it starts others. It takes longer
// than all the rest of MPI's start, so we do without; and without the folder under /tmp, which all such
// processes would share and remove for each other.
static void start_alone(void) {
  setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
  setenv("OMPI_MCA_orte_create_session_dirs", "0", 0);
}

tt_status tt_comm_start(tt_comm *comm) {
  *comm = (tt_comm){MPI_COMM_NULL, 0, 1, &process_traffic, NULL};
  // Open MPI's own MPI-IO (OMPIO) can hang in collective HDF5 writes: leave ROMIO, whatever its version is
  // called. A user's own choice stands.
  setenv("OMPI_MCA_io", "^ompio", 0);
  if (!launched()) start_alone();
  int started, provided;
  TT_MPI(comm, MPI_Initialized(&started));
  if (!started) {
    TT_MPI(comm, MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided));
    if (provided < MPI_THREAD_FUNNELED)
      return tt_fail(TT_ERR_MPI, "this MPI library does not allow threads beside the one that calls it");
  }
  // an own communicator: our messages never match those of a library such as HDF5
  TT_MPI(comm, MPI_Comm_dup(MPI_COMM_WORLD, &comm->mpi));
  TT_MPI(comm, MPI_Comm_set_errhandler(comm->mpi, MPI_ERRORS_RETURN));
  TT_MPI(comm, MPI_Comm_rank(comm->mpi, &comm->rank));
  TT_MPI(comm, MPI_Comm_size(comm->mpi, &comm->size));
  all_ranks = comm->size;
  return TT_OK;
}

void tt_comm_finish(tt_comm *comm) {
  int started = 0, finished = 0;
  MPI_Initialized(&started);
  if (started) MPI_Finalized(&finished);
  if (!started || finished) return;
  tt_position_phase("end", 0);
  tt_comm_meet(comm);
  TT_POSITION_(TT_WITH_RANKS, "MPI_Finalize", NULL);
  if (comm->mpi != MPI_COMM_NULL) MPI_Comm_free(&comm->mpi);
  MPI_Finalize();
}

static void print_error(const char *message) {
  fflush(stdout);
  tt_progress_clear();
  fprintf(stderr, "twotrack: error: %s\n", message);
  fflush(stderr);
  if (tell) tell(message);
}

// Gives every rank the status and message of the lowest rank that failed, which is *teller.
static tt_status share(const tt_comm *comm, tt_status status, int *teller) {
  struct {
    int status;
    char message[2048];
  } failure = {status, ""};
  int mine = status == TT_OK ? INT_MAX : comm->rank;
  tt_comm_meet(comm);
  TT_MPI(comm, MPI_Allreduce(&mine, teller, 1, MPI_INT, MPI_MIN, comm->mpi));
  if (*teller == INT_MAX) return TT_OK;
  if (*teller == comm->rank && comm->rank == 0)
    snprintf(failure.message, sizeof failure.message, "%s", tt_error_message());
  else if (*teller == comm->rank)
    snprintf(failure.message, sizeof failure.message, "rank %d: %s", comm->rank, tt_error_message());
  TT_MPI(comm, MPI_Bcast(&failure, sizeof failure, MPI_BYTE, *teller, comm->mpi));
  return tt_fail((tt_status)failure.status, "%s", failure.message);
}

tt_status tt_comm_agree(const tt_comm *comm, tt_status status) {
  int teller = comm->rank;
  status = share(comm, status, &teller);
  if (status != TT_OK && status != TT_STOPPED && teller == comm->rank) print_error(tt_error_message());
  return status;
}

tt_status tt_comm_agree_quietly(const tt_comm *comm, tt_status status) {
  int teller;
  return share(comm, status, &teller);
}

// `comm` may be a part of the ranks: the rank that is named is the job's, and all of it ends.
_Noreturn static void end_job(const tt_comm *comm, int exit_code) {
  char message[2080];
  int started = 0, finished = 0, rank = comm->rank, size = comm->size;
  MPI_Initialized(&started);
  if (started) MPI_Finalized(&finished);
  bool running = started && !finished;
  if (running) MPI_Comm_rank(MPI_COMM_WORLD, &rank), MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (size > 1)
    snprintf(message, sizeof message, "rank %d: %s", rank, tt_error_message());
  else
    snprintf(message, sizeof message, "%s", tt_error_message());
  print_error(message);
  if (running) MPI_Abort(MPI_COMM_WORLD, exit_code);
  exit(exit_code);
}

_Noreturn void tt_comm_abort(const tt_comm *comm) {
  end_job(comm, TT_EXIT_ERROR);
}

static int64_t pieces(int64_t bytes) {
  return (bytes + tt_comm_piece_bytes - 1) / tt_comm_piece_bytes;
}

static int piece_at(int64_t bytes, int64_t at) {
  return (int)(bytes - at < tt_comm_piece_bytes ? bytes - at : tt_comm_piece_bytes);
}

// Pieces between two ranks arrive in the order in which they were sent, so one tag will do.
tt_messages tt_comm_all_to_all_begin(const tt_comm *comm, const void *send, const tt_places_of_ranks *p,
                                     void *receive) {
  int64_t most = 0;
  tt_comm_meet(comm);
  for (int r = 0; r < comm->size; r++)
    if (r != comm->rank) most += pieces(p->send_bytes[r]) + pieces(p->receive_bytes[r]);
  MPI_Request *requests = most < INT_MAX ? malloc(((size_t)most + 1) * sizeof *requests) : NULL;
  if (!requests) {
    tt_fail(TT_ERR_MEMORY, "out of memory: an exchange of %lld messages", (long long)most);
    tt_comm_abort(comm);
  }
  int count = 0;
  // each rank starts with its neighbour, so that not all of them call on rank 0 first
  for (int k = 1; k < comm->size; k++) {
    int from = (comm->rank - k + comm->size) % comm->size;
    for (int64_t at = 0; at < p->receive_bytes[from]; at += tt_comm_piece_bytes)
      TT_MPI(comm, MPI_Irecv((char *)receive + p->receive_at[from] + at, piece_at(p->receive_bytes[from], at),
                             MPI_BYTE, from, 0, comm->mpi, &requests[count++]));
  }
  for (int k = 1; k < comm->size; k++) {
    int to = (comm->rank + k) % comm->size;
    tt_comm_count(comm, p->send_bytes[to]);
    for (int64_t at = 0; at < p->send_bytes[to]; at += tt_comm_piece_bytes)
      TT_MPI(comm, MPI_Isend((const char *)send + p->send_at[to] + at, piece_at(p->send_bytes[to], at),
                             MPI_BYTE, to, 0, comm->mpi, &requests[count++]));
  }
  const char *own = (const char *)send + p->send_at[comm->rank];
  char *place = (char *)receive + p->receive_at[comm->rank];
  if (p->send_bytes[comm->rank] && place != own) memmove(place, own, (size_t)p->send_bytes[comm->rank]);
  return (tt_messages){comm, requests, count, false};
}

void tt_comm_wait(tt_messages *m) {
  if (m->requests) TT_MPI(m->comm, MPI_Waitall(m->count, m->requests, MPI_STATUSES_IGNORE));
  if (m->queued) m->comm->link->arrays->queues->follow(TT_QUEUE_COMPUTE, TT_QUEUE_EXCHANGE);
  free(m->requests);
  *m = (tt_messages){0};
}

void tt_comm_all_to_all(const tt_comm *comm, const void *send, const tt_places_of_ranks *p, void *receive) {
  tt_messages messages = tt_comm_all_to_all_begin(comm, send, p, receive);
  tt_comm_wait(&messages);
}

tt_places_of_ranks tt_comm_places(const tt_comm *comm) {
  size_t n = (size_t)comm->size;
  int64_t *all = calloc(4 * n, sizeof *all);
  if (!all) {
    tt_fail(TT_ERR_MEMORY, "out of memory: tables of %d ranks", comm->size);
    tt_comm_abort(comm);
  }
  return (tt_places_of_ranks){all, all + n, all + 2 * n, all + 3 * n};
}

void tt_comm_places_free(tt_places_of_ranks *p) {
  free(p->send_at); // one allocation
}

tt_status tt_comm_gather_all(const tt_comm *comm, const void *send, void *receive, size_t count,
                             size_t size) {
  size_t bytes = count * size;
  if ((int64_t)bytes <= tt_comm_piece_bytes) {
    tt_comm_count(comm, (int64_t)bytes * (comm->size - 1));
    tt_comm_meet(comm);
    TT_MPI(comm, MPI_Allgather(send, (int)bytes, MPI_BYTE, receive, (int)bytes, MPI_BYTE, comm->mpi));
    return TT_OK;
  }
  tt_places_of_ranks p = tt_comm_places(comm);
  for (int r = 0; r < comm->size; r++) {
    p.send_bytes[r] = p.receive_bytes[r] = (int64_t)bytes;
    p.receive_at[r] = (int64_t)bytes * r;
  }
  tt_comm_all_to_all(comm, send, &p, receive);
  tt_comm_places_free(&p);
  return TT_OK;
}

tt_messages tt_comm_gather_begin(const tt_comm *comm, const void *send, void *receive, const int64_t *counts,
                                 size_t size) {
  tt_places_of_ranks p = tt_comm_places(comm);
  for (int r = 0; r < comm->size; r++) {
    p.send_bytes[r] = counts[comm->rank] * (int64_t)size;
    p.receive_bytes[r] = counts[r] * (int64_t)size;
    if (r) p.receive_at[r] = p.receive_at[r - 1] + p.receive_bytes[r - 1];
  }
  tt_messages messages = tt_comm_all_to_all_begin(comm, send, &p, receive);
  tt_comm_places_free(&p);
  return messages;
}

tt_status tt_comm_gather_all_v(const tt_comm *comm, const void *send, void *receive, const int64_t *counts,
                               size_t size) {
  tt_messages messages = tt_comm_gather_begin(comm, send, receive, counts, size);
  tt_comm_wait(&messages);
  return TT_OK;
}

tt_status tt_comm_exchange(const tt_comm *comm, const void *send, const int64_t *send_counts, void **receive,
                           int64_t *receive_counts) {
  *receive = NULL;
  tt_comm_meet(comm);
  TT_MPI(comm, MPI_Alltoall(send_counts, 1, MPI_INT64_T, receive_counts, 1, MPI_INT64_T, comm->mpi));
  tt_places_of_ranks p = tt_comm_places(comm);
  int64_t total = 0;
  for (int r = 0; r < comm->size; r++) {
    p.send_bytes[r] = send_counts[r], p.receive_bytes[r] = receive_counts[r];
    if (r) p.send_at[r] = p.send_at[r - 1] + send_counts[r - 1];
    p.receive_at[r] = total;
    total += receive_counts[r];
  }
  tt_status status = TT_OK;
  *receive = malloc(total ? (size_t)total : 1);
  if (!*receive) status = tt_fail(TT_ERR_MEMORY, "out of memory: %lld bytes to receive", (long long)total);
  // A rank without memory must not leave the others waiting for its messages.
  int teller;
  status = share(comm, status, &teller);
  if (status == TT_OK) tt_comm_all_to_all(comm, send, &p, *receive);
  tt_comm_places_free(&p);
  if (status == TT_OK) return TT_OK;
  free(*receive);
  *receive = NULL;
  return status;
}

tt_status tt_comm_sum(const tt_comm *comm, uint64_t *words, int count) {
  tt_comm_meet(comm);
  TT_MPI(comm, MPI_Allreduce(MPI_IN_PLACE, words, count, MPI_UINT64_T, MPI_SUM, comm->mpi));
  return TT_OK;
}

tt_status tt_comm_greatest(const tt_comm *comm, double *values, int count) {
  tt_comm_meet(comm);
  TT_MPI(comm, MPI_Allreduce(MPI_IN_PLACE, values, count, MPI_DOUBLE, MPI_MAX, comm->mpi));
  return TT_OK;
}

tt_status tt_comm_broadcast(const tt_comm *comm, void *data, size_t bytes, int root) {
  tt_comm_meet(comm);
  for (int64_t at = 0; at < (int64_t)bytes; at += tt_comm_piece_bytes)
    TT_MPI(comm, MPI_Bcast((char *)data + at, piece_at((int64_t)bytes, at), MPI_BYTE, root, comm->mpi));
  return TT_OK;
}

enum { CALL_OFF_TAG = 7 }; // no other message of this room has it

void tt_comm_call_off(const tt_comm *comm) {
  for (int r = 0; r < comm->size; r++) {
    if (r == comm->rank) continue;
    MPI_Request request; // an empty message is on its way at once, whether or not anybody looks for it
    TT_MPI(comm, MPI_Isend(NULL, 0, MPI_BYTE, r, CALL_OFF_TAG, comm->mpi, &request));
    TT_MPI(comm, MPI_Request_free(&request));
  }
}

bool tt_comm_is_called_off(const tt_comm *comm) {
  int there = 0;
  MPI_Status from;
  TT_MPI(comm, MPI_Iprobe(MPI_ANY_SOURCE, CALL_OFF_TAG, comm->mpi, &there, &from));
  if (there) TT_MPI(comm, MPI_Recv(NULL, 0, MPI_BYTE, from.MPI_SOURCE, CALL_OFF_TAG, comm->mpi, &from));
  return there;
}

tt_status tt_comm_barrier(const tt_comm *comm) {
  tt_comm_meet(comm);
  TT_MPI(comm, MPI_Barrier(comm->mpi));
  return TT_OK;
}

void tt_comm_node(const tt_comm *comm, int *place, int *ranks) {
  MPI_Comm node;
  *place = 0, *ranks = 1;
  if (comm->size == 1) return;
  TT_MPI(comm, MPI_Comm_split_type(comm->mpi, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL, &node));
  TT_MPI(comm, MPI_Comm_rank(node, place));
  TT_MPI(comm, MPI_Comm_size(node, ranks));
  TT_MPI(comm, MPI_Comm_free(&node));
}
