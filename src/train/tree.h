// The fixed binary tree over a rank's leaves: gradients are summed in an order that no layout changes.
#ifndef TT_TRAIN_TREE_H
#define TT_TRAIN_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"
#include "device/ops.h"

// Leaves come one by one, in order; whenever two neighbouring subtrees of equal height are complete they are
// added (left += right). So log2(leaves) + 1 arrays of `count` floats are held, never one a leaf.
typedef struct {
  const tt_ops *ops;
  int64_t count;
  int levels; // arrays held
  float *array[34];
  int height[34]; // private: of the complete subtrees on the stack
  bool zero[34];  // private: this array was zeroed when it was added to its neighbour
  int depth;      // complete subtrees on the stack
  int64_t closed; // private: elements
} tt_tree;

// Arrays that a tree of so many leaves (a power of two) holds.
int tt_tree_levels(int leaves);
// leaves: a power of two. TT_ERR_MEMORY.
tt_status tt_tree_init(tt_tree *tree, const tt_ops *ops, int64_t count, int leaves);
void tt_tree_free(tt_tree *tree);

void tt_tree_clear(tt_tree *tree);  // before the first leaf of a step
float *tt_tree_leaf(tt_tree *tree); // a zeroed array for the next leaf's gradient
void tt_tree_push(tt_tree *tree);   // that leaf is complete
// What tt_tree_push would do after the last leaf, for elements first .. first + count - 1 alone, whose
// gradient is complete before that of others. The last leaf is not pushed, but every element is closed once.
void tt_tree_close(tt_tree *tree, int64_t first, int64_t count);
float *tt_tree_root(const tt_tree *tree); // after the last leaf: the sum; on a device after ops->wait()

#endif
