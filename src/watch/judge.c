#include "watch/judge.h"

#include <string.h>

static bool silent(const tt_watched_rank *r, tt_patience p) {
  return !r->left && (!r->heard || r->silence > p.quiet);
}

static bool present(const tt_watched_rank *r, tt_patience p) {
  return !r->left && !silent(r, p);
}

// The threads that wait for nobody and do not get on.
static bool find_stuck(const tt_watched_rank *ranks, int count, tt_patience p, bool *late,
                       tt_thread *thread) {
  bool any = false;
  for (int r = 0; r < count; r++)
    for (int k = 0; present(&ranks[r], p) && k < TT_THREADS; k++) {
      const tt_beat_thread *t = &ranks[r].beat.thread[k];
      if (!t->busy || t->still < p.limit || (t->kind != TT_COMPUTING && t->kind != TT_WITH_SYSTEM)) continue;
      if (!any && thread) *thread = (tt_thread)k;
      late[r] = any = true;
    }
  return any;
}

// Whether nobody that is heard has moved for so long.
static bool all_still(const tt_watched_rank *ranks, int count, tt_patience p) {
  double limit = p.limit;
  int there = 0;
  for (int r = 0; r < count; r++)
    if (!ranks[r].left && !ranks[r].heard) limit = p.unheard;
  for (int r = 0; r < count; r++) {
    if (!present(&ranks[r], p)) continue;
    there++;
    if (tt_beat_still(&ranks[r].beat) < limit) return false;
  }
  return there > 0;
}

static int mark_silent(const tt_watched_rank *ranks, int count, tt_patience p, bool *late) {
  int marked = 0;
  for (int r = 0; r < count; r++)
    if (silent(&ranks[r], p)) late[r] = true, marked++;
  return marked;
}

static bool in_mpi(const tt_watched_rank *r) {
  return r->beat.thread[TT_THREAD_MAIN].kind == TT_WITH_RANKS;
}

// Of those that are not in MPI, the ones that have come least far.
static int mark_behind(const tt_watched_rank *ranks, int count, tt_patience p, bool *late) {
  uint64_t least = UINT64_MAX;
  int marked = 0;
  for (int r = 0; r < count; r++)
    if (present(&ranks[r], p) && !in_mpi(&ranks[r]) && ranks[r].beat.meetings < least)
      least = ranks[r].beat.meetings;
  for (int r = 0; r < count; r++)
    if (present(&ranks[r], p) && !in_mpi(&ranks[r]) && ranks[r].beat.meetings == least)
      late[r] = true, marked++;
  return marked;
}

bool tt_watch_same_place(const tt_beat *a, const tt_beat *b) {
  const tt_beat_thread *m = &a->thread[TT_THREAD_MAIN], *n = &b->thread[TT_THREAD_MAIN];
  return a->meetings == b->meetings && a->step == b->step && strcmp(a->phase, b->phase) == 0 &&
         strcmp(m->call, n->call) == 0 && strcmp(m->function, n->function) == 0;
}

// All are in MPI. The place of the majority is found by letting pairs of different places cancel each other.
static tt_hang compare_places(const tt_watched_rank *ranks, int count, tt_patience p, bool *late) {
  int winner = -1, votes = 0, there = 0, same = 0;
  for (int r = 0; r < count; r++) {
    if (!present(&ranks[r], p)) continue;
    there++;
    if (votes == 0) winner = r;
    votes += tt_watch_same_place(&ranks[r].beat, &ranks[winner].beat) ? 1 : -1;
  }
  for (int r = 0; r < count; r++)
    same += present(&ranks[r], p) && tt_watch_same_place(&ranks[r].beat, &ranks[winner].beat);
  if (same == there) return TT_HANG_TOGETHER;
  if (2 * same <= there) return TT_HANG_APART;
  for (int r = 0; r < count; r++)
    late[r] = present(&ranks[r], p) && !tt_watch_same_place(&ranks[r].beat, &ranks[winner].beat);
  return TT_HANG_ODD;
}

tt_hang tt_watch_judge(const tt_watched_rank *ranks, int count, tt_patience p, bool *late,
                       tt_thread *thread) {
  memset(late, 0, (size_t)count * sizeof *late);
  if (find_stuck(ranks, count, p, late, thread)) return TT_HANG_STUCK;
  if (!all_still(ranks, count, p)) return TT_HANG_NONE;
  if (mark_silent(ranks, count, p, late)) return TT_HANG_SILENT;
  if (mark_behind(ranks, count, p, late)) return TT_HANG_BEHIND;
  return compare_places(ranks, count, p, late);
}
