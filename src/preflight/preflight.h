// Whether the machines of a job can train: every rank checks itself and what it can reach, and rank 0 gathers
// it.
#ifndef TT_PREFLIGHT_PREFLIGHT_H
#define TT_PREFLIGHT_PREFLIGHT_H

#include "comm/comm.h"
#include "preflight/attendance.h"

typedef struct {
  const char *store, *run; // folders; the run's need not be there
  int gpus;                // wanted on every node; 0: none
  double timeout; // seconds that one thing may take, waiting for others included; 0: by the number of ranks
} tt_preflight_options;

typedef struct {
  int first, count; // first rank, how many
  int cpus, gpus;   // that its ranks may use, together
} tt_preflight_node;

// What is known; complete on rank 0 only.
typedef struct {
  tt_preflight_options options;
  tt_launcher launcher;
  tt_attendance attendance;
  tt_comm comm;
  tt_report own;
  tt_report *reports;       // [comm.size], rank 0 only
  tt_preflight_node *nodes; // [node_count], in order of their first ranks
  int *node_of;             // [comm.size]
  int node_count;
  double reduce_seconds; // of 1 MB over all ranks
  double begun, seconds; // all of it
} tt_preflight;

// Each rank by itself, then MPI, then the reports are sent to rank 0: what is wrong is in their remarks. The
// network between the ranks is used for that, but not checked. A rank that others would wait for without end
// ends the job here, named on stderr (attendance.h). TT_ERR_MPI, TT_ERR_MEMORY.
tt_status tt_preflight_here(tt_preflight *p, const tt_preflight_options *options);

// Collective: clocks, sums of known values, messages between nodes, whether all see the same run folder. The
// reports then have its remarks in place of the former ones.
tt_status tt_preflight_network(tt_preflight *p);

// Collective: all end together; then the files are removed, and MPI is ended. Safe after a failure.
void tt_preflight_end(tt_preflight *p);

// Of rank 0's reports: how many remarks are problems (or notes).
int tt_preflight_count(const tt_preflight *p, bool problems);

// Calls `tell` for all remarks of rank 0's reports that are problems (or notes), those of several ranks once
// (nodes.h).
void tt_preflight_tell(const tt_preflight *p, bool problems,
                       void (*tell)(void *context, const char *who, const char *text), void *context);

#endif
