// Who owns what: every element of the model once, for any layout and for odd counts; what that takes and
// what it sends. No MPI: the ranks of a layout are played one after the other.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "train/memory.h"
#include "train/shards.h"

static const int layouts[][2] = {{1, 1}, {2, 1}, {4, 1}, {8, 1}, {1, 2}, {2, 2}, {4, 2}, {1, 4}, {2, 4}};

#define FOR_LAYOUTS(data, tensor)                                                                            \
  for (size_t l_ = 0, data, tensor; l_ < sizeof layouts / sizeof *layouts &&                                 \
                                    (data = (size_t)layouts[l_][0], tensor = (size_t)layouts[l_][1]);        \
       l_++)

// A model of odd sizes, but for what a group has to divide.
static tt_config small(void) {
  return (tt_config){
      .model = {.layers = 3, .embed_dim = 24, .heads = 4, .ffn_dim = 44, .pair_dim = 9, .pair_hidden = 5},
      .train = {.micro_batches = 8}};
}

static tt_mesh played(int data, int tensor, int d, int t) {
  return (tt_mesh){.world = {.rank = d * tensor + t, .size = data * tensor},
                   .tensor = {.rank = t, .size = tensor},
                   .data = {.rank = d, .size = data},
                   .whole = {.rank = t * data + d, .size = data * tensor}};
}

static void a_bucket_is_cut_at_blocks(void **state) {
  (void)state;
  for (int ranks = 1; ranks <= 16; ranks *= 2)
    for (int64_t count = 1; count < 200 * (int64_t)TT_BLOCK; count = count * 3 + 1) {
      tt_bucket bucket = {.first = 17, .count = count};
      int64_t most = 0, least = INT64_MAX;
      assert_int_equal(tt_shard_begin(&bucket, ranks, 0), 17);
      assert_int_equal(tt_shard_begin(&bucket, ranks, ranks), 17 + count);
      for (int r = 0; r < ranks; r++) {
        int64_t begin = tt_shard_begin(&bucket, ranks, r), end = tt_shard_begin(&bucket, ranks, r + 1);
        assert_true(begin <= end);
        assert_true(begin == 17 + count || (begin - 17) % TT_BLOCK == 0);
        if (end - begin > most) most = end - begin;
        if (end - begin < least) least = end - begin;
      }
      assert_true(most - least <= 2 * TT_BLOCK - 1); // even but for a block, and what the last one lacks
    }
}

// Marks in `owners` (one per element of the model) what one rank owns, and checks the rank's own books.
static void mark(const tt_config *config, int data, int tensor, int d, int t, const int64_t *start,
                 uint8_t *owners) {
  tt_parameters p;
  tt_shards shards;
  tt_mesh mesh = played(data, tensor, d, t);
  assert_int_equal(tt_parameters_build(&p, &config->model, tensor, t), TT_OK);
  assert_int_equal(tt_shards_make(&shards, &mesh, &p), TT_OK);
  assert_int_equal(shards.count, p.buckets);
  int64_t own = 0;
  for (int k = 0; k < shards.count; k++) {
    const tt_shard *s = &shards.list[k];
    assert_ptr_equal(s->ranks, p.bucket[k].split ? &mesh.data : &mesh.whole);
    assert_int_equal(s->own, own);
    assert_int_equal(s->segment[0], p.bucket[k].first);
    assert_int_equal(s->segment[s->ranks->size], p.bucket[k].first + p.bucket[k].count);
    for (int r = 0; r < s->ranks->size; r++)
      assert_int_equal(s->counts[r], s->segment[r + 1] - s->segment[r]);
    own += s->count;
    for (int64_t at = s->first; at < s->first + s->count;) {
      tt_run_of_elements run = tt_parameters_run(&p, at, s->first + s->count);
      for (int64_t i = 0; i < run.count; i++) owners[start[run.index] + run.element + i]++;
      at += run.count;
    }
  }
  tt_ownership planned = tt_shards_owned(&p, data, d);
  assert_int_equal(shards.own, own);
  assert_int_equal(planned.elements, own);
  assert_int_equal(planned.blocks, shards.own_blocks);
  tt_shards_free(&shards);
  tt_parameters_free(&p);
}

