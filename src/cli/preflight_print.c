#include "cli/preflight_print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "preflight/nodes.h"

// ---- text

static void ranks_of(const tt_preflight *p, int node, char *text, size_t size) {
  bool *chosen = calloc((size_t)p->comm.size, 1);
  *text = 0;
  for (int r = 0; chosen && r < p->comm.size; r++) chosen[r] = p->node_of[r] == node;
  if (chosen) tt_nodes_ranks(chosen, p->comm.size, text, size);
  free(chosen);
}

// "1" or "1-2": of the ranks of a node.
static void cpus_each(const tt_preflight *p, int node, char *text, size_t size) {
  int least = 1 << 30, most = 0;
  for (int r = 0; r < p->comm.size; r++) {
    if (p->node_of[r] != node) continue;
    if (p->reports[r].cpu_count < least) least = p->reports[r].cpu_count;
    if (p->reports[r].cpu_count > most) most = p->reports[r].cpu_count;
  }
  snprintf(text, size, least < most ? "%d-%d" : "%d", least, most);
}

static double gib(int64_t bytes) {
  return (double)bytes / (1 << 30);
}

static int width_of_names(const tt_preflight *p) {
  int width = 4;
  for (int n = 0; n < p->node_count; n++) {
    int length = (int)strlen(p->reports[p->nodes[n].first].node);
    if (length > width) width = length;
  }
  return width;
}

void tt_cli_preflight_print_nodes(const tt_preflight *p) {
  int width = width_of_names(p);
  const tt_report *own = &p->reports[0];
  printf("%-*s  %-12s  %5s  %9s  %11s  %4s  %s\n", width, "node", "ranks", "CPUs", "CPUs/rank", "free memory",
         "GPUs", "CPU; GPU");
  for (int n = 0; n < p->node_count; n++) {
    const tt_preflight_node *node = &p->nodes[n];
    const tt_report *first = &p->reports[node->first];
    char ranks[200], each[32];
    ranks_of(p, n, ranks, sizeof ranks);
    cpus_each(p, n, each, sizeof each);
    printf("%-*s  %-12s  %5d  %9s  %7.1f GiB  %4d  %s%s%s\n", width, first->node, ranks, node->cpus, each,
           gib(first->memory), node->gpus, first->cpu, first->gpu_name[0] ? "; " : "", first->gpu_name);
  }
  printf("program  %s, %s\n", own->version, own->kernels);
  if (own->store_digest[0])
    printf("store    %s (%s), digest %s\n", p->options.store, own->store_system, own->store_digest);
  if (own->folder_works)
    printf("run      %s (%s), %.1f GiB free; 1 MB written, synced and read back in %.0f ms; file locks %s\n",
           p->options.run, own->folder_system, gib(own->folder_free), 1e3 * own->write_seconds,
           own->locks_work ? "work" : "do not work");
  fflush(stdout);
}

static const tt_report *slowest(const tt_preflight *p) {
  const tt_report *found = NULL;
  for (int n = 0; n < p->node_count; n++) {
    const tt_report *r = &p->reports[p->nodes[n].first];
    if (r->rate > 0 && (!found || r->rate < found->rate)) found = r;
  }
  return found;
}

static double greatest_clock(const tt_preflight *p) {
  double most = 0;
  for (int r = 0; r < p->comm.size; r++) {
    double c = p->reports[r].clock;
    if (c < 0) c = -c;
    if (c > most) most = c;
  }
  return most;
}

void tt_cli_preflight_print_network(const tt_preflight *p) {
  if (p->comm.size == 1) return;
  printf("ranks    %d; all-reduce of 1 MB: %.1f ms", p->comm.size, 1e3 * p->reduce_seconds);
  const tt_report *slow = slowest(p);
  if (slow)
    printf("; between nodes %.2f GB/s each way, the slowest is %s; clocks within %.1f ms", slow->rate / 2e9,
           slow->node, 1e3 * greatest_clock(p));
  printf("\n");
  fflush(stdout);
}

static void print_problem(void *context, const char *who, const char *text) {
  fprintf(stderr, "twotrack: error: preflight: %s: %s\n", who, text);
  ++*(int *)context;
}

static void print_note(void *context, const char *who, const char *text) {
  (void)context;
  fprintf(stderr, "twotrack: note: preflight: %s: %s\n", who, text);
}

int tt_cli_preflight_print_remarks(const tt_preflight *p) {
  int problems = 0;
  tt_preflight_tell(p, true, print_problem, &problems);
  tt_preflight_tell(p, false, print_note, NULL);
  return problems;
}

// ---- JSON

static void collect(void *context, const char *who, const char *text) {
  json_array_append_new(context,
                        json_pack("{s:o, s:o}", "who", tt_utf8_json(who), "what", tt_utf8_json(text)));
}

int tt_cli_preflight_collect_remarks(const tt_preflight *p, json_t *problems, json_t *notes) {
  size_t before = json_array_size(problems);
  tt_preflight_tell(p, true, collect, problems);
  tt_preflight_tell(p, false, collect, notes);
  return (int)(json_array_size(problems) - before);
}

static json_t *node_json(const tt_preflight *p, int n) {
  const tt_report *first = &p->reports[p->nodes[n].first];
  json_t *ranks = json_array();
  for (int r = 0; r < p->comm.size; r++)
    if (p->node_of[r] == n) json_array_append_new(ranks, json_integer(r));
  return json_pack("{s:o, s:o, s:i, s:I, s:i, s:o, s:o, s:o, s:f, s:f}", "node", tt_utf8_json(first->node),
                   "ranks", ranks, "cpus", p->nodes[n].cpus, "memory_bytes", (json_int_t)first->memory,
                   "gpus", p->nodes[n].gpus, "cpu", tt_utf8_json(first->cpu), "gpu",
                   tt_utf8_json(first->gpu_name), "run_file_system", tt_utf8_json(first->folder_system),
                   "bytes_per_s", first->rate, "clock_s", first->clock);
}

json_t *tt_cli_preflight_json(const tt_preflight *p, json_t *problems, json_t *notes) {
  const tt_report *own = &p->reports[0];
  json_t *nodes = json_array();
  for (int n = 0; n < p->node_count; n++) json_array_append_new(nodes, node_json(p, n));
  return json_pack("{s:b, s:i, s:s, s:s, s:o, s:s, s:o, s:o, s:s, s:I, s:f, s:b, s:f, s:f, s:O, s:O, s:o}",
                   "ok", (int)(json_array_size(problems) == 0), "ranks", p->comm.size, "version",
                   own->version, "kernels", own->kernels, "store", tt_utf8_json(p->options.store),
                   "store_digest", own->store_digest, "store_file_system", tt_utf8_json(own->store_system),
                   "run", tt_utf8_json(p->options.run), "run_file_system", own->folder_system,
                   "run_free_bytes", (json_int_t)own->folder_free, "write_s", own->write_seconds, "locks",
                   (int)own->locks_work, "all_reduce_s", p->reduce_seconds, "seconds", p->seconds, "problems",
                   problems, "notes", notes, "nodes", nodes);
}
