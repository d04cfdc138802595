#include "preflight/preflight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/memory.h"
#include "preflight/gpus.h"
#include "preflight/here.h"
#include "preflight/machine.h"
#include "preflight/network.h"
#include "preflight/nodes.h"

// ---- each rank by itself

static void check_here(tt_preflight *p) {
  tt_attendance *a = &p->attendance;
  tt_attendance_at(a, false, "making a file in %s", p->options.run);
  bool arrived = tt_attendance_arrive(a) == TT_OK;
  if (!arrived) tt_report_problem(&p->own, "run folder: %s", tt_error_message());
  tt_attendance_at(a, false, "looking at the CPU");
  tt_machine_look(&p->own);
  tt_attendance_at(a, false, "asking NVIDIA's driver for GPUs");
  tt_gpus_look(&p->own, p->options.gpus > 0);
  tt_here_store(p->options.store, a, &p->own);
  if (arrived) tt_here_folder(a, &p->own);
}

// ---- all of them

// Which ranks are on one node. All ranks need it.
static tt_status find_nodes(tt_preflight *p) {
  char(*names)[TT_NODE_NAME];
  int size = p->comm.size;
  TT_TRY(tt_alloc(&p->nodes, (size_t)size, sizeof *p->nodes, "the nodes"));
  TT_TRY(tt_alloc(&p->node_of, (size_t)size, sizeof *p->node_of, "the nodes"));
  TT_TRY(tt_alloc(&names, (size_t)size, sizeof *names, "the names of the nodes"));
  TT_TRY(tt_comm_gather_all(&p->comm, p->own.node, names, 1, sizeof *names));
  for (int r = 0; r < size; r++) {
    int n = p->node_count - 1; // mostly the one before it
    while (n >= 0 && strcmp(names[p->nodes[n].first], names[r]) != 0) n--;
    if (n < 0) n = p->node_count++, p->nodes[n].first = r;
    p->node_of[r] = n;
    p->nodes[n].count++;
  }
  free(names);
  return TT_OK;
}

static tt_status gather(tt_preflight *p) {
  tt_attendance_at(&p->attendance, true, "sending what it found to rank 0");
  int code =
      MPI_Gather(&p->own, sizeof p->own, MPI_BYTE, p->reports, sizeof p->own, MPI_BYTE, 0, p->comm.mpi);
  return code == MPI_SUCCESS ? TT_OK : tt_fail(TT_ERR_MPI, "MPI_Gather of the reports failed");
}

// ---- what only all reports together show (rank 0)

static int differing_gpus(const tt_preflight *p, int node) {
  const char *seen[TT_PREFLIGHT_GPUS * 4];
  int count = 0, most = 0;
  for (int r = 0; r < p->comm.size; r++) {
    const tt_report *o = &p->reports[r];
    if (p->node_of[r] != node) continue;
    if (o->gpus > most) most = o->gpus; // one rank may see more of them than have a place here
    for (int k = 0; k < o->gpus && k < TT_PREFLIGHT_GPUS; k++) {
      bool known = false;
      for (int j = 0; j < count && !known; j++) known = strcmp(seen[j], o->gpu[k]) == 0;
      if (!known && count < (int)(sizeof seen / sizeof *seen)) seen[count++] = o->gpu[k];
    }
  }
  return count > most ? count : most;
}

static int differing_cpus(const tt_preflight *p, int node) {
  uint64_t all[TT_PREFLIGHT_CPUS / 64] = {0};
  int count = 0;
  for (int r = 0; r < p->comm.size; r++)
    for (int k = 0; k < TT_PREFLIGHT_CPUS / 64 && p->node_of[r] == node; k++) all[k] |= p->reports[r].cpus[k];
  for (int k = 0; k < TT_PREFLIGHT_CPUS / 64; k++) count += __builtin_popcountll(all[k]);
  return count;
}

static void look_at_nodes(tt_preflight *p) {
  for (int n = 0; n < p->node_count; n++) {
    tt_preflight_node *node = &p->nodes[n];
    node->cpus = differing_cpus(p, n);
    node->gpus = differing_gpus(p, n);
    for (int r = 0; r < p->comm.size; r++) {
      tt_report *report = &p->reports[r];
      if (p->node_of[r] != n) continue;
      if (node->gpus < p->options.gpus)
        tt_report_problem(report, "GPUs: %d seen%s, %d wanted", node->gpus,
                          report->gpus < 0 ? " (no driver: libcuda.so.1 cannot be loaded)" : "",
                          p->options.gpus);
      if (node->cpus && node->cpus < node->count)
        tt_report_note(
            report,
            "%d ranks share %d CPU%s: it will be slow (give each rank a core, and look at the binding)",
            node->count, node->cpus, node->cpus > 1 ? "s" : "");
    }
  }
}

