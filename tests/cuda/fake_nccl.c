// A stand-in for libnccl.so.2, for tests without GPUs: the calls that src/comm/nccl.c makes, over MPI, put
// into the emulator's streams (kernels/emulated/streams.h). It is strict where NCCL is: sends and receives
// are matched in the order in which a communicator was given them, counts must agree, a group must be ended
// by who began it; errors are those of NCCL. Sums are made in the order of a ring, so that they can be told
// from those of a tree.
//
// TT_FAKE_NCCL_FAIL=NAME:N   the N-th call of that name fails (ncclSystemError)
// TT_FAKE_NCCL_LOSE=N        from the N-th group on nothing arrives, and the communicator reports
//                            ncclRemoteError
// TT_FAKE_NCCL_VERSION=CODE  calls itself that version
// TT_FAKE_NCCL_COUNT=FILE    at the end of each rank a line goes there: what was called how often
#include <dlfcn.h>
#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, SYSTEM_ERROR = 2, INVALID_ARGUMENT = 4, INVALID_USAGE = 5, REMOTE_ERROR = 6 };
enum { UINT8 = 1, FLOAT32 = 7 }; // ncclDataType_t

typedef struct {
  char bytes[128];
} unique_id;

typedef struct {
  MPI_Comm mpi;
  int rank, size;
  int *sent, *received; // (size) messages so far to and from each rank: their tags
} communicator;

typedef enum { SEND, RECEIVE, REDUCE } kind;
typedef struct {
  kind kind;
  communicator *comm;
  int peer, tag; // REDUCE: peer is the root
  char *device;  // send: from; receive: to; reduce: both
  char *to;      // reduce: to
  char *host;    // what travels
  size_t bytes;
  MPI_Request request;
} operation;

// What is between ncclGroupStart and ncclGroupEnd; then work of a stream.
typedef struct {
  operation *list;
  int count;
  void *stream;
  bool mixed, begun, lost;
} group;

static int depth;
static group open_group;
static int64_t groups, sends, receives, reductions, bytes_sent;
static void *streams_seen[8];
static int stream_count;
static bool lost;

static bool fails(const char *name) {
  static int64_t calls;
  const char *text = getenv("TT_FAKE_NCCL_FAIL"), *colon = text ? strchr(text, ':') : NULL;
  if (!colon || strlen(name) != (size_t)(colon - text) || strncmp(name, text, strlen(name)) != 0)
    return false;
  return ++calls == atoll(colon + 1);
}

int ncclGetVersion(int *version) {
  const char *text = getenv("TT_FAKE_NCCL_VERSION");
  *version = text ? atoi(text) : 22809;
  return SUCCESS;
}

const char *ncclGetErrorString(int error) {
  return error == SUCCESS            ? "no error"
         : error == SYSTEM_ERROR     ? "unhandled system error"
         : error == INVALID_ARGUMENT ? "invalid argument"
         : error == INVALID_USAGE    ? "invalid usage"
                                     : "remote process exited or there was a network error";
}

const char *ncclGetLastError(void *comm) {
  (void)comm;
  return "the stand-in says so";
}

static void report(void) {
  const char *path = getenv("TT_FAKE_NCCL_COUNT");
  FILE *file = path ? fopen(path, "a") : NULL;
  if (!file) return;
  fprintf(file, "groups %lld sends %lld receives %lld reductions %lld bytes %lld streams %d\n",
          (long long)groups, (long long)sends, (long long)receives, (long long)reductions,
          (long long)bytes_sent, stream_count);
  fclose(file);
}

int ncclGetUniqueId(unique_id *id) {
  static int made;
  memset(id, 0, sizeof *id);
  snprintf(id->bytes, sizeof id->bytes, "%d.%d", (int)getpid(), made++);
  return fails("ncclGetUniqueId") ? SYSTEM_ERROR : SUCCESS;
}

