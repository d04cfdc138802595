// Memory of the device, and copies to and from it, on the backend's one stream.
#include "operations.h"

// What has been handed out, so that weights.cu can be told what goes.
enum { MOST = 4096 };
static struct {
  void *memory;
  size_t bytes;
} allocations[MOST];
static int count;

void *tt_cuda_allocate(size_t bytes, bool shared) {
  if (count == MOST) return NULL;
  void *memory = NULL;
  if (bytes == 0) bytes = 1;
  cudaError_t error =
      shared ? cudaMallocManaged(&memory, bytes, cudaMemAttachGlobal) : cudaMalloc(&memory, bytes);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError(); // it has been dealt with: no launch is to report it
    return NULL;
  }
  TT_CUDA(error);
  allocations[count].memory = memory, allocations[count++].bytes = bytes;
  return memory;
}

void tt_cuda_release(void *memory) {
  if (memory == NULL) return;
  tt_cuda_wait();
  for (int i = 0; i < count; i++)
    if (allocations[i].memory == memory) {
      tt_cuda_weights_forget(memory, allocations[i].bytes);
      allocations[i] = allocations[--count];
      break;
    }
  TT_CUDA(cudaFree(memory));
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
