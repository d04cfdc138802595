// Who is late: the verdict on jobs of four ranks in every kind of trouble, and the report of it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "watch/judge.h"
#include "watch/report.h"

enum { N = 4 };
static const tt_patience patience = {.limit = 30, .quiet = 10, .unheard = 38};

static tt_watched_rank job[N];
static bool late[N];
static tt_thread thread;

static void put(tt_beat_thread *t, tt_call_kind kind, const char *doing, const char *call, double still) {
  *t = (tt_beat_thread){.busy = true, .kind = (uint8_t)kind, .still = (float)still};
  snprintf(t->doing, sizeof t->doing, "%s", doing);
  snprintf(t->call, sizeof t->call, "%s", call);
  if (kind == TT_WITH_RANKS) snprintf(t->function, sizeof t->function, "f");
}

// All wait in MPI for `still` seconds, in the 57th exchange of update 12.
static void all_in_mpi(double still) {
  for (int r = 0; r < N; r++) {
    job[r] = (tt_watched_rank){.heard = true, .silence = 0.5, .beat = {.meetings = 57, .step = 12}};
    snprintf(job[r].beat.phase, sizeof job[r].beat.phase, "update");
    put(&job[r].beat.thread[TT_THREAD_MAIN], TT_WITH_RANKS, "communication", "MPI_Waitall", still);
  }
}

static tt_hang judge(void) {
  return tt_watch_judge(job, N, patience, late, &thread);
}

static void expect(tt_hang hang, const bool *expected) {
  assert_int_equal(judge(), hang);
  for (int r = 0; r < N; r++) assert_int_equal(late[r], expected[r]);
}
#define EXPECT(hang, ...) expect(hang, (const bool[N]){__VA_ARGS__})

static void one_that_gets_on_is_waited_for(void **state) {
  (void)state;
  all_in_mpi(1000);
  put(&job[2].beat.thread[TT_THREAD_MAIN], TT_COMPUTING, "attention", "", 2);
  job[2].beat.meetings = 56;
  EXPECT(TT_HANG_NONE, 0, 0, 0, 0);
  // its main thread waits for its writer, and that one gets on
  put(&job[2].beat.thread[TT_THREAD_MAIN], TT_FOR_THREAD, "", "its writer", 1000);
  EXPECT(TT_HANG_BEHIND, 0, 0, 1, 0);
  put(&job[2].beat.thread[TT_THREAD_WRITER], TT_WITH_SYSTEM, "the checkpoint", "writing", 29);
  EXPECT(TT_HANG_NONE, 0, 0, 0, 0);
  // a thread with nothing to do is no sign of life
  job[2].beat.thread[TT_THREAD_WRITER].busy = false;
  EXPECT(TT_HANG_BEHIND, 0, 0, 1, 0);
}

static void the_limit_is_kept(void **state) {
  (void)state;
  all_in_mpi(29);
  EXPECT(TT_HANG_NONE, 0, 0, 0, 0);
  all_in_mpi(30);
  EXPECT(TT_HANG_TOGETHER, 0, 0, 0, 0);
}

static void a_thread_that_is_stuck_is_named_whatever_the_others_do(void **state) {
  (void)state;
  all_in_mpi(1);
  put(&job[1].beat.thread[TT_THREAD_WRITER], TT_WITH_SYSTEM, "the checkpoint", "syncing", 31);
  EXPECT(TT_HANG_STUCK, 0, 1, 0, 0);
  assert_int_equal(thread, TT_THREAD_WRITER);
  job[1].beat.thread[TT_THREAD_WRITER].busy = false;
  EXPECT(TT_HANG_NONE, 0, 0, 0, 0);
  // computing counts, waiting for a thread does not
  put(&job[3].beat.thread[TT_THREAD_MAIN], TT_COMPUTING, "attention", "", 31);
  EXPECT(TT_HANG_STUCK, 0, 0, 0, 1);
  assert_int_equal(thread, TT_THREAD_MAIN);
  put(&job[3].beat.thread[TT_THREAD_MAIN], TT_FOR_THREAD, "", "its worker", 31);
  EXPECT(TT_HANG_NONE, 0, 0, 0, 0);
}

static void who_is_silent_is_named(void **state) {
  (void)state;
  all_in_mpi(40);
  job[0].silence = 11;
  EXPECT(TT_HANG_SILENT, 1, 0, 0, 0);
  // not while the others get on: it is the watchdog's own network that fails
  all_in_mpi(1);
  job[0].silence = 1000;
  EXPECT(TT_HANG_NONE, 0, 0, 0, 0);
  // what it was at when it was heard last does not make it stuck
  put(&job[0].beat.thread[TT_THREAD_MAIN], TT_COMPUTING, "attention", "", 31);
  EXPECT(TT_HANG_NONE, 0, 0, 0, 0);
}

static void who_was_never_heard_is_given_more_time(void **state) {
  (void)state;
  all_in_mpi(37);
  job[3].heard = false, job[3].silence = 100;
  EXPECT(TT_HANG_NONE, 0, 0, 0, 0);
  all_in_mpi(38);
  job[3].heard = false, job[3].silence = 100;
  EXPECT(TT_HANG_SILENT, 0, 0, 0, 1);
}

