// Reads the structure of a checkpoint with HDF5 and believes none of it: every type, shape and place is
// checked before anything is allocated or read by it.
#include "train/checkpoint_parts.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/memory.h"

enum { TEXT_MOST = 65536 };

typedef struct {
  const char *path;
  int64_t bytes; // of the file
  tt_checkpoint_info *info;
} reader;

static tt_status broken(const reader *r, const char *what) {
  return tt_h5_fail(TT_ERR_CORRUPT, r->path, what);
}

static tt_status foreign(const reader *r, const char *what, const char *problem) {
  return tt_fail(TT_ERR_FORMAT, "%s is not a checkpoint of this program: %s %s", r->path, what, problem);
}

// Opens the attribute if it holds one value of this class; *type is the file's. The caller closes both.
static tt_status open_attribute(const reader *r, hid_t object, const char *name, H5T_class_t class,
                                hid_t *attribute, hid_t *type) {
  *attribute = *type = -1;
  htri_t there = H5Aexists(object, name);
  if (there < 0) return broken(r, "read the attributes of");
  if (!there) return foreign(r, name, "is missing among its attributes");
  hid_t space = -1;
  tt_status status = TT_OK;
  if ((*attribute = H5Aopen(object, name, H5P_DEFAULT)) < 0 || (*type = H5Aget_type(*attribute)) < 0 ||
      (space = H5Aget_space(*attribute)) < 0)
    status = broken(r, "read the attributes of");
  else if (H5Tget_class(*type) != class || H5Sget_simple_extent_npoints(space) != 1)
    status = foreign(r, name, "is an attribute of another type");
  if (space >= 0) H5Sclose(space);
  return status;
}

static void close_attribute(hid_t attribute, hid_t type) {
  if (type >= 0) H5Tclose(type);
  if (attribute >= 0) H5Aclose(attribute);
}

static tt_status get_number(const reader *r, hid_t object, const char *name, hid_t memory, void *value) {
  hid_t attribute, type;
  tt_status status = open_attribute(r, object, name, H5Tget_class(memory), &attribute, &type);
  if (status == TT_OK && H5Aread(attribute, memory, value) < 0) status = broken(r, "read the attributes of");
  close_attribute(attribute, type);
  return status;
}

// *text is malloc'ed, NULL on failure.
static tt_status get_text(const reader *r, hid_t object, const char *name, char **text) {
  hid_t attribute, type;
  *text = NULL;
  tt_status status = open_attribute(r, object, name, H5T_STRING, &attribute, &type);
  if (status == TT_OK && (H5Tis_variable_str(type) != 0 || H5Tget_size(type) > TEXT_MOST))
    status = foreign(r, name, "is an attribute of another type");
  if (status == TT_OK) {
    *text = calloc(1, H5Tget_size(type) + 1);
    if (!*text)
      status = tt_fail(TT_ERR_MEMORY, "out of memory reading %s", r->path);
    else if (H5Aread(attribute, type, *text) < 0)
      status = broken(r, "read the attributes of");
  }
  close_attribute(attribute, type);
  if (status != TT_OK) free(*text), *text = NULL;
  return status;
}

static tt_status get_short_text(const reader *r, hid_t object, const char *name, char *to, size_t size) {
  char *text;
  TT_TRY(get_text(r, object, name, &text));
  size_t length = strlen(text);
  if (length < size) memcpy(to, text, length + 1);
  free(text);
  return length < size ? TT_OK : foreign(r, name, "is too long an attribute");
}

static tt_status get_state(const reader *r, hid_t file) {
  tt_checkpoint_info *info = r->info;
  char format[64], state_digest[33];
  int64_t schema;
  TT_TRY(get_short_text(r, file, "format", format, sizeof format));
  if (strcmp(format, TT_CHECKPOINT_FORMAT) != 0) return foreign(r, format, "is its format");
  TT_TRY(get_number(r, file, "schema_version", H5T_NATIVE_INT64, &schema));
  if (schema < TT_CHECKPOINT_SCHEMA || schema > TT_CHECKPOINT_SCHEMA_BATCHES)
    return tt_fail(
        TT_ERR_UNSUPPORTED,
        "%s has schema version %lld; this program reads versions %d to %d: go on with the version of the "
        "program that wrote it, or start a new run",
        r->path, (long long)schema, TT_CHECKPOINT_SCHEMA, TT_CHECKPOINT_SCHEMA_BATCHES);
  tt_checkpoint_number numbers[TT_CHECKPOINT_NUMBERS];
  tt_checkpoint_numbers(numbers);
  for (int i = 0; i < TT_CHECKPOINT_NUMBERS; i++)
    TT_TRY(get_number(r, file, numbers[i].name, numbers[i].memory, (char *)&info->state + numbers[i].offset));
  TT_TRY(get_short_text(r, file, "store_digest", info->state.store_digest, sizeof info->state.store_digest));
  TT_TRY(get_text(r, file, "config", &info->state.config));
  TT_TRY(get_short_text(r, file, "state_digest", state_digest, sizeof state_digest));
  TT_TRY(get_short_text(r, file, "digest", info->digest.text, sizeof info->digest.text));
  TT_TRY(tt_checkpoint_get_lists(r->path, file, r->bytes, schema, &info->state));
  if (strcmp(state_digest, tt_checkpoint_state_digest(&info->state).text) != 0)
    return tt_fail(TT_ERR_CORRUPT,
                   "%s: its state (step, counters, configuration, what was skipped) is not what was written",
                   r->path);
  return TT_OK;
}

