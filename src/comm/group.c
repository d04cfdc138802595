#include "comm/group.h"

#include <string.h>

#include "comm/device_exchange.h"

// First of rank r's rows among all rows.
static int64_t first_row(const int64_t *rows, int r) {
  int64_t first = 0;
  for (int k = 0; k < r; k++) first += rows[k];
  return first;
}

// A scratch with room for `count` numbers of each other rank: where those of rank r lie.
static int64_t slot(const tt_comm *group, int r, int64_t count) {
  return count * (r < group->rank ? r : r - 1);
}

static void exchange(const tt_comm *group, const void *send, tt_places_of_ranks *p, void *receive) {
  if (group->link)
    tt_device_exchange(group, TT_QUEUE_COMPUTE, send, p, receive);
  else
    tt_comm_all_to_all(group, send, p, receive);
  tt_comm_places_free(p);
}

void tt_group_gather(const tt_comm *group, const int64_t *rows, int64_t dim, size_t element, void *all) {
  int64_t row = dim * (int64_t)element;
  tt_places_of_ranks p = tt_comm_places(group);
  for (int r = 0; r < group->size; r++) {
    p.send_at[r] = first_row(rows, group->rank) * row;
    p.send_bytes[r] = rows[group->rank] * row;
    p.receive_at[r] = first_row(rows, r) * row;
    p.receive_bytes[r] = rows[r] * row;
  }
  exchange(group, all, &p, all);
}

// The own rows of rank r's partial sums.
static float *term(const tt_comm *group, int r, int64_t count, float *own, float *scratch) {
  return r == group->rank ? own : scratch + slot(group, r, count);
}

// In blocks, so that all levels of the tree work on what is in the nearest cache; their size does not touch
// the order of the additions.
static void add_tree(const tt_comm *group, int64_t count, float *own, float *scratch, float *sum) {
  enum { BLOCK = 2048 };
  const float *root = term(group, 0, count, own, scratch);
  for (int64_t begin = 0; begin < count; begin += BLOCK) {
    int64_t n = count - begin < BLOCK ? count - begin : BLOCK;
    for (int width = 1; width < group->size; width *= 2)
      for (int r = 0; r < group->size; r += 2 * width) {
        float *left = term(group, r, count, own, scratch) + begin;
        const float *right = term(group, r + width, count, own, scratch) + begin;
        for (int64_t i = 0; i < n; i++) left[i] += right[i];
      }
    if (sum != root) memcpy(sum + begin, root + begin, (size_t)n * sizeof *sum);
  }
}

void tt_group_sum(const tt_comm *group, const int64_t *rows, int64_t dim, size_t element, void *partial,
                  void *own, void *scratch) {
  int64_t row = dim * (int64_t)element, count = rows[group->rank] * dim;
  tt_places_of_ranks p = tt_comm_places(group);
  for (int r = 0; r < group->size; r++) {
    if (r == group->rank) continue;
    p.send_at[r] = first_row(rows, r) * row;
    p.send_bytes[r] = rows[r] * row;
    p.receive_at[r] = slot(group, r, count) * (int64_t)element;
    p.receive_bytes[r] = count * (int64_t)element;
  }
  exchange(group, partial, &p, scratch);
  void *mine = (char *)partial + first_row(rows, group->rank) * row;
  if (group->link)
    group->link->arrays->queues->sum(TT_QUEUE_COMPUTE, element, scratch, count, group->rank, group->size,
                                     count, mine, own);
  else
    add_tree(group, count, mine, scratch, own);
}

// (rows, width bytes) between two arrays whose rows begin `from_row` and `to_row` bytes apart.
static void copy_rows(const tt_comm *group, const char *from, int64_t from_row, int64_t rows, int64_t width,
                      char *to, int64_t to_row) {
  if (group->link) {
    const tt_queues *queues = group->link->arrays->queues;
    if (rows > 0 && width > 0) queues->copy_rows(TT_QUEUE_COMPUTE, from, from_row, rows, width, to, to_row);
  } else {
    for (int64_t k = 0; k < rows; k++) memcpy(to + k * to_row, from + k * from_row, (size_t)width);
  }
}

// What is exchanged when rows become columns, or back, in bytes: for each rank its columns and where they
// begin; of all rows with the own columns (all rows, own width) the stretch of its rows; and of the scratch
// its (own rows, width).
typedef struct {
  int64_t column, width, stretch, stretch_bytes, slot, slot_bytes;
} turn;

static turn turn_of(const tt_comm *group, const int64_t *rows, int64_t columns, size_t element, int r) {
  int64_t size = (int64_t)element, first = tt_group_share(columns, group->size, r) * size;
  int64_t own_first = tt_group_share(columns, group->size, group->rank) * size;
  int64_t own_width = tt_group_share(columns, group->size, group->rank + 1) * size - own_first;
  turn t = {.column = first, .width = tt_group_share(columns, group->size, r + 1) * size - first};
  t.stretch = first_row(rows, r) * own_width;
  t.stretch_bytes = rows[r] * own_width;
  t.slot = rows[group->rank] * (r < group->rank ? first : first - own_width); // without the own columns
  t.slot_bytes = rows[group->rank] * t.width;
  return t;
}

// Places of the stretches and the slots of all other ranks; for the own nothing.
static void place_turns(const tt_comm *group, const int64_t *rows, int64_t columns, size_t element,
                        int64_t *stretch_at, int64_t *stretch_bytes, int64_t *slot_at, int64_t *slot_bytes) {
  for (int r = 0; r < group->size; r++) {
    if (r == group->rank) continue;
    turn t = turn_of(group, rows, columns, element, r);
    stretch_at[r] = t.stretch, stretch_bytes[r] = t.stretch_bytes;
    slot_at[r] = t.slot, slot_bytes[r] = t.slot_bytes;
  }
}

void tt_group_to_columns(const tt_comm *group, const int64_t *rows, int64_t columns, size_t element,
                         const void *own, void *all, void *scratch) {
  tt_places_of_ranks p = tt_comm_places(group);
  place_turns(group, rows, columns, element, p.receive_at, p.receive_bytes, p.send_at, p.send_bytes);
  for (int r = 0; r < group->size; r++) {
    turn t = turn_of(group, rows, columns, element, r);
    char *to = r == group->rank ? (char *)all + t.stretch : (char *)scratch + t.slot;
    copy_rows(group, (const char *)own + t.column, columns * (int64_t)element, rows[group->rank], t.width, to,
              t.width);
  }
  exchange(group, scratch, &p, all);
}

void tt_group_to_rows(const tt_comm *group, const int64_t *rows, int64_t columns, size_t element,
                      const void *all, void *own, void *scratch) {
  tt_places_of_ranks p = tt_comm_places(group);
  place_turns(group, rows, columns, element, p.send_at, p.send_bytes, p.receive_at, p.receive_bytes);
  exchange(group, all, &p, scratch);
  for (int r = 0; r < group->size; r++) {
    turn t = turn_of(group, rows, columns, element, r);
    const char *from = r == group->rank ? (const char *)all + t.stretch : (const char *)scratch + t.slot;
    copy_rows(group, from, t.width, rows[group->rank], t.width, (char *)own + t.column,
              columns * (int64_t)element);
  }
}
