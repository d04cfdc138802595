// How the files of operations come together as a table: each file X.cu of the list in meson.build defines
//   template <class T> void tt_cuda_fill_X(tt_cuda_table *table)
// which enters its functions, and what scratch they need; table.cu calls them all. Entries that no file fills
// stay NULL.
#ifndef TT_KERNELS_CUDA_OPERATIONS_H
#define TT_KERNELS_CUDA_OPERATIONS_H

#include "cuda.h"
#include "number.h"

typedef size_t (*tt_cuda_need)(const tt_sizes *sizes); // floats
enum { TT_MOST_NEEDS = 64 };

typedef struct {
  tt_ops ops;
  struct {
    tt_scratch_of of;
    tt_cuda_need floats;
  } needs[TT_MOST_NEEDS];
  int count;
} tt_cuda_table;

// The scratch of operations `of` is at least that many floats.
void tt_cuda_needs(tt_cuda_table *table, tt_scratch_of of, tt_cuda_need floats);

#define TT_OPERATION(file) template <class T> void tt_cuda_fill_##file(tt_cuda_table *table);
#include "cuda_operations.inc" // TT_OPERATION(X) for each file, written by meson
#undef TT_OPERATION

// At the end of X.cu: for fp32 and for bf16.
#define TT_FILL(file)                                                                                        \
  template void tt_cuda_fill_##file<float>(tt_cuda_table * table);                                           \
  template void tt_cuda_fill_##file<tt_bf16>(tt_cuda_table * table);

// memory.cu
void *tt_cuda_allocate(size_t bytes);
void tt_cuda_release(void *memory);
void tt_cuda_upload(const void *from, size_t bytes, void *to);
void tt_cuda_download(const void *from, size_t bytes, void *to);
void tt_cuda_wait(void);

// weights.cu
void tt_cuda_weights_unchanged(const float *weights, int64_t count); // fp32: there is nothing to renew
void tt_cuda_weights_changed(const float *weights, int64_t count);
void tt_cuda_weights_forget(const void *memory, size_t bytes); // it is being released

#endif
