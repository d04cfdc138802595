#include "derive/sources.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/clock.h"
#include "core/memory.h"
#include "core/utf8.h"

// Each store may hold a file of each split open twice.
static void allow_files(uint32_t stores) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= 4 * (rlim_t)stores + 64) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit); // where it does not help, opening says so
}

static tt_status open_all(const tt_derive_options *o, tt_sources *in) {
  allow_files(o->count);
  TT_TRY(tt_alloc(&in->stores, o->count, sizeof(tt_store *), "the stores to read"));
  in->count = o->count;
  for (uint32_t k = 0; k < o->count; k++) {
    TT_TRY(tt_store_open(&in->stores[k], o->stores[k]));
    for (int split = 0; split < 2; split++)
      in->records[split] += tt_store_records(in->stores[k], (tt_split)split);
    for (uint32_t s = 0; s < tt_store_shards(in->stores[k]); s++)
      in->validation |= tt_store_shard(in->stores[k], s)->split == TT_VALID;
    for (uint32_t other = 0; other < k; other++)
      if (strcmp(tt_store_digest(in->stores[other]), tt_store_digest(in->stores[k])) == 0)
        return tt_fail(TT_ERR_ARGUMENT, "%s and %s are the same store; name each one once", o->stores[other],
                       o->stores[k]);
  }
  return TT_OK;
}

tt_status tt_sources_open(const tt_comm *comm, const tt_derive_options *options, tt_sources *in) {
  *in = (tt_sources){0};
  TT_TRY(tt_comm_agree(comm, open_all(options, in)));
  return tt_key_runs_open(comm, in->stores, in->count, &in->runs);
}

void tt_sources_close(tt_sources *in) {
  tt_key_runs_free(&in->runs);
  for (uint32_t k = 0; k < in->count; k++) tt_store_close(in->stores[k]);
  free(in->stores);
  *in = (tt_sources){0};
}

tt_status tt_sources_origin(const tt_sources *in, const char *command, json_t *details, char **text) {
  json_t *stores = json_array();
  for (uint32_t k = 0; k < in->count; k++)
    json_array_append_new(stores,
                          json_pack("{s:o, s:s}", "store", tt_utf8_json(tt_store_folder(in->stores[k])),
                                    "digest", tt_store_digest(in->stores[k])));
  json_t *origin = json_pack("{s:s, s:o, s:o*}", "made_by", command, "stores", stores, "options", details);
  *text = origin ? json_dumps(origin, JSON_INDENT(1)) : NULL;
  json_decref(origin);
  return *text ? TT_OK : tt_fail(TT_ERR_MEMORY, "out of memory: origin.json");
}

static tt_status walk_share(const tt_comm *comm, const tt_sources *in, tt_sources_visit visit, void *context,
                            tt_key_walk **walk) {
  uint64_t first, last, all = in->records[0] + in->records[1];
  double begun = tt_now();
  tt_key_share(comm->rank, comm->size, &first, &last);
  TT_TRY(tt_key_walk_begin(walk, &in->runs, first, last));
  for (;;) {
    const tt_key_place *same;
    uint32_t count;
    TT_TRY(tt_key_walk_next(*walk, &same, &count));
    if (!count) return TT_OK;
    TT_TRY(visit(context, same, count));
    uint64_t done = tt_key_walk_seen(*walk) * (uint64_t)comm->size; // rank 0 speaks for all
    tt_rewrite_show(comm, "reading keys", begun, done < all ? done : all - 1, all);
  }
}

tt_status tt_sources_walk(const tt_comm *comm, const tt_sources *in, tt_sources_visit visit, void *context) {
  tt_key_walk *walk = NULL;
  tt_status status = tt_comm_agree(comm, walk_share(comm, in, visit, context, &walk));
  if (status == TT_OK) status = tt_key_walk_check(comm, walk);
  tt_key_walk_end(walk);
  return status;
}