// Those whose text is not what most have; where as many have the one as the other, what rank 0 has counts.
static void find_odd(tt_preflight *p, const char *(*text)(const tt_report *), const char *format) {
  const char *most = text(&p->reports[0]);
  int best = 0;
  bool differ = false;
  for (int r = 0; r < p->comm.size && !differ; r++)
    differ = text(&p->reports[r])[0] && strcmp(text(&p->reports[r]), most) != 0;
  if (!differ) return;
  for (int r = 0; r < p->comm.size; r++) {
    const char *mine = text(&p->reports[r]);
    int count = 0;
    if (!mine[0] || (r && strcmp(mine, text(&p->reports[r - 1])) == 0)) continue;
    for (int q = 0; q < p->comm.size; q++) count += strcmp(mine, text(&p->reports[q])) == 0;
    if (count > best) best = count, most = mine;
  }
  char reference[TT_NODE_NAME + 32];
  snprintf(reference, sizeof reference, "%s", most);
  for (int r = 0; r < p->comm.size; r++)
    if (text(&p->reports[r])[0] && strcmp(text(&p->reports[r]), reference) != 0) {
      char line[400];
      snprintf(line, sizeof line, format, text(&p->reports[r]), reference);
      tt_report_problem(&p->reports[r], "%s", line);
    }
}

static const char *version_of(const tt_report *r) {
  return r->version;
}
static const char *kernels_of(const tt_report *r) {
  return r->kernels;
}
static const char *digest_of(const tt_report *r) {
  return r->store_digest;
}

static void compare_reports(tt_preflight *p) {
  find_odd(p, version_of, "program: version %s there, %s on the others: start the same one on all nodes");
  find_odd(
      p, kernels_of,
      "CPU: computes with '%s', the others with '%s', so the curve would depend on who computes what: set "
      "TWOTRACK_CPU on all ranks to what every node has (v3 or base)");
  find_odd(p, digest_of,
           "store: another one than on the others (digest %s, there %s): give all nodes the same");
  look_at_nodes(p);
}

tt_status tt_preflight_here(tt_preflight *p, const tt_preflight_options *options) {
  *p = (tt_preflight){.options = *options, .begun = tt_now()};
  tt_launcher_read(&p->launcher);
  if (p->options.timeout <= 0) p->options.timeout = 30 + p->launcher.size / 32;
  p->own.rank = p->launcher.rank;
  memcpy(p->own.node, p->launcher.node, sizeof p->own.node);
  TT_TRY(tt_attendance_start(&p->attendance, &p->launcher, options->run, p->options.timeout, &p->own));
  check_here(p);
  tt_attendance_at(&p->attendance, true, "MPI_Init");
  TT_TRY(tt_comm_start(&p->comm));
  p->own.rank = p->comm.rank;
  tt_attendance_at(&p->attendance, true, "finding out who is on which node");
  TT_TRY(find_nodes(p));
  tt_status status = TT_OK;
  if (p->comm.rank == 0)
    status = tt_alloc(&p->reports, (size_t)p->comm.size, sizeof *p->reports, "the reports");
  if (status != TT_OK) tt_comm_abort(&p->comm); // the others would wait
  if (p->comm.size != p->launcher.size)
    tt_report_problem(
        &p->own,
        "MPI has %d ranks, the launcher started %d: the program's MPI and the launcher do not fit (with "
        "srun try --mpi=pmix, or start it with mpirun)",
        p->comm.size, p->launcher.size);
  TT_TRY(gather(p));
  if (p->comm.rank == 0) compare_reports(p);
  p->seconds = tt_now() - p->begun;
  return TT_OK;
}

tt_status tt_preflight_network(tt_preflight *p) {
  // those of the first part have been told; should a rank be late from here on, they are not told again
  p->own.remark_count = 0;
  TT_TRY(tt_network_folder(p));
  TT_TRY(tt_network_clocks(p));
  TT_TRY(tt_network_reduce(p));
  TT_TRY(tt_network_messages(p));
  TT_TRY(gather(p));
  p->seconds = tt_now() - p->begun;
  return TT_OK;
}

void tt_preflight_end(tt_preflight *p) {
  bool together = p->comm.mpi && p->comm.mpi != MPI_COMM_NULL;
  tt_attendance_at(&p->attendance, true, "the end");
  if (together) MPI_Barrier(p->comm.mpi);
  tt_attendance_end(&p->attendance);
  if (together) MPI_Barrier(p->comm.mpi); // nobody looks at the files any more
  if (p->launcher.rank == 0) tt_attendance_clear(&p->attendance);
  if (together) tt_comm_finish(&p->comm);
  free(p->reports), free(p->nodes), free(p->node_of);
}

// ---- telling

int tt_preflight_count(const tt_preflight *p, bool problems) {
  int count = 0;
  for (int r = 0; r < p->comm.size; r++)
    for (int k = 0; k < p->reports[r].remark_count; k++)
      count += p->reports[r].remarks[k].problem == problems;
  return count;
}

void tt_preflight_tell(const tt_preflight *p, bool problems,
                       void (*tell)(void *context, const char *who, const char *text), void *context) {
  int most = tt_preflight_count(p, problems), count = 0;
  tt_nodes_saying *sayings = calloc((size_t)most + 1, sizeof *sayings);
  for (int r = 0; sayings && r < p->comm.size; r++)
    for (int k = 0; k < p->reports[r].remark_count; k++) {
      const tt_remark *remark = &p->reports[r].remarks[k];
      if (remark->problem == problems)
        sayings[count++] = (tt_nodes_saying){r, p->reports[r].node, remark->text};
    }
  tt_nodes_tell(sayings, count, p->comm.size, tell, context);
  free(sayings);
}
