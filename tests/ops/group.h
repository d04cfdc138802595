// What the test programs of operations share: the table, and fresh arrays and one batch a test.
#ifndef TT_TESTS_OPS_GROUP_H
#define TT_TESTS_OPS_GROUP_H

#include "check.h"

static const tt_ops *ops;
static tt_batch batch;

static int setup(void **state) {
  (void)state;
  ops = tt_ops_cpu();
  array_restart(7);
  batch_make(&batch, odd_atoms, 5, NULL);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tt_batch_free(&batch);
  arrays_free();
  return 0;
}

#define GROUP_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

#endif
