// twotrack train, with a rank that stops getting on: built with the linker's --wrap for the functions below.
// TT_TEST_STALL names it: "KIND RANK STEP", from that update on:
//   read    the next read of a shard never returns
//   write   the next write of a checkpoint never returns
//   sync    its next sync never returns
//   log     the next line of the run log is never written
//   skip    the rank leaves out an exchange: it keeps its new weights for itself
//   loop    the rank computes for ever
//   mute    the rank's datagrams are lost; it gets on
//   slow    every piece of a leaf takes TT_TEST_SECONDS longer
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "train/trainer.h"

static bool stalls; // this rank, from now on
static char kind[8];
static __thread bool is_main;

static bool stalled(const char *what) {
  return __atomic_load_n(&stalls, __ATOMIC_ACQUIRE) && strcmp(kind, what) == 0;
}

static void sleep_seconds(double seconds) {
  struct timespec t = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
  nanosleep(&t, NULL);
}

// The time goes into the file TT_TEST_MARK: what is measured begins here.
static void mark(void) {
  static bool done;
  if (__atomic_exchange_n(&done, true, __ATOMIC_ACQ_REL)) return;
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  FILE *f = getenv("TT_TEST_MARK") ? fopen(getenv("TT_TEST_MARK"), "w") : NULL;
  if (f) fprintf(f, "%lld.%06ld\n", (long long)t.tv_sec, t.tv_nsec / 1000), fclose(f);
}

static void stall_if(const char *what) {
  if (stalled(what)) mark();
  while (stalled(what)) sleep_seconds(1);
}

tt_status __real_tt_trainer_update(tt_trainer *t, const tt_global_batch *batch, tt_update *update);
tt_status __wrap_tt_trainer_update(tt_trainer *t, const tt_global_batch *batch, tt_update *update);
tt_status __wrap_tt_trainer_update(tt_trainer *t, const tt_global_batch *batch, tt_update *update) {
  static bool read; // once: other threads look at `kind` as soon as the rank stalls
  static int rank = -1, step;
  const char *fault = getenv("TT_TEST_STALL");
  is_main = true;
  if (!read && fault && sscanf(fault, "%7s %d %d", kind, &rank, &step) != 3) rank = -1;
  read = true;
  if (t->comm->rank == rank && t->state.step >= step) __atomic_store_n(&stalls, true, __ATOMIC_RELEASE);
  stall_if("loop");
  return __real_tt_trainer_update(t, batch, update);
}

tt_messages __real_tt_comm_gather_begin(const tt_comm *comm, const void *send, void *receive,
                                        const int64_t *counts, size_t size);
tt_messages __wrap_tt_comm_gather_begin(const tt_comm *comm, const void *send, void *receive,
                                        const int64_t *counts, size_t size);
tt_messages __wrap_tt_comm_gather_begin(const tt_comm *comm, const void *send, void *receive,
                                        const int64_t *counts, size_t size) {
  if (stalled("skip")) return mark(), (tt_messages){0};
  return __real_tt_comm_gather_begin(comm, send, receive, counts, size);
}

tt_status __real_tt_batch_pack(tt_batch *batch, tt_sample *const *samples, const int32_t *order, int count,
                               const uint64_t *sample, const int32_t *index, tt_scaling_length scaling,
                               int longest);
tt_status __wrap_tt_batch_pack(tt_batch *batch, tt_sample *const *samples, const int32_t *order, int count,
                               const uint64_t *sample, const int32_t *index, tt_scaling_length scaling,
                               int longest);
tt_status __wrap_tt_batch_pack(tt_batch *batch, tt_sample *const *samples, const int32_t *order, int count,
                               const uint64_t *sample, const int32_t *index, tt_scaling_length scaling,
                               int longest) {
  if (stalled("slow")) sleep_seconds(atof(getenv("TT_TEST_SECONDS")));
  return __real_tt_batch_pack(batch, samples, order, count, sample, index, scaling, longest);
}

ssize_t __real_pread64(int fd, void *data, size_t bytes, off_t at);
ssize_t __wrap_pread64(int fd, void *data, size_t bytes, off_t at);
ssize_t __wrap_pread64(int fd, void *data, size_t bytes, off_t at) {
  stall_if("read");
  return __real_pread64(fd, data, bytes, at);
}

ssize_t __real_pwrite64(int fd, const void *data, size_t bytes, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t bytes, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t bytes, off_t at) {
  stall_if("write");
  return __real_pwrite64(fd, data, bytes, at);
}

ssize_t __real_write(int fd, const void *data, size_t bytes);
ssize_t __wrap_write(int fd, const void *data, size_t bytes);
ssize_t __wrap_write(int fd, const void *data, size_t bytes) {
  if (is_main && fd > 2) stall_if("log");
  return __real_write(fd, data, bytes);
}

ssize_t __real_sendto(int fd, const void *data, size_t bytes, int flags, const struct sockaddr *to,
                      socklen_t length);
ssize_t __wrap_sendto(int fd, const void *data, size_t bytes, int flags, const struct sockaddr *to,
                      socklen_t length);
ssize_t __wrap_sendto(int fd, const void *data, size_t bytes, int flags, const struct sockaddr *to,
                      socklen_t length) {
  if (stalled("mute")) return (ssize_t)bytes;
  return __real_sendto(fd, data, bytes, flags, to, length);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd) {
  stall_if("sync");
  return __real_fsync(fd);
}

int main(int argc, char **argv) {
  return tt_cli_train(argc - 1, argv + 1); // stall train CONFIG ...
}
