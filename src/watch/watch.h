// The watchdog of a training job: a job that hangs says where every rank is, who is late, and ends.
//
// A thread a rank looks at what the others do (core/position.h). Once a second it tells rank 0, and a deputy
// on another node where there is one, by a datagram (post.h): no MPI, and no file, for these may be what
// hangs. Rank 0 decides (judge.h), prints the report (report.h) and ends all ranks with TT_EXIT_MACHINE; the
// deputy does when rank 0 is not heard any more, and a rank that hears neither ends by itself when it stands
// still. It costs a few hundred bytes and some microseconds a second and rank. See docs/failures.md.
#ifndef TT_WATCH_WATCH_H
#define TT_WATCH_WATCH_H

#include "comm/comm.h"

// The calling thread is the main one; until tt_watch_ranks its rank is on its own: it says so when it has
// waited for MPI's start for a minute, and ends after the default of train.hang_limit_start.
// TWOTRACK_MPI_LIMIT, seconds, is for those who need another limit there.
void tt_watch_begin(void);

// Collective: from here on the ranks watch each other. Nothing may stand still for longer than `start`
// seconds until tt_watch_moving is called, and `limit` seconds from then on; 0: for ever. It is noticed after
// three quarters of that, and over within it. TT_ERR_MEMORY.
tt_status tt_watch_ranks(const tt_comm *comm, double limit, double start);

// The first update since the start is done.
void tt_watch_moving(void);

// After the end of MPI. Nothing to do if it has not begun.
void tt_watch_end(void);

#endif