// Shape, digest and place of an open dataset.
static tt_status get_tensor(const reader *r, hid_t set, tt_parameter *p, tt_digest *digest, int64_t *at) {
  hid_t type = H5Dget_type(set), space = H5Dget_space(set), create = H5Dget_create_plist(set);
  hsize_t extent[2] = {0, 1};
  tt_status status = TT_OK;
  if (type < 0 || space < 0 || create < 0)
    status = broken(r, "read the tensors of");
  else if (H5Tequal(type, H5T_IEEE_F32LE) <= 0 || H5Pget_layout(create) != H5D_CONTIGUOUS)
    status = foreign(r, p->name, "is no plain 32-bit array");
  else {
    p->dims = H5Sget_simple_extent_ndims(space);
    if (p->dims < 1 || p->dims > 2 || H5Sget_simple_extent_dims(space, extent, NULL) < 0 || extent[0] < 1 ||
        extent[0] > INT_MAX || extent[1] < 1 || extent[1] > INT_MAX)
      status = foreign(r, p->name, "has an impossible shape");
  }
  if (status == TT_OK) {
    p->shape[0] = (int)extent[0], p->shape[1] = (int)extent[1];
    p->count = (int64_t)(extent[0] * extent[1]);
    haddr_t place = H5Dget_offset(set);
    if (place == HADDR_UNDEF || p->count > r->bytes / 4 || place > (haddr_t)(r->bytes - 4 * p->count))
      status = tt_fail(TT_ERR_CORRUPT, "%s: %s does not lie inside the file, which may be truncated", r->path,
                       p->name);
    *at = (int64_t)place;
  }
  if (status == TT_OK) status = get_short_text(r, set, "digest", digest->text, sizeof digest->text);
  if (create >= 0) H5Pclose(create);
  if (space >= 0) H5Sclose(space);
  if (type >= 0) H5Tclose(type);
  return status;
}

static tt_status get_tensor_named(const reader *r, hid_t group, tt_parameter *p, tt_digest *digest,
                                  int64_t *at) {
  hid_t set = H5Dopen2(group, p->name, H5P_DEFAULT);
  if (set < 0) return broken(r, "read the tensors of");
  tt_status status = get_tensor(r, set, p, digest, at);
  H5Dclose(set);
  return status;
}

// The table of parameters, from what lies in "weights".
static tt_status get_weights(const reader *r, hid_t group, hsize_t links) {
  tt_checkpoint_info *info = r->info;
  bool buffer = false;
  for (hsize_t l = 0; l < links; l++) {
    tt_parameter p = {.offset = info->parameters.total};
    tt_digest digest;
    int64_t at;
    ssize_t length = H5Lget_name_by_idx(group, ".", H5_INDEX_CRT_ORDER, H5_ITER_INC, l, p.name, sizeof p.name,
                                        H5P_DEFAULT);
    if (length < 0) return broken(r, "list the tensors of");
    if ((size_t)length >= sizeof p.name) return foreign(r, p.name, "... is too long a name");
    TT_TRY(get_tensor_named(r, group, &p, &digest, &at));
    if (strcmp(p.name, TT_CHECKPOINT_BUFFER) == 0) {
      info->buffer_digest = digest, info->buffer_at = at;
      buffer = p.dims == 1 && p.count == TT_GAUSSIANS;
      continue;
    }
    int i = info->parameters.count++;
    info->parameters.list[i] = p;
    info->digests[i] = digest, info->at[i] = at;
    info->parameters.total += p.count;
  }
  info->parameters.whole = info->parameters.total;
  return buffer && info->parameters.count ? TT_OK
                                          : foreign(r, TT_CHECKPOINT_BUFFER, "is missing or of another size");
}

