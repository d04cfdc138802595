#include "watch/beat.h"

#include <math.h>
#include <string.h>

// The beginning of a text, up to `end` if that is in it.
static void copy(char *to, size_t room, const char *text, char end) {
  size_t n = 0;
  for (; text && text[n] && text[n] != end && n + 1 < room; n++) to[n] = text[n];
  to[n] = 0;
}

static void describe(const tt_position *p, tt_thread which, tt_beat_thread *t) {
  t->busy = which == TT_THREAD_MAIN || p->doing || p->call;
  t->kind = p->call ? p->call->kind : TT_COMPUTING;
  copy(t->doing, sizeof t->doing, p->doing, 0);
  copy(t->call, sizeof t->call, p->call ? p->call->what : "", '('); // without a call's arguments
  copy(t->function, sizeof t->function, p->call ? p->call->function : "", 0);
  copy(t->file, sizeof t->file, t->kind == TT_WITH_SYSTEM ? p->file : "", 0);
}

void tt_beat_observe(tt_observer *o, double now, tt_beat *beat) {
  memset(beat, 0, sizeof *beat); // the bytes between the fields are sent, too
  for (int k = 0; k < TT_THREADS; k++) {
    tt_position p;
    tt_position_look((tt_thread)k, &p);
    if (p.moves != o->moves[k]) o->moves[k] = p.moves, o->since[k] = now;
    describe(&p, (tt_thread)k, &beat->thread[k]);
    beat->thread[k].still = (float)(now - o->since[k]);
    if (k != TT_THREAD_MAIN) continue;
    beat->meetings = p.meetings;
    beat->step = p.step;
    copy(beat->phase, sizeof beat->phase, p.phase, 0);
  }
}

static bool is_text(const char *text, size_t room) {
  return memchr(text, 0, room) != NULL;
}

bool tt_beat_is_good(const tt_beat *beat) {
  for (int k = 0; k < TT_THREADS; k++) {
    const tt_beat_thread *t = &beat->thread[k];
    if (t->busy > 1 || t->kind > TT_WITH_SYSTEM || !(t->still >= 0 && isfinite(t->still)) ||
        !is_text(t->doing, sizeof t->doing) || !is_text(t->call, sizeof t->call) ||
        !is_text(t->function, sizeof t->function) || !is_text(t->file, sizeof t->file))
      return false;
  }
  return is_text(beat->phase, sizeof beat->phase);
}

double tt_beat_still(const tt_beat *beat) {
  double least = beat->thread[TT_THREAD_MAIN].still;
  for (int k = 0; k < TT_THREADS; k++)
    if (beat->thread[k].busy && beat->thread[k].still < least) least = beat->thread[k].still;
  return least;
}
