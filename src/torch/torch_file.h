// Files of torch.save (torch 1.6 and newer): a zip archive of one pickle, which says what there is, and of
// raw storages, in which the tensors' values lie. Read without Python and without running anything.
#ifndef TT_TORCH_TORCH_FILE_H
#define TT_TORCH_TORCH_FILE_H

#include "pickle/pickle.h"
#include "torch/zip.h"

typedef struct {
  char *path, *prefix; // "NAME/" before each entry's name
  tt_zip zip;
  tt_pickle pickle;
} tt_torch_file;

typedef enum {
  TT_TORCH_FLOAT,
  TT_TORCH_HALF,
  TT_TORCH_BFLOAT16,
  TT_TORCH_DOUBLE,
  TT_TORCH_INTEGER
} tt_torch_type;

// What the pickle says of a tensor.
typedef struct {
  tt_torch_type type;
  int dims;
  int64_t shape[4], count; // count: elements
  int64_t offset;          // of the first one in the storage
  int64_t storage_count;   // elements of the storage, which several tensors may share
  const char *storage;     // its name in the archive
} tt_torch_tensor;

// Opens a file and reads its pickle; file->pickle.root is what was saved. TT_ERR_IO; TT_ERR_FORMAT (no file
// of torch.save, a name in it that has no place among weights); TT_ERR_CORRUPT. Close with tt_torch_close
// (also after a failure: no-op).
tt_status tt_torch_open(const char *path, tt_torch_file *file);
void tt_torch_close(tt_torch_file *file);

// "float32", "float16", ...
const char *tt_torch_type_name(tt_torch_type type);

// Describes `value` (`name`: for messages). TT_ERR_FORMAT when it is no tensor of at most 4 dimensions, or
// one that does not lie row by row.
tt_status tt_torch_describe(const tt_torch_file *file, const tt_py *value, const char *name,
                            tt_torch_tensor *tensor);

// Reads tensor->count values as fp32 (exact but for float64) and checks the storage's CRC. TT_ERR_FORMAT for
// integers; TT_ERR_CORRUPT, TT_ERR_IO.
tt_status tt_torch_read(const tt_torch_file *file, const tt_torch_tensor *tensor, const char *name,
                        float *values);

#endif
