#include "plan/machines.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define GB 1e9
#define TB 1e12

// Vendors' data sheets give NVLink in both directions together: half of it is what one GPU sends. A DGX node
// has one network card a GPU.
static const tt_machine machines[] = {
    {.name = "h100-80",
     .description = "NVIDIA H100 SXM, 80 GB, 8 a node",
     .gpu = true,
     .memory = 80 * GB,
     .flops = 989.4 * TB,
     .fraction = 0.3,
     .bandwidth = 3.35 * TB,
     .node = 8,
     .link = 450 * GB,
     .network = 50 * GB,
     .host = 50 * GB,
     .disk = 2 * GB,
     .fixed = 2 * GB,
     .source = "NVIDIA H100 data sheet (bf16 without sparsity; NVLink 4: 900 GB/s both ways); DGX H100: "
               "400 Gb/s a GPU"},
    {.name = "h200-141",
     .description = "NVIDIA H200 SXM, 141 GB, 8 a node",
     .gpu = true,
     .memory = 141 * GB,
     .flops = 989.4 * TB,
     .fraction = 0.3,
     .bandwidth = 4.8 * TB,
     .node = 8,
     .link = 450 * GB,
     .network = 50 * GB,
     .host = 50 * GB,
     .disk = 2 * GB,
     .fixed = 2 * GB,
     .source = "NVIDIA H200 data sheet (bf16 without sparsity; NVLink 4: 900 GB/s both ways); DGX H200: "
               "400 Gb/s a GPU"},
    {.name = "a100-80",
     .description = "NVIDIA A100 SXM, 80 GB, 8 a node",
     .gpu = true,
     .memory = 80 * GB,
     .flops = 312 * TB,
     .fraction = 0.3,
     .bandwidth = 2.039 * TB,
     .node = 8,
     .link = 300 * GB,
     .network = 25 * GB,
     .host = 25 * GB,
     .disk = 2 * GB,
     .fixed = 2 * GB,
     .source = "NVIDIA A100 data sheet (bf16 without sparsity; NVLink 3: 600 GB/s both ways); DGX A100: "
               "200 Gb/s a GPU"},
    {.name = "a100-40",
     .description = "NVIDIA A100 SXM, 40 GB, 8 a node",
     .gpu = true,
     .memory = 40 * GB,
     .flops = 312 * TB,
     .fraction = 0.3,
     .bandwidth = 1.555 * TB,
     .node = 8,
     .link = 300 * GB,
     .network = 25 * GB,
     .host = 25 * GB,
     .disk = 2 * GB,
     .fixed = 2 * GB,
     .source = "NVIDIA A100 data sheet (bf16 without sparsity; NVLink 3: 600 GB/s both ways); DGX A100: "
               "200 Gb/s a GPU"},
    {.name = "cpu",
     .description = "one core a rank, all ranks on one machine with this one's memory; as the program is now",
     .flops = 172e9,
     .fraction = 0.85,
     .bandwidth = 15 * GB,
     .link = 3 * GB,
     .network = 3 * GB,
     .host = 5 * GB,
     .disk = 1 * GB,
     .fixed = 0, // see plan/memory.c
     .source =
         "one core with AVX-512 as in docs/benchmarks.md; 'bench step' measures this machine's own rate"},
};
enum { MACHINES = sizeof machines / sizeof *machines };

const char *tt_machine_name(int k) {
  return k < MACHINES ? machines[k].name : NULL;
}

tt_status tt_machine_find(const char *name, int ranks, tt_machine *machine) {
  char names[128] = "";
  for (int k = 0; k < MACHINES; k++) {
    size_t used = strlen(names);
    snprintf(names + used, sizeof names - used, "%s%s", k ? ", " : "", machines[k].name);
    if (strcmp(name, machines[k].name) != 0) continue;
    *machine = machines[k];
    if (!machine->node) machine->node = ranks;
    if (!machine->gpu)
      machine->memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / ranks;
    return TT_OK;
  }
  return tt_fail(TT_ERR_ARGUMENT, "there is no --gpu '%s'; there are %s", name, names);
}
