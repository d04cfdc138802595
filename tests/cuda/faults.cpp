// Kernels with faults that a GPU would not forgive: faults NAME runs one; tests/cuda/faults_test.sh knows how
// each must end. "right" has none, and prints 0.
#include "cuda/operations.h"
#include "cuda/warp.h"

#include <stdio.h>
#include <string.h>

static float *memory; // of the device: 256 floats
static float of_the_host[256];

enum { N = 256 };

// Reverses x within the block, with and without the barrier that this needs.
TT_KERNEL(N) reverse(const float *x, bool barrier, float *y) {
  TT_SHARED float line[N];
  line[threadIdx.x] = x[threadIdx.x];
  if (barrier) __syncthreads();
  y[threadIdx.x] = line[N - 1 - threadIdx.x];
}

TT_KERNEL(N) leaves_early(float *y) {
  if (threadIdx.x == 7) return;
  __syncthreads();
  y[threadIdx.x] = 1;
}

TT_KERNEL(N) parts_at_barriers(float *y) {
  if (threadIdx.x < 32)
    __syncthreads();
  else
    __syncthreads(); // another line
  y[threadIdx.x] = 1;
}

TT_KERNEL(N) shuffles_without_a_lane(float *y) {
  float x = 1;
  if (threadIdx.x % 32 != 5) x = tt_warp_sum(x);
  y[threadIdx.x] = x;
}

TT_KERNEL(N) reads_shared_memory_first(float *y) {
  TT_SHARED float line[N];
  TT_DYNAMIC_SHARED(float, more);
  y[threadIdx.x] = line[threadIdx.x] == line[threadIdx.x] || more[threadIdx.x] == more[threadIdx.x];
}

TT_KERNEL(N) write_at(int64_t first, float *y) {
  y[first + threadIdx.x] = static_cast<float>(threadIdx.x);
}

TT_KERNEL(N) loads_eight(float *y) {
  if (threadIdx.x == 0) tt_store8(y, tt_load8(y + 1));
}

TT_KERNEL(N) grows_its_stack(float *y) {
  volatile char much[8 << 20];
  for (size_t end = sizeof much; end > 0; end -= 4096)
    much[end - 1] = 1; // downwards, to meet what ends the stack
  y[threadIdx.x] = much[4095];
}

// How many of `numbers` (N) are not 255, 254, ..., 0
static int wrong(const float *numbers) {
  int count = 0;
  for (int i = 0; i < N; i++) count += !(numbers[i] == static_cast<float>(N - 1 - i)); // NaN too
  return count;
}

static int run(const char *fault) {
  float numbers[N];
  TT_LAUNCH(write_at, 1, N, 0, static_cast<int64_t>(0), memory);
  float *out;
  TT_CUDA(cudaMallocManaged(reinterpret_cast<void **>(&out), sizeof numbers, 0));
  if (strcmp(fault, "right") == 0 || strcmp(fault, "no barrier") == 0) {
    TT_LAUNCH(reverse, 1, N, 0, memory, strcmp(fault, "right") == 0, out);
  } else if (strcmp(fault, "no wait") == 0) {
    TT_LAUNCH(reverse, 1, N, 0, memory, true, out);
    return wrong(out);
  } else if (strcmp(fault, "leaves early") == 0) {
    TT_LAUNCH(leaves_early, 1, N, 0, out);
  } else if (strcmp(fault, "parted at barriers") == 0) {
    TT_LAUNCH(parts_at_barriers, 1, N, 0, out);
  } else if (strcmp(fault, "a lane is missing") == 0) {
    TT_LAUNCH(shuffles_without_a_lane, 1, N, 0, out);
  } else if (strcmp(fault, "half a warp") == 0) {
    TT_LAUNCH(shuffles_without_a_lane, 1, 16, 0, out);
  } else if (strcmp(fault, "shared memory never set") == 0) {
    TT_LAUNCH(reads_shared_memory_first, 1, N, N * sizeof(float), out);
    tt_cuda_download(out, sizeof numbers, numbers);
    return static_cast<int>(numbers[0]); // 0: nothing but NaN was found
  } else if (strcmp(fault, "memory never set") == 0) {
    float *fresh = static_cast<float *>(tt_cuda_allocate(sizeof numbers));
    tt_cuda_download(fresh, sizeof numbers, numbers);
    return wrong(numbers);
  } else if (strcmp(fault, "threads") == 0) {
    TT_LAUNCH(write_at, 1, 2048, 0, static_cast<int64_t>(0), out);
  } else if (strcmp(fault, "threads of the kernel") == 0) {
    TT_LAUNCH(write_at, 1, 2 * N, 0, static_cast<int64_t>(0), out);
  } else if (strcmp(fault, "blocks") == 0) {
    TT_LAUNCH(write_at, dim3(1, 65536), N, 0, static_cast<int64_t>(0), out);
  } else if (strcmp(fault, "shared memory") == 0) {
    TT_LAUNCH(write_at, 1, N, TT_MOST_SHARED + 1, static_cast<int64_t>(0), out);
  } else if (strcmp(fault, "the host's memory") == 0) {
    TT_LAUNCH(reverse, 1, N, 0, of_the_host, true, out);
  } else if (strcmp(fault, "past the end") == 0) {
    TT_LAUNCH(write_at, 1, N, 0, static_cast<int64_t>(N), out);
  } else if (strcmp(fault, "before the start") == 0) {
    TT_LAUNCH(write_at, 1, N, 0, static_cast<int64_t>(-1024), out);
  } else if (strcmp(fault, "released") == 0) {
    TT_CUDA(cudaFree(out));
    TT_LAUNCH(write_at, 1, N, 0, static_cast<int64_t>(0), out);
  } else if (strcmp(fault, "the device's memory") == 0) {
    tt_cuda_wait();
    return wrong(memory);
  } else if (strcmp(fault, "alignment") == 0) {
    TT_LAUNCH(loads_eight, 1, N, 0, out);
  } else if (strcmp(fault, "stack") == 0) {
    TT_LAUNCH(grows_its_stack, 1, N, 0, out);
  } else {
    fprintf(stderr, "no such fault: %s\n", fault);
    return 2;
  }
  tt_cuda_download(out, sizeof numbers, numbers);
  return wrong(numbers);
}

int main(int argc, char **argv) {
  float numbers[N] = {0};
  if (argc != 2 || tt_cuda_start(0) != TT_OK) return 2;
  memory = static_cast<float *>(tt_cuda_allocate(sizeof numbers));
  printf("%d\n", run(argv[1]));
  return 0;
}