// Collective among all processes, which begin their communicators at the same time; the colour is the id.
int ncclCommInitRank(void **comm, int size, unique_id id, int rank) {
  static bool known;
  if (!known) atexit(report), known = true;
  if (fails("ncclCommInitRank")) return SYSTEM_ERROR;
  communicator *c = calloc(1, sizeof *c);
  uint32_t colour = 17;
  for (int k = 0; k < 128; k++) colour = colour * 31 + (unsigned char)id.bytes[k];
  MPI_Comm_split(MPI_COMM_WORLD, (int)(colour & 0x7fffffff), rank, &c->mpi);
  MPI_Comm_rank(c->mpi, &c->rank), MPI_Comm_size(c->mpi, &c->size);
  if (c->rank != rank || c->size != size) return INVALID_ARGUMENT;
  c->sent = calloc((size_t)size, sizeof(int)), c->received = calloc((size_t)size, sizeof(int));
  *comm = c;
  return SUCCESS;
}

int ncclCommDestroy(void *comm) {
  communicator *c = comm;
  MPI_Comm_free(&c->mpi);
  free(c->sent), free(c->received), free(c);
  return SUCCESS;
}

int ncclCommAbort(void *comm) {
  (void)comm;
  return SUCCESS;
}

int ncclCommGetAsyncError(void *comm, int *error) {
  (void)comm;
  *error = lost ? REMOTE_ERROR : SUCCESS;
  return fails("ncclCommGetAsyncError") ? SYSTEM_ERROR : SUCCESS;
}

// ---- work in a stream ----

// The sum over the ranks comes to the root by way of all of them, from the one after it on.
static void start(operation *o) {
  communicator *c = o->comm;
  switch (o->kind) {
  case SEND:
    memcpy(o->host, o->device, o->bytes);
    MPI_Isend(o->host, (int)o->bytes, MPI_BYTE, o->peer, o->tag, c->mpi, &o->request);
    break;
  case RECEIVE:
    MPI_Irecv(o->host, (int)o->bytes, MPI_BYTE, o->peer, o->tag, c->mpi, &o->request);
    break;
  case REDUCE:
    memcpy(o->host, o->device, o->bytes);
    MPI_Igather(c->rank == o->peer ? MPI_IN_PLACE : o->host, (int)o->bytes, MPI_BYTE, o->host, (int)o->bytes,
                MPI_BYTE, o->peer, c->mpi, &o->request);
    break;
  }
}

static void prepare_reduce(operation *o) {
  communicator *c = o->comm; // the root has room for all
  if (c->rank == o->peer) memcpy(o->host + (size_t)c->rank * o->bytes, o->device, o->bytes);
}

static void add_ring(const operation *o) {
  communicator *c = o->comm;
  if (c->rank != o->peer) return;
  const float *terms = (const float *)(const void *)o->host;
  size_t count = o->bytes / sizeof(float);
  for (size_t i = 0; i < count; i++) {
    float sum = 0;
    for (int k = 1; k <= c->size; k++) sum += terms[(size_t)((c->rank + k) % c->size) * count + i];
    memcpy(o->to + i * sizeof(float), &sum, sizeof sum);
  }
}

static bool step(void *context) {
  group *g = context;
  if (g->lost) return false;
  if (!g->begun)
    for (int k = 0; k < g->count; k++) {
      if (g->list[k].kind == REDUCE) prepare_reduce(&g->list[k]);
      start(&g->list[k]);
    }
  g->begun = true;
  for (int k = 0; k < g->count; k++) {
    int done = 0;
    if (g->list[k].request == MPI_REQUEST_NULL) continue;
    MPI_Status status;
    MPI_Test(&g->list[k].request, &done, &status);
    if (!done) return false;
    int got = (int)g->list[k].bytes;
    if (g->list[k].kind == RECEIVE) MPI_Get_count(&status, MPI_BYTE, &got);
    if (got != (int)g->list[k].bytes) {
      fprintf(stderr, "stand-in for NCCL: %zu bytes are received, but %d were sent\n", g->list[k].bytes, got);
      MPI_Abort(MPI_COMM_WORLD, 3);
    }
  }
  for (int k = 0; k < g->count; k++) {
    const operation *o = &g->list[k];
    if (o->kind == RECEIVE) memcpy(o->device, o->host, o->bytes);
    if (o->kind == REDUCE) add_ring(o);
    free(o->host);
  }
  free(g->list), free(g);
  return true;
}

