#include "train/checkpoint_load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/memory.h"
#include "train/checkpoint_parts.h"

// What rank 0 learns from the structure and the others are told: tensors in the model's order.
typedef struct {
  int tensors;
  int64_t *at;
  tt_digest *stored;
  tt_element_digest *sums;
} table;

static void table_free(table *t) {
  free(t->at), free(t->stored), free(t->sums);
}

static tt_status table_make(table *t, const tt_checkpoint_share *share) {
  *t = (table){.tensors = tt_checkpoint_tensors(share)};
  size_t n = (size_t)t->tensors;
  TT_TRY(tt_alloc(&t->at, n, sizeof *t->at, "places of tensors"));
  TT_TRY(tt_alloc(&t->stored, n, sizeof *t->stored, "digests of tensors"));
  return tt_alloc(&t->sums, n, sizeof *t->sums, "digests of tensors");
}

static void fill(table *t, const tt_checkpoint_share *share, const tt_checkpoint_info *info) {
  const int count = share->parameters->count;
  for (int i = 0; i < count; i++) {
    const tt_parameter *p = tt_parameters_find(&info->parameters, share->parameters->list[i].name);
    for (int k = i, from = (int)(p - info->parameters.list); k < t->tensors; k += count, from += count)
      t->at[k] = info->at[from], t->stored[k] = info->digests[from];
  }
}

static tt_status read_structure(const char *path, const tt_checkpoint_share *share, table *t,
                                tt_progress_state *state) {
  tt_checkpoint_info info;
  tt_status status = tt_checkpoint_info_read(path, &info);
  if (status == TT_ERR_FORMAT) return TT_ERR_CORRUPT; // where a checkpoint should be
  if (status != TT_OK) return status;
  status = tt_checkpoint_compare_tables(path, &info.parameters, share->parameters);
  if (status == TT_OK && share->moment1 && !info.has_moments)
    status = tt_fail(TT_ERR_FORMAT, "%s holds weights only: training cannot go on from it", path);
  if (status == TT_OK) status = tt_checkpoint_read_means(path, &info);
  if (status == TT_OK) {
    fill(t, share, &info);
    *state = info.state;
    info.state.config = NULL, info.state.skipped = (tt_lane_cuts){0};
    info.state.skipped_batches = (tt_number_set){0};
  }
  tt_checkpoint_info_free(&info);
  return status;
}

static tt_status read_own(const char *path, const tt_checkpoint_share *share, table *t) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return tt_fail(TT_ERR_IO, "cannot open %s: %s (all ranks must see the run's folder)", path,
                   strerror(errno));
  tt_status status = tt_checkpoint_get_values(share, file, path, t->at, t->sums);
  close(file);
  return status;
}

static tt_status compare(const char *path, const tt_checkpoint_share *share, const table *t) {
  const int count = share->parameters->count;
  for (int k = 0; k < t->tensors; k++)
    if (strcmp(tt_element_digest_text(t->sums[k]).text, t->stored[k].text) != 0)
      return tt_fail(TT_ERR_CORRUPT, "%s: the values of %s/%s are not what was written", path,
                     tt_checkpoint_sections[k / count], share->parameters->list[k % count].name);
  return TT_OK;
}

// Rank 0's state, all but the text of the configuration, which only rank 0 has.
static tt_status share_state(const tt_comm *ranks, tt_progress_state *state) {
  char *config = state->config; // pointers mean nothing to the others
  tt_lane_cuts skipped = state->skipped;
  tt_number_set batches = state->skipped_batches;
  TT_TRY(tt_comm_broadcast(ranks, state, sizeof *state, 0));
  size_t count = state->skipped.count, numbers = state->skipped_batches.count;
  state->config = config, state->skipped = skipped, state->skipped_batches = batches;
  tt_status status = TT_OK;
  if (ranks->rank != 0 && count)
    status = tt_reserve(&state->skipped.cuts, &state->skipped.room_, count, sizeof(tt_lane_cut),
                        "the chunks skipped");
  if (ranks->rank != 0 && numbers && status == TT_OK)
    status = tt_reserve(&state->skipped_batches.values, &state->skipped_batches.room_, numbers,
                        sizeof(int64_t), "the batches skipped");
  TT_TRY(tt_comm_agree_quietly(ranks, status));
  state->skipped.count = count, state->skipped_batches.count = numbers;
  TT_TRY(tt_comm_broadcast(ranks, state->skipped.cuts, count * sizeof(tt_lane_cut), 0));
  return tt_comm_broadcast(ranks, state->skipped_batches.values, numbers * sizeof(int64_t), 0);
}

static tt_status load(const tt_comm *ranks, const char *path, const tt_checkpoint_share *share, table *t,
                      tt_progress_state *state) {
  tt_comm_count_as(ranks, TT_TRAFFIC_OTHER);
  tt_status status = table_make(t, share);
  if (status == TT_OK && ranks->rank == 0) status = read_structure(path, share, t, state);
  TT_TRY(tt_comm_agree_quietly(ranks, status));
  TT_TRY(share_state(ranks, state));
  TT_TRY(tt_comm_broadcast(ranks, t->at, (size_t)t->tensors * sizeof *t->at, 0));
  TT_TRY(tt_comm_broadcast(ranks, t->stored, (size_t)t->tensors * sizeof *t->stored, 0));
  TT_TRY(tt_comm_agree_quietly(ranks, read_own(path, share, t)));
  TT_TRY(tt_comm_sum(ranks, (uint64_t *)t->sums, 2 * t->tensors));
  TT_TRY(compare(path, share, t));
  return tt_shards_gather(share->shards, share->weights);
}

tt_status tt_checkpoint_load(const tt_comm *ranks, const char *path, const tt_checkpoint_share *share,
                             tt_progress_state *state) {
  table t;
  tt_progress_state read = {0};
  tt_status status = load(ranks, path, share, &t, &read);
  table_free(&t);
  if (status == TT_OK && state)
    *state = read;
  else
    tt_progress_state_free(&read);
  return status;
}
