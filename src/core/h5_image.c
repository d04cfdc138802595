#include "core/h5_image.h"

#include <stdlib.h>
#include <string.h>

static void *resize(void *old, size_t bytes, H5FD_file_image_op_t operation, void *context) {
  (void)operation;
  tt_h5_image *image = context;
  char *data = realloc(old, bytes);
  if (!data) return NULL;
  if (bytes > image->bytes) memset(data + image->bytes, 0, bytes - image->bytes);
  image->data = data, image->bytes = bytes;
  return data;
}

// HDF5 lets go of the memory when it closes the file: then it is ours.
static herr_t release(void *data, H5FD_file_image_op_t operation, void *context) {
  (void)data, (void)operation, (void)context;
  return 0;
}

static void *context_share(void *context) {
  return context;
}

static herr_t context_release(void *context) {
  (void)context;
  return 0;
}

herr_t tt_h5_image_use(hid_t access, size_t step, tt_h5_image *image) {
  H5FD_file_image_callbacks_t callbacks = {.image_realloc = resize,
                                           .image_free = release,
                                           .udata = image,
                                           .udata_copy = context_share,
                                           .udata_free = context_release};
  herr_t done = H5Pset_fapl_core(access, step, 0);
  return done < 0 ? done : H5Pset_file_image_callbacks(access, &callbacks);
}
