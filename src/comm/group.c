#include "comm/group.h"

#include <string.h>

#include "comm/all_to_all.h"

enum { FLOAT = sizeof(float) };

// First of rank r's rows among all rows.
static int64_t first_row(const int64_t *rows, int r) {
  int64_t first = 0;
  for (int k = 0; k < r; k++) first += rows[k];
  return first;
}

// A scratch with room for `count` floats of each other rank: where those of rank r lie.
static int64_t slot(const tt_comm *group, int r, int64_t count) {
  return count * (r < group->rank ? r : r - 1);
}

void tt_group_gather(const tt_comm *group, const int64_t *rows, int64_t dim, float *all) {
  tt_places_of_ranks p = tt_comm_places(group);
  for (int r = 0; r < group->size; r++) {
    p.send_at[r] = first_row(rows, group->rank) * dim * FLOAT;
    p.send_bytes[r] = rows[group->rank] * dim * FLOAT;
    p.receive_at[r] = first_row(rows, r) * dim * FLOAT;
    p.receive_bytes[r] = rows[r] * dim * FLOAT;
  }
  tt_comm_all_to_all(group, all, &p, all);
  tt_comm_places_free(&p);
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
    if (sum != root) memcpy(sum + begin, root + begin, (size_t)n * FLOAT);
  }
}

void tt_group_sum(const tt_comm *group, const int64_t *rows, int64_t dim, float *partial, float *own,
                  float *scratch) {
  int64_t count = rows[group->rank] * dim;
  tt_places_of_ranks p = tt_comm_places(group);
  for (int r = 0; r < group->size; r++) {
    if (r == group->rank) continue;
    p.send_at[r] = first_row(rows, r) * dim * FLOAT;
    p.send_bytes[r] = rows[r] * dim * FLOAT;
    p.receive_at[r] = slot(group, r, count) * FLOAT;
    p.receive_bytes[r] = count * FLOAT;
  }
  tt_comm_all_to_all(group, partial, &p, scratch);
  tt_comm_places_free(&p);
  add_tree(group, count, partial + first_row(rows, group->rank) * dim, scratch, own);
}

// (rows, width) between two arrays whose rows begin `from_row` and `to_row` floats apart.
static void copy_rows(const float *from, int64_t from_row, int64_t rows, int64_t width, float *to,
                      int64_t to_row) {
  for (int64_t k = 0; k < rows; k++) memcpy(to + k * to_row, from + k * from_row, (size_t)width * FLOAT);
}

// What is exchanged when rows become columns, or back: for each rank its columns and where they begin; of all
// rows with the own columns (all rows, own width) the stretch of its rows; and of the scratch its (own rows,
// width).
typedef struct {
  int64_t column, width, stretch, stretch_floats, slot, slot_floats;
} turn;

static turn turn_of(const tt_comm *group, const int64_t *rows, int64_t columns, int r) {
  int64_t first = tt_group_share(columns, group->size, r);
  int64_t own_first = tt_group_share(columns, group->size, group->rank);
  int64_t own_width = tt_group_share(columns, group->size, group->rank + 1) - own_first;
  turn t = {.column = first, .width = tt_group_share(columns, group->size, r + 1) - first};
  t.stretch = first_row(rows, r) * own_width;
  t.stretch_floats = rows[r] * own_width;
  t.slot = rows[group->rank] * (r < group->rank ? first : first - own_width); // without the own columns
  t.slot_floats = rows[group->rank] * t.width;
  return t;
}

// Places of the stretches and the slots of all other ranks; for the own nothing.
static void place_turns(const tt_comm *group, const int64_t *rows, int64_t columns, int64_t *stretch_at,
                        int64_t *stretch_bytes, int64_t *slot_at, int64_t *slot_bytes) {
  for (int r = 0; r < group->size; r++) {
    if (r == group->rank) continue;
    turn t = turn_of(group, rows, columns, r);
    stretch_at[r] = t.stretch * FLOAT, stretch_bytes[r] = t.stretch_floats * FLOAT;
    slot_at[r] = t.slot * FLOAT, slot_bytes[r] = t.slot_floats * FLOAT;
  }
}

void tt_group_to_columns(const tt_comm *group, const int64_t *rows, int64_t columns, const float *own,
                         float *all, float *scratch) {
  tt_places_of_ranks p = tt_comm_places(group);
  place_turns(group, rows, columns, p.receive_at, p.receive_bytes, p.send_at, p.send_bytes);
  for (int r = 0; r < group->size; r++) {
    turn t = turn_of(group, rows, columns, r);
    float *to = r == group->rank ? all + t.stretch : scratch + t.slot;
    copy_rows(own + t.column, columns, rows[group->rank], t.width, to, t.width);
  }
  tt_comm_all_to_all(group, scratch, &p, all);
  tt_comm_places_free(&p);
}

void tt_group_to_rows(const tt_comm *group, const int64_t *rows, int64_t columns, const float *all,
                      float *own, float *scratch) {
  tt_places_of_ranks p = tt_comm_places(group);
  place_turns(group, rows, columns, p.send_at, p.send_bytes, p.receive_at, p.receive_bytes);
  tt_comm_all_to_all(group, all, &p, scratch);
  tt_comm_places_free(&p);
  for (int r = 0; r < group->size; r++) {
    turn t = turn_of(group, rows, columns, r);
    const float *from = r == group->rank ? all + t.stretch : scratch + t.slot;
    copy_rows(from, t.width, rows[group->rank], t.width, own + t.column, columns);
  }
}
