#include "h5_read.h"

#include <stdio.h>
#include <stdlib.h>

static void demand(int good, const char *what, const char *name) {
  if (good) return;
  fprintf(stderr, "h5_read: cannot %s '%s'\n", what, name);
  exit(1);
}

hid_t h5_open(const char *path) {
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
  demand(file >= 0, "open", path);
  return file;
}

int h5_has(hid_t file, const char *name) {
  return H5Lexists(file, name, H5P_DEFAULT) > 0;
}

static h5_array read_as(hid_t file, const char *name, hid_t type, size_t size) {
  h5_array a = {0};
  hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
  demand(set >= 0, "open dataset", name);
  hid_t space = H5Dget_space(set);
  a.rank = H5Sget_simple_extent_ndims(space);
  demand(a.rank >= 0 && a.rank <= H5_READ_MAX_RANK, "handle the rank of", name);
  hsize_t shape[H5_READ_MAX_RANK];
  H5Sget_simple_extent_dims(space, shape, NULL);
  a.count = 1;
  for (int k = 0; k < a.rank; k++) a.count *= a.shape[k] = (int64_t)shape[k];
  a.data = malloc((size_t)a.count * size + 1);
  demand(a.data != NULL, "allocate", name);
  demand(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, a.data) >= 0, "read", name);
  H5Sclose(space);
  H5Dclose(set);
  return a;
}

h5_array h5_read_float(hid_t file, const char *name) {
  return read_as(file, name, H5T_NATIVE_FLOAT, sizeof(float));
}
h5_array h5_read_double(hid_t file, const char *name) {
  return read_as(file, name, H5T_NATIVE_DOUBLE, sizeof(double));
}
h5_array h5_read_int64(hid_t file, const char *name) {
  return read_as(file, name, H5T_NATIVE_INT64, sizeof(int64_t));
}
h5_array h5_read_int32(hid_t file, const char *name) {
  return read_as(file, name, H5T_NATIVE_INT32, sizeof(int32_t));
}
h5_array h5_read_uint8(hid_t file, const char *name) {
  return read_as(file, name, H5T_NATIVE_UINT8, 1);
}

double h5_read_attribute(hid_t file, const char *object, const char *name) {
  double value;
  hid_t attribute = H5Aopen_by_name(file, object, name, H5P_DEFAULT, H5P_DEFAULT);
  demand(attribute >= 0, "open attribute", name);
  demand(H5Aread(attribute, H5T_NATIVE_DOUBLE, &value) >= 0, "read attribute", name);
  H5Aclose(attribute);
  return value;
}
