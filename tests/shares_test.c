// What the ranks of a tensor group hold of the parameters: together each split tensor once, in the right
// places.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/parameters.h"

// heads of 14 channels, so that shares do not begin at multiples of four
static const tt_model_config config = {
    .layers = 3, .embed_dim = 56, .heads = 4, .pair_dim = 32, .pair_hidden = 16, .ffn_dim = 112};

static tt_parameters build(const tt_model_config *c, int group, int place) {
  tt_parameters p;
  assert_int_equal(tt_parameters_build(&p, c, group, place), TT_OK);
  return p;
}

static int64_t size_of(const tt_parameter *p) {
  return (int64_t)p->shape[0] * p->shape[1];
}

static void every_element_is_held(void **state) {
  (void)state;
  tt_parameters whole = build(&config, 1, 0);
  for (int group = 1; group <= 4; group *= 2) {
    int *held = calloc((size_t)whole.total, sizeof *held);
    for (int place = 0; place < group; place++) {
      tt_parameters p = build(&config, group, place);
      assert_int_equal(p.whole, whole.total);
      for (int64_t at = 0; at < p.total;) {
        tt_run_of_elements run = tt_parameters_run(&p, at, p.total);
        assert_int_equal(run.offset, at);
        assert_true(run.count > 0);
        assert_true(run.element + run.count <= size_of(&p.list[run.index]));
        for (int64_t i = 0; i < run.count; i++) held[whole.list[run.index].offset + run.element + i]++;
        at += run.count;
      }
      tt_parameters_free(&p);
    }
    tt_parameters p = build(&config, group, 0);
    for (int k = 0; k < p.count; k++)
      for (int64_t i = 0; i < size_of(&p.list[k]); i++)
        assert_int_equal(held[whole.list[k].offset + i], p.list[k].split == TT_WHOLE ? group : 1);
    tt_parameters_free(&p);
    free(held);
  }
  tt_parameters_free(&whole);
}

static void runs_end_where_they_are_told(void **state) {
  (void)state;
  tt_parameters p = build(&config, 2, 1);
  const tt_parameter *o = tt_parameters_find(&p, "encoder.layers.1.self_attn.linear_o.weight");
  assert_int_equal(o->split, TT_SPLIT_COLUMNS);
  tt_run_of_elements run = tt_parameters_run(&p, o->offset + 30, o->offset + 40); // row 1 from column 28 + 2
  assert_int_equal(run.element, 56 + 28 + 2);
  assert_int_equal(run.count, 10);
  run = tt_parameters_run(&p, o->offset + 30, p.total);
  assert_int_equal(run.count, 26); // to the end of the row's share
  const tt_parameter *q = tt_parameters_find(&p, "encoder.layers.1.self_attn.linear_q.weight");
  assert_int_equal(q->split, TT_SPLIT_ROWS);
  run = tt_parameters_run(&p, q->offset + 5, p.total);
  assert_int_equal(run.element, 28 * 56 + 5);
  assert_int_equal(run.count, 28 * 56 - 5);
  tt_parameters_free(&p);
}

static void queries_keys_and_values_stay_together(void **state) {
  (void)state;
  tt_parameters p = build(&config, 4, 2);
  const char *names[][3] = {{"encoder.layers.2.self_attn.linear_q.weight",
                             "encoder.layers.2.self_attn.linear_k.weight",
                             "encoder.layers.2.self_attn.linear_v.weight"},
                            {"movement_pred_head.q_proj.weight", "movement_pred_head.k_proj.weight",
                             "movement_pred_head.v_proj.weight"}};
  for (int n = 0; n < 2; n++) {
    int64_t q = tt_parameters_find(&p, names[n][0])->offset;
    assert_int_equal(tt_parameters_find(&p, names[n][1])->offset, q + 14 * 56);
    assert_int_equal(tt_parameters_find(&p, names[n][2])->offset, q + 2 * 14 * 56);
  }
  tt_parameters_free(&p);
}

static void initial_values_are_those_of_the_whole(void **state) {
  (void)state;
  tt_parameters whole = build(&config, 1, 0);
  float *all = malloc((size_t)whole.total * sizeof *all);
  tt_parameters_init(&whole, 5, all);
  for (int group = 2; group <= 4; group *= 2)
    for (int place = 0; place < group; place++) {
      tt_parameters p = build(&config, group, place);
      float *own = malloc((size_t)p.total * sizeof *own);
      tt_parameters_init(&p, 5, own);
      for (int64_t at = 0; at < p.total;) {
        tt_run_of_elements run = tt_parameters_run(&p, at, p.total);
        assert_memory_equal(own + at, all + whole.list[run.index].offset + run.element,
                            (size_t)run.count * sizeof *own);
        at += run.count;
      }
      free(own);
      tt_parameters_free(&p);
    }
  free(all);
  tt_parameters_free(&whole);
}

// Buckets: without gaps, in the order of the flat array, of one kind each; cut alike for every group.
static void check_buckets(const tt_model_config *c, int group) {
  tt_parameters p = build(c, group, group - 1);
  int64_t at = 0;
  for (int k = 0; k < p.buckets; k++) {
    const tt_bucket *b = &p.bucket[k];
    assert_int_equal(b->first, at);
    assert_true(b->count > 0);
    while (at < b->first + b->count) {
      tt_run_of_elements run = tt_parameters_run(&p, at, b->first + b->count);
      const tt_parameter *t = &p.list[run.index];
      int layer = strncmp(t->name, "encoder.layers.", 15) == 0 ? atoi(t->name + 15) : TT_BUCKET_AT_END;
      assert_int_equal(t->split != TT_WHOLE, b->split);
      assert_true(b->layer == TT_BUCKET_AT_END ? layer == TT_BUCKET_AT_END : layer >= b->layer);
      at += run.count;
    }
  }
  assert_int_equal(at, p.total);
  tt_parameters_free(&p);
}

static void buckets_follow_each_other(void **state) {
  (void)state;
  const tt_model_config large = {
      .layers = 3, .embed_dim = 768, .heads = 48, .pair_dim = 512, .pair_hidden = 64, .ffn_dim = 768};
  for (int group = 1; group <= 4; group *= 2) check_buckets(&config, group), check_buckets(&large, group);
  tt_parameters small = build(&config, 1, 0), one = build(&large, 1, 0), two = build(&large, 2, 0);
  assert_int_equal(small.buckets, 3); // its layers go together
  assert_int_equal(one.buckets, 5);
  assert_int_equal(two.buckets, 1 + 2 * 3 + 2); // no embedding is split
  tt_parameters_free(&small), tt_parameters_free(&one), tt_parameters_free(&two);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_element_is_held),
      cmocka_unit_test(runs_end_where_they_are_told),
      cmocka_unit_test(queries_keys_and_values_stay_together),
      cmocka_unit_test(initial_values_are_those_of_the_whole),
      cmocka_unit_test(buckets_follow_each_other),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
