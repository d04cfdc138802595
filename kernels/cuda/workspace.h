// Temporary memory of the operations that the table gives no scratch. One piece for all, as all work is done
// in order: it holds nothing from one operation to the next.
#ifndef TT_KERNELS_CUDA_WORKSPACE_H
#define TT_KERNELS_CUDA_WORKSPACE_H

#include <stddef.h>

// At least `bytes` bytes, of any content, that start on a multiple of 256. Grows, which waits for the device,
// when more is asked for than ever before: a model's largest piece settles it.
void *tt_cuda_workspace(size_t bytes);
size_t tt_cuda_workspace_room(void); // bytes that it has now

// Memory of the backend's own, of which `what` says what it is for; ends the process where there is none.
void *tt_cuda_take(size_t bytes, const char *what);

#endif
