#include "preflight/late.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/file.h"
#include "preflight/nodes.h"

static void take_line(char **at, char *line, size_t size) {
  size_t length = strcspn(*at, "\n");
  snprintf(line, size, "%.*s", (int)length, *at);
  *at += length + ((*at)[length] == '\n');
}

void tt_late_read(const tt_attendance *a, int rank, tt_attendance_entry *e) {
  char path[PATH_MAX + 160], number[32], *text, *at;
  size_t bytes;
  *e = (tt_attendance_entry){0};
  tt_attendance_path(a, rank, path, sizeof path);
  if (tt_file_read(path, &text, &bytes) != TT_OK) return;
  at = text;
  e->there = true;
  take_line(&at, number, sizeof number), e->beat = atol(number);
  take_line(&at, e->node, sizeof e->node);
  take_line(&at, e->place, sizeof e->place);
  take_line(&at, number, sizeof number), e->seconds = atof(number);
  take_line(&at, number, sizeof number), e->waits = atoi(number) != 0;
  snprintf(e->problems, sizeof e->problems, "%s", at);
  free(text);
}

// ---- who is alive

static const double between = 3; // a file that is renewed changes within this many seconds

// Whether one of the ranks from `first` on is alive.
static bool one_alive(tt_attendance *a, int first, int count, tt_attendance_entry *entries) {
  bool alive = false;
  for (int k = 0; k < count; k++) tt_late_read(a, first + k, &entries[k]);
  tt_attendance_pause(a, between);
  for (int k = 0; k < count; k++) {
    tt_attendance_entry now;
    tt_late_read(a, first + k, &now);
    alive |= now.there && now.beat != entries[k].beat;
  }
  return alive;
}

// One rank is asked first, then 2, 4, ...: mostly rank 0 lives, and nobody reads all of the files but the one
// who tells.
static bool lower_one_alive(tt_attendance *a, tt_attendance_entry *entries) {
  for (int first = 0, count = 1; first < a->launcher.rank; first += count, count *= 2) {
    if (first + count > a->launcher.rank) count = a->launcher.rank - first;
    if (one_alive(a, first, count, entries)) return true;
  }
  return false;
}

// ---- telling

typedef struct {
  tt_nodes_saying *sayings;
  char (*texts)[512];
  int count, most, size;
} list;

static void add(list *l, int rank, const char *node, const char *text) {
  if (l->count == l->most) return;
  snprintf(l->texts[l->count], sizeof l->texts[0], "%s", text);
  l->sayings[l->count] = (tt_nodes_saying){rank, node, l->texts[l->count]};
  l->count++;
}

static void print(void *context, const char *who, const char *text) {
  (void)context;
  fprintf(stderr, "twotrack: error: preflight: %s: %s\n", who, text);
}

static void tell(list *l) {
  tt_nodes_tell(l->sayings, l->count, l->size, print, NULL);
  l->count = 0;
}

static void add_problems(list *l, int rank, tt_attendance_entry *e) {
  for (char *at = e->problems; *at;) {
    char line[512];
    take_line(&at, line, sizeof line);
    add(l, rank, e->node, line);
  }
}

// Slurm and mpirun may have dealt the ranks to the nodes in another way than in blocks: then the ranks that
// are here show it, and no node is named rather than a wrong one.
static bool expectation_holds(const tt_attendance_entry *entries, int size) {
  for (int r = 0; r < size; r++) {
    char node[TT_NODE_NAME];
    tt_launcher_expected_node(r, node, sizeof node);
    if (entries[r].there && strcmp(node, entries[r].node) != 0) return false;
  }
  return true;
}

// What the files of all ranks said, and some seconds later again.
typedef struct {
  const tt_attendance *a;
  tt_attendance_entry *before, *now; // [size]
} picture;

static bool runs(const picture *p, int rank) {
  return rank == p->a->launcher.rank || (p->now[rank].there && p->now[rank].beat != p->before[rank].beat);
}

// What they found themselves.
static void tell_problems(const picture *p, list *l) {
  for (int r = 0; r < p->a->launcher.size; r++) add_problems(l, r, &p->now[r]);
  tell(l);
}

