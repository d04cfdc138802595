#include "watch/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES = 40, PARTS = 12 }; // places that are shown; stretches of ranks that are listed

typedef struct {
  char *text;
  size_t used, room;
} buffer;

__attribute__((format(printf, 2, 3))) static void put(buffer *b, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = vsnprintf(b->text + b->used, b->room - b->used, format, args);
  va_end(args);
  if (n > 0) b->used += (size_t)n < b->room - b->used ? (size_t)n : b->room - b->used - 1;
}

// "ranks 0, 2-7 (nodes n1, n2)"
static void put_ranks(buffer *b, const bool *member, const tt_node_name *nodes, int count) {
  int members = 0, parts = 0, last = -1;
  for (int r = 0; r < count; r++) members += member[r];
  put(b, members == 1 ? "rank " : "ranks ");
  for (int r = 0; r < count; r++) {
    if (!member[r]) continue;
    int end = r;
    while (end + 1 < count && member[end + 1]) end++;
    if (++parts > PARTS) break;
    put(b, parts > 1 ? ", %d" : "%d", r);
    if (end > r) put(b, end == r + 1 ? ", %d" : "-%d", end);
    r = end;
  }
  if (parts > PARTS) put(b, " ... (%d in all)", members);
  parts = 0;
  for (int r = 0; r < count; r++) {
    if (!member[r] || (last >= 0 && strcmp(nodes[r].text, nodes[last].text) == 0)) continue;
    last = r;
    if (++parts > PARTS) break;
    put(b, parts > 1 ? ", %s" : " (%s", nodes[r].text);
  }
  put(b, parts > PARTS ? ", ...)" : ")");
}

// "in MPI_Waitall (arrived)", "reading a/file", "attention"
static void put_thread(buffer *b, const tt_beat_thread *t) {
  const char *comma = *t->doing ? ", " : "";
  if (*t->doing) put(b, "%s", t->doing);
  if (t->kind == TT_WITH_RANKS) put(b, "%sin %s (%s)", comma, t->call, t->function);
  if (t->kind == TT_FOR_THREAD) put(b, "%swaits for %s", comma, t->call);
  if (t->kind == TT_WITH_SYSTEM) put(b, "%s%s %s", comma, t->call, t->file);
  if (t->kind == TT_COMPUTING && !*t->doing) put(b, "computing");
}

// A rank's place without times, by which ranks are put together.
static void put_place(buffer *b, const tt_beat *beat) {
  put(b, "%s", beat->phase);
  if (beat->step) put(b, " %lld", (long long)beat->step);
  put(b, ", exchange %llu: ", (unsigned long long)beat->meetings);
  for (int k = 0; k < TT_THREADS; k++) {
    if (!beat->thread[k].busy) continue;
    if (k != TT_THREAD_MAIN) put(b, "; %s: ", tt_thread_name((tt_thread)k));
    put_thread(b, &beat->thread[k]);
  }
}

static void describe(const tt_watched_rank *r, char *text, size_t room) {
  buffer b = {text, 0, room};
  text[0] = 0;
  if (r->left)
    put(&b, "done");
  else if (!r->heard)
    put(&b, "never heard of");
  else if (*r->beat.phase) // else it has never said
    put_place(&b, &r->beat);
}

static double still(const tt_watched_rank *r) {
  return r->heard ? r->beat.thread[TT_THREAD_MAIN].still : r->silence;
}

// Calls on every group of ranks at one place; those that are not heard any more are never with others.
static void put_places(buffer *b, const tt_watched_rank *ranks, const tt_node_name *nodes, int count,
                       double quiet, bool *done, bool *group) {
  char first[1024], other[1024];
  int lines = 0;
  memset(done, 0, (size_t)count * sizeof *done);
  for (int r = 0; r < count; r++) {
    if (done[r] || ranks[r].left) continue;
    if (++lines > LINES) {
      put(b, "  ... and more places\n");
      return;
    }
    double shortest = still(&ranks[r]), longest = shortest;
    bool gone = ranks[r].silence > quiet;
    describe(&ranks[r], first, sizeof first);
    memset(group, 0, (size_t)count * sizeof *group);
    for (int s = r; s < count; s++) {
      if (done[s] || (ranks[s].silence > quiet) != gone) continue;
      describe(&ranks[s], other, sizeof other);
      if (strcmp(first, other) != 0) continue;
      group[s] = done[s] = true;
      if (still(&ranks[s]) < shortest) shortest = still(&ranks[s]);
      if (still(&ranks[s]) > longest) longest = still(&ranks[s]);
    }
    put(b, "  ");
    put_ranks(b, group, nodes, count);
    if (!ranks[r].heard)
      put(b, ": %s\n", first);
    else if (gone)
      put(b, ": no sign of life for %.0f s%s%s\n", ranks[r].silence, *first ? "; last seen in " : "", first);
    else if (longest - shortest < 1.5)
      put(b, ": %s; for %.0f s\n", first, longest);
    else
      put(b, ": %s; for %.0f to %.0f s\n", first, shortest, longest);
  }
}

static void put_reason(buffer *b, const tt_watched_rank *ranks, const tt_node_name *nodes, int count,
                       const tt_finding *f) {
  int first = 0;
  while (first + 1 < count && !f->late[first]) first++;
  const tt_watched_rank *r = &ranks[first];
  if (f->kind == TT_HANG_TOGETHER) {
    put(b, "all ranks are in the same exchange, and it does not end: the network or the MPI library");
    return;
  }
  if (f->kind == TT_HANG_APART) {
    put(b, "ranks wait for each other in different exchanges: one of them left one out");
    return;
  }
  put_ranks(b, f->late, nodes, count);
  if (f->kind == TT_HANG_SILENT)
    put(b,
        r->heard ? ": no sign of life for %.0f s (stopped, or the node or its network is gone)"
                 : ": never heard of in %.0f s (is UDP between the nodes blocked?)",
        r->silence);
  if (f->kind == TT_HANG_BEHIND) put(b, ": the others wait for it in vain for %.0f s", still(r));
  if (f->kind == TT_HANG_ODD) put(b, ": not in the exchange that most ranks are in");
  if (f->kind == TT_HANG_STUCK) {
    put(b, ": its %s does not get on for %.0f s: ", tt_thread_name(f->thread),
        r->beat.thread[f->thread].still);
    put_thread(b, &r->beat.thread[f->thread]);
  }
}

char *tt_watch_report(const tt_watched_rank *ranks, const tt_node_name *nodes, int count,
                      const tt_finding *f) {
  enum { ROOM = 1 << 16 };
  buffer b = {malloc(ROOM), 0, ROOM};
  bool *done = calloc((size_t)count, sizeof *done), *group = calloc((size_t)count, sizeof *group);
  if (b.text && done && group) {
    put(&b, "twotrack: error: the job hangs (%s = %g s): ", f->key, f->limit);
    put_reason(&b, ranks, nodes, count, f);
    put(&b, "\ntwotrack: where the ranks are, as rank %d knows:\n", f->reporter);
    put_places(&b, ranks, nodes, count, f->quiet, done, group);
    put(&b, "twotrack: the job ends (code 71); start it again with --resume: it goes on from the newest "
            "checkpoint\n");
  }
  free(done), free(group);
  return b.text;
}
