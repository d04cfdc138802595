// Dealing a batch to leaves by halving, and cutting a leaf into pieces.
#include <stdbool.h>
#include <stdlib.h>

#include "batch/batch.h"
#include "core/memory.h"

// Molecules of one half-made split, heaviest first, and which side each is on.
typedef struct {
  const int64_t *cost; // of all molecules of the batch
  int32_t *molecule;
  bool *right;
  int32_t *spare;   // (count)
  int count, least; // no side may have fewer than `least` molecules
  int on_right;
  int64_t gap; // cost of the left side - cost of the right side
} split;

static int64_t cost_at(const split *s, int at) { // past the end: nothing, which costs nothing
  return at < s->count ? s->cost[s->molecule[at]] : 0;
}

static int next_on(const split *s, bool right, int at) {
  while (at < s->count && s->right[at] != right) at++;
  return at;
}

// Heaviest first, each to the lighter side.
static void start(split *s) {
  s->gap = 0, s->on_right = 0;
  for (int k = 0; k < s->count; k++) {
    int most = s->count - s->least;
    bool right = k - s->on_right == most || (s->gap > 0 && s->on_right < most);
    s->right[k] = right;
    s->on_right += right;
    s->gap += right ? -cost_at(s, k) : cost_at(s, k);
  }
}

typedef struct {
  int left, right; // what changes sides; count: nothing
  int64_t gap;     // what is left of the gap
} exchange;

static void consider(const split *s, int left, int right, exchange *best) {
  int on_right = s->on_right + (left < s->count) - (right < s->count);
  if (on_right < s->least || s->count - on_right < s->least) return;
  int64_t gap = llabs(s->gap - 2 * (cost_at(s, left) - cost_at(s, right)));
  if (gap < best->gap) *best = (exchange){left, right, gap};
}

// Exchanges the molecule (or nothing) of each side that narrow the gap most, where the least number of
// molecules a side lets them; false when none does. Both sides are in order of cost, so each one's two
// nearest partners are found in one walk.
static bool improve(split *s) {
  exchange best = {0, 0, llabs(s->gap)};
  int left = next_on(s, false, 0), right = next_on(s, true, 0), before = s->count;
  for (;; left = next_on(s, false, left + 1)) {
    while (right < s->count && 2 * (cost_at(s, left) - cost_at(s, right)) < s->gap) {
      before = right;
      right = next_on(s, true, right + 1);
    }
    consider(s, left, before, &best);
    consider(s, left, right, &best);
    if (left >= s->count) break;
  }
  if (best.gap == llabs(s->gap)) return false;
  s->gap -= 2 * (cost_at(s, best.left) - cost_at(s, best.right));
  if (best.left < s->count) s->right[best.left] = true, s->on_right++;
  if (best.right < s->count) s->right[best.right] = false, s->on_right--;
  return true;
}

// Left side first, each in its order.
static void part(split *s) {
  int left = 0, right = s->count - s->on_right;
  for (int k = 0; k < s->count; k++) s->spare[s->right[k] ? right++ : left++] = s->molecule[k];
  for (int k = 0; k < s->count; k++) s->molecule[k] = s->spare[k];
}

// `least`: molecules of a leaf; there are enough for all, unless it is 1.
static void halve(split s, int leaves, int least, int first_leaf, int32_t *leaf) {
  if (leaves == 1) {
    for (int k = 0; k < s.count; k++) leaf[s.molecule[k]] = first_leaf;
    return;
  }
  s.least = s.count < leaves ? s.count / 2 : leaves / 2 * least;
  start(&s);
  while (improve(&s)) {
  }
  part(&s);
  split left = s, right = s;
  left.count = s.count - s.on_right;
  right.count = s.on_right;
  right.molecule = s.molecule + left.count;
  halve(left, leaves / 2, least, first_leaf, leaf);
  halve(right, leaves / 2, least, first_leaf + leaves / 2, leaf);
}

typedef struct {
  int64_t cost;
  int32_t molecule;
} ranked;

static int by_falling_cost(const void *a, const void *b) {
  const ranked *x = a, *y = b;
  if (x->cost != y->cost) return x->cost < y->cost ? 1 : -1;
  return (x->molecule > y->molecule) - (x->molecule < y->molecule);
}

tt_status tt_deal(const int64_t *cost, int count, int leaves, int least, int32_t *leaf) {
  if (leaves < 1 || leaves & (leaves - 1))
    return tt_fail(TT_ERR_ARGUMENT, "a batch cannot be halved into %d micro-batches: not a power of two",
                   leaves);
  ranked *order = NULL;
  split s = {.cost = cost, .count = count};
  size_t n = (size_t)count;
  tt_status status = tt_alloc(&order, n, sizeof *order, "dealing a batch");
  if (status == TT_OK) status = tt_alloc(&s.molecule, n, sizeof *s.molecule, "dealing a batch");
  if (status == TT_OK) status = tt_alloc(&s.spare, n, sizeof *s.spare, "dealing a batch");
  if (status == TT_OK) status = tt_alloc(&s.right, n, sizeof *s.right, "dealing a batch");
  if (status == TT_OK) {
    for (int k = 0; k < count; k++) order[k] = (ranked){cost[k], k};
    qsort(order, n, sizeof *order, by_falling_cost);
    for (int k = 0; k < count; k++) s.molecule[k] = order[k].molecule;
    halve(s, leaves, count / leaves < least ? 1 : least, 0, leaf);
  }
  free(order);
  free(s.molecule);
  free(s.spare);
  free(s.right);
  return status;
}

int tt_cut(const int32_t *atoms, int count, int64_t max_pairs, int32_t *piece_start) {
  int pieces = 0;
  int64_t pairs = 0;
  for (int k = 0; k < count; k++) {
    int64_t length = atoms[k] + 1, cost = length * length;
    if (k == 0 || pairs + cost > max_pairs) piece_start[pieces++] = k, pairs = 0;
    pairs += cost;
  }
  piece_start[pieces] = count;
  return pieces;
}
