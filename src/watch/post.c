#include "watch/post.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/memory.h"

enum { ADDRESSES = 8 };

// What the others are told of a rank.
typedef struct {
  tt_node_name node;
  uint32_t address[ADDRESSES]; // IPv4, in network order
  uint16_t port;               // the same; 0: no socket
  uint16_t addresses;
} card;

typedef struct {
  uint64_t word[2];
  int32_t kind, from, to;
  int32_t unused; // so that no byte is left undefined
  tt_beat beat;   // sent with TT_POST_BEAT only
} letter;

struct tt_post {
  int socket, rank, size;
  uint64_t word[2];
  card *cards;               // (size)
  struct sockaddr_in *known; // (size) where a rank's last datagram came from; port 0: none came
};

static int open_socket(uint16_t *port) {
  int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  struct sockaddr_in any = {.sin_family = AF_INET};
  socklen_t length = sizeof any;
  if (s < 0) return -1;
  int room = 1 << 22; // rank 0 hears many at once; the system gives what it likes
  setsockopt(s, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  if (bind(s, (struct sockaddr *)&any, sizeof any) != 0 ||
      getsockname(s, (struct sockaddr *)&any, &length) != 0) {
    close(s);
    return -1;
  }
  *port = any.sin_port;
  return s;
}

// Addresses on networks first; the node's own (127.0.0.1) last.
static void list_addresses(card *c) {
  struct ifaddrs *all;
  if (getifaddrs(&all) != 0) return;
  for (int local = 0; local < 2; local++)
    for (struct ifaddrs *i = all; i && c->addresses < ADDRESSES; i = i->ifa_next) {
      if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || !(i->ifa_flags & IFF_UP)) continue;
      if (!(i->ifa_flags & IFF_LOOPBACK) != !local) continue;
      struct sockaddr_in in;
      memcpy(&in, i->ifa_addr, sizeof in);
      c->address[c->addresses++] = in.sin_addr.s_addr;
    }
  freeifaddrs(all);
}

static tt_status allocate(tt_post **post, const tt_comm *comm, tt_node_name **nodes) {
  size_t n = (size_t)comm->size;
  *post = NULL, *nodes = NULL;
  TT_TRY(tt_alloc(post, 1, sizeof **post, "the watchdog"));
  (*post)->socket = -1, (*post)->rank = comm->rank, (*post)->size = comm->size;
  TT_TRY(tt_alloc(&(*post)->cards, n, sizeof(card), "the watchdog"));
  TT_TRY(tt_alloc(&(*post)->known, n, sizeof(struct sockaddr_in), "the watchdog"));
  return tt_alloc(nodes, n, sizeof **nodes, "the watchdog");
}

tt_status tt_post_open(tt_post **post, const tt_comm *comm, tt_node_name **nodes) {
  tt_status status = tt_comm_agree(comm, allocate(post, comm, nodes));
  tt_post *p = *post;
  if (status != TT_OK) {
    tt_post_close(p), *post = NULL;
    free(*nodes), *nodes = NULL;
    return status;
  }
  card own = {0};
  if (gethostname(own.node.text, sizeof own.node.text - 1) != 0) memcpy(own.node.text, "?", 2);
  if (comm->size > 1) p->socket = open_socket(&own.port);
  list_addresses(&own);
  if (getrandom(p->word, sizeof p->word, GRND_NONBLOCK) != sizeof p->word) p->word[0] = (uint64_t)getpid();
  TT_TRY(tt_comm_broadcast(comm, p->word, sizeof p->word, 0));
  TT_TRY(tt_comm_gather_all(comm, &own, p->cards, 1, sizeof own));
  for (int r = 0; r < comm->size; r++) (*nodes)[r] = p->cards[r].node;
  return TT_OK;
}

void tt_post_close(tt_post *p) {
  if (!p) return;
  if (p->socket >= 0) close(p->socket);
  free(p->cards), free(p->known);
  free(p);
}

int tt_post_socket(const tt_post *p) {
  return p->socket;
}

static void send_to(const tt_post *p, const struct sockaddr_in *to, const letter *l) {
  size_t bytes = l->kind == TT_POST_BEAT ? sizeof *l : offsetof(letter, beat);
  (void)sendto(p->socket, l, bytes, MSG_NOSIGNAL, (const struct sockaddr *)to, sizeof *to);
}

void tt_post_send(tt_post *p, int to, tt_post_kind kind, const tt_beat *beat) {
  const card *c = &p->cards[to];
  if (p->socket < 0 || c->port == 0) return;
  letter l = {.word = {p->word[0], p->word[1]}, .kind = (int32_t)kind, .from = p->rank, .to = to};
  if (beat) l.beat = *beat;
  if (p->known[to].sin_port) {
    send_to(p, &p->known[to], &l);
    return;
  }
  for (int k = 0; k < c->addresses; k++) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = c->port, .sin_addr.s_addr = c->address[k]};
    send_to(p, &in, &l);
  }
}

static bool is_ours(const tt_post *p, const letter *l, ssize_t bytes) {
  if (bytes < (ssize_t)offsetof(letter, beat)) return false;
  if (l->word[0] != p->word[0] || l->word[1] != p->word[1] || l->to != p->rank) return false;
  if (l->from < 0 || l->from >= p->size || l->kind < TT_POST_BEAT || l->kind > TT_POST_END) return false;
  return l->kind != TT_POST_BEAT || (bytes == sizeof *l && tt_beat_is_good(&l->beat));
}

bool tt_post_receive(tt_post *p, int *from, tt_post_kind *kind, tt_beat *beat) {
  letter l;
  for (;;) {
    struct sockaddr_in in;
    socklen_t length = sizeof in;
    ssize_t bytes =
        p->socket < 0 ? -1 : recvfrom(p->socket, &l, sizeof l, MSG_TRUNC, (struct sockaddr *)&in, &length);
    if (bytes < 0) return false; // nothing there; or the system's note that nobody listens at the other end
    if (!is_ours(p, &l, bytes)) continue;
    p->known[l.from] = in;
    *from = l.from, *kind = (tt_post_kind)l.kind;
    if (*kind == TT_POST_BEAT) *beat = l.beat;
    return true;
  }
}

void tt_post_forget(tt_post *p, int rank) {
  p->known[rank].sin_port = 0;
}
