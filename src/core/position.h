// What each thread of this process is doing, for whoever looks at it from outside (watch/): when nothing goes
// on any more, every rank can say where it stands.
//
// A thread writes its own place only, without locks and without a clock: some stores to memory, a few
// nanoseconds. Who reads it may see the parts of two moments; a thread that is stuck changes nothing, and
// then what is read is true. Texts are static, but for the name of a file, which is copied.
#ifndef TT_CORE_POSITION_H
#define TT_CORE_POSITION_H

#include <stdint.h>

// The threads that a rank of a training run has. Threads that are none of them leave no trace.
typedef enum {
  TT_THREAD_MAIN,
  TT_THREAD_READER, // chunks of the store, ahead of time
  TT_THREAD_WORKER, // the samples of the next batch
  TT_THREAD_WRITER, // this rank's part of a checkpoint
  TT_THREADS
} tt_thread;

const char *tt_thread_name(tt_thread thread); // "reader"

typedef enum {
  TT_COMPUTING,   // in no call
  TT_WITH_RANKS,  // in a call of MPI: it may wait for other ranks
  TT_FOR_THREAD,  // waits for another thread of this rank
  TT_WITH_SYSTEM, // in a call of the operating system that reads or writes a file
} tt_call_kind;

// A place in the program that may take long; static.
typedef struct {
  tt_call_kind kind;
  const char *what;     // "MPI_Barrier(comm->mpi)", "reading", "its reader"
  const char *function; // that it is in
} tt_call;

// The calling thread is this one from here on, unless it has been named before.
void tt_position_thread(tt_thread thread);

// What the rank is at, and after which update: "validation", 120. Ends what was said with tt_position_do.
void tt_position_phase(const char *phase, int64_t step);

// What the thread is at, within the phase: "attention". NULL: nothing in particular; a thread that is not the
// main one is idle then.
void tt_position_do(const char *doing);

// Another exchange among all ranks of the job begins. Ranks that do the same count the same.
void tt_position_meet(void);

// Around a call that may take long. `file` (NULL: none) is copied, if need be without its beginning. Calls
// may be within each other: enter returns what leave is to be given.
const tt_call *tt_position_enter(const tt_call *call, const char *file);
void tt_position_leave(const tt_call *before);

// The same until the end of the block that it is in.
typedef struct {
  const tt_call *before;
} tt_position_block;
void tt_position_end(tt_position_block *block);
#define TT_POSITION_(kind, what, file)                                                                       \
  static const tt_call tt_call_here_ = {kind, what, __func__};                                               \
  __attribute__((cleanup(tt_position_end), unused))                                                          \
  tt_position_block tt_block_here_ = {tt_position_enter(&tt_call_here_, file)}
#define TT_READING(file) TT_POSITION_(TT_WITH_SYSTEM, "reading", file)
#define TT_WRITING(file) TT_POSITION_(TT_WITH_SYSTEM, "writing", file)
#define TT_SYNCING(file) TT_POSITION_(TT_WITH_SYSTEM, "syncing", file)
#define TT_AWAITING(thread) TT_POSITION_(TT_FOR_THREAD, thread, NULL)

// ---- for those who look

enum { TT_POSITION_FILE = 96 };

typedef struct {
  uint64_t moves; // changes when the thread gets on; nothing else has changed while it has not
  uint64_t meetings;
  int64_t step;
  const char *phase, *doing;   // NULL: never said
  const tt_call *call;         // NULL: in none
  char file[TT_POSITION_FILE]; // of a call with one
} tt_position;

// What any thread of this process is doing now. A thread that was never there has moves == 0.
void tt_position_look(tt_thread thread, tt_position *position);

#endif
