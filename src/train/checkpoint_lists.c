// The lists in a checkpoint, there only when they hold something: "skipped", the chunks that could not be
// read, and "skipped_batches". Datasets of 64-bit numbers, whose values lie behind the tensors and are
// covered by the digest of the state.
#include "train/checkpoint_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"

typedef struct {
  const char *name, *what;
  unsigned columns; // 1: the dataset has one dimension
} list;
static const list chunks = {"skipped", "skipped chunks", 2},
                  batches = {"skipped_batches", "skipped batches", 1};

// A cut has the bytes of its row: its place, then `kept` as 64 bits.
_Static_assert(sizeof(tt_lane_cut) == 16, "a cut is a row of two numbers");

static void digest_chunks(tt_digest_state *all, const tt_lane_cuts *skipped) {
  char line[64];
  for (size_t k = 0; k < skipped->count; k++) {
    const tt_lane_cut *cut = &skipped->cuts[k];
    int n = snprintf(line, sizeof line, "skipped %" PRIu64 " %" PRIu32 "\n", cut->position, cut->kept);
    tt_digest_add(all, line, (size_t)n);
  }
}

static void digest_batches(tt_digest_state *all, const tt_number_set *skipped, size_t count) {
  char line[64];
  for (size_t k = 0; k < count; k++) {
    int n = snprintf(line, sizeof line, "skipped_batch %" PRId64 "\n", skipped->values[k]);
    tt_digest_add(all, line, (size_t)n);
  }
}

void tt_checkpoint_digest_lists(tt_digest_state *all, const tt_progress_state *state, bool ahead) {
  digest_chunks(all, &state->skipped);
  digest_batches(all, &state->skipped_batches,
                 ahead ? state->skipped_batches.count : tt_progress_batches_passed(state));
}

static bool place(hid_t file, const list *l, size_t count, int64_t *at) {
  hsize_t extent[2] = {count, l->columns};
  hid_t space = H5Screate_simple(l->columns > 1 ? 2 : 1, extent, NULL),
        create = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_layout(create, H5D_CONTIGUOUS);
  H5Pset_alloc_time(create, H5D_ALLOC_TIME_EARLY);
  H5Pset_fill_time(create, H5D_FILL_TIME_NEVER);
  H5Pset_obj_track_times(create, 0);
  hid_t set = H5Dcreate2(file, l->name, H5T_STD_U64LE, space, H5P_DEFAULT, create, H5P_DEFAULT);
  haddr_t offset = set >= 0 ? H5Dget_offset(set) : HADDR_UNDEF;
  *at = (int64_t)offset;
  if (set >= 0) H5Dclose(set);
  H5Pclose(create);
  H5Sclose(space);
  return offset != HADDR_UNDEF;
}

bool tt_checkpoint_place_lists(hid_t file, bool tiny, tt_checkpoint_info *info) {
  size_t cuts = info->state.skipped.count, numbers = info->state.skipped_batches.count;
  return (!cuts || place(file, &chunks, tiny ? 1 : cuts, &info->skipped_at)) &&
         (!numbers || place(file, &batches, tiny ? 1 : numbers, &info->skipped_batches_at));
}

tt_status tt_checkpoint_put_lists(const char *path, int file, const tt_checkpoint_info *info) {
  const tt_lane_cuts *cuts = &info->state.skipped;
  const tt_number_set *numbers = &info->state.skipped_batches;
  if (cuts->count)
    TT_TRY(tt_checkpoint_put_bytes(file, path, cuts->cuts, (int64_t)(cuts->count * sizeof *cuts->cuts),
                                   info->skipped_at));
  if (!numbers->count) return TT_OK;
  return tt_checkpoint_put_bytes(file, path, numbers->values,
                                 (int64_t)(numbers->count * sizeof *numbers->values),
                                 info->skipped_batches_at);
}

