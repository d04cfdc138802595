// Linked into the program, this breaks one thing, which TT_BREAK names. (Not loaded by LD_PRELOAD: sanitizers
// want to come first.)
//   init      stops the process (SIGSTOP) where it would enter MPI_Init_thread
//   started   ... where it has left it
//   read      its reads of shards never return
//   sum       an all-reduce gives a wrong value
//   message   a message arrives changed
//   flock     there are no file locks
//   clock     its clock is an hour ahead
#include <errno.h>
#include <mpi.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static bool breaks(const char *what) {
  const char *asked = getenv("TT_BREAK");
  return asked && strcmp(asked, what) == 0;
}

int MPI_Init_thread(int *argc, char ***argv, int required, int *provided) {
  if (breaks("init")) raise(SIGSTOP);
  int code = PMPI_Init_thread(argc, argv, required, provided);
  if (breaks("started")) raise(SIGSTOP);
  return code;
}

int MPI_Allreduce(const void *send, void *receive, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm) {
  int code = PMPI_Allreduce(send, receive, count, type, op, comm);
  if (breaks("sum") && type == MPI_DOUBLE && count > 1000) ((double *)receive)[1000] += 1;
  return code;
}

int MPI_Sendrecv(const void *send, int send_count, MPI_Datatype send_type, int to, int send_tag,
                 void *receive, int receive_count, MPI_Datatype receive_type, int from, int receive_tag,
                 MPI_Comm comm, MPI_Status *status) {
  int code = PMPI_Sendrecv(send, send_count, send_type, to, send_tag, receive, receive_count, receive_type,
                           from, receive_tag, comm, status);
  if (breaks("message")) ((char *)receive)[4321] ^= 4;
  return code;
}

static void stall(int file) {
  char link[64], path[4096];
  int length = snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t n = length > 0 ? readlink(link, path, sizeof path - 1) : -1;
  if (n < 0) return;
  path[n] = 0;
  while (strstr(path, "/shard-")) pause();
}

ssize_t pread(int file, void *data, size_t bytes, off_t at) {
  if (breaks("read")) stall(file);
  return syscall(SYS_pread64, file, data, bytes, at);
}

int flock(int file, int operation) {
  if (breaks("flock")) return errno = ENOSYS, -1;
  return (int)syscall(SYS_flock, file, operation);
}

int clock_gettime(clockid_t clock, struct timespec *t) {
  int code = (int)syscall(SYS_clock_gettime, clock, t);
  if (breaks("clock") && clock == CLOCK_REALTIME) t->tv_sec += 3600;
  return code;
}
