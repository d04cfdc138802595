// HDF5 files made in memory. HDF5 1.10 ends the process abnormally when closing a file fails (disk full), so
// it never writes to a disk here: its core driver makes the structure of a file, and we write those bytes and
// the arrays ourselves.
#ifndef TT_CORE_H5_IMAGE_H
#define TT_CORE_H5_IMAGE_H

#include <hdf5.h>
#include <stddef.h>

// The bytes of the file after H5Fclose, up to where HDF5 has written last; free(data). Start from zeroes.
typedef struct {
  char *data;
  size_t bytes;
} tt_h5_image;

// Makes a file-access property list create its file in *image, which must outlive the file; `step` is how
// many bytes the memory grows by. Negative on failure, as HDF5's own calls.
herr_t tt_h5_image_use(hid_t access, size_t step, tt_h5_image *image);

#endif
