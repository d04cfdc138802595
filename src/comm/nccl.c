// What is used of NCCL is declared here, after the nccl.h of NCCL 2: neither the header nor the library is
// needed where the program is built.
#include "comm/nccl.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "comm/check.h"
#include "core/memory.h"

typedef struct {
  char bytes[128];
} unique_id;
typedef void *communicator; // ncclComm_t
typedef void *stream;       // cudaStream_t

enum { SUCCESS = 0, IN_PROGRESS = 7 };                  // of ncclResult_t
enum { TYPE_BYTE = 1 /* ncclUint8 */, TYPE_FLOAT = 7 }; // of ncclDataType_t
enum { SUM = 0 };                                       // of ncclRedOp_t
enum { OLDEST = 2700 };                                 // 2.7.0, the first with ncclSend

static struct {
  void *library;
  int (*GetVersion)(int *);
  const char *(*GetErrorString)(int);
  const char *(*GetLastError)(communicator); // NULL before 2.13
  int (*GetUniqueId)(unique_id *);
  int (*CommInitRank)(communicator *, int, unique_id, int);
  int (*CommDestroy)(communicator);
  int (*CommAbort)(communicator);
  int (*CommGetAsyncError)(communicator, int *);
  int (*GroupStart)(void);
  int (*GroupEnd)(void);
  int (*Send)(const void *, size_t, int, int, communicator, stream);
  int (*Recv)(void *, size_t, int, int, communicator, stream);
  int (*Reduce)(const void *, void *, size_t, int, int, int, communicator, stream);
  int (*ReduceScatter)(const void *, void *, size_t, int, int, communicator, stream);
} nccl;

struct tt_nccl {
  const tt_comm *ranks;
  communicator comm;
  tt_nccl *next; // of this process
};
static tt_nccl *all;

static const char *library_name(void) {
  const char *name = getenv("TWOTRACK_NCCL");
  return name && name[0] ? name : "libnccl.so.2";
}

static const char what_to_do[] = "install it, or set parallel.exchange = \"mpi\", which goes by way of the "
                                 "host's memory";

static tt_status find(void *library) {
  const struct {
    const char *name;
    void *function; // a pointer to it
    bool optional;
  } wanted[] = {{"ncclGetVersion", &nccl.GetVersion, false},
                {"ncclGetErrorString", &nccl.GetErrorString, false},
                {"ncclGetLastError", &nccl.GetLastError, true},
                {"ncclGetUniqueId", &nccl.GetUniqueId, false},
                {"ncclCommInitRank", &nccl.CommInitRank, false},
                {"ncclCommDestroy", &nccl.CommDestroy, false},
                {"ncclCommAbort", &nccl.CommAbort, false},
                {"ncclCommGetAsyncError", &nccl.CommGetAsyncError, false},
                {"ncclGroupStart", &nccl.GroupStart, false},
                {"ncclGroupEnd", &nccl.GroupEnd, false},
                {"ncclSend", &nccl.Send, false},
                {"ncclRecv", &nccl.Recv, false},
                {"ncclReduce", &nccl.Reduce, false},
                {"ncclReduceScatter", &nccl.ReduceScatter, false}};
  for (size_t k = 0; k < sizeof wanted / sizeof *wanted; k++) {
    void *place = dlsym(library, wanted[k].name);
    if (!place && !wanted[k].optional)
      return tt_fail(TT_ERR_UNSUPPORTED, "%s has no %s: it is no NCCL, or older than 2.7; %s", library_name(),
                     wanted[k].name, what_to_do);
    memcpy(wanted[k].function, &place, sizeof place);
  }
  int version = 0;
  if (nccl.GetVersion(&version) != SUCCESS || version < OLDEST)
    return tt_fail(TT_ERR_UNSUPPORTED,
                   "%s is NCCL of version code %d, and 2.7 is the oldest that will do; %s", library_name(),
                   version, what_to_do);
  return TT_OK;
}

tt_status tt_nccl_load(void) {
  if (nccl.library) return TT_OK;
  void *library = dlopen(library_name(), RTLD_NOW | RTLD_LOCAL);
  if (!library) return tt_fail(TT_ERR_UNSUPPORTED, "NCCL cannot be loaded (%s): %s", dlerror(), what_to_do);
  tt_status status = find(library);
  if (status == TT_OK)
    nccl.library = library;
  else
    dlclose(library);
  return status;
}