static void every_element_has_one_owner(void **state) {
  (void)state;
  tt_config config = small();
  tt_parameters whole;
  assert_int_equal(tt_parameters_build(&whole, &config.model, 1, 0), TT_OK);
  assert_true(whole.whole % TT_BLOCK != 0 && whole.buckets > 2);
  int64_t *start = calloc((size_t)whole.count + 1, sizeof *start);
  for (int i = 0; i < whole.count; i++) start[i + 1] = start[i] + whole.list[i].count;
  FOR_LAYOUTS(data, tensor) {
    uint8_t *owners = calloc((size_t)whole.whole, 1);
    for (int d = 0; d < (int)data; d++)
      for (int t = 0; t < (int)tensor; t++) mark(&config, (int)data, (int)tensor, d, t, start, owners);
    for (int64_t e = 0; e < whole.whole; e++) assert_int_equal(owners[e], 1);
    free(owners);
  }
  free(start);
  tt_parameters_free(&whole);
}

// By hand, with one block a bucket at most: the first rank that has one owns it all.
static void counts_traffic_and_memory(void **state) {
  (void)state;
  tt_config config = small();
  tt_parameters p;
  assert_int_equal(tt_parameters_build(&p, &config.model, 1, 0), TT_OK);
  FOR_LAYOUTS(data, tensor) {
    int64_t all[TT_TRAFFIC_KINDS] = {0}, ranks = (int64_t)(data * tensor), moments = 0, split = 0;
    tt_trainer_memory m;
    for (int r = 0; r < (int)ranks; r++) {
      tt_parameters part;
      int t = r % (int)tensor;
      assert_int_equal(tt_parameters_build(&part, &config.model, (int)tensor, t), TT_OK);
      tt_shards_traffic(&part, (int)data, r / (int)tensor, all);
      assert_int_equal(tt_trainer_memory_plan(&config, (int)data, (int)tensor, r, &m), TT_OK);
      assert_int_equal(m.weights, 4 * part.total);
      int levels = 1;
      for (int leaves = 8 / (int)data; leaves > 1; leaves /= 2) levels++;
      assert_int_equal(m.gradients, levels * m.weights);
      assert_int_equal(m.masters, 0);
      assert_int_equal(m.exchange == 0, ranks == 1);
      assert_int_equal(tt_trainer_memory_sum(&m),
                       m.weights + m.moments + m.gradients + m.exchange + m.snapshot + m.tables);
      assert_int_equal(2 * m.snapshot, 3 * m.moments);
      moments += m.moments;
      split = 0;
      for (int k = 0; k < part.buckets; k++) split += part.bucket[k].split ? part.bucket[k].count : 0;
      tt_parameters_free(&part);
    }
    assert_int_equal(moments, 8 * p.total); // each once
    // a gradient goes from every sharer but its owner, a weight to every sharer but its owner
    int64_t expected = 4 * ((p.total - (int64_t)tensor * split) * (ranks - 1) +
                            (int64_t)tensor * split * ((int64_t)data - 1));
    assert_int_equal(all[TT_TRAFFIC_GRADIENTS], expected);
    assert_int_equal(all[TT_TRAFFIC_WEIGHTS], expected);
    assert_int_equal(all[TT_TRAFFIC_RECORDS], 0);
  }
  tt_trainer_memory m;
  assert_int_equal(tt_trainer_memory_plan(&config, 16, 1, 0, &m), TT_ERR_CONFIG);
  assert_int_equal(tt_trainer_memory_plan(&config, 3, 1, 0, &m), TT_ERR_CONFIG);
  tt_parameters_free(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_bucket_is_cut_at_blocks),
                                     cmocka_unit_test(every_element_has_one_owner),
                                     cmocka_unit_test(counts_traffic_and_memory)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
