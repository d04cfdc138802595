#include "store/header.h"

#include "core/h5_image.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- errors
// ---------------------------------------------------------------------------------------------------

static herr_t innermost(unsigned n, const H5E_error2_t *error, void *text) {
  if (n == 0 && error->desc) snprintf(text, 128, "%s", error->desc);
  return 0;
}

static tt_status hdf5_fail(tt_status code, const char *path, const char *call, int line) {
  char why[128] = "";
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, why);
  return tt_fail(code, "%s: HDF5 refused (%s; header.c:%d, %.40s); " TT_SHARD_REMEDY, path, why, line, call);
}

#define H5_TRY(status, code, path, call, label)                                                              \
  do {                                                                                                       \
    if ((call) < 0) {                                                                                        \
      (status) = hdf5_fail((code), (path), #call, __LINE__);                                                 \
      goto label;                                                                                            \
    }                                                                                                        \
  } while (0)

// HDF5 prints its error stack unless told not to; the message above says it in one line.
static void quiet(void) {
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

static hid_t file_type(tt_element element) {
  switch (element) {
  case TT_U8:
    return H5T_STD_U8LE;
  case TT_U16:
    return H5T_STD_U16LE;
  case TT_U32:
    return H5T_STD_U32LE;
  case TT_U64:
    return H5T_STD_U64LE;
  case TT_F32:
    return H5T_IEEE_F32LE;
  }
  return H5I_INVALID_HID;
}

// Shape of an array's dataset; returns its number of dimensions.
static int shape(const tt_shard_layout *layout, tt_array array, hsize_t dimensions[2]) {
  uint64_t columns = layout->row_bytes[array] / tt_element_bytes(tt_schema_array(array)->element);
  dimensions[0] = layout->rows[array], dimensions[1] = columns;
  return columns > 1 ? 2 : 1;
}

// ---- making
// ---------------------------------------------------------------------------------------------------

static tt_status put_number(const char *path, hid_t file, const char *name, uint64_t value) {
  tt_status status = TT_OK;
  hid_t space = H5Screate(H5S_SCALAR);
  hid_t attribute = H5Acreate2(file, name, H5T_STD_U64LE, space, H5P_DEFAULT, H5P_DEFAULT);
  H5_TRY(status, TT_ERR_IO, path, attribute, done);
  H5_TRY(status, TT_ERR_IO, path, H5Awrite(attribute, H5T_NATIVE_UINT64, &value), done);
done:
  if (attribute >= 0) H5Aclose(attribute);
  if (space >= 0) H5Sclose(space);
  return status;
}

static tt_status put_text(const char *path, hid_t file, const char *name, const char *text) {
  tt_status status = TT_OK;
  hid_t space = H5Screate(H5S_SCALAR), type = H5Tcopy(H5T_C_S1), attribute = H5I_INVALID_HID;
  H5_TRY(status, TT_ERR_IO, path, H5Tset_size(type, strlen(text) + 1), done);
  H5_TRY(status, TT_ERR_IO, path, H5Tset_cset(type, H5T_CSET_UTF8), done);
  attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  H5_TRY(status, TT_ERR_IO, path, attribute, done);
  H5_TRY(status, TT_ERR_IO, path, H5Awrite(attribute, type, text), done);
done:
  if (attribute >= 0) H5Aclose(attribute);
  if (type >= 0) H5Tclose(type);
  if (space >= 0) H5Sclose(space);
  return status;
}

static tt_status put_dataset(const char *path, hid_t file, const tt_shard_layout *layout, tt_array array) {
  const tt_array_kind *kind = tt_schema_array(array);
  tt_status status = TT_OK;
  hsize_t dimensions[2];
  int rank = shape(layout, array, dimensions);
  hid_t space = H5Screate_simple(rank, dimensions, NULL), dataset = H5I_INVALID_HID;
  hid_t create = H5Pcreate(H5P_DATASET_CREATE);
  H5_TRY(status, TT_ERR_IO, path, H5Pset_layout(create, H5D_CONTIGUOUS), done);
  H5_TRY(status, TT_ERR_IO, path, H5Pset_alloc_time(create, H5D_ALLOC_TIME_EARLY), done);
  H5_TRY(status, TT_ERR_IO, path, H5Pset_fill_time(create, H5D_FILL_TIME_NEVER), done);
  H5_TRY(status, TT_ERR_IO, path, H5Pset_obj_track_times(create, false), done);
  dataset = H5Dcreate2(file, kind->name, file_type(kind->element), space, H5P_DEFAULT, create, H5P_DEFAULT);
  H5_TRY(status, TT_ERR_IO, path, dataset, done);
  if (layout->bytes[array] && H5Dget_offset(dataset) != layout->at[array])
    status = tt_fail(TT_ERR_UNSUPPORTED,
                     "%s: this HDF5 library lays its file out in another way (array %s); use 1.10", path,
                     kind->name);
done:
  if (dataset >= 0) H5Dclose(dataset);
  if (create >= 0) H5Pclose(create);
  if (space >= 0) H5Sclose(space);
  return status;
}

static tt_status put_attributes(const char *path, hid_t file, uint32_t number, tt_split split,
                                const tt_store_info *info, const tt_shard_layout *layout) {
  TT_TRY(put_number(path, file, "schema_version", TT_STORE_SCHEMA));
  TT_TRY(put_number(path, file, "number", number));
  TT_TRY(put_number(path, file, "records", layout->rows[TT_KEY]));
  TT_TRY(put_text(path, file, "split", tt_split_name(split)));
  TT_TRY(put_number(path, file, "hydrogens", info->hydrogens));
  TT_TRY(put_number(path, file, "seed", info->seed));
  TT_TRY(put_text(path, file, "toolkit", info->toolkit));
  return put_text(path, file, "recipe", info->recipe);
}

static tt_status make(const char *path, uint32_t number, tt_split split, const tt_store_info *info,
                      const tt_shard_layout *layout, tt_h5_image *im) {
  tt_status status = TT_OK;
  hsize_t bytes = 0;
  hid_t access = H5Pcreate(H5P_FILE_ACCESS), create = H5Pcreate(H5P_FILE_CREATE), file = H5I_INVALID_HID;
  H5_TRY(status, TT_ERR_IO, path, tt_h5_image_use(access, TT_SHARD_HEADER, im), done);
  H5_TRY(status, TT_ERR_IO, path, H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110), done);
  H5_TRY(status, TT_ERR_IO, path, H5Pset_meta_block_size(access, TT_SHARD_HEADER), done);
  H5_TRY(status, TT_ERR_IO, path, H5Pset_small_data_block_size(access, 0), done);
  H5_TRY(status, TT_ERR_IO, path, H5Pset_obj_track_times(create, false), done);
  H5_TRY(status, TT_ERR_IO, path, H5Pset_link_phase_change(create, 64, 32), done);
  H5_TRY(status, TT_ERR_IO, path, H5Pset_attr_phase_change(create, 64, 32), done);
  file = H5Fcreate("shard", H5F_ACC_TRUNC, create, access);
  H5_TRY(status, TT_ERR_IO, path, file, done);
  for (int a = 0; a < TT_ARRAYS; a++)
    if (layout->present[a]) TT_TRY_GOTO(status, put_dataset(path, file, layout, a), done);
  TT_TRY_GOTO(status, put_attributes(path, file, number, split, info, layout), done);
  H5_TRY(status, TT_ERR_IO, path, H5Fget_filesize(file, &bytes), done);
done:
  if (file >= 0 && H5Fclose(file) < 0 && status == TT_OK)
    status = hdf5_fail(TT_ERR_IO, path, "H5Fclose(file)", __LINE__);
  if (create >= 0) H5Pclose(create);
  if (access >= 0) H5Pclose(access);
  if (status == TT_OK && (bytes != layout->file_bytes || im->bytes != TT_SHARD_HEADER))
    status =
        tt_fail(TT_ERR_UNSUPPORTED, "%s: this HDF5 library lays its file out in another way; use 1.10", path);
  return status;
}

tt_status tt_header_make(const char *path, uint32_t number, tt_split split, const tt_store_info *info,
                         const tt_shard_layout *layout, void *header) {
  quiet();
  tt_h5_image im = {0};
  tt_status status = make(path, number, split, info, layout, &im);
  if (status == TT_OK && im.data) memcpy(header, im.data, TT_SHARD_HEADER);
  free(im.data);
  return status;
}

// ---- checking
// -------------------------------------------------------------------------------------------------

static tt_status expect_number(const char *path, hid_t file, const char *name, uint64_t expected) {
  tt_status status = TT_OK;
  uint64_t value = 0;
  hid_t space = H5I_INVALID_HID, attribute = H5Aopen(file, name, H5P_DEFAULT);
  H5_TRY(status, TT_ERR_FORMAT, path, attribute, done);
  space = H5Aget_space(attribute);
  H5_TRY(status, TT_ERR_FORMAT, path, space, done);
  if (H5Sget_simple_extent_npoints(space) == 1)
    H5_TRY(status, TT_ERR_FORMAT, path, H5Aread(attribute, H5T_NATIVE_UINT64, &value), done);
  if (value != expected)
    status = tt_fail(TT_ERR_FORMAT, "%s: its attribute %s is %llu, the manifest says %llu; " TT_SHARD_REMEDY,
                     path, name, (unsigned long long)value, (unsigned long long)expected);
done:
  if (space >= 0) H5Sclose(space);
  if (attribute >= 0) H5Aclose(attribute);
  return status;
}

static tt_status expect_dataset(const char *path, hid_t file, const tt_shard_layout *layout, tt_array array) {
  const tt_array_kind *kind = tt_schema_array(array);
  tt_status status = TT_OK;
  hsize_t wanted[2], found[2] = {0, 0};
  int rank = shape(layout, array, wanted);
  hid_t type = H5I_INVALID_HID, space = H5I_INVALID_HID, dataset = H5Dopen2(file, kind->name, H5P_DEFAULT);
  H5_TRY(status, TT_ERR_FORMAT, path, dataset, done);
  type = H5Dget_type(dataset);
  H5_TRY(status, TT_ERR_FORMAT, path, type, done);
  space = H5Dget_space(dataset);
  H5_TRY(status, TT_ERR_FORMAT, path, space, done);
  bool same = H5Tequal(type, file_type(kind->element)) > 0 && H5Sget_simple_extent_ndims(space) == rank &&
              H5Sget_simple_extent_dims(space, found, NULL) == rank && found[0] == wanted[0] &&
              (rank == 1 || found[1] == wanted[1]);
  haddr_t at = H5Dget_offset(dataset); // undefined for an empty or non-contiguous dataset
  if (layout->bytes[array] && at != layout->at[array]) same = false;
  if (!same)
    status = tt_fail(
        TT_ERR_FORMAT,
        "%s: the array %s has not the type, shape or place of the manifest's schema; " TT_SHARD_REMEDY, path,
        kind->name);
done:
  if (space >= 0) H5Sclose(space);
  if (type >= 0) H5Tclose(type);
  if (dataset >= 0) H5Dclose(dataset);
  return status;
}

tt_status tt_header_check(const char *path, uint32_t number, const tt_store_info *info,
                          const tt_shard_layout *layout) {
  quiet();
  tt_status status = TT_OK;
  hid_t access = H5Pcreate(H5P_FILE_ACCESS), file = H5I_INVALID_HID;
  H5_TRY(status, TT_ERR_FORMAT, path, H5Pset_fapl_sec2(access), done);
  // read-only and network file systems may not lock
  H5_TRY(status, TT_ERR_FORMAT, path, H5Pset_file_locking(access, false, true), done);
  file = H5Fopen(path, H5F_ACC_RDONLY, access);
  H5_TRY(status, TT_ERR_FORMAT, path, file, done);
  TT_TRY_GOTO(status, expect_number(path, file, "schema_version", TT_STORE_SCHEMA), done);
  TT_TRY_GOTO(status, expect_number(path, file, "number", number), done);
  TT_TRY_GOTO(status, expect_number(path, file, "records", layout->rows[TT_KEY]), done);
  TT_TRY_GOTO(status, expect_number(path, file, "hydrogens", info->hydrogens), done);
  TT_TRY_GOTO(status, expect_number(path, file, "seed", info->seed), done);
  for (int a = 0; a < TT_ARRAYS; a++)
    if (layout->present[a]) TT_TRY_GOTO(status, expect_dataset(path, file, layout, a), done);
done:
  if (file >= 0) H5Fclose(file);
  if (access >= 0) H5Pclose(access);
  return status;
}
