// Fibers: made by makecontext; switched, from then on, by _setjmp and _longjmp, which call no system.
#undef _FORTIFY_SOURCE // its longjmp refuses to leave a stack for another
#include "fibers.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

#ifdef __SANITIZE_ADDRESS__
enum { STACK = 512 * 1024 };
#else
enum { STACK = 128 * 1024 };
#endif

struct tt_fiber {
  jmp_buf at;
  ucontext_t start;
  char *stack;
  void (*body)(void *argument);
  void *argument;
  bool started, ended;
  tt_fiber *next_free;
  void *fake_stack; // of the address sanitizer
};

static tt_fiber *free_fibers, *running;
static jmp_buf caller;
#ifdef __SANITIZE_ADDRESS__
static const void *caller_stack;
static size_t caller_size;
static void *caller_fake;
#endif

// The address sanitizer is to know whose stack it is looking at.
static void leave_caller(tt_fiber *to) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(&caller_fake, to->stack, STACK);
#else
  (void)to;
#endif
}
static void arrived_in_fiber(tt_fiber *fiber) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fiber->fake_stack, &caller_stack, &caller_size);
#else
  (void)fiber;
#endif
}
static void leave_fiber(tt_fiber *fiber) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(&fiber->fake_stack, caller_stack, caller_size);
#else
  (void)fiber;
#endif
}
static void arrived_in_caller(void) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(caller_fake, NULL, NULL);
#endif
}

static __attribute__((noinline)) void to_caller(tt_fiber *fiber) {
  leave_fiber(fiber);
  if (_setjmp(fiber->at) == 0) _longjmp(caller, 1);
  arrived_in_fiber(fiber);
}

static void run(void) {
  tt_fiber *fiber = running;
  arrived_in_fiber(fiber);
  for (;;) {
    fiber->body(fiber->argument);
    fiber->ended = true;
    to_caller(fiber);
  }
}

static tt_fiber *make(void) {
  tt_fiber *fiber = static_cast<tt_fiber *>(calloc(1, sizeof *fiber));
  if (fiber == NULL) abort();
  // the lowest page stays closed: a stack that grows too long ends the program there
  void *memory =
      mmap(NULL, STACK + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, 4096, PROT_NONE) != 0) {
    perror("emulator: a stack for a thread");
    abort();
  }
  fiber->stack = static_cast<char *>(memory) + 4096;
  getcontext(&fiber->start);
  fiber->start.uc_stack.ss_sp = fiber->stack, fiber->start.uc_stack.ss_size = STACK;
  makecontext(&fiber->start, run, 0);
  return fiber;
}

tt_fiber *tt_fiber_take(void (*body)(void *argument), void *argument) {
  tt_fiber *fiber = free_fibers;
  if (fiber != NULL)
    free_fibers = fiber->next_free;
  else
    fiber = make();
  fiber->body = body, fiber->argument = argument, fiber->ended = false;
  return fiber;
}

bool tt_fiber_resume(tt_fiber *fiber) {
  running = fiber;
  leave_caller(fiber);
  if (_setjmp(caller) == 0) {
    if (fiber->started) _longjmp(fiber->at, 1);
    fiber->started = true;
    setcontext(&fiber->start);
  }
  arrived_in_caller();
  fiber = running; // a local variable need not survive _setjmp
  if (!fiber->ended) return false;
  fiber->next_free = free_fibers, free_fibers = fiber;
  return true;
}

void tt_fiber_pause(void) {
  to_caller(running);
}
