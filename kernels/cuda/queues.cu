// The second stream, and what exchanges between ranks need on a device (device/queues.h).
#include "number.h"

enum { THREADS = 256 };

static cudaStream_t exchange;
static cudaEvent_t passed; // one is enough: who waits for it waits for what it has recorded by then

static cudaStream_t stream_of(tt_queue queue) {
  return queue == TT_QUEUE_EXCHANGE ? exchange : tt_cuda.stream;
}

static void *stream(tt_queue queue) {
  return stream_of(queue);
}

static void follow(tt_queue queue, tt_queue other) {
  TT_CUDA(cudaEventRecord(passed, stream_of(other)));
  TT_CUDA(cudaStreamWaitEvent(stream_of(queue), passed, 0));
}

static bool idle(tt_queue queue) {
  cudaError_t error = cudaStreamQuery(stream_of(queue));
  if (error == cudaErrorNotReady) {
    cudaGetLastError(); // an answer, but kept as an error: no launch is to report it
    return false;
  }
  TT_CUDA(error);
  return true;
}

// TT_LAUNCH goes to the backend's stream, which is this one for as long as an object of it is there.
struct on_queue {
  cudaStream_t before;
  explicit on_queue(tt_queue queue) : before(tt_cuda.stream) { tt_cuda.stream = stream_of(queue); }
  ~on_queue() { tt_cuda.stream = before; }
};

// A thread copies one unit U; rows of `width` units.
template <class U>
TT_KERNEL(THREADS)
copy_kernel(const char *from, int64_t from_row, int64_t rows, int64_t width, char *to, int64_t to_row) {
  int64_t at = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x;
  if (at >= rows * width) return;
  int64_t row = at / width, column = at % width;
  reinterpret_cast<U *>(to + row * to_row)[column] =
      reinterpret_cast<const U *>(from + row * from_row)[column];
}

template <class U>
static void copy_units(const void *from, int64_t from_row, int64_t rows, int64_t bytes, void *to,
                       int64_t to_row) {
  int64_t width = bytes / static_cast<int64_t>(sizeof(U));
  TT_LAUNCH((copy_kernel<U>), tt_parts(rows * width, THREADS), THREADS, 0, static_cast<const char *>(from),
            from_row, rows, width, static_cast<char *>(to), to_row);
}

static void copy_rows(tt_queue queue, const void *from, int64_t from_row, int64_t rows, int64_t width,
                      void *to, int64_t to_row) {
  on_queue here(queue);
  int64_t all = static_cast<int64_t>(reinterpret_cast<uintptr_t>(from) | reinterpret_cast<uintptr_t>(to)) |
                from_row | width | to_row;
  if (all % 8 == 0)
    copy_units<uint64_t>(from, from_row, rows, width, to, to_row);
  else if (all % 4 == 0)
    copy_units<uint32_t>(from, from_row, rows, width, to, to_row);
  else
    copy_units<uint16_t>(from, from_row, rows, width, to, to_row);
}

enum { LEVELS = 10 }; // of the tree

// The complete subtrees so far are kept like the digits of a binary counter.
template <class T>
TT_KERNEL(THREADS)
sum_kernel(const T *others, int64_t stride, int rank, int ranks, int64_t count, const T *own, T *to) {
  int64_t at = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x;
  if (at >= count) return;
  float subtree[LEVELS], x = 0;
  for (int r = 0; r < ranks; r++) {
    x = tt_to_float(r == rank ? own[at] : others[(r < rank ? r : r - 1) * stride + at]);
    bool carry = true;
#pragma unroll
    for (int level = 0; level < LEVELS; level++) {
      if (!carry) continue;
      carry = (r >> level & 1) != 0;
      if (carry)
        x = subtree[level] + x;
      else
        subtree[level] = x;
    }
  }
  to[at] = tt_from_float<T>(x);
}

template <class T>
static void sum_of(const void *others, int64_t stride, int rank, int ranks, int64_t count, const void *own,
                   void *to) {
  TT_LAUNCH((sum_kernel<T>), tt_parts(count, THREADS), THREADS, 0, static_cast<const T *>(others), stride,
            rank, ranks, count, static_cast<const T *>(own), static_cast<T *>(to));
}

static void sum(tt_queue queue, size_t element, const void *others, int64_t stride, int rank, int ranks,
                int64_t count, const void *own, void *to) {
  on_queue here(queue);
  if (element == sizeof(tt_bf16))
    sum_of<tt_bf16>(others, stride, rank, ranks, count, own, to);
  else
    sum_of<float>(others, stride, rank, ranks, count, own, to);
}

extern "C" const tt_queues *tt_cuda_queues(void) {
  static const tt_queues queues = {stream, follow, idle, copy_rows, sum};
  if (exchange == NULL) {
    TT_CUDA(cudaStreamCreateWithFlags(&exchange, cudaStreamNonBlocking));
    TT_CUDA(cudaEventCreateWithFlags(&passed, cudaEventDisableTiming));
  }
  return &queues;
}
