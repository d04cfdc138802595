#include "watch/watch.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/exit_codes.h"
#include "core/memory.h"
#include "watch/alone.h"
#include "watch/judge.h"
#include "watch/post.h"
#include "watch/report.h"

static struct {
  int rank, size, deputy; // deputy: decides when rank 0 is gone; -1: nobody
  double limit, start;    // seconds; 0: none
  double period;          // between two beats
  tt_post *post;
  tt_node_name *nodes;    // (size)
  tt_watched_rank *ranks; // (size); a rank that decides nothing fills in itself, rank 0 and the deputy
  bool *late;             // (size)
  tt_observer observer;
  double clock, seen; // the watchdog's time, and the system's when it was last looked at
  int wake;           // an eventfd: there is something new for the thread
  bool warned;        // of ranks that are not heard
  bool claimed;       // a rank before this one reports
  atomic_bool moving, stop;
  pthread_t thread;
  bool running;
} watch;

// ---- limits

static double limit_now(const char **key) {
  bool moving = atomic_load(&watch.moving);
  *key = moving ? "train.hang_limit" : "train.hang_limit_start";
  return moving ? watch.limit : watch.start;
}

static tt_patience patience_for(double limit) {
  double early = 0.75 * limit, quiet = early / 3;
  if (quiet < 4 * watch.period) quiet = 4 * watch.period;
  return (tt_patience){.limit = early, .quiet = quiet, .unheard = 0.95 * limit};
}

// ---- the end

static void print(const char *text) {
  for (size_t left = strlen(text); left;) {
    ssize_t n = write(STDERR_FILENO, text, left);
    if (n <= 0) return;
    text += n, left -= (size_t)n;
  }
}

static void *print_in_thread(void *text) {
  print(text);
  return NULL;
}

// Whatever stderr is may hang as well: the job ends all the same.
static void print_for_a_while(char *text) {
  pthread_t thread;
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += 3;
  if (!text || pthread_create(&thread, NULL, print_in_thread, text) != 0) return;
  (void)pthread_timedjoin_np(thread, NULL, &until);
}

// First the report, for whoever started the ranks may end this one as soon as another one has ended.
_Noreturn static void end_all(char *report) {
  print_for_a_while(report);
  for (int again = 0; again < 3; again++) {
    for (int r = 0; r < watch.size; r++)
      if (r != watch.rank) tt_post_send(watch.post, r, TT_POST_END, NULL);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
  }
  _exit(TT_EXIT_MACHINE);
}

_Noreturn static void end_because(tt_hang hang, tt_thread thread, const char *key, double limit) {
  tt_finding finding = {.kind = hang,
                        .late = watch.late,
                        .thread = thread,
                        .reporter = watch.rank,
                        .key = key,
                        .limit = limit,
                        .quiet = patience_for(limit).quiet};
  end_all(tt_watch_report(watch.ranks, watch.nodes, watch.size, &finding));
}

// ---- listening

static void receive_all(void) {
  int from;
  tt_post_kind kind;
  tt_beat beat;
  while (tt_post_receive(watch.post, &from, &kind, &beat)) {
    tt_watched_rank *r = &watch.ranks[from];
    if (kind == TT_POST_END) _exit(TT_EXIT_MACHINE);
    if (kind == TT_POST_CLAIM && from < watch.rank) watch.claimed = true;
    r->heard = true, r->silence = 0;
    if (kind == TT_POST_LEFT) r->left = true;
    if (kind != TT_POST_BEAT) continue;
    r->beat = beat;
    tt_post_send(watch.post, from, TT_POST_PULSE, NULL);
  }
}

// ---- deciding

static void decide(double limit, const char *key) {
  tt_thread thread = TT_THREAD_MAIN;
  tt_hang hang = tt_watch_judge(watch.ranks, watch.size, patience_for(limit), watch.late, &thread);
  if (hang != TT_HANG_NONE) end_because(hang, thread, key, limit);
}

static bool is_silent(int rank, double limit) {
  return rank < 0 || watch.ranks[rank].silence > patience_for(limit).quiet;
}

// Whether another rank says it. Of those that claim to at one time it is the first.
static bool is_claimed(void) {
  for (int r = 0; r < watch.size; r++)
    if (r != watch.rank) tt_post_send(watch.post, r, TT_POST_CLAIM, NULL);
  for (int k = 0; k < 30 && !watch.claimed; k++) {
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    receive_all();
  }
  return watch.claimed;
}

// A rank that hears none of those who decide, and stands still. One after the other, so that one can say it
// for all of them.
static void decide_alone(double limit, const char *key) {
  tt_watched_rank *own = &watch.ranks[watch.rank];
  double turn = 0.08 * watch.rank / watch.size;
  if (tt_beat_still(&own->beat) < (0.88 + turn) * limit) return;
  if (is_claimed()) {
    sleep(3); // for its report; its word to end comes sooner
    _exit(TT_EXIT_MACHINE);
  }
  memset(watch.late, 0, (size_t)watch.size * sizeof *watch.late);
  watch.late[0] = true;
  if (watch.deputy > 0) watch.late[watch.deputy] = true;
  for (int r = 0; r < watch.size; r++) // of the others it knows nothing: they are not to be shown
    watch.ranks[r].left = r != watch.rank && !watch.late[r];
  end_because(TT_HANG_SILENT, TT_THREAD_MAIN, key, limit);
}

