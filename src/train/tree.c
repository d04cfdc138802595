#include "train/tree.h"

#include <stdlib.h>

#include "train/backend.h"

int tt_tree_levels(int leaves) {
  int levels = 1;
  for (; leaves > 1; leaves /= 2) levels++;
  return levels;
}

tt_status tt_tree_init(tt_tree *tree, const tt_ops *ops, int64_t count, int leaves) {
  *tree = (tt_tree){.ops = ops, .count = count, .levels = tt_tree_levels(leaves)};
  for (int k = 0; k < tree->levels; k++) {
    TT_TRY(tt_backend_alloc(ops, &tree->array[k], (size_t)count, sizeof(float), "gradients"));
    ops->zero(tree->array[k], count);
  }
  return TT_OK;
}

void tt_tree_free(tt_tree *tree) {
  for (int k = 0; k < tree->levels; k++) tree->ops->release(tree->array[k]);
  *tree = (tt_tree){0};
}

void tt_tree_clear(tt_tree *tree) {
  tree->depth = 0;
  tree->closed = 0;
}

float *tt_tree_leaf(tt_tree *tree) {
  float *array = tree->array[tree->depth];
  if (!tree->zero[tree->depth]) tree->ops->zero(array, tree->count);
  tree->zero[tree->depth] = false;
  return array;
}

// left += right, and right = 0 for the next leaf: on a processor while it is in cache.
static void add_and_clear(const tt_ops *ops, float *right, int64_t count, float *left) {
  const int64_t block = ops->device ? count : 4096;
  for (int64_t at = 0; at < count; at += block) {
    int64_t n = count - at < block ? count - at : block;
    ops->add(right + at, n, left + at);
    ops->zero(right + at, n);
  }
}

// The stack works like a binary counter: array[k] holds the k-th complete subtree from the left.
void tt_tree_push(tt_tree *tree) {
  tree->height[tree->depth++] = 0;
  while (tree->depth > 1 && tree->height[tree->depth - 1] == tree->height[tree->depth - 2]) {
    add_and_clear(tree->ops, tree->array[tree->depth - 1], tree->count, tree->array[tree->depth - 2]);
    tree->depth--;
    tree->zero[tree->depth] = true;
    tree->height[tree->depth - 1]++;
  }
}

void tt_tree_close(tt_tree *tree, int64_t first, int64_t count) {
  for (int k = tree->levels - 1; k > 0; k--)
    add_and_clear(tree->ops, tree->array[k] + first, count, tree->array[k - 1] + first);
  tree->closed += count;
  if (tree->closed < tree->count) return;
  for (int k = 1; k < tree->levels; k++) tree->zero[k] = true;
}

float *tt_tree_root(const tt_tree *tree) {
  return tree->array[0];
}
