// Datagrams between the ranks of a job, past MPI: who is reached, and how. Private to the watch room.
//
// Each rank has a UDP socket with a port that the system chooses. All get to know all ranks' addresses and a
// random word through MPI, once; from then on MPI is not needed. What comes without the word, or is for
// another rank, or holds what no rank sends, is dropped. A rank has several addresses, not all of which
// others may reach: as long as a rank was not heard, what is for it goes to all of them, then to the one that
// its last datagram came from.
#ifndef TT_WATCH_POST_H
#define TT_WATCH_POST_H

#include "comm/comm.h"
#include "watch/beat.h"
#include "watch/report.h"

typedef enum {
  TT_POST_BEAT,  // where a rank is; answered by
  TT_POST_PULSE, // nothing but a sign of life
  TT_POST_LEFT,  // a rank is done
  TT_POST_CLAIM, // a rank on its own is about to say that the job hangs; those after it leave it to that one
  TT_POST_END,   // the job hangs and ends
} tt_post_kind;

typedef struct tt_post tt_post;

// Collective. `nodes` (ranks), to be freed by the caller, become their names. Where a rank cannot open a
// socket nobody can send to it, and nothing else is different. TT_ERR_MEMORY on all ranks.
tt_status tt_post_open(tt_post **post, const tt_comm *comm, tt_node_name **nodes);
void tt_post_close(tt_post *post); // NULL is fine

int tt_post_socket(const tt_post *post); // to wait for; -1: none

// Never waits; what cannot be sent is lost. beat: with TT_POST_BEAT.
void tt_post_send(tt_post *post, int to, tt_post_kind kind, const tt_beat *beat);

// The next datagram that has come, if there is one.
bool tt_post_receive(tt_post *post, int *from, tt_post_kind *kind, tt_beat *beat);

// The rank has not been heard for long: its other addresses are tried again.
void tt_post_forget(tt_post *post, int rank);

#endif