static void judge(void) {
  const char *key;
  double limit = limit_now(&key);
  if (limit <= 0) return;
  if (watch.rank == 0)
    decide(limit, key);
  else if (!is_silent(0, limit))
    return;
  else if (watch.rank == watch.deputy)
    decide(limit, key);
  else if (is_silent(watch.deputy, limit))
    decide_alone(limit, key);
}

// ---- telling

// Once, when all should have been heard long ago.
static void warn_of_unheard(void) {
  double patience = 10 + 10 * watch.period;
  if (watch.rank != 0 || watch.warned || watch.clock < patience) return;
  watch.warned = true;
  int unheard = 0, first = 0;
  for (int r = watch.size - 1; r >= 0; r--)
    if (!watch.ranks[r].heard && !watch.ranks[r].left) unheard++, first = r;
  if (!unheard) return;
  char line[256];
  snprintf(line, sizeof line,
           "twotrack: warning: no UDP from %d of %d ranks (first: rank %d, node %s): if the job hangs it "
           "ends, but "
           "who is late will not be known\n",
           unheard, watch.size, first, watch.nodes[first].text);
  print(line);
}

static bool decides(int rank) {
  return rank == 0 || rank == watch.deputy;
}

// To those who decide, by itself too.
static void tell(tt_post_kind kind) {
  const tt_watched_rank *own = &watch.ranks[watch.rank];
  for (int r = 0; r < watch.size; r++)
    if (r != watch.rank && decides(r)) tt_post_send(watch.post, r, kind, &own->beat);
}

// Time during which this process was held still itself hardly counts: the others had no chance to be heard.
static void tick(void) {
  const char *key;
  double limit = limit_now(&key), now = tt_now(), passed = now - watch.seen;
  double most = limit > 0 ? patience_for(limit).quiet : watch.period;
  if (passed > most) passed = most;
  watch.seen = now;
  watch.clock += passed;
  for (int r = 0; r < watch.size; r++) {
    tt_watched_rank *w = &watch.ranks[r];
    w->silence += passed;
    bool retry = w->silence > 5 * watch.period && w->silence - passed <= 5 * watch.period;
    if (retry && r != watch.rank) tt_post_forget(watch.post, r);
  }
  tt_watched_rank *own = &watch.ranks[watch.rank];
  own->heard = true, own->silence = 0;
  tt_beat_observe(&watch.observer, watch.clock, &own->beat);
}

static void *run(void *user) {
  struct pollfd files[] = {{watch.wake, POLLIN, 0}, {tt_post_socket(watch.post), POLLIN, 0}};
  double next = tt_now();
  while (!atomic_load(&watch.stop)) {
    double wait = next - tt_now();
    if (wait > 0) (void)poll(files, 2, 1 + (int)(1000 * wait));
    receive_all();
    if (tt_now() < next) continue;
    next = tt_now() + watch.period;
    tick();
    tell(TT_POST_BEAT);
    judge();
    warn_of_unheard();
  }
  tell(TT_POST_LEFT), tell(TT_POST_LEFT); // one may be lost
  return user;
}

// ---- beginning and end

// Of another node than rank 0, so that it is there when that node is not.
static int choose_deputy(void) {
  for (int r = 1; r < watch.size; r++)
    if (strcmp(watch.nodes[r].text, watch.nodes[0].text) != 0) return r;
  return watch.size > 1 ? 1 : -1;
}

static double choose_period(double limit, double start) {
  double least = limit > 0 && (start <= 0 || limit < start) ? limit : start;
  double period = least / 16;
  return period > 1 ? 1 : period < 0.02 ? 0.02 : period;
}

static tt_status prepare(const tt_comm *comm, double limit, double start) {
  watch.rank = comm->rank, watch.size = comm->size;
  watch.limit = limit, watch.start = start;
  watch.period = choose_period(limit, start);
  size_t n = (size_t)comm->size;
  TT_TRY(tt_post_open(&watch.post, comm, &watch.nodes));
  watch.deputy = choose_deputy();
  watch.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  tt_status status = tt_alloc(&watch.ranks, n, sizeof *watch.ranks, "the watchdog");
  if (status == TT_OK) status = tt_alloc(&watch.late, n, sizeof *watch.late, "the watchdog");
  return tt_comm_agree(comm, status);
}

static void release(void) {
  tt_post_close(watch.post);
  free(watch.nodes), free(watch.ranks), free(watch.late);
  if (watch.wake > 0) close(watch.wake);
  watch.post = NULL, watch.nodes = NULL, watch.ranks = NULL, watch.late = NULL, watch.wake = 0;
}

tt_status tt_watch_ranks(const tt_comm *comm, double limit, double start) {
  tt_watch_alone_end();
  if (limit <= 0 && start <= 0) return TT_OK;
  tt_status status = prepare(comm, limit, start);
  if (status != TT_OK) {
    release();
    return status;
  }
  watch.seen = tt_now();
  atomic_store(&watch.stop, false), atomic_store(&watch.moving, false);
  watch.running = tt_watch_thread(&watch.thread, run);
  return TT_OK;
}

void tt_watch_moving(void) {
  atomic_store(&watch.moving, true);
}

void tt_watch_end(void) {
  tt_watch_alone_end();
  if (!watch.running) return;
  atomic_store(&watch.stop, true);
  (void)!write(watch.wake, &(uint64_t){1}, sizeof(uint64_t));
  pthread_join(watch.thread, NULL);
  watch.running = false;
  release();
}
