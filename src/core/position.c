#include "core/position.h"

#include <stdatomic.h>
#include <string.h>

enum { WORDS = TT_POSITION_FILE / sizeof(uint64_t) };

// Everything has one writer, so plain atomic loads and stores do.
typedef struct {
  _Alignas(64) atomic_uint_fast64_t moves; // the threads' places share no cache line
  atomic_uint_fast64_t meetings;
  atomic_int_fast64_t step;
  _Atomic(const char *) phase, doing;
  _Atomic(const tt_call *) call;
  _Atomic uint64_t file[WORDS];
} place;

static place places[TT_THREADS];
static _Thread_local place *own;

#define GET(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define SET(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)

// Released: who sees the number sees what was written before it.
static void moved(void) {
  atomic_store_explicit(&own->moves, GET(own->moves) + 1, memory_order_release);
}

const char *tt_thread_name(tt_thread thread) {
  static const char *const names[TT_THREADS] = {"main thread", "reader", "worker", "writer"};
  return names[thread];
}

void tt_position_thread(tt_thread thread) {
  if (own) return;
  own = &places[thread];
  moved();
}

void tt_position_phase(const char *phase, int64_t step) {
  if (!own) return;
  SET(own->phase, phase);
  SET(own->step, step);
  tt_position_do(NULL);
}

void tt_position_do(const char *doing) {
  if (!own) return;
  SET(own->doing, doing);
  moved();
}

void tt_position_meet(void) {
  if (own) SET(own->meetings, GET(own->meetings) + 1);
}

static void name_file(const char *file) {
  uint64_t words[WORDS] = {0};
  size_t length = strlen(file), room = sizeof words - 1;
  if (length > room)
    file += length - room, memcpy(words, file, room), memcpy(words, "...", 3);
  else
    memcpy(words, file, length);
  for (int k = 0; k < WORDS; k++) SET(own->file[k], words[k]);
}

const tt_call *tt_position_enter(const tt_call *call, const char *file) {
  if (!own) return NULL;
  const tt_call *before = GET(own->call);
  if (file) name_file(file);
  SET(own->call, call);
  moved();
  return before;
}

void tt_position_leave(const tt_call *before) {
  if (!own) return;
  SET(own->call, before);
  moved();
}

void tt_position_end(tt_position_block *block) {
  tt_position_leave(block->before);
}

void tt_position_look(tt_thread thread, tt_position *p) {
  place *at = &places[thread];
  uint64_t words[WORDS];
  p->moves = atomic_load_explicit(&at->moves, memory_order_acquire);
  p->meetings = GET(at->meetings);
  p->step = GET(at->step);
  p->phase = GET(at->phase);
  p->doing = GET(at->doing);
  p->call = GET(at->call);
  for (int k = 0; k < WORDS; k++) words[k] = GET(at->file[k]);
  memcpy(p->file, words, sizeof words);
  p->file[sizeof words - 1] = 0;
}
