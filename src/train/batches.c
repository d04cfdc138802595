#include "train/batches.h"

#include <string.h>

static const int64_t MOST = 1000000000000; // as large a number as a list can have

tt_status tt_batches_left_out(const tt_train_config *config, const tt_progress_state *state,
                              tt_number_set *list, size_t *ignored) {
  tt_number_set named = {0};
  int64_t used = state->step ? tt_number_set_missing(&state->skipped_batches, state->step - 1) : -1;
  *ignored = 0;
  tt_status status = tt_number_set_copy(list, &state->skipped_batches);
  if (status == TT_OK) status = tt_number_set_parse(&named, config->skip_batches);
  for (size_t k = 0; status == TT_OK && k < named.count; k++) {
    if (named.values[k] > used)
      status = tt_number_set_add(list, named.values[k]);
    else if (!tt_number_set_has(list, named.values[k]))
      ++*ignored;
  }
  tt_number_set_free(&named);
  return status;
}

tt_status tt_batches_of_log(const json_t *records, int64_t step, tt_number_set *list) {
  size_t index;
  const json_t *record;
  json_array_foreach(records, index, record) {
    const char *type = json_string_value(json_object_get(record, "type"));
    if (!type || (strcmp(type, "skip_batch") != 0 && strcmp(type, "rollback") != 0)) continue;
    if (json_integer_value(json_object_get(record, "step")) > step) continue;
    const json_t *count = json_object_get(record, "batches");
    int64_t first = json_integer_value(json_object_get(record, "batch"));
    int64_t many = count ? json_integer_value(count) : 1;
    if (first < 0 || first > MOST || many < 1 || many > TT_NUMBER_SET_MOST)
      return tt_fail(TT_ERR_FORMAT,
                     "the run's log has left out batches that cannot be: %lld of them from batch %lld on",
                     (long long)many, (long long)first);
    for (int64_t k = 0; k < many; k++) TT_TRY(tt_number_set_add(list, first + k));
  }
  return TT_OK;
}

tt_status tt_batches_by_itself(const tt_train_config *config, const tt_progress_state *state, size_t *count) {
  tt_number_set named = {0};
  tt_status status = tt_number_set_parse(&named, config->skip_batches);
  const tt_number_set *s = &state->skipped_batches;
  *count = 0;
  for (size_t k = 0; status == TT_OK && k < s->count; k++) *count += !tt_number_set_has(&named, s->values[k]);
  tt_number_set_free(&named);
  return status;
}
