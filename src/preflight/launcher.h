// What the launcher (mpirun, srun) tells a process through its environment, before MPI has started: enough to
// say who is missing when MPI cannot start because somebody is.
#ifndef TT_PREFLIGHT_LAUNCHER_H
#define TT_PREFLIGHT_LAUNCHER_H

#include <stddef.h>

enum { TT_NODE_NAME = 64 };

typedef struct {
  int rank, size;             // 0 and 1 without a launcher
  int local_rank, local_size; // among the processes of this node
  char node[TT_NODE_NAME];    // Slurm's name of it (SLURMD_NODENAME), else the host name
  char key[96]; // of this start: the same on all of its ranks, and only there; fit for a file name
} tt_launcher;

void tt_launcher_read(tt_launcher *launcher);

// The node on which `rank` was to start, from TWOTRACK_NODES ("n1:2 n2:2", ranks in this order, which
// launch/pretrain sets) or from Slurm's list of the step's nodes and tasks, taken to be dealt out in blocks.
// "" when it is not known.
void tt_launcher_expected_node(int rank, char *node, size_t size);

// The `index`-th name of a list as Slurm writes it: "n[1-3,07],login". "" past its end, or where the list is
// not understood.
void tt_launcher_host_at(const char *list, int index, char *node, size_t size);

#endif