// How many rows there are, once the dataset is known to be ours and to lie inside the file.
static tt_status measure(const char *path, const list *l, hid_t set, int64_t file_bytes, size_t *count) {
  hid_t type = H5Dget_type(set), space = H5Dget_space(set);
  hsize_t extent[2] = {0, 1}, bytes = 8 * l->columns;
  int dims = l->columns > 1 ? 2 : 1;
  tt_status status = TT_OK;
  if (type < 0 || space < 0)
    status = tt_h5_fail(TT_ERR_CORRUPT, path, "read the lists of");
  else if (H5Tequal(type, H5T_STD_U64LE) <= 0 || H5Sget_simple_extent_ndims(space) != dims ||
           H5Sget_simple_extent_dims(space, extent, NULL) < 0 || extent[1] != l->columns || extent[0] == 0)
    status =
        tt_fail(TT_ERR_FORMAT, "%s is not a checkpoint of this program: its list of %s is of another shape",
                path, l->what);
  else {
    haddr_t offset = H5Dget_offset(set);
    if (extent[0] > (hsize_t)file_bytes / bytes || offset == HADDR_UNDEF ||
        offset > (haddr_t)file_bytes - bytes * extent[0])
      status =
          tt_fail(TT_ERR_CORRUPT, "%s: its list of %s does not lie inside the file, which may be truncated",
                  path, l->what);
  }
  *count = (size_t)extent[0];
  if (space >= 0) H5Sclose(space);
  if (type >= 0) H5Tclose(type);
  return status;
}

static tt_status add_rows(const char *path, const list *l, const uint64_t *rows, size_t count,
                          tt_progress_state *state) {
  for (size_t k = 0; k < count; k++) {
    const uint64_t *row = rows + k * l->columns;
    bool good = k == 0 || row[0] > row[-(int)l->columns];
    if (good && l == &batches)
      good = row[0] <= INT64_MAX && tt_number_set_add(&state->skipped_batches, (int64_t)row[0]) == TT_OK;
    else if (good)
      good = row[1] <= UINT32_MAX &&
             tt_lane_cuts_add(&state->skipped, (tt_lane_cut){.position = row[0], .kept = (uint32_t)row[1]}) ==
                 TT_OK;
    if (!good) return tt_fail(TT_ERR_CORRUPT, "%s: its list of %s is not what was written", path, l->what);
  }
  return TT_OK;
}

static tt_status get_rows(const char *path, const list *l, hid_t set, size_t count,
                          tt_progress_state *state) {
  uint64_t *rows = NULL;
  TT_TRY(tt_alloc(&rows, l->columns * count, sizeof *rows, "the lists of a checkpoint"));
  tt_status status = H5Dread(set, H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows) >= 0
                         ? add_rows(path, l, rows, count, state)
                         : tt_h5_fail(TT_ERR_CORRUPT, path, "read the lists of");
  free(rows);
  return status;
}

static tt_status get(const char *path, const list *l, hid_t file, int64_t file_bytes, bool required,
                     tt_progress_state *state) {
  size_t count;
  htri_t there = H5Lexists(file, l->name, H5P_DEFAULT);
  if (there == 0 && !required) return TT_OK;
  if (there == 0)
    return tt_fail(TT_ERR_FORMAT, "%s is not a checkpoint of this program: its list of %s is missing", path,
                   l->what);
  hid_t set = there < 0 ? -1 : H5Dopen2(file, l->name, H5P_DEFAULT);
  if (set < 0) return tt_h5_fail(TT_ERR_CORRUPT, path, "read the lists of");
  tt_status status = measure(path, l, set, file_bytes, &count);
  if (status == TT_OK) status = get_rows(path, l, set, count, state);
  H5Dclose(set);
  return status;
}

tt_status tt_checkpoint_get_lists(const char *path, hid_t file, int64_t file_bytes, int64_t schema,
                                  tt_progress_state *state) {
  if (schema < TT_CHECKPOINT_SCHEMA_SKIPPED) return TT_OK;
  bool with_batches = schema >= TT_CHECKPOINT_SCHEMA_BATCHES;
  TT_TRY(get(path, &chunks, file, file_bytes, !with_batches, state));
  return with_batches ? get(path, &batches, file, file_bytes, true, state) : TT_OK;
}
