// Seeded damage to texts, for campaigns of mutations: the same in each call of a test, drawn anew for each
// text. Every test that includes this damages texts of its own grammar.
#ifndef TT_TESTS_MUTATION_H
#define TT_TESTS_MUTATION_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/philox.h"

// libconfig 1.5 loses a string literal that stands where its grammar has no place for one. Nothing else is
// excused: a configuration that we forgot to release would lose its settings, too.
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
  return "leak:strbuf_append\nleak:libconfig_yylex\n";
}

// TT_TEST_MUTATIONS, or what a short run of the test takes.
static inline long mutations_wanted(long usual) {
  const char *wanted = getenv("TT_TEST_MUTATIONS");
  return wanted ? atol(wanted) : usual;
}

static struct { uint64_t seed, count; } drawn;

static inline uint32_t draw(uint32_t below) {
  tt_philox4 r = tt_philox(drawn.seed, (uint32_t)drawn.count, (uint32_t)(drawn.count >> 32), 0, 0);
  drawn.count++;
  return r.v[0] % below;
}

static inline void cut(char *text, size_t *n, size_t at, size_t count) {
  if (at + count > *n) count = *n - at;
  memmove(text + at, text + at + count, *n - at - count);
  *n -= count;
}

// Nothing where `room` is too small.
static inline void paste(char *text, size_t *n, size_t room, size_t at, const char *piece, size_t count) {
  if (*n + count > room) return;
  memmove(text + at + count, text + at, *n - at);
  memcpy(text + at, piece, count);
  *n += count;
}

// Without the fsync of tt_file_replace: this runs thousands of times.
static inline void write_file(const char *name, const char *text, size_t bytes) {
  FILE *f = fopen(name, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(text, 1, bytes, f), bytes);
  assert_int_equal(fclose(f), 0);
}

typedef struct {
  size_t room;         // of a text
  const char *telling; // characters that mean something to the reader, its zero byte among them
  size_t telling_size;
  const char *const *words; // [word_count] likewise
  size_t word_count;
  size_t longest; // piece that is cut or doubled, at most 256
} mutation;

// One piece of damage: a bit, a telling character in place of another or between two, a word, a piece gone or
// doubled elsewhere, seldom (it hides the rest) the end gone.
static inline void mutate_text(const mutation *m, char *text, size_t *n) {
  char piece[256];
  size_t at = draw((uint32_t)*n + 1), count = 1 + draw((uint32_t)m->longest - 1);
  const char *word = m->words[draw((uint32_t)m->word_count)];
  char telling = m->telling[draw((uint32_t)m->telling_size)];
  switch (draw(8)) {
  case 0:
    if (at < *n) text[at] = (char)(text[at] ^ (1 << draw(8)));
    break;
  case 1:
    if (at < *n) text[at] = telling;
    break;
  case 2:
    paste(text, n, m->room, at, &telling, 1);
    break;
  case 3:
    cut(text, n, at, draw(2) ? 1 + draw(8) : count);
    break;
  case 4:
  case 5:
    if (*n < count) break;
    memcpy(piece, text + draw((uint32_t)(*n - count) + 1), count);
    paste(text, n, m->room, at, piece, count);
    break;
  case 6:
    paste(text, n, m->room, at, word, strlen(word));
    break;
  default:
    if (draw(4) == 0) *n = at;
  }
}

#endif
