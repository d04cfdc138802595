// Datagrams between ranks, under mpirun: what is sent comes as it was, and what is not from this job, or is
// damaged, does not come.
#include <math.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "watch/post.c" // for the letter and the word, which nobody else sees

static tt_comm comm;
static tt_post *post;
static tt_node_name *nodes;

static bool receive(int *from, tt_post_kind *kind, tt_beat *beat, int milliseconds) {
  struct pollfd file = {tt_post_socket(post), POLLIN, 0};
  for (int k = 0; k < milliseconds / 10; k++) { // what is dropped wakes it, too
    if (tt_post_receive(post, from, kind, beat)) return true;
    poll(&file, 1, 10);
  }
  return false;
}

static void expect(int from, tt_post_kind kind, tt_beat *beat) {
  int sender;
  tt_post_kind what;
  assert_true(receive(&sender, &what, beat, 10000));
  assert_int_equal(sender, from);
  assert_int_equal(what, kind);
}

static tt_beat a_beat(void) {
  tt_beat beat;
  memset(&beat, 0, sizeof beat);
  beat.meetings = 57, beat.step = 12;
  memset(beat.phase, 'p', sizeof beat.phase - 1);
  for (int k = 0; k < TT_THREADS; k++) {
    tt_beat_thread *t = &beat.thread[k];
    t->busy = 1, t->kind = TT_WITH_SYSTEM, t->still = 1.5f;
    memset(t->file, 'f', sizeof t->file - 1);
  }
  return beat;
}

static void what_is_sent_comes(void **state) {
  (void)state;
  tt_beat beat, mine;
  mine = a_beat();
  if (comm.rank == 1) {
    tt_post_send(post, 0, TT_POST_BEAT, &mine);
    expect(0, TT_POST_PULSE, NULL);
    assert_int_not_equal(post->known[0].sin_port, 0);
    tt_post_send(post, 0, TT_POST_LEFT, NULL);
  }
  if (comm.rank == 0) {
    expect(1, TT_POST_BEAT, &beat);
    assert_memory_equal(&beat, &mine, sizeof beat);
    tt_post_send(post, 1, TT_POST_PULSE, NULL);
    do { // a beat goes to all addresses, so it may come more than once
      int from;
      tt_post_kind kind;
      assert_true(receive(&from, &kind, &beat, 10000));
      if (kind == TT_POST_LEFT) break;
      assert_int_equal(kind, TT_POST_BEAT);
    } while (true);
  }
  tt_comm_barrier(&comm);
  assert_true(strlen(nodes[1].text) > 0);
}

static letter good(void) {
  return (letter){.word = {post->word[0], post->word[1]}, .kind = TT_POST_END, .from = 1, .to = 0};
}

// As anybody could send it, from a socket of its own.
static void throw(const letter *l, size_t bytes) {
  int s = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = post->cards[0].port};
  inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  assert_int_equal(sendto(s, l, bytes, 0, (struct sockaddr *)&to, sizeof to), bytes);
  close(s);
}

static void what_is_not_of_the_job_does_not_come(void **state) {
  (void)state;
  if (comm.rank == 0) {
    struct sockaddr_in known = post->known[1];
    const size_t head = offsetof(letter, beat);
    letter bad[8];
    for (int k = 0; k < 8; k++) bad[k] = good();
    bad[0].word[0] ^= 1;
    bad[1].word[1] ^= 1;
    bad[2].to = 1;
    bad[3].from = 2;
    bad[4].from = -1;
    bad[5].kind = TT_POST_END + 1;
    bad[6].kind = -1;
    bad[7].kind = TT_POST_BEAT; // without a beat
    for (int k = 0; k < 8; k++) throw(&bad[k], head);
    for (int k = 0; k < 9; k++) {
      letter odd = good();
      odd.kind = TT_POST_BEAT, odd.beat = a_beat();
      tt_beat_thread *t = &odd.beat.thread[k % TT_THREADS];
      if (k == 0) t->busy = 2;
      if (k == 1) t->kind = TT_WITH_SYSTEM + 1;
      if (k == 2) t->still = NAN;
      if (k == 3) t->still = -1;
      if (k == 4) memset(t->doing, 'x', sizeof t->doing);
      if (k == 5) memset(t->call, 'x', sizeof t->call);
      if (k == 6) memset(t->function, 'x', sizeof t->function);
      if (k == 7) memset(t->file, 'x', sizeof t->file);
      if (k == 8) memset(odd.beat.phase, 'x', sizeof odd.beat.phase);
      throw(&odd, sizeof odd);
    }
    letter cut = good();
    throw(&cut, head - 1);
    throw(&cut, 0);
    int from;
    tt_post_kind kind;
    tt_beat beat;
    assert_false(receive(&from, &kind, &beat, 300));
    assert_memory_equal(&known, &post->known[1], sizeof known); // nor does anybody lead answers astray
    throw(&cut, head);                                          // this one is as it must be
    expect(1, TT_POST_END, &beat);
  }
  tt_comm_barrier(&comm);
}

int main(void) {
  if (tt_comm_start(&comm) != TT_OK || tt_post_open(&post, &comm, &nodes) != TT_OK) return 1;
  if (comm.size != 2) return 77;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_sent_comes),
      cmocka_unit_test(what_is_not_of_the_job_does_not_come),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  tt_post_close(post);
  free(nodes);
  tt_comm_finish(&comm);
  return failed;
}
