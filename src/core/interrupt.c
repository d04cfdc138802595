#include "core/interrupt.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

static const struct {
  int number;
  const char *name;
  bool may_be_ignored;
} watched[] = {{SIGTERM, "SIGTERM", false},
               {SIGINT, "SIGINT", true},
               {SIGUSR1, "SIGUSR1", false},
               {SIGUSR2, "SIGUSR2", false},
               {SIGHUP, "SIGHUP", true}};
enum { WATCHED = sizeof watched / sizeof *watched };

static atomic_int first_signal;
static atomic_llong first_ns; // when; 0: not yet known
static atomic_int settled = -1;

// Safe in a handler, as all it calls: clock_gettime and _exit.
static long long nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void on_signal(int number) {
  int code = atomic_load(&settled), none = 0;
  if (code >= 0) _exit(code);
  long long now = nanoseconds();
  if (atomic_compare_exchange_strong(&first_signal, &none, number)) {
    atomic_store(&first_ns, now);
    return;
  }
  // another thread may have the first one in hand: then this is the same request
  long long first = atomic_load(&first_ns);
  if (first && now - first > TT_INTERRUPT_SAME_S * 1000000000LL) _exit(128 + number);
}

void tt_interrupt_install(void) {
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;
  sigemptyset(&action.sa_mask);
  for (int i = 0; i < WATCHED; i++) {
    if (watched[i].may_be_ignored && sigaction(watched[i].number, NULL, &before) == 0 &&
        before.sa_handler == SIG_IGN)
      continue;
    sigaction(watched[i].number, &action, NULL);
  }
}

int tt_interrupt_signal(void) {
  return atomic_load(&first_signal);
}

void tt_interrupt_settle(int code) {
  atomic_store(&settled, code);
}

const char *tt_interrupt_name(int number) {
  for (int i = 0; i < WATCHED; i++)
    if (watched[i].number == number) return watched[i].name;
  return "signal";
}
