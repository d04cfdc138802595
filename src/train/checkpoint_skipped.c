// The list of skipped chunks in a checkpoint: dataset "skipped", (n, 2) numbers of 64 bits, there only when
// there are any. Its values lie behind the tensors and are covered by the digest of the state.
#include "train/checkpoint_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"

static const char NAME[] = "skipped";

// A cut has the bytes of its row: its place, then `kept` as 64 bits.
_Static_assert(sizeof(tt_lane_cut) == 16, "a cut is a row of two numbers");

void tt_checkpoint_digest_skipped(tt_digest_state *all, const tt_lane_cuts *skipped) {
  char line[64];
  for (size_t k = 0; k < skipped->count; k++) {
    const tt_lane_cut *cut = &skipped->cuts[k];
    int n = snprintf(line, sizeof line, "skipped %" PRIu64 " %" PRIu32 "\n", cut->position, cut->kept);
    tt_digest_add(all, line, (size_t)n);
  }
}

bool tt_checkpoint_place_skipped(hid_t file, size_t count, int64_t *at) {
  hsize_t extent[2] = {count, 2};
  hid_t space = H5Screate_simple(2, extent, NULL), create = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_layout(create, H5D_CONTIGUOUS);
  H5Pset_alloc_time(create, H5D_ALLOC_TIME_EARLY);
  H5Pset_fill_time(create, H5D_FILL_TIME_NEVER);
  H5Pset_obj_track_times(create, 0);
  hid_t set = H5Dcreate2(file, NAME, H5T_STD_U64LE, space, H5P_DEFAULT, create, H5P_DEFAULT);
  haddr_t place = set >= 0 ? H5Dget_offset(set) : HADDR_UNDEF;
  *at = (int64_t)place;
  if (set >= 0) H5Dclose(set);
  H5Pclose(create);
  H5Sclose(space);
  return place != HADDR_UNDEF;
}

// How many there are, once the dataset is known to be ours and to lie inside the file.
static tt_status measure(const char *path, hid_t set, int64_t file_bytes, size_t *count) {
  hid_t type = H5Dget_type(set), space = H5Dget_space(set);
  hsize_t extent[2] = {0, 0};
  tt_status status = TT_OK;
  if (type < 0 || space < 0)
    status = tt_h5_fail(TT_ERR_CORRUPT, path, "read the skipped chunks of");
  else if (H5Tequal(type, H5T_STD_U64LE) <= 0 || H5Sget_simple_extent_ndims(space) != 2 ||
           H5Sget_simple_extent_dims(space, extent, NULL) < 0 || extent[1] != 2 || extent[0] == 0)
    status = tt_fail(TT_ERR_FORMAT,
                     "%s is not a checkpoint of this program: its list of skipped chunks is of "
                     "another shape",
                     path);
  else {
    haddr_t place = H5Dget_offset(set);
    if (extent[0] > (hsize_t)file_bytes / 16 || place == HADDR_UNDEF ||
        place > (haddr_t)file_bytes - 16 * extent[0])
      status = tt_fail(TT_ERR_CORRUPT,
                       "%s: its list of skipped chunks does not lie inside the file, which may be truncated",
                       path);
  }
  *count = (size_t)extent[0];
  if (space >= 0) H5Sclose(space);
  if (type >= 0) H5Tclose(type);
  return status;
}

static tt_status get_rows(const char *path, hid_t set, size_t count, tt_lane_cuts *skipped) {
  uint64_t *rows = NULL;
  TT_TRY(tt_alloc(&rows, 2 * count, sizeof *rows, "the chunks skipped"));
  tt_status status = TT_OK;
  if (H5Dread(set, H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows) < 0)
    status = tt_h5_fail(TT_ERR_CORRUPT, path, "read the skipped chunks of");
  for (size_t k = 0; status == TT_OK && k < count; k++) {
    const uint64_t *row = rows + 2 * k;
    if (row[1] > UINT32_MAX || (k > 0 && row[0] <= row[-2]) ||
        tt_lane_cuts_add(skipped, (tt_lane_cut){.position = row[0], .kept = (uint32_t)row[1]}) != TT_OK)
      status = tt_fail(TT_ERR_CORRUPT, "%s: its list of skipped chunks is not what was written", path);
  }
  free(rows);
  return status;
}

tt_status tt_checkpoint_get_skipped(const char *path, hid_t file, int64_t file_bytes, tt_lane_cuts *skipped) {
  size_t count;
  htri_t there = H5Lexists(file, NAME, H5P_DEFAULT);
  if (there == 0)
    return tt_fail(TT_ERR_FORMAT,
                   "%s is not a checkpoint of this program: its list of skipped chunks is missing", path);
  hid_t set = there < 0 ? -1 : H5Dopen2(file, NAME, H5P_DEFAULT);
  if (set < 0) return tt_h5_fail(TT_ERR_CORRUPT, path, "read the skipped chunks of");
  tt_status status = measure(path, set, file_bytes, &count);
  if (status == TT_OK) status = get_rows(path, set, count, skipped);
  H5Dclose(set);
  return status;
}
