// Reads whole datasets of small reference files, for tests.
#ifndef TT_TESTS_H5_READ_H
#define TT_TESTS_H5_READ_H

#include <hdf5.h>
#include <stdint.h>

enum { H5_READ_MAX_RANK = 8 };

typedef struct {
  int rank;
  int64_t shape[H5_READ_MAX_RANK];
  int64_t count; // elements
  union {        // which one depends on the function called; free(data)
    void *data;
    float *f;
    double *d;
    int64_t *i;
    uint8_t *u8;
    int32_t *i32;
  };
} h5_array;

// All end the test program with a message when something is wrong: a test without its vectors must fail.
hid_t h5_open(const char *path);
int h5_has(hid_t file, const char *name);
h5_array h5_read_float(hid_t file, const char *name);
h5_array h5_read_double(hid_t file, const char *name);
h5_array h5_read_int64(hid_t file, const char *name);
h5_array h5_read_int32(hid_t file, const char *name);
h5_array h5_read_uint8(hid_t file,
                       const char *name); // values outside 0..255 are clipped by HDF5: for small ones only

// A number that is an attribute of `object` ("/" for the file itself).
double h5_read_attribute(hid_t file, const char *object, const char *name);

#endif
