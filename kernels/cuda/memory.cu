// Memory of the device, and copies to and from it, on the backend's one stream.
#include "operations.h"
#include "product.h"
#include "workspace.h"

// What has been handed out, so that weights.cu can be told what goes.
enum { MOST = 4096 };
static struct {
  void *memory;
  size_t bytes;
} allocations[MOST];
static int count;
static size_t taken, most_taken;

// Code, libraries and NCCL take memory later, when it is too late for a message that says what to do: so they
// are left some of what was free at the start.
static bool fits(size_t bytes) {
  static const size_t OTHERS = static_cast<size_t>(512) << 20;
  static size_t limit;
  size_t free_now = 0, all = 0;
  if (limit == 0) {
    TT_CUDA(cudaMemGetInfo(&free_now, &all));
    limit = free_now > OTHERS ? free_now - OTHERS : 1;
  }
  return bytes <= limit && taken <= limit - bytes;
}

void *tt_cuda_allocate(size_t bytes) {
  if (count == MOST) return NULL;
  void *memory = NULL;
  if (bytes == 0) bytes = 1;
  if (!fits(bytes)) return NULL;
  cudaError_t error = cudaMalloc(&memory, bytes);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError(); // it has been dealt with: no launch is to report it
    return NULL;
  }
  TT_CUDA(error);
  allocations[count].memory = memory, allocations[count++].bytes = bytes;
  taken += bytes;
  most_taken = taken > most_taken ? taken : most_taken;
  return memory;
}

void tt_cuda_release(void *memory) {
  if (memory == NULL) return;
  tt_cuda_wait();
  for (int i = 0; i < count; i++)
    if (allocations[i].memory == memory) {
      size_t bytes = allocations[i].bytes;
      taken -= bytes;
      allocations[i] = allocations[--count];
      tt_cuda_weights_forget(memory, bytes); // releases their copies
      break;
    }
  TT_CUDA(cudaFree(memory));
}

void *tt_cuda_take(size_t bytes, const char *what) {
  void *memory = tt_cuda_allocate(bytes);
  if (memory == NULL) tt_cuda_fail(__FILE__, __LINE__, what, "the device has no memory left");
  return memory;
}

extern "C" bool tt_cuda_memory_use(tt_cuda_memory *use) {
  size_t free_now = 0, all = 0;
  if (tt_cuda.stream == NULL) return false;
  TT_CUDA(cudaMemGetInfo(&free_now, &all));
  *use = tt_cuda_memory{most_taken, tt_cuda_workspace_room() + tt_cuda_product_room(), all - free_now};
  return true;
}

// From memory that is not page-locked the runtime copies into buffers of its own before it returns, as the
// table's upload promises.
void tt_cuda_upload(const void *from, size_t bytes, void *to) {
  if (bytes != 0) TT_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, tt_cuda.stream));
}

void tt_cuda_download(const void *from, size_t bytes, void *to) {
  if (bytes != 0) TT_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, tt_cuda.stream));
  tt_cuda_wait();
}

void tt_cuda_wait(void) {
  TT_CUDA(cudaStreamSynchronize(tt_cuda.stream));
}
