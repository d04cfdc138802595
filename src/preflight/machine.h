// The CPUs and the memory that this process may use.
#ifndef TT_PREFLIGHT_MACHINE_H
#define TT_PREFLIGHT_MACHINE_H

#include "preflight/report.h"

// Fills cpus, cpu_count, cpu, memory, kernels and version. Kernels that cannot be had (TWOTRACK_CPU) are a
// problem.
void tt_machine_look(tt_report *report);

#endif
