#include "model/crossing.h"

#include "comm/group.h"

// Each layer gathers the rows that attention and feed-forward read and sums what they make; the backward does
// the same with the gradients. The movement head gathers rows and sums movements, or the other way round.
int64_t tt_crossing_tokens(const tt_model_config *config, int ranks, int64_t own, int64_t all,
                           bool backward) {
  int64_t dim = config->embed_dim, gather = tt_group_gather_bytes(ranks, own, dim, sizeof(float));
  int64_t sum = tt_group_sum_bytes(own, all, dim, sizeof(float)), layers = config->layers;
  int64_t forward = 2 * layers * (gather + sum) + gather + tt_group_sum_bytes(own, all, 3, sizeof(float));
  if (!backward) return forward;
  return forward + 2 * layers * (gather + sum) + tt_group_gather_bytes(ranks, own, 3, sizeof(float)) + sum;
}

int64_t tt_crossing_bias(const tt_model_config *config, int ranks, int64_t own, int64_t all, bool backward) {
  int64_t heads = config->heads, own_heads = heads / ranks;
  int64_t times = config->layers + 1; // the movement head has a bias of its own
  int64_t forward = times * tt_group_to_columns_bytes(own, heads, own_heads, sizeof(float));
  return backward ? forward + times * tt_group_to_rows_bytes(own, all, own_heads, sizeof(float)) : forward;
}
