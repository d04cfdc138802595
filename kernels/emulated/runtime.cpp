#include "runtime.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <vector>

#include "emulator.h"
#include "streams.h"

namespace {

const size_t page = 4096, arena_size = static_cast<size_t>(1) << 40; // addresses, not memory

struct allocation {
  char *first; // page
  size_t pages;
  char *memory;
  size_t bytes;
  bool managed;
};
std::vector<allocation> allocations; // ascending addresses
char *arena, *arena_next;
bool opened;

void protect(const allocation &a, bool open) {
  if (mprotect(a.first, a.pages * page, open ? PROT_READ | PROT_WRITE : PROT_NONE) != 0) {
    perror("emulator: mprotect");
    abort();
  }
}

// With NaN, in bf16 and double too. Of what is large only the ends: the rooms of libraries to work in are,
// and pages that nobody touches cost nothing each time memory is opened and closed.
void fill(char *first, size_t bytes) {
  const size_t large = 16 << 20, end = 1 << 20;
  if (bytes > large) memset(first + bytes - end, 0xff, end);
  memset(first, 0xff, bytes > large ? end : bytes);
}

cudaError_t allocate(void **memory, size_t bytes, bool managed) {
  if (arena == NULL) {
    void *place = mmap(NULL, arena_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (place == MAP_FAILED) return tt_emulated_keep(cudaErrorMemoryAllocation);
    arena = arena_next = static_cast<char *>(place);
  }
  size_t room = (bytes + 255) / 256 * 256, pages = (room + page - 1) / page;
  if (room < bytes || (pages + 1) * page > arena_size - static_cast<size_t>(arena_next - arena))
    return tt_emulated_keep(cudaErrorMemoryAllocation);
  allocation a = {arena_next, pages, arena_next + pages * page - room, bytes, managed};
  protect(a, true);
  fill(a.first, pages * page);
  if (!managed && !opened) protect(a, false);
  arena_next += (pages + 1) * page;
  allocations.push_back(a);
  *memory = a.memory;
  return cudaSuccess;
}

// Of a host's range that is partly the device's: what a copy may touch.
const allocation *find(const void *p) {
  const char *at = static_cast<const char *>(p);
  size_t low = 0, high = allocations.size();
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (allocations[middle].first <= at)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == 0) return NULL;
  const allocation &a = allocations[low - 1];
  return at >= a.memory && at < a.memory + a.bytes ? &a : NULL;
}

void check_range(const void *p, size_t bytes, const char *what) {
  const allocation *a = find(p);
  if (a == NULL || bytes > a->bytes - static_cast<size_t>(static_cast<const char *>(p) - a->memory))
    tt_emulated_error(what);
}

} // namespace

void tt_emulated_open_memory(bool open) {
  opened = open;
  for (const allocation &a : allocations)
    if (!a.managed) protect(a, open);
}

bool tt_emulated_in_memory(const void *p) {
  if (find(p) != NULL) return true;
  // one past the end of an array that a kernel gets nothing of
  return p != NULL && find(static_cast<const char *>(p) - 1) != NULL;
}

const char *cudaGetErrorString(cudaError_t error) {
  switch (error) {
  case cudaSuccess:
    return "no error";
  case cudaErrorMemoryAllocation:
    return "out of memory";
  case cudaErrorNoDevice:
    return "no CUDA-capable device is detected";
  case cudaErrorInvalidDevice:
    return "invalid device ordinal";
  default:
    return "invalid argument";
  }
}
static cudaError_t last;
cudaError_t tt_emulated_keep(cudaError_t error) {
  return last = error;
}
cudaError_t cudaGetLastError(void) {
  cudaError_t error = last;
  last = cudaSuccess;
  return error;
}
cudaError_t cudaDriverGetVersion(int *version) {
  *version = 0;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int *version) {
  *version = 0;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int *count) {
  const char *text = getenv("TT_EMULATE_DEVICES");
  *count = text != NULL ? atoi(text) : 1;
  return *count > 0 ? cudaSuccess : cudaErrorNoDevice;
}
cudaError_t cudaSetDevice(int device) {
  int count = 0;
  cudaGetDeviceCount(&count);
  return device >= 0 && device < count ? cudaSuccess : cudaErrorInvalidDevice;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device) {
  *properties = cudaDeviceProp{};
  const char *first = getenv("TT_EMULATE_FIRST_DEVICE");
  properties->uuid.bytes[0] = static_cast<char>(device + (first != NULL ? atoi(first) : 0));
  snprintf(properties->name, sizeof properties->name, "emulator");
  properties->totalGlobalMem = static_cast<size_t>(8) << 30;
  properties->sharedMemPerBlockOptin = 163 * 1024;
  properties->multiProcessorCount = 4;
  properties->major = 8;
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t *free, size_t *total) {
  *total = *free = static_cast<size_t>(8) << 30;
  for (const allocation &a : allocations) *free -= a.bytes < *free ? a.bytes : *free;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void **memory, size_t bytes) {
  return allocate(memory, bytes, false);
}
cudaError_t cudaMallocManaged(void **memory, size_t bytes, unsigned flags) {
  (void)flags;
  return allocate(memory, bytes, true);
}
cudaError_t cudaMallocHost(void **memory, size_t bytes) {
  *memory = malloc(bytes);
  return *memory != NULL ? cudaSuccess : tt_emulated_keep(cudaErrorMemoryAllocation);
}
cudaError_t cudaFree(void *memory) {
  if (memory == NULL) return cudaSuccess;
  tt_emulated_drain(NULL);
  for (size_t i = 0; i < allocations.size(); i++) {
    allocation a = allocations[i];
    if (a.memory != memory) continue;
    protect(a, false);
    madvise(a.first, a.pages * page, MADV_DONTNEED);
    allocations.erase(allocations.begin() + static_cast<long>(i));
    return cudaSuccess;
  }
  tt_emulated_error("cudaFree of what was not allocated");
}
cudaError_t cudaFreeHost(void *memory) {
  tt_emulated_drain(NULL);
  free(memory);
  return cudaSuccess;
}

static void queue(cudaStream_t stream, std::function<void()> work) {
  tt_emulated_queue_step(stream, [work] { return work(), true; });
}

// From the host: what is there now, as CUDA copies it from memory that is not page-locked. To the host:
// later.
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  bool to_host = find(to) == NULL, from_host = find(from) == NULL;
  if (kind == cudaMemcpyHostToDevice && (to_host || !from_host))
    tt_emulated_error("a copy to the device is none");
  if (kind == cudaMemcpyDeviceToHost && (!to_host || from_host))
    tt_emulated_error("a copy from the device is none");
  if (kind == cudaMemcpyDeviceToDevice && (to_host || from_host))
    tt_emulated_error("a copy within the device is none");
  if (!to_host) check_range(to, bytes, "a copy goes past the end of memory of the device");
  if (!from_host) check_range(from, bytes, "a copy comes from past the end of memory of the device");
  if (from_host) {
    const char *start = static_cast<const char *>(from);
    std::vector<char> now(start, start + bytes);
    queue(stream, [=] { memcpy(to, now.data(), bytes); });
  } else {
    queue(stream, [=] { memmove(to, from, bytes); });
  }
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void *memory, int byte, size_t bytes, cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  check_range(memory, bytes, "cudaMemset goes past the end of memory of the device");
  queue(stream, [=] { memset(memory, byte, bytes); });
  return cudaSuccess;
}
