#include "comm/link.h"

#include <stdlib.h>

#include "comm/check.h"
#include "comm/device_exchange.h"
#include "core/memory.h"

tt_status tt_link_ready(tt_link_kind kind) {
  return kind == TT_LINK_NCCL ? tt_nccl_load() : TT_OK;
}

void tt_link_make(tt_comm *ranks, const tt_device_arrays *arrays, tt_link_kind kind, bool library_sums) {
  if (ranks->size == 1) return;
  tt_link *link = NULL;
  if (tt_alloc(&link, 1, sizeof *link, "the link between the ranks") != TT_OK) tt_comm_abort(ranks);
  *link = (tt_link){.arrays = arrays, .library_sums = library_sums};
  if (kind == TT_LINK_NCCL) link->nccl = tt_nccl_make(ranks);
  ranks->link = link;
}

void tt_link_free(tt_link *link) {
  if (!link) return;
  tt_nccl_free(link->nccl);
  free(link->host);
  free(link);
}

const char *tt_link_name(const tt_comm *ranks) {
  const tt_link *link = ranks->link;
  if (!link) return NULL;
  return !link->nccl ? "mpi" : link->library_sums ? "nccl, its sums" : "nccl";
}

static void make_room(const tt_comm *ranks, size_t bytes) {
  tt_link *link = ranks->link;
  if (bytes <= link->room) return;
  free(link->host);
  link->room = bytes + bytes / 2;
  if (tt_alloc(&link->host, link->room, 1, "what ranks exchange by way of the host") != TT_OK)
    tt_comm_abort(ranks); // the others are on their way into the exchange
}

// Where in the host's memory the bytes for and from each rank lie; returns how many those are. What goes to
// several ranks is there once.
static int64_t place(const tt_comm *ranks, const tt_places_of_ranks *p, tt_places_of_ranks *host) {
  int64_t end = 0;
  int before = -1;
  for (int r = 0; r < ranks->size; r++) {
    if (r == ranks->rank || !p->send_bytes[r]) continue;
    bool same =
        before >= 0 && p->send_at[before] == p->send_at[r] && p->send_bytes[before] == p->send_bytes[r];
    host->send_bytes[r] = p->send_bytes[r];
    host->send_at[r] = same ? host->send_at[before] : end;
    if (!same) end += p->send_bytes[r];
    before = r;
  }
  for (int r = 0; r < ranks->size; r++) {
    if (r == ranks->rank) continue;
    host->receive_at[r] = end, host->receive_bytes[r] = p->receive_bytes[r];
    end += p->receive_bytes[r];
  }
  return end;
}

static void by_way_of_the_host(const tt_comm *ranks, const char *send, const tt_places_of_ranks *p,
                               char *receive) {
  const tt_link *link = ranks->link;
  tt_places_of_ranks host = tt_comm_places(ranks);
  make_room(ranks, (size_t)place(ranks, p, &host));
  int64_t done = -1;
  for (int r = 0; r < ranks->size; r++)
    if (host.send_bytes[r] && host.send_at[r] > done) {
      link->arrays->download(send + p->send_at[r], (size_t)p->send_bytes[r], link->host + host.send_at[r]);
      done = host.send_at[r];
    }
  tt_comm_all_to_all(ranks, link->host, &host, link->host);
  for (int r = 0; r < ranks->size; r++)
    if (host.receive_bytes[r])
      link->arrays->upload(link->host + host.receive_at[r], (size_t)host.receive_bytes[r],
                           receive + p->receive_at[r]);
  tt_comm_places_free(&host);
}

void tt_device_exchange(const tt_comm *ranks, tt_queue queue, const void *send, const tt_places_of_ranks *p,
                        void *receive) {
  const tt_link *link = ranks->link;
  if (!link->nccl) {
    by_way_of_the_host(ranks, send, p, receive);
    return;
  }
  tt_comm_meet(ranks);
  for (int r = 0; r < ranks->size; r++)
    if (r != ranks->rank) tt_comm_count(ranks, p->send_bytes[r]);
  tt_nccl_exchange(link->nccl, link->arrays->queues->stream(queue), send, p, receive);
}

tt_messages tt_link_gather_begin(const tt_comm *ranks, float *all, const int64_t *counts) {
  int64_t first = 0;
  const tt_link *link = ranks->link;
  for (int r = 0; r < ranks->rank; r++) first += counts[r];
  if (!link) return tt_comm_gather_begin(ranks, all + first, all, counts, sizeof *all);
  tt_places_of_ranks p = tt_comm_places(ranks);
  int64_t at = 0;
  for (int r = 0; r < ranks->size; r++) {
    p.send_at[r] = first * (int64_t)sizeof *all;
    p.send_bytes[r] = counts[ranks->rank] * (int64_t)sizeof *all;
    p.receive_at[r] = at, p.receive_bytes[r] = counts[r] * (int64_t)sizeof *all;
    at += p.receive_bytes[r];
  }
  if (link->nccl) link->arrays->queues->follow(TT_QUEUE_EXCHANGE, TT_QUEUE_COMPUTE);
  tt_device_exchange(ranks, TT_QUEUE_EXCHANGE, all, &p, all);
  tt_comm_places_free(&p);
  return (tt_messages){.comm = ranks, .queued = link->nccl != NULL};
}
