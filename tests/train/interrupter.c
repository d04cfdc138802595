// twotrack train that sends itself a signal at a known place: built with -Wl,--wrap for tt_stopping_look and
// tt_saver_poll. TT_TEST_SIGNAL names it: "NUMBER RANK PLACE K TIMES": at the K-th call (from 1) of PLACE
// (look or poll) that rank RANK makes, or all ranks for -1; TIMES signals, each but the first as long after
// the one before that it is no longer the same request. Without it, or with K = 0, the number of calls of
// both is printed at the end: "looks L polls P".
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "core/interrupt.h"
#include "train/saver.h"
#include "train/stopping.h"

tt_status __real_tt_stopping_look(tt_stopping *s);
tt_status __wrap_tt_stopping_look(tt_stopping *s);
tt_status __real_tt_saver_poll(tt_saver *saver, bool wait, bool *ready);
tt_status __wrap_tt_saver_poll(tt_saver *saver, bool wait, bool *ready);

static int looks, polls;

static void maybe_signal(const char *place, int call) {
  int number, rank, k, times, own;
  char where[8];
  const char *fault = getenv("TT_TEST_SIGNAL");
  if (!fault || sscanf(fault, "%d %d %7s %d %d", &number, &rank, where, &k, &times) != 5) return;
  MPI_Comm_rank(MPI_COMM_WORLD, &own);
  if (strcmp(where, place) != 0 || call != k || (rank >= 0 && rank != own)) return;
  for (int n = 0; n < times; n++) {
    struct timespec left = {.tv_sec = TT_INTERRUPT_SAME_S, .tv_nsec = 100000000};
    while (n > 0 && nanosleep(&left, &left) != 0) continue;
    raise(number);
  }
}

tt_status __wrap_tt_stopping_look(tt_stopping *s) {
  maybe_signal("look", ++looks);
  return __real_tt_stopping_look(s);
}

tt_status __wrap_tt_saver_poll(tt_saver *saver, bool wait, bool *ready) {
  maybe_signal("poll", ++polls);
  return __real_tt_saver_poll(saver, wait, ready);
}

int main(int argc, char **argv) {
  int code = tt_cli_train(argc - 1, argv + 1); // interrupter train CONFIG ...
  if (!getenv("TT_TEST_SIGNAL")) printf("looks %d polls %d\n", looks, polls);
  return code;
}