static void who_is_done_is_not_waited_for(void **state) {
  (void)state;
  all_in_mpi(40);
  job[2].left = true, job[2].silence = 1000;
  EXPECT(TT_HANG_TOGETHER, 0, 0, 0, 0);
  for (int r = 0; r < N; r++) job[r].left = true;
  EXPECT(TT_HANG_NONE, 0, 0, 0, 0);
}

static void of_those_that_are_not_in_mpi_the_last_one_is_named(void **state) {
  (void)state;
  all_in_mpi(40);
  put(&job[1].beat.thread[TT_THREAD_MAIN], TT_FOR_THREAD, "", "its worker", 40);
  put(&job[2].beat.thread[TT_THREAD_MAIN], TT_FOR_THREAD, "", "its worker", 40);
  EXPECT(TT_HANG_BEHIND, 0, 1, 1, 0);
  job[2].beat.meetings = 55;
  EXPECT(TT_HANG_BEHIND, 0, 0, 1, 0);
}

static void the_odd_one_is_named(void **state) {
  (void)state;
  for (int odd = 0; odd < N; odd++)
    for (int way = 0; way < 5; way++) {
      bool expected[N] = {0};
      expected[odd] = true;
      all_in_mpi(40);
      tt_beat *b = &job[odd].beat;
      if (way == 0) b->meetings = 58;
      if (way == 1) b->meetings = 56;
      if (way == 2) b->step = 13;
      if (way == 3) snprintf(b->phase, sizeof b->phase, "validation");
      if (way == 4) put(&b->thread[TT_THREAD_MAIN], TT_WITH_RANKS, "communication", "MPI_Allreduce", 40);
      expect(TT_HANG_ODD, expected);
    }
  all_in_mpi(40);
  job[1].beat.meetings = job[2].beat.meetings = 58;
  EXPECT(TT_HANG_APART, 0, 0, 0, 0);
  job[3].beat.meetings = 59;
  EXPECT(TT_HANG_APART, 0, 0, 0, 0);
}

static char *report(tt_hang hang) {
  static const tt_node_name nodes[N] = {{"n1"}, {"n1"}, {"n2"}, {"n2"}};
  tt_finding f = {.kind = hang,
                  .late = late,
                  .thread = thread,
                  .reporter = 0,
                  .key = "train.hang_limit",
                  .limit = 40,
                  .quiet = patience.quiet};
  char *text = tt_watch_report(job, nodes, N, &f);
  assert_non_null(text);
  return text;
}

static void says(const char *text, const char *part) {
  if (!strstr(text, part)) fail_msg("no '%s' in: %s", part, text);
}

static void the_report_has_every_rank_once(void **state) {
  (void)state;
  all_in_mpi(40);
  put(&job[2].beat.thread[TT_THREAD_MAIN], TT_FOR_THREAD, "data", "its worker", 41);
  put(&job[2].beat.thread[TT_THREAD_READER], TT_WITH_SYSTEM, "a chunk", "reading", 42);
  snprintf(job[2].beat.thread[TT_THREAD_READER].file, TT_POSITION_FILE, "/s/shard-00001.h5");
  char *text = report(judge());
  says(
      text,
      "twotrack: error: the job hangs (train.hang_limit = 40 s): rank 2 (n2): its reader does not get on for "
      "42 s: a chunk, reading /s/shard-00001.h5\n");
  says(text,
       "\n  ranks 0, 1, 3 (n1, n2): update 12, exchange 57: communication, in MPI_Waitall (f); for 40 s\n");
  says(text, "\n  rank 2 (n2): update 12, exchange 57: data, waits for its worker; reader: a chunk, reading "
             "/s/shard-00001.h5; for 41 s\n");
  free(text);

  all_in_mpi(40);
  job[0].silence = 35, job[1].heard = false, job[1].silence = 60;
  text = report(judge());
  says(text, "ranks 0, 1 (n1): no sign of life for 35 s");
  says(text, "\n  rank 0 (n1): no sign of life for 35 s; last seen in update 12");
  says(text, "\n  rank 1 (n1): never heard of");
  says(text, "\n  ranks 2, 3 (n2): update 12");
  free(text);

  all_in_mpi(40);
  text = report(judge());
  says(text, "all ranks are in the same exchange");
  says(text, "\n  ranks 0-3 (n1, n2): update 12");
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_that_gets_on_is_waited_for),
      cmocka_unit_test(the_limit_is_kept),
      cmocka_unit_test(a_thread_that_is_stuck_is_named_whatever_the_others_do),
      cmocka_unit_test(who_is_silent_is_named),
      cmocka_unit_test(who_was_never_heard_is_given_more_time),
      cmocka_unit_test(who_is_done_is_not_waited_for),
      cmocka_unit_test(of_those_that_are_not_in_mpi_the_last_one_is_named),
      cmocka_unit_test(the_odd_one_is_named),
      cmocka_unit_test(the_report_has_every_rank_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
