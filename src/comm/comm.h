// The ranks of a job, or a part of them, and what they exchange, over MPI. Knows nothing of models.
#ifndef TT_COMM_COMM_H
#define TT_COMM_COMM_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "comm/traffic.h"
#include "core/status.h"

struct tt_link;

typedef struct {
  MPI_Comm mpi;
  int rank, size;
  tt_traffic *traffic;  // of this process: one table, whatever copies and parts there are of the ranks. NULL:
                        // nothing is counted
  struct tt_link *link; // how arrays of a device go (comm/link.h); NULL: there are none. For the functions
                        // that say so: all that are in this header take arrays of the host
} tt_comm;

// Collective: this rank's place among the ranks on its machine, and how many those are.
void tt_comm_node(const tt_comm *comm, int *place, int *ranks);

// Starts MPI (once a process) with the settings that HDF5 needs (ROMIO), and fills *comm with all ranks.
// Works without mpirun: one rank. TT_ERR_MPI.
//
// An MPI call that fails in any function here ends the job with TT_EXIT_MACHINE (call, file and line in the
// message), for the ranks could not agree on anything any more. What the collective functions return is the
// same on all ranks.
tt_status tt_comm_start(tt_comm *comm);

// Ends MPI, unless tt_comm_start did not get that far.
void tt_comm_finish(tt_comm *comm);

// Collective. All ranks get TT_OK, or the status and the message of the lowest rank that failed; that rank
// prints it, once, to stderr ("twotrack: error: ...", with "rank r: " in the message unless it is rank 0).
// TT_STOPPED is no failure and not printed.
tt_status tt_comm_agree(const tt_comm *comm, tt_status status);

// The same without a line on stderr: for what is no failure of the job, or not yet.
tt_status tt_comm_agree_quietly(const tt_comm *comm, tt_status status);

// For long work without collectives that ends in a tt_comm_agree: a rank that failed tells the others, which
// need not finish theirs, and does not wait. It is to be followed by that agreement, on its failure.
void tt_comm_call_off(const tt_comm *comm);

// Whether another rank has. Takes microseconds.
bool tt_comm_is_called_off(const tt_comm *comm);

// From now on `told` is called with every error that this process prints, after it was printed; NULL: no
// more. Not with a failed MPI call: it is the network's, or follows from the end of another rank.
void tt_comm_on_error(void (*told)(const char *message));

// For a rank that fails where the others cannot know: prints its message and ends the whole job with code 1.
_Noreturn void tt_comm_abort(const tt_comm *comm);

// The functions below that say "counts" add what they send to other ranks to the kind that is on, which this
// turns on. In bytes, with n ranks: see each function.
void tt_comm_count_as(const tt_comm *comm, tt_traffic_kind kind);

// Adds to it; for the functions of this room.
void tt_comm_count(const tt_comm *comm, int64_t bytes);

// Collective: receive[r * count ..] = what rank r passed. Elements of `size` bytes.
// Counts (n - 1) * count * size.
tt_status tt_comm_gather_all(const tt_comm *comm, const void *send, void *receive, size_t count, size_t size);

// Same with a count per rank: receive holds sum(counts) elements in rank order; counts known to all. `send`
// may be the rank's own place in `receive`: then nothing of its own is copied.
// Counts (n - 1) * counts[rank] * size.
tt_status tt_comm_gather_all_v(const tt_comm *comm, const void *send, void *receive, const int64_t *counts,
                               size_t size);

// Messages under way; {0}: none.
typedef struct {
  const tt_comm *comm;
  MPI_Request *requests;
  int count;
  bool queued; // on a device (comm/link.h)
} tt_messages;

// The same in two halves: the first one does not wait, and `send` and `receive` are left alone until the
// second one. Several may be under way, begun and waited for in the same order on all ranks.
tt_messages tt_comm_gather_begin(const tt_comm *comm, const void *send, void *receive, const int64_t *counts,
                                 size_t size);
void tt_comm_wait(tt_messages *messages);

// Collective: sends send_counts[r] bytes to each rank r from consecutive places of `send`; *receive
// (malloc'ed here, caller frees) gets the bytes from rank 0, 1, ... with receive_counts[r] each.
// Counts the sum of send_counts[r] over the other ranks.
tt_status tt_comm_exchange(const tt_comm *comm, const void *send, const int64_t *send_counts, void **receive,
                           int64_t *receive_counts);

// Collective, in place, the same on all ranks after it: sums modulo 2^64, and the greatest of each value (no
// NaN). Control messages: not counted.
tt_status tt_comm_sum(const tt_comm *comm, uint64_t *words, int count);
tt_status tt_comm_greatest(const tt_comm *comm, double *values, int count);

tt_status tt_comm_broadcast(const tt_comm *comm, void *data, size_t bytes, int root);
tt_status tt_comm_barrier(const tt_comm *comm);

// The most bytes that go in one message; longer ones go in pieces (MPI counts in int). Tests lower it.
extern int64_t tt_comm_piece_bytes;

#endif
