#include "train/replicas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/memory.h"
#include "train/array_digest.h"

typedef struct {
  char name[64];
} host;

// What a rank has, as one: [0] of the buckets that are whole, [1] of those that are split.
typedef struct {
  tt_element_digest of[2];
} summary;

static bool equal(tt_element_digest x, tt_element_digest y) {
  return x.a == y.a && x.b == y.b;
}

// Ranks here count as in mesh->whole, where those with the same tensor place are neighbours.
static int world_rank(const tt_mesh *mesh, int r) {
  return r % mesh->data.size * mesh->tensor.size + r / mesh->data.size;
}

// A bucket lies at the same places on all ranks that have the same of it.
static summary summarize(const tt_parameters *p, const tt_ops *ops, const float *weights) {
  summary own = {0};
  for (int k = 0; k < p->buckets; k++) {
    const tt_bucket *b = &p->bucket[k];
    tt_array_digest_add(&own.of[b->split], ops, weights + b->first, b->count, b->first);
  }
  return own;
}

static bool all_equal(const tt_mesh *mesh, const summary *all) {
  for (int r = 0; r < mesh->whole.size; r++) {
    if (!equal(all[r].of[0], all[0].of[0])) return false;
    if (!equal(all[r].of[1], all[r - r % mesh->data.size].of[1])) return false;
  }
  return true;
}

// How many of `count` digests, `stride` apart, are the one of rank r.
static int votes(const tt_element_digest *digest, int count, int stride, int r) {
  int same = 0;
  for (int k = 0; k < count; k++) same += equal(digest[k * stride], digest[r * stride]);
  return same;
}

// The copies of one tensor on ranks first .. first + count - 1.
typedef struct {
  const char *name;
  const tt_element_digest *digest; // of rank first + k: digest[k * stride]
  int first, count, stride;
} copies;

// "2 (node7), 5 (node9)": the ranks whose copy is not `right`'s; right < 0: all.
static int list_ranks(const tt_mesh *mesh, const copies *c, const host *hosts, int right, char *text,
                      size_t size) {
  const int most = 8; // named
  int listed = 0;
  text[0] = 0;
  for (int k = 0; k < c->count; k++) {
    if (right >= 0 && equal(c->digest[k * c->stride], c->digest[right * c->stride])) continue;
    size_t used = strlen(text);
    if (listed < most)
      snprintf(text + used, size - used, "%s%d (%s)", listed ? ", " : "", world_rank(mesh, c->first + k),
               hosts[c->first + k].name);
    if (listed++ == most) snprintf(text + used, size - used, ", ...");
  }
  return listed;
}

static tt_status report(const tt_mesh *mesh, const copies *c, const host *hosts, int tensors, int64_t step) {
  int right = 0; // the copy that most ranks have
  for (int k = 1; k < c->count; k++)
    if (votes(c->digest, c->count, c->stride, k) > votes(c->digest, c->count, c->stride, right)) right = k;
  int same = votes(c->digest, c->count, c->stride, right);
  char ranks[8 * 80 + 8], others[80] = "";
  if (tensors > 1)
    snprintf(others, sizeof others, " (and of %d more tensor%s)", tensors - 1, tensors > 2 ? "s" : "");
  if (2 * same <= c->count) {
    list_ranks(mesh, c, hosts, -1, ranks, sizeof ranks);
    return tt_fail(TT_ERR_MPI,
                   "after update %lld the copies of %s%s on ranks %s are not the same, and none has a "
                   "majority: memory, a processor or the network of one of them is at fault; --resume goes "
                   "on from the newest checkpoint, best on other nodes",
                   (long long)step, c->name, others, ranks);
  }
  int wrong = list_ranks(mesh, c, hosts, right, ranks, sizeof ranks);
  return tt_fail(TT_ERR_MPI,
                 "after update %lld the copy of %s%s on rank%s %s is not the one of the %d other ranks that "
                 "have it: memory, processor or network there are at fault; --resume goes on from the newest "
                 "checkpoint, best without that node",
                 (long long)step, c->name, others, wrong > 1 ? "s" : "", ranks, same);
}

// All ranks have all digests, so all come to the same message.
static tt_status compare(const tt_mesh *mesh, const tt_parameters *p, const tt_element_digest *all,
                         const host *hosts, int64_t step) {
  copies first = {0};
  int tensors = 0;
  for (int i = 0; i < p->count; i++) {
    bool split = p->list[i].split != TT_WHOLE, differs = false;
    int count = split ? mesh->data.size : mesh->whole.size;
    for (int r = 0; r < mesh->whole.size && !differs; r += count) {
      copies c = {p->list[i].name, all + (size_t)r * p->count + i, r, count, p->count};
      differs = votes(c.digest, count, c.stride, 0) < count;
      if (differs && !tensors) first = c;
    }
    tensors += differs;
  }
  if (tensors) return report(mesh, &first, hosts, tensors, step);
  return tt_fail(
      TT_ERR_MPI,
      "after update %lld the ranks' copies of the parameters differed, and were equal when compared "
      "again: memory or a processor of a node is at fault; test the nodes, then --resume",
      (long long)step);
}

// Which tensor, on which rank.
static tt_status find_difference(const tt_mesh *mesh, const tt_parameters *p, const tt_ops *ops,
                                 const float *weights, int64_t step) {
  tt_element_digest *own = NULL, *all = NULL;
  host here = {""}, *hosts = NULL;
  size_t ranks = (size_t)mesh->whole.size, tensors = (size_t)p->count;
  gethostname(here.name, sizeof here.name - 1);
  tt_status status = tt_alloc(&own, tensors, sizeof *own, "digests of the parameters");
  if (status == TT_OK) status = tt_alloc(&all, ranks * tensors, sizeof *all, "digests of the parameters");
  if (status == TT_OK) status = tt_alloc(&hosts, ranks, sizeof *hosts, "names of the nodes");
  status = tt_comm_agree(&mesh->world, status);
  for (int i = 0; status == TT_OK && i < p->count; i++)
    tt_array_digest_add(&own[i], ops, weights + p->list[i].offset, p->list[i].count, 0);
  if (status == TT_OK) status = tt_comm_gather_all(&mesh->whole, own, all, tensors, sizeof *own);
  if (status == TT_OK) status = tt_comm_gather_all(&mesh->whole, &here, hosts, 1, sizeof here);
  if (status == TT_OK) status = tt_comm_agree(&mesh->world, compare(mesh, p, all, hosts, step));
  free(own), free(all), free(hosts);
  return status;
}

tt_status tt_replicas_check(const tt_mesh *mesh, const tt_parameters *parameters, const tt_ops *ops,
                            const float *weights, int64_t step) {
  if (mesh->whole.size == 1) return TT_OK;
  summary own = summarize(parameters, ops, weights), *all = NULL;
  TT_TRY(tt_comm_agree(&mesh->world,
                       tt_alloc(&all, (size_t)mesh->whole.size, sizeof *all, "digests of the parameters")));
  tt_status status = tt_comm_gather_all(&mesh->whole, &own, all, 1, sizeof own);
  bool same = status == TT_OK && all_equal(mesh, all);
  free(all);
  return status != TT_OK || same ? status : find_difference(mesh, parameters, ops, weights, step);
}
