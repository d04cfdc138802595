// The tree over a rank's leaves: bitwise the recursive sum, step after step, whatever its arrays held before.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "train/tree.h"

enum { COUNT = 9001 };

// Numbers whose float sum depends on the order in which they are added.
static float value(int step, int leaf, int64_t i) {
  uint32_t x = (uint32_t)(step * 15485863 + leaf * 7919 + i * 104729 + 1) * 2654435761u;
  return (float)((int32_t)x) * (x % 5 == 0 ? 1e-3f : 1.0f);
}

static float recursive(int step, int first, int leaves, int64_t i) {
  if (leaves == 1) return value(step, first, i);
  return recursive(step, first, leaves / 2, i) + recursive(step, first + leaves / 2, leaves / 2, i);
}

static void one_step(tt_tree *tree, int step, int leaves) {
  tt_tree_clear(tree);
  for (int leaf = 0; leaf < leaves; leaf++) {
    float *gradient = tt_tree_leaf(tree);
    for (int64_t i = 0; i < COUNT; i++) gradient[i] += value(step, leaf, i); // as a backward pass adds
    if (leaf + 1 < leaves || step % 3) tt_tree_push(tree);
  }
  // the last leaf closed in uneven stretches, the last of them first
  static const int64_t bounds[] = {0, 1, 4097, 4097, 8190, COUNT};
  for (int k = 4; step % 3 == 0 && k >= 0; k--) tt_tree_close(tree, bounds[k], bounds[k + 1] - bounds[k]);
  const float *root = tt_tree_root(tree);
  for (int64_t i = 0; i < COUNT; i++) {
    float expected = recursive(step, 0, leaves, i);
    assert_memory_equal(&root[i], &expected, sizeof expected);
  }
}

static void sums_in_the_order_of_the_tree(void **state) {
  (void)state;
  for (int leaves = 1; leaves <= 16; leaves *= 2) {
    tt_tree tree;
    assert_int_equal(tt_tree_init(&tree, tt_ops_cpu(TT_FP32), COUNT, leaves), TT_OK);
    assert_int_equal(tree.levels, tt_tree_levels(leaves));
    for (int step = 0; step < 8; step++) {
      one_step(&tree, step, leaves);
      if (step == 2 && leaves > 2) { // a step that failed half-way leaves something in them
        tt_tree_clear(&tree);
        for (int leaf = 0; leaf < 3; leaf++) {
          memset(tt_tree_leaf(&tree), 0x7f, COUNT * sizeof(float));
          if (leaf < 2) tt_tree_push(&tree);
        }
      }
    }
    tt_tree_free(&tree);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(sums_in_the_order_of_the_tree)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