// The other communicators are aborted first: what waits in them would keep the process from ending.
_Noreturn static void failed(const tt_nccl *n, int code, const char *call, const char *file, int line) {
  const char *base = strrchr(file, '/');
  const char *more = nccl.GetLastError ? nccl.GetLastError(n->comm) : NULL;
  tt_fail(TT_ERR_MACHINE, "%s at %s:%d: %s%s%s", call, base ? base + 1 : file, line,
          nccl.GetErrorString(code), more && more[0] ? ": " : "", more ? more : "");
  for (tt_nccl *k = all; k; k = k->next)
    if (k->comm) nccl.CommAbort(k->comm);
  tt_comm_machine_failed(n->ranks);
}

#define TT_NCCL(n, call)                                                                                     \
  do {                                                                                                       \
    static const tt_call tt_here_ = {TT_WITH_RANKS, "nccl" #call, __func__};                                 \
    const tt_call *tt_before_ = tt_position_enter(&tt_here_, NULL);                                          \
    int tt_nccl_ = nccl.call;                                                                                \
    tt_position_leave(tt_before_);                                                                           \
    if (tt_nccl_ != SUCCESS) failed((n), tt_nccl_, "nccl" #call, __FILE__, __LINE__);                        \
  } while (0)

tt_nccl *tt_nccl_make(const tt_comm *ranks) {
  tt_nccl *n = NULL;
  unique_id id = {{0}};
  if (tt_alloc(&n, 1, sizeof *n, "a communicator of NCCL") != TT_OK) tt_comm_abort(ranks);
  n->ranks = ranks;
  if (ranks->rank == 0) TT_NCCL(n, GetUniqueId(&id));
  tt_comm_broadcast(ranks, &id, sizeof id, 0);
  TT_NCCL(n, CommInitRank(&n->comm, ranks->size, id, ranks->rank));
  n->next = all;
  return all = n;
}

void tt_nccl_free(tt_nccl *n) {
  if (!n) return;
  for (tt_nccl **at = &all; *at; at = &(*at)->next)
    if (*at == n) {
      *at = n->next;
      break;
    }
  nccl.CommDestroy(n->comm);
  free(n);
}

// Each rank starts with its neighbour; in one group the order is of no matter but for what NCCL does first.
void tt_nccl_exchange(const tt_nccl *n, void *on, const void *send, const tt_places_of_ranks *p,
                      void *receive) {
  int size = n->ranks->size, rank = n->ranks->rank;
  TT_NCCL(n, GroupStart());
  for (int k = 1; k < size; k++) {
    int to = (rank + k) % size, from = (rank - k + size) % size;
    if (p->send_bytes[to])
      TT_NCCL(n, Send((const char *)send + p->send_at[to], (size_t)p->send_bytes[to], TYPE_BYTE, to, n->comm,
                      on));
    if (p->receive_bytes[from])
      TT_NCCL(n, Recv((char *)receive + p->receive_at[from], (size_t)p->receive_bytes[from], TYPE_BYTE, from,
                      n->comm, on));
  }
  TT_NCCL(n, GroupEnd());
  tt_nccl_look();
}

static bool even(const tt_nccl *n, const int64_t *segment) {
  for (int r = 1; r < n->ranks->size; r++)
    if (segment[r + 1] - segment[r] != segment[1] - segment[0]) return false;
  return true;
}

// NCCL's reduce-scatter wants segments of one size; any others are reductions of their own, in a group.
void tt_nccl_sum_segments(const tt_nccl *n, void *on, float *partial, const int64_t *segment) {
  int rank = n->ranks->rank;
  if (even(n, segment)) {
    TT_NCCL(n, ReduceScatter(partial + segment[0], partial + segment[rank], (size_t)(segment[1] - segment[0]),
                             TYPE_FLOAT, SUM, n->comm, on));
  } else {
    TT_NCCL(n, GroupStart());
    for (int r = 0; r < n->ranks->size; r++) {
      float *at = partial + segment[r];
      size_t count = (size_t)(segment[r + 1] - segment[r]);
      if (count) TT_NCCL(n, Reduce(at, at, count, TYPE_FLOAT, SUM, r, n->comm, on));
    }
    TT_NCCL(n, GroupEnd());
  }
  tt_nccl_look();
}

void tt_nccl_look(void) {
  for (const tt_nccl *n = all; n; n = n->next) {
    int error = SUCCESS;
    TT_NCCL(n, CommGetAsyncError(n->comm, &error));
    if (error != SUCCESS && error != IN_PROGRESS)
      failed(n, error, "an exchange between devices", __FILE__, __LINE__);
  }
}
