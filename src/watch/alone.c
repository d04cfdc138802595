#include "watch/alone.h"

#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/exit_codes.h"
#include "watch/beat.h"
#include "watch/watch.h"

enum { WARN_AFTER = 60, LIMIT = 1800 }; // seconds

static struct {
  double limit, warn_after;
  bool warned, running;
  int wake; // an eventfd: it is over
  pthread_t thread;
} alone;

bool tt_watch_thread(pthread_t *thread, void *(*run)(void *)) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool made = pthread_create(thread, NULL, run, NULL) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return made;
}

// What the launcher says, for MPI cannot be asked yet; -1: it does not say.
static int number_from(const char *const *names) {
  for (; *names; names++)
    if (getenv(*names)) return atoi(getenv(*names));
  return -1;
}

static int rank_of_job(void) {
  return number_from(
      (const char *const[]){"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID", NULL});
}

static int rank_on_node(void) {
  return number_from(
      (const char *const[]){"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID", NULL});
}

static void print(const char *kind, const char *text, double seconds, const char *then) {
  char node[64] = "?", line[512];
  gethostname(node, sizeof node - 1);
  int n = snprintf(line, sizeof line, "twotrack: %s: rank %d (node %s) %s for %.0f s%s\n", kind,
                   rank_of_job(), node, text, seconds, then);
  (void)!write(STDERR_FILENO, line, (size_t)n);
}

static void look(const tt_beat *beat) {
  double still = tt_beat_still(beat);
  bool in_mpi = beat->thread[TT_THREAD_MAIN].kind == TT_WITH_RANKS && rank_of_job() >= 0;
  const char *text = in_mpi ? "waits in the start of MPI" : "does not get on at its start";
  if (still > 0.95 * alone.limit) {
    print("error", text, still, "; the job ends (code 71)");
    _exit(TT_EXIT_MACHINE);
  }
  if (alone.warned || !in_mpi || still < alone.warn_after) return;
  alone.warned = true;
  if (rank_on_node() <= 0) // one a node is enough
    print("warning", text, still,
          ": some ranks have not come. Nodes that do not say this line are those to look at");
}

static void *run(void *user) {
  struct pollfd wake = {alone.wake, POLLIN, 0};
  tt_observer observer = {0};
  tt_beat beat;
  double clock = 0, seen = tt_now();
  while (poll(&wake, 1, alone.limit < 10 ? 100 : 1000) <= 0) {
    double now = tt_now(), passed = now - seen;
    seen = now;
    clock += passed < 2 ? passed : 2; // held still itself: does not count
    tt_beat_observe(&observer, clock, &beat);
    look(&beat);
  }
  return user;
}

void tt_watch_begin(void) {
  tt_position_thread(TT_THREAD_MAIN);
  tt_position_phase("start: MPI", 0);
  const char *limit = getenv("TWOTRACK_MPI_LIMIT");
  alone.limit = limit && atof(limit) > 0 ? atof(limit) : LIMIT;
  alone.warn_after = alone.limit < 2 * WARN_AFTER ? alone.limit / 2 : WARN_AFTER;
  alone.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  alone.warned = false;
  alone.running = alone.wake >= 0 && tt_watch_thread(&alone.thread, run);
}

void tt_watch_alone_end(void) {
  if (!alone.running) return;
  (void)!write(alone.wake, &(uint64_t){1}, sizeof(uint64_t));
  pthread_join(alone.thread, NULL);
  close(alone.wake);
  alone.running = false;
}
