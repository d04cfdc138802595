// HDF5 makes the structure (a few hundred kB), with the place of every tensor allotted; the values are then
// written by pwrite to those places. So a disk that runs full in the middle is a plain error of the system's,
// and HDF5 has no half-written file open, which it could not close.
#include "train/checkpoint_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are written as they lie in memory");

enum { CONFIG_MOST = 60000 }; // an attribute holds less than 64 kB

// Space for the file, and the permission to make one so large: found out before HDF5 begins.
static tt_status claim(const char *temporary, int64_t bytes) {
  int file = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) return tt_fail(TT_ERR_IO, "cannot create %s: %s", temporary, strerror(errno));
  int why = fallocate(file, 0, 0, bytes) == 0 ? 0 : errno;
  close(file);
  if (!why || why == EOPNOTSUPP || why == ENOSYS) return TT_OK; // not every file system can
  return tt_fail(TT_ERR_IO, "cannot make room for %lld bytes in %s: %s", (long long)bytes, temporary,
                 strerror(why));
}

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

static bool put_section(hid_t file, const tt_checkpoint_info *info, int section, int64_t *at,
                        int64_t *buffer_at) {
  hid_t create = H5Pcreate(H5P_GROUP_CREATE);
  H5Pset_obj_track_times(create, 0);
  // so that a reader sees the tensors in the model's order
  H5Pset_link_creation_order(create, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  hid_t group = H5Gcreate2(file, tt_checkpoint_sections[section], H5P_DEFAULT, create, H5P_DEFAULT);
  bool done = group >= 0;
  for (int i = 0; done && i < info->parameters.count; i++) {
    const tt_parameter *p = &info->parameters.list[i];
    int k = section * info->parameters.count + i;
    done = put_tensor(group, p->name, p->dims, p->shape, info->digests[k], &at[k]);
  }
  const int shape[2] = {TT_GAUSSIANS, 1};
  if (done && section == 0)
    done = put_tensor(group, TT_CHECKPOINT_BUFFER, 1, shape, info->buffer_digest, buffer_at);
  if (group >= 0) H5Gclose(group);
  H5Pclose(create);
  return done;
}

static bool put_state(hid_t file, const tt_checkpoint_info *info) {
  const int64_t schema = TT_CHECKPOINT_SCHEMA;
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

// Makes the file without the values; info->at and info->buffer_at get the tensors' places.
static tt_status put_structure(const char *path, const char *temporary, tt_checkpoint_info *info) {
  tt_h5_silence();
  hid_t access = tt_h5_access(), create = H5Pcreate(H5P_FILE_CREATE);
  H5Pset_obj_track_times(create, 0);
  H5Pset_attr_phase_change(create, 64, 32); // all of the root's attributes in its own header
  hid_t file = H5Fcreate(temporary, H5F_ACC_TRUNC, create, access);
  bool done = file >= 0 && put_state(file, info);
  for (int s = 0; done && s < (info->has_moments ? TT_CHECKPOINT_SECTIONS : 1); s++)
    done = put_section(file, info, s, info->at, &info->buffer_at);
  tt_status status = done ? TT_OK : tt_h5_fail(TT_ERR_IO, path, "write");
  if (file >= 0 && H5Fclose(file) < 0 && done) status = tt_h5_fail(TT_ERR_IO, path, "write");
  H5Pclose(create);
  H5Pclose(access);
  return status;
}

static tt_status put_values(int file, const char *path, const void *values, int64_t bytes, int64_t at) {
  const char *p = values;
  while (bytes > 0) {
    ssize_t n = pwrite(file, p, (size_t)bytes, at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return tt_fail(TT_ERR_IO, "cannot write %s: %s", path, strerror(n < 0 ? errno : ENOSPC));
    p += n, at += n, bytes -= n;
  }
  return TT_OK;
}

static tt_status put_tensors(const char *path, const char *temporary, const tt_checkpoint_info *info,
                             const float *const arrays[], const float *means) {
  int file = open(temporary, O_WRONLY | O_CLOEXEC);
  if (file < 0) return tt_fail(TT_ERR_IO, "cannot write %s: %s", path, strerror(errno));
  const int count = info->parameters.count;
  tt_status status = put_values(file, path, means, TT_GAUSSIANS * (int64_t)sizeof *means, info->buffer_at);
  for (int k = 0; status == TT_OK && k < count * (info->has_moments ? TT_CHECKPOINT_SECTIONS : 1); k++) {
    const tt_parameter *p = &info->parameters.list[k % count];
    status =
        put_values(file, path, arrays[k / count] + p->offset, p->count * (int64_t)sizeof(float), info->at[k]);
  }
  if (close(file) != 0 && status == TT_OK)
    status = tt_fail(TT_ERR_IO, "cannot write %s: %s", path, strerror(errno));
  return status;
}

tt_status tt_checkpoint_write(const char *path, const tt_parameters *parameters, const float *weights,
                              const float *moment1, const float *moment2, const tt_progress_state *state) {
  const float *const arrays[TT_CHECKPOINT_SECTIONS] = {weights, moment1, moment2};
  if (!moment1 != !moment2)
    return tt_fail(TT_ERR_ARGUMENT, "%s: both moments or neither must be given", path);
  if (state->config && strlen(state->config) > CONFIG_MOST)
    return tt_fail(TT_ERR_ARGUMENT, "%s: the configuration has more than %d characters", path, CONFIG_MOST);
  tt_checkpoint_info info = {.parameters = *parameters, .has_moments = moment1 != NULL, .state = *state};
  const int sections = moment1 ? TT_CHECKPOINT_SECTIONS : 1, tensors = sections * parameters->count;
  char temporary[PATH_MAX];
  tt_file_temporary(path, temporary, sizeof temporary);
  tt_status status = tt_alloc(&info.digests, (size_t)tensors, sizeof *info.digests, "digests of tensors");
  if (status == TT_OK) status = tt_alloc(&info.at, (size_t)tensors, sizeof *info.at, "places of tensors");
  if (status == TT_OK) {
    float means[TT_GAUSSIANS];
    tt_gaussian_means(means);
    info.buffer_digest = tt_digest_of(means, sizeof means);
    for (int k = 0; k < tensors; k++) {
      const tt_parameter *p = &parameters->list[k % parameters->count];
      info.digests[k] =
          tt_digest_of(arrays[k / parameters->count] + p->offset, (size_t)p->count * sizeof(float));
    }
    info.digest = tt_checkpoint_whole_digest(parameters, sections, info.digests, state);
    int64_t structure = 65536 + CONFIG_MOST + (int64_t)tensors * 1024; // more than HDF5 takes
    status = claim(temporary, structure + sections * parameters->total * (int64_t)sizeof(float));
    if (status == TT_OK) status = put_structure(path, temporary, &info);
    if (status == TT_OK) status = put_tensors(path, temporary, &info, arrays, means);
    if (status == TT_OK)
      status = tt_file_commit(temporary, path);
    else
      tt_file_abandon(temporary);
  }
  free(info.digests), free(info.at);
  return status;
}
