// What HDF5 makes of a checkpoint: everything but the values. It does so in memory and never touches the
// disk, for HDF5 1.10 crashes at the exit of a process in which closing a file failed (disk full). All of the
// structure lies at the front of the file, where it is read in one go; the tensors' places behind it are
// allotted, not written.
#include "core/h5_image.h"
#include "train/checkpoint_parts.h"

#include <stdlib.h>
#include <string.h>

enum { IMAGE_STEP = 4096 }; // the image grows by

// An attribute that holds one value.
static bool put_attribute(hid_t object, const char *name, hid_t type, hid_t memory, const void *value) {
  hid_t space = H5Screate(H5S_SCALAR);
  hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  bool done = attribute >= 0 && H5Awrite(attribute, memory, value) >= 0;
  if (attribute >= 0) H5Aclose(attribute);
  if (space >= 0) H5Sclose(space);
  return done;
}

// Of fixed length: variable ones lie in a heap without checksums.
static bool put_text(hid_t object, const char *name, const char *text) {
  hid_t type = H5Tcopy(H5T_C_S1);
  bool done = type >= 0 && H5Tset_size(type, strlen(text) + 1) >= 0 &&
              H5Tset_cset(type, H5T_CSET_UTF8) >= 0 && put_attribute(object, name, type, type, text);
  if (type >= 0) H5Tclose(type);
  return done;
}

static bool put_tensor(hid_t group, const char *name, int dims, const int *shape, tt_digest digest,
                       int64_t *at) {
  hsize_t extent[2] = {(hsize_t)shape[0], (hsize_t)shape[1]};
  hid_t space = H5Screate_simple(dims, extent, NULL), create = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_layout(create, H5D_CONTIGUOUS);
  H5Pset_alloc_time(create, H5D_ALLOC_TIME_EARLY);
  H5Pset_fill_time(create, H5D_FILL_TIME_NEVER);
  H5Pset_obj_track_times(create, 0);
  hid_t set = H5Dcreate2(group, name, H5T_IEEE_F32LE, space, H5P_DEFAULT, create, H5P_DEFAULT);
  bool done = set >= 0 && put_text(set, "digest", digest.text);
  haddr_t place = done ? H5Dget_offset(set) : HADDR_UNDEF;
  *at = (int64_t)place;
  if (set >= 0) H5Dclose(set);
  H5Pclose(create);
  H5Sclose(space);
  return done && place != HADDR_UNDEF;
}