static int submit(void) {
  static void (*queue)(void *, bool (*)(void *), void *);
  if (!queue) {
    void *found = dlsym(RTLD_DEFAULT, "tt_emulated_queue_library_step");
    memcpy(&queue, &found, sizeof found);
    if (!queue) return INVALID_USAGE;
  }
  if (open_group.count == 0) return SUCCESS;
  if (open_group.mixed) return INVALID_USAGE;
  group *g = malloc(sizeof *g);
  const char *lose = getenv("TT_FAKE_NCCL_LOSE");
  *g = open_group;
  open_group = (group){0};
  groups++;
  g->lost = lost = lost || (lose && groups >= atoll(lose));
  bool seen = false;
  for (int k = 0; k < stream_count; k++) seen = seen || streams_seen[k] == g->stream;
  if (!seen && stream_count < 8) streams_seen[stream_count++] = g->stream;
  queue(g->stream, step, g);
  return SUCCESS;
}

static int add(operation o, void *stream) {
  group *g = &open_group;
  bool root = o.kind == REDUCE && o.comm->rank == o.peer;
  if (o.peer < 0 || o.peer >= o.comm->size || !o.device || o.bytes > INT32_MAX) return INVALID_ARGUMENT;
  o.host = malloc((o.bytes + 1) * (root ? (size_t)o.comm->size : 1));
  o.request = MPI_REQUEST_NULL;
  g->list = realloc(g->list, (size_t)(g->count + 1) * sizeof o);
  g->mixed = g->mixed || (g->count > 0 && g->stream != stream);
  g->stream = stream;
  g->list[g->count++] = o;
  return depth > 0 ? SUCCESS : submit();
}

int ncclGroupStart(void) {
  depth++;
  return fails("ncclGroupStart") ? SYSTEM_ERROR : SUCCESS;
}

int ncclGroupEnd(void) {
  if (fails("ncclGroupEnd")) return SYSTEM_ERROR;
  if (depth == 0) return INVALID_USAGE;
  return --depth > 0 ? SUCCESS : submit();
}

static int size_of(int type) {
  return type == UINT8 ? 1 : type == FLOAT32 ? 4 : 0;
}

int ncclSend(const void *from, size_t count, int type, int peer, void *comm, void *stream) {
  communicator *c = comm;
  size_t bytes = count * (size_t)size_of(type);
  if (fails("ncclSend")) return SYSTEM_ERROR;
  if (!size_of(type) || peer == c->rank) return INVALID_ARGUMENT;
  sends++, bytes_sent += (int64_t)bytes;
  return add((operation){.kind = SEND,
                         .comm = c,
                         .peer = peer,
                         .tag = c->sent[peer]++ % 30000,
                         .device = (char *)(uintptr_t)from,
                         .bytes = bytes},
             stream);
}

int ncclRecv(void *to, size_t count, int type, int peer, void *comm, void *stream) {
  communicator *c = comm;
  if (fails("ncclRecv")) return SYSTEM_ERROR;
  if (!size_of(type) || peer == c->rank) return INVALID_ARGUMENT;
  receives++;
  return add((operation){.kind = RECEIVE,
                         .comm = c,
                         .peer = peer,
                         .tag = c->received[peer]++ % 30000,
                         .device = to,
                         .bytes = count * (size_t)size_of(type)},
             stream);
}

int ncclReduce(const void *from, void *to, size_t count, int type, int op, int root, void *comm,
               void *stream) {
  if (fails("ncclReduce")) return SYSTEM_ERROR;
  if (type != FLOAT32 || op != 0) return INVALID_ARGUMENT;
  reductions++;
  return add((operation){.kind = REDUCE,
                         .comm = comm,
                         .peer = root,
                         .device = (char *)(uintptr_t)from,
                         .to = to,
                         .bytes = 4 * count},
             stream);
}

int ncclReduceScatter(const void *from, void *to, size_t count, int type, int op, void *comm, void *stream) {
  communicator *c = comm;
  ncclGroupStart();
  for (int r = 0; r < c->size; r++) {
    int code = ncclReduce((const char *)from + 4 * count * (size_t)r, to, count, type, op, r, comm, stream);
    if (code != SUCCESS) return code;
  }
  return ncclGroupEnd();
}
