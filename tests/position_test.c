// Where threads say they are: who reads it gets what was written, whatever is within what.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/position.h"

static tt_position look(tt_thread thread) {
  tt_position p;
  tt_position_look(thread, &p);
  return p;
}

static const tt_call reading = {TT_WITH_SYSTEM, "reading", "f"}, waiting = {TT_FOR_THREAD, "its reader", "g"};

static void a_thread_without_a_name_leaves_no_trace(void **state) {
  (void)state;
  tt_position_phase("update", 3);
  tt_position_do("attention");
  tt_position_meet();
  assert_null(tt_position_enter(&reading, "file"));
  tt_position_leave(NULL);
  for (int k = 0; k < TT_THREADS; k++) {
    assert_int_equal(look((tt_thread)k).moves, 0);
    assert_null(look((tt_thread)k).phase);
  }
}

static void every_move_is_seen(void **state) {
  (void)state;
  tt_position_thread(TT_THREAD_MAIN);
  uint64_t moves = look(TT_THREAD_MAIN).moves;
  tt_position_phase("update", 7);
  tt_position p = look(TT_THREAD_MAIN);
  assert_string_equal(p.phase, "update");
  assert_int_equal(p.step, 7);
  assert_null(p.doing);
  assert_true(p.moves != moves), moves = p.moves;
  tt_position_do("attention");
  p = look(TT_THREAD_MAIN);
  assert_string_equal(p.doing, "attention");
  assert_true(p.moves != moves), moves = p.moves;
  tt_position_do("attention"); // the same again is a move, too
  assert_true(look(TT_THREAD_MAIN).moves != moves);
  tt_position_meet();
  tt_position_meet();
  assert_int_equal(look(TT_THREAD_MAIN).meetings, 2);
}

static void read_a_file(void) {
  TT_READING("/a/b");
  tt_position p = look(TT_THREAD_MAIN);
  assert_int_equal(p.call->kind, TT_WITH_SYSTEM);
  assert_string_equal(p.call->function, "read_a_file");
  assert_string_equal(p.file, "/a/b");
}

static void calls_may_be_within_each_other(void **state) {
  (void)state;
  assert_null(look(TT_THREAD_MAIN).call);
  const tt_call *before = tt_position_enter(&waiting, NULL);
  assert_null(before);
  read_a_file();
  assert_ptr_equal(look(TT_THREAD_MAIN).call, &waiting);
  uint64_t moves = look(TT_THREAD_MAIN).moves;
  tt_position_leave(before);
  assert_null(look(TT_THREAD_MAIN).call);
  assert_true(look(TT_THREAD_MAIN).moves != moves);
}

static void of_a_long_name_the_end_is_kept(void **state) {
  (void)state;
  char name[3 * TT_POSITION_FILE];
  for (size_t length = TT_POSITION_FILE - 3; length < TT_POSITION_FILE + 3; length++) {
    memset(name, 'a', sizeof name);
    name[length - 1] = 'z', name[length] = 0;
    const tt_call *before = tt_position_enter(&reading, name);
    tt_position p = look(TT_THREAD_MAIN);
    size_t kept = length < TT_POSITION_FILE ? length : TT_POSITION_FILE - 1;
    assert_int_equal(strlen(p.file), kept);
    assert_int_equal(p.file[kept - 1], 'z');
    assert_int_equal(strncmp(p.file, "...", 3) == 0, length >= TT_POSITION_FILE);
    tt_position_leave(before);
  }
}

static void *be_the_reader(void *user) {
  (void)user;
  tt_position_thread(TT_THREAD_READER);
  tt_position_thread(TT_THREAD_WORKER); // too late: it is the reader
  tt_position_do("a chunk");
  return NULL;
}

static void threads_do_not_touch_each_other(void **state) {
  (void)state;
  uint64_t moves = look(TT_THREAD_MAIN).moves;
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, be_the_reader, NULL), 0);
  pthread_join(thread, NULL);
  assert_string_equal(look(TT_THREAD_READER).doing, "a chunk");
  assert_int_equal(look(TT_THREAD_WORKER).moves, 0);
  assert_int_equal(look(TT_THREAD_MAIN).moves, moves);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_thread_without_a_name_leaves_no_trace),
      cmocka_unit_test(every_move_is_seen),
      cmocka_unit_test(calls_may_be_within_each_other),
      cmocka_unit_test(of_a_long_name_the_end_is_kept),
      cmocka_unit_test(threads_do_not_touch_each_other),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