static bool put_section(hid_t file, tt_checkpoint_info *info, int section, bool tiny) {
  const int one[2] = {1, 1}, means[2] = {TT_GAUSSIANS, 1};
  hid_t create = H5Pcreate(H5P_GROUP_CREATE);
  H5Pset_obj_track_times(create, 0);
  // so that a reader sees the tensors in the model's order
  H5Pset_link_creation_order(create, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  hid_t group = H5Gcreate2(file, tt_checkpoint_sections[section], H5P_DEFAULT, create, H5P_DEFAULT);
  bool done = group >= 0;
  for (int i = 0; done && i < info->parameters.count; i++) {
    const tt_parameter *p = &info->parameters.list[i];
    int k = section * info->parameters.count + i;
    done = put_tensor(group, p->name, p->dims, tiny ? one : p->shape, info->digests[k], &info->at[k]);
  }
  if (done && section == 0)
    done =
        put_tensor(group, TT_CHECKPOINT_BUFFER, 1, tiny ? one : means, info->buffer_digest, &info->buffer_at);
  if (group >= 0) H5Gclose(group);
  H5Pclose(create);
  return done;
}

static bool put_state(hid_t file, const tt_checkpoint_info *info) {
  const int64_t schema = info->state.skipped_batches.count ? TT_CHECKPOINT_SCHEMA_BATCHES
                         : info->state.skipped.count       ? TT_CHECKPOINT_SCHEMA_SKIPPED
                                                           : TT_CHECKPOINT_SCHEMA;
  bool done = put_text(file, "format", TT_CHECKPOINT_FORMAT) &&
              put_attribute(file, "schema_version", H5T_STD_I64LE, H5T_NATIVE_INT64, &schema);
  tt_checkpoint_number numbers[TT_CHECKPOINT_NUMBERS];
  tt_checkpoint_numbers(numbers);
  for (int i = 0; done && i < TT_CHECKPOINT_NUMBERS; i++)
    done = put_attribute(file, numbers[i].name, numbers[i].type, numbers[i].memory,
                         (const char *)&info->state + numbers[i].offset);
  return done && put_text(file, "store_digest", info->state.store_digest) &&
         put_text(file, "config", info->state.config ? info->state.config : "") &&
         put_text(file, "state_digest", tt_checkpoint_state_digest(&info->state).text) &&
         put_text(file, "digest", info->digest.text);
}

// Makes the file without the values; info->at and info->buffer_at get the tensors' places, *size the size of
// the whole. The structure gets `front` bytes at the front; with 0 it lies between the tensors, which are
// then of one element each.
static tt_status put_structure(const char *path, tt_checkpoint_info *info, size_t front, tt_h5_image *im,
                               hsize_t *size) {
  *im = (tt_h5_image){0};
  hid_t access = tt_h5_access(), create = H5Pcreate(H5P_FILE_CREATE);
  tt_h5_image_use(access, IMAGE_STEP, im);
  H5Pset_small_data_block_size(access, 0);
  if (front) H5Pset_meta_block_size(access, front);
  H5Pset_obj_track_times(create, 0);
  H5Pset_attr_phase_change(create, 64, 32); // all of the root's attributes in its own header
  hid_t file = H5Fcreate("checkpoint", H5F_ACC_TRUNC, create, access);
  bool done = file >= 0 && put_state(file, info);
  for (int s = 0; done && s < (info->has_moments ? TT_CHECKPOINT_SECTIONS : 1); s++)
    done = put_section(file, info, s, front == 0);
  // behind all tensors, whose places they do not change
  if (done) done = tt_checkpoint_place_lists(file, front == 0, info);
  // only after a flush all of the structure has its place; but a flush also fills the image up to the file's
  // end
  if (done && !front) done = H5Fflush(file, H5F_SCOPE_LOCAL) >= 0;
  done = done && H5Fget_filesize(file, size) >= 0;
  tt_status status = done ? TT_OK : tt_h5_fail(TT_ERR_IO, path, "make the structure of");
  if (file >= 0 && H5Fclose(file) < 0 && done) status = tt_h5_fail(TT_ERR_IO, path, "make the structure of");
  H5Pclose(create);
  H5Pclose(access);
  return status;
}

tt_status tt_checkpoint_structure(const char *path, tt_checkpoint_info *info, char **front,
                                  size_t *front_bytes, int64_t *file_bytes) {
  tt_h5_image im;
  hsize_t room, size;
  *front = NULL;
  if (info->state.config && strlen(info->state.config) > TT_CHECKPOINT_CONFIG_MOST)
    return tt_fail(TT_ERR_ARGUMENT, "%s: the configuration has more than %d characters", path,
                   TT_CHECKPOINT_CONFIG_MOST);
  tt_status status = TT_OK;
  if (!info->room) { // once with tensors of one element, to learn how much room it takes
    status = put_structure(path, info, 0, &im, &room);
    free(im.data);
    if (status != TT_OK) return status;
    info->room = room;
  }
  status = put_structure(path, info, info->room, &im, &size);
  if (status == TT_OK && im.bytes > info->room + 2 * IMAGE_STEP)
    status = tt_fail(TT_ERR_UNSUPPORTED, "%s: this HDF5 library lays its files out in another way; use 1.10",
                     path);
  if (status != TT_OK) return free(im.data), status;
  *front = im.data, *front_bytes = im.bytes, *file_bytes = (int64_t)size;
  return TT_OK;
}
