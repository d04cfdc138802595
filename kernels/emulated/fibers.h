// Stacks to run the threads of a block on: each runs until it waits.
#ifndef TT_KERNELS_EMULATED_FIBERS_H
#define TT_KERNELS_EMULATED_FIBERS_H

typedef struct tt_fiber tt_fiber;

// A fiber that is not in use, with `body` (called with `argument`) to run.
tt_fiber *tt_fiber_take(void (*body)(void *argument), void *argument);
// Runs it until it calls tt_fiber_pause, or its body returns: then true, and it is not in use any more.
bool tt_fiber_resume(tt_fiber *fiber);
// From within a body: back to who resumed it.
void tt_fiber_pause(void);

#endif
