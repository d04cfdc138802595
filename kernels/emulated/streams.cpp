#include "streams.h"

#include <algorithm>
#include <deque>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <vector>

#include "emulator.h"

struct tt_emulated_stream {
  std::deque<std::function<bool()>> work;
};

static tt_emulated_stream default_stream;
static std::vector<tt_emulated_stream *> streams = {&default_stream};

static tt_emulated_stream *at(cudaStream_t stream) {
  return stream != NULL ? stream : &default_stream;
}

void tt_emulated_queue_step(cudaStream_t stream, std::function<bool()> step) {
  at(stream)->work.push_back(step);
}

void tt_emulated_queue_library_step(void *stream, bool (*step)(void *), void *context) {
  tt_emulated_queue_step(static_cast<cudaStream_t>(stream), [=] { return step(context); });
}

// Not the streams of operations and checks: a generator of its own (xorshift).
static unsigned draw(unsigned below) {
  static uint64_t state;
  if (state == 0) {
    const char *text = getenv("TT_EMULATE_SEED");
    state = (text != NULL ? strtoull(text, NULL, 10) : 1) * 2 + 1;
  }
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return static_cast<unsigned>((state >> 33) % below);
}

// One step of a stream that has work; false: nothing got on.
static bool advance(void) {
  size_t busy = 0;
  for (tt_emulated_stream *s : streams) busy += !s->work.empty();
  if (busy == 0) return false;
  unsigned which = draw(static_cast<unsigned>(busy));
  for (tt_emulated_stream *s : streams) {
    if (s->work.empty() || which-- != 0) continue;
    if (!s->work.front()()) return false;
    s->work.pop_front();
    return true;
  }
  return false;
}

static bool done(const cudaStream_t *stream) {
  if (stream != NULL) return at(*stream)->work.empty();
  return std::all_of(streams.begin(), streams.end(), [](tt_emulated_stream *s) { return s->work.empty(); });
}

void tt_emulated_drain(const cudaStream_t *stream) {
  if (done(stream)) return;
  tt_emulated_open_memory(true);
  while (!done(stream))
    if (!advance()) sched_yield(); // it waits for another process
  tt_emulated_open_memory(false);
}

void tt_emulated_advance(void) {
  if (done(NULL)) return;
  tt_emulated_open_memory(true);
  for (int k = 0; k < 2; k++) advance();
  tt_emulated_open_memory(false);
}

// ---- of CUDA's runtime ----
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) {
  (void)flags;
  *stream = new tt_emulated_stream;
  streams.push_back(*stream);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  tt_emulated_drain(&stream);
  streams.erase(std::find(streams.begin(), streams.end(), stream));
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  tt_emulated_drain(&stream);
  return cudaSuccess;
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  if (done(&stream)) return cudaSuccess;
  tt_emulated_advance();
  return tt_emulated_keep(cudaErrorNotReady);
}
cudaError_t cudaDeviceSynchronize(void) {
  tt_emulated_drain(NULL);
  return cudaSuccess;
}

struct tt_emulated_event {
  double seconds;
  uint64_t recorded, reached; // counted
};
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
  (void)flags;
  *event = new tt_emulated_event{0, 0, 0};
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  uint64_t number = ++event->recorded;
  tt_emulated_queue_step(stream, [=] {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    event->seconds = static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
    event->reached = number;
    return true;
  });
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
  (void)flags;
  uint64_t number = event->recorded;
  tt_emulated_queue_step(stream, [=] { return event->reached >= number; });
  return cudaSuccess;
}
static bool reached(cudaEvent_t event) {
  return event->reached == event->recorded;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (reached(event)) return cudaSuccess;
  tt_emulated_open_memory(true);
  while (!reached(event))
    if (!advance()) sched_yield();
  tt_emulated_open_memory(false);
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (reached(event)) return cudaSuccess;
  tt_emulated_advance();
  return tt_emulated_keep(cudaErrorNotReady);
}
cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t from, cudaEvent_t to) {
  *milliseconds = static_cast<float>(1e3 * (to->seconds - from->seconds));
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  tt_emulated_drain(NULL);
  delete event;
  return cudaSuccess;
}