static tt_status get_moments(const reader *r, hid_t group, hsize_t links, int section) {
  tt_checkpoint_info *info = r->info;
  const int count = info->parameters.count;
  if (links != (hsize_t)count)
    return foreign(r, tt_checkpoint_sections[section], "has not the weights' tensors");
  for (int i = 0; i < count; i++) {
    const tt_parameter *weight = &info->parameters.list[i];
    tt_parameter p = *weight;
    int k = section * count + i;
    TT_TRY(get_tensor_named(r, group, &p, &info->digests[k], &info->at[k]));
    if (p.dims != weight->dims || p.shape[0] != weight->shape[0] || p.shape[1] != weight->shape[1])
      return foreign(r, p.name, "has another shape among the moments");
  }
  return TT_OK;
}

static tt_status get_section(const reader *r, hid_t file, int section) {
  hid_t group = H5Gopen2(file, tt_checkpoint_sections[section], H5P_DEFAULT);
  if (group < 0) return broken(r, "open the tensors of");
  H5G_info_t info;
  tt_status status = TT_OK;
  if (H5Gget_info(group, &info) < 0) status = broken(r, "list the tensors of");
  // each tensor takes more than 100 bytes of the file, so this bounds what is allocated
  else if (info.nlinks > (hsize_t)r->bytes / 100 || info.nlinks > 1000000)
    status = foreign(r, tt_checkpoint_sections[section], "has an impossible number of tensors");
  else if (section > 0)
    status = get_moments(r, group, info.nlinks, section);
  else {
    size_t n = (size_t)info.nlinks + 1;
    status = tt_alloc(&r->info->parameters.list, n, sizeof(tt_parameter), "the list of tensors");
    if (status == TT_OK)
      status =
          tt_alloc(&r->info->digests, TT_CHECKPOINT_SECTIONS * n, sizeof(tt_digest), "the list of tensors");
    if (status == TT_OK)
      status = tt_alloc(&r->info->at, TT_CHECKPOINT_SECTIONS * n, sizeof(int64_t), "the list of tensors");
    if (status == TT_OK) status = get_weights(r, group, info.nlinks);
  }
  H5Gclose(group);
  return status;
}

static tt_status get_all(const reader *r, hid_t file) {
  tt_checkpoint_info *info = r->info;
  TT_TRY(get_state(r, file));
  htri_t there[TT_CHECKPOINT_SECTIONS];
  for (int s = 0; s < TT_CHECKPOINT_SECTIONS; s++)
    if ((there[s] = H5Lexists(file, tt_checkpoint_sections[s], H5P_DEFAULT)) < 0)
      return broken(r, "list the groups of");
  if (!there[0] || there[1] != there[2]) return foreign(r, there[0] ? "a moment" : "weights", "is missing");
  info->has_moments = there[1];
  const int sections = info->has_moments ? TT_CHECKPOINT_SECTIONS : 1;
  for (int s = 0; s < sections; s++) TT_TRY(get_section(r, file, s));
  tt_digest whole = tt_checkpoint_whole_digest(&info->parameters, sections, info->digests,
                                               info->buffer_digest, &info->state);
  if (strcmp(whole.text, info->digest.text) != 0)
    return tt_fail(TT_ERR_CORRUPT, "%s: its list of tensors is not what was written", r->path);
  return TT_OK;
}

tt_status tt_checkpoint_info_read(const char *path, tt_checkpoint_info *info) {
  *info = (tt_checkpoint_info){.parameters.group = 1};
  struct stat s;
  if (stat(path, &s) != 0) return tt_fail(TT_ERR_IO, "cannot open %s: %s", path, strerror(errno));
  if (S_ISDIR(s.st_mode))
    return tt_fail(TT_ERR_IO, "%s is a folder: name a checkpoint file (RUN/checkpoints/step-NNNNNNNNN.h5)",
                   path);
  if (!S_ISREG(s.st_mode)) return tt_fail(TT_ERR_IO, "%s is not a file", path);
  reader r = {path, s.st_size, info};
  tt_h5_silence();
  if (H5Fis_hdf5(path) <= 0)
    return tt_fail(TT_ERR_FORMAT, "%s is not a checkpoint of this program: it is no HDF5 file", path);
  hid_t access = tt_h5_access(), file = H5Fopen(path, H5F_ACC_RDONLY, access);
  tt_status status = file < 0 ? broken(&r, "open") : get_all(&r, file);
  if (file >= 0) H5Fclose(file);
  if (access >= 0) H5Pclose(access);
  if (status != TT_OK) tt_checkpoint_info_free(info);
  return status;
}

void tt_checkpoint_info_free(tt_checkpoint_info *info) {
  free(info->parameters.list), free(info->digests), free(info->at);
  tt_progress_state_free(&info->state);
  *info = (tt_checkpoint_info){0};
}