// Those of which there is no file.
static void tell_absent(const picture *p, list *l) {
  int size = p->a->launcher.size;
  char text[512], (*expected)[TT_NODE_NAME] = calloc((size_t)size, sizeof *expected);
  bool holds = expectation_holds(p->now, size);
  for (int r = 0; expected && r < size; r++) {
    if (p->now[r].there) continue;
    if (holds) tt_launcher_expected_node(r, expected[r], sizeof expected[r]);
    snprintf(text, sizeof text,
             "not heard of for %.0f s: not started, stopped, or %.300s is another folder there",
             tt_now() - p->a->begun, p->a->run);
    add(l, r, expected[r], text);
  }
  tell(l);
  free(expected);
}

static void tell_dead(const picture *p, list *l) {
  char text[512];
  for (int r = 0; r < p->a->launcher.size; r++) {
    if (!p->now[r].there || runs(p, r)) continue;
    snprintf(text, sizeof text,
             "does not run any more: stopped or dead, or the node is gone; last seen at %s", p->now[r].place);
    add(l, r, p->now[r].node, text);
  }
  tell(l);
}

// Those that are at something of their own which the others wait for. Just begun: it is not what they wait
// for.
static int tell_slow(const picture *p, list *l) {
  char text[512];
  for (int r = 0; r < p->a->launcher.size; r++) {
    if (!runs(p, r) || p->now[r].waits || p->now[r].seconds < 2) continue;
    snprintf(text, sizeof text, "the others wait for it: it has not come further than %s", p->now[r].place);
    add(l, r, p->now[r].node, text);
  }
  int count = l->count;
  tell(l);
  return count;
}

// When nobody else is to blame, those that wait are all that there is to tell.
static void tell_waiting(const picture *p, list *l, bool blamed) {
  char text[512];
  int count = 0, first = 0;
  for (int r = 0; r < p->a->launcher.size; r++) {
    if (!runs(p, r) || !p->now[r].waits) continue;
    if (count++ == 0) first = r;
    snprintf(text, sizeof text, "all ranks are here, but this does not end: %s", p->now[r].place);
    if (!blamed) add(l, r, p->now[r].node, text);
  }
  tell(l);
  if (blamed && count)
    fprintf(stderr, "twotrack: preflight: %d other rank%s: waiting at %s\n", count, count > 1 ? "s" : "",
            p->now[first].place);
}

static void tell_all(const picture *p, list *l, bool late) {
  bool blamed = false;
  for (int r = 0; r < p->a->launcher.size; r++) blamed |= !runs(p, r);
  tell_problems(p, l);
  if (late) tell_absent(p, l); // else they may be on their way
  tell_dead(p, l);
  if (late) blamed |= tell_slow(p, l) > 0;
  tell_waiting(p, l, blamed);
}

static bool somebody_died(const picture *p) {
  bool dead = false;
  for (int r = 0; r < p->a->launcher.size; r++) dead |= p->now[r].there && !runs(p, r);
  return dead;
}

bool tt_late_tell(tt_attendance *a, bool late) {
  size_t size = (size_t)a->launcher.size;
  tt_attendance_entry *before = calloc(size, sizeof *before), *now = calloc(size, sizeof *now);
  list l = {.most = 9 * a->launcher.size, .size = a->launcher.size};
  l.sayings = calloc((size_t)l.most, sizeof *l.sayings), l.texts = calloc((size_t)l.most, sizeof *l.texts);
  bool told = false;
  if (!before || !now || !l.sayings || !l.texts) {
    fprintf(stderr, "twotrack: error: preflight: out of memory\n");
    told = true;
  } else if (!lower_one_alive(a, before)) {
    for (size_t r = 0; r < size; r++) tt_late_read(a, (int)r, &before[r]);
    tt_attendance_pause(a, between);
    for (size_t r = 0; r < size; r++) tt_late_read(a, (int)r, &now[r]);
    picture p = {a, before, now};
    // another one may have told, and cleared away, in the meantime
    told = !tt_attendance_told(a) && (late || somebody_died(&p));
    if (told) tell_all(&p, &l, late);
  }
  free(before), free(now), free(l.sayings), free(l.texts);
  return told;
}
