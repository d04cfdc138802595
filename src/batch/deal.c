#include <stdbool.h>
#include <stdlib.h>

#include "batch/batch.h"
#include "core/memory.h"

typedef struct {
  int64_t load;
  int32_t leaf;
} heap_entry;

static bool before(heap_entry a, heap_entry b) {
  return a.load != b.load ? a.load < b.load : a.leaf < b.leaf;
}

// Puts the root, whose load has grown, where it belongs.
static void sink(heap_entry *heap, int size) {
  heap_entry moved = heap[0];
  int at = 0;
  for (int child; (child = 2 * at + 1) < size; at = child) {
    if (child + 1 < size && before(heap[child + 1], heap[child])) child++;
    if (!before(heap[child], moved)) break;
    heap[at] = heap[child];
  }
  heap[at] = moved;
}

static int by_key(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

tt_status tt_deal(const int32_t *atoms, int count, int leaves, int32_t *leaf) {
  if (leaves < 1 || count < leaves)
    return tt_fail(TT_ERR_DATA,
                   "%d molecules cannot be dealt to %d micro-batches: lower train.micro_batches or raise "
                   "the batch size",
                   count, leaves);
  uint64_t *order = NULL;
  heap_entry *heap = NULL;
  TT_TRY(tt_alloc(&order, (size_t)count, sizeof *order, "dealing a batch"));
  tt_status status = tt_alloc(&heap, (size_t)leaves, sizeof *heap, "dealing a batch");
  if (status == TT_OK) {
    for (int k = 0; k < count; k++) order[k] = (uint64_t)(INT32_MAX - atoms[k]) << 32 | (uint32_t)k;
    qsort(order, (size_t)count, sizeof *order, by_key);
    for (int k = 0; k < leaves; k++) heap[k].leaf = k; // equal loads in leaf order are a heap
    for (int k = 0; k < count; k++) {
      uint32_t molecule = (uint32_t)order[k];
      int64_t length = atoms[molecule] + 1;
      leaf[molecule] = heap[0].leaf;
      heap[0].load += length * length;
      sink(heap, leaves);
    }
  }
  free(order);
  free(heap);
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
