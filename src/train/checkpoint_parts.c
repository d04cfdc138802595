#include "train/checkpoint_parts.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const tt_checkpoint_sections[TT_CHECKPOINT_SECTIONS] = {"weights", "moment1", "moment2"};

tt_digest tt_checkpoint_whole_digest(const tt_parameters *parameters, int sections, const tt_digest *digests,
                                     tt_digest means, const tt_progress_state *state) {
  tt_digest_state *all = tt_digest_begin();
  char line[256];
  for (int s = 0; s < sections; s++)
    for (int i = 0; i < parameters->count; i++) {
      const tt_parameter *p = &parameters->list[i];
      int n = snprintf(line, sizeof line, "%s/%s %d", tt_checkpoint_sections[s], p->name, p->shape[0]);
      if (p->dims == 2) n += snprintf(line + n, sizeof line - (size_t)n, " %d", p->shape[1]);
      n += snprintf(line + n, sizeof line - (size_t)n, " %s\n", digests[s * parameters->count + i].text);
      tt_digest_add(all, line, (size_t)n);
    }
  int n = snprintf(line, sizeof line, "%s/%s %d %s\n", tt_checkpoint_sections[0], TT_CHECKPOINT_BUFFER,
                   TT_GAUSSIANS, means.text);
  tt_digest_add(all, line, (size_t)n);
  n = snprintf(line, sizeof line, "step %" PRId64 "\nsamples %" PRIu64 "\n", state->step, state->samples);
  tt_digest_add(all, line, (size_t)n);
  tt_checkpoint_digest_lists(all, state, false);
  return tt_digest_end(all);
}

tt_digest tt_checkpoint_state_digest(const tt_progress_state *state) {
  tt_digest_state *all = tt_digest_begin();
  char text[512];
  int n = snprintf(text, sizeof text,
                   "step %" PRId64 "\nsamples %" PRIu64 "\natoms %" PRIu64 "\npairs %" PRIu64
                   "\nflops_executed %a\nflops_reference %a\nstore_digest %s\nconfig\n",
                   state->step, state->samples, state->atoms, state->pairs, state->flops_executed,
                   state->flops_reference, state->store_digest);
  tt_digest_add(all, text, (size_t)n);
  if (state->config) tt_digest_add(all, state->config, strlen(state->config));
  tt_checkpoint_digest_lists(all, state, true);
  return tt_digest_end(all);
}

void tt_checkpoint_numbers(tt_checkpoint_number numbers[TT_CHECKPOINT_NUMBERS]) {
  const tt_checkpoint_number all[TT_CHECKPOINT_NUMBERS] = {
      {"step", H5T_STD_I64LE, H5T_NATIVE_INT64, offsetof(tt_progress_state, step)},
      {"samples", H5T_STD_U64LE, H5T_NATIVE_UINT64, offsetof(tt_progress_state, samples)},
      {"atoms", H5T_STD_U64LE, H5T_NATIVE_UINT64, offsetof(tt_progress_state, atoms)},
      {"pairs", H5T_STD_U64LE, H5T_NATIVE_UINT64, offsetof(tt_progress_state, pairs)},
      {"flops_executed", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, offsetof(tt_progress_state, flops_executed)},
      {"flops_reference", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, offsetof(tt_progress_state, flops_reference)},
  };
  memcpy(numbers, all, sizeof all);
}

void tt_progress_state_free(tt_progress_state *state) {
  free(state->config);
  state->config = NULL;
  tt_lane_cuts_free(&state->skipped);
  tt_number_set_free(&state->skipped_batches);
}

size_t tt_progress_batches_passed(const tt_progress_state *state) {
  if (state->step == 0) return 0;
  int64_t last = tt_number_set_missing(&state->skipped_batches, state->step - 1);
  return tt_number_set_below(&state->skipped_batches, last);
}

void tt_h5_silence(void) {
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

static herr_t innermost(unsigned n, const H5E_error2_t *error, void *text) {
  if (n == 0) snprintf(text, 300, "%s", error->desc ? error->desc : "");
  return 0;
}

tt_status tt_h5_fail(tt_status code, const char *path, const char *what) {
  char why[300] = "HDF5 gives no reason";
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, why);
  H5Eclear2(H5E_DEFAULT);
  // system errors come as "..., error message = 'No space left on device', buf = ..."
  char *system = strstr(why, "error message = '"), *end = system ? strchr(system + 17, '\'') : NULL;
  if (end) *end = 0;
  return tt_fail(code, "cannot %s %s: %s", what, path, end ? system + 17 : why);
}

hid_t tt_h5_access(void) {
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  if (access < 0) return access;
  H5Pset_fapl_sec2(access);
  H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110);
  H5Pset_file_locking(access, 0, 1);
  return access;
}
