// The emulator's streams: each is a queue, and what comes next of all of them is drawn from TT_EMULATE_SEED,
// so that a missing event shows. What is queued runs when the host waits for something.
#ifndef TT_KERNELS_EMULATED_STREAMS_H
#define TT_KERNELS_EMULATED_STREAMS_H

#include <functional>

#include "runtime.h"

// Work that comes after what is in the stream (NULL: the default one). `step` is called until it returns
// true: it says false when it has to wait for something else.
void tt_emulated_queue_step(cudaStream_t stream, std::function<bool()> step);

// Runs what is queued until the stream is empty, and whatever else comes before that in the draw; NULL: until
// all are.
void tt_emulated_drain(const cudaStream_t *stream);

// A step or two of whatever is queued: for those who only ask.
void tt_emulated_advance(void);

// For libraries that are loaded while the program runs (a stand-in for NCCL).
extern "C" void tt_emulated_queue_library_step(void *stream, bool (*step)(void *context), void *context);

#endif
