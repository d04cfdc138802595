#include "train/hardware.h"

#include <cblas.h>
#include <hdf5.h>
#include <mpi.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "device/cuda.h"

static void cpu_model(char *model, size_t size) {
  struct utsname u;
  snprintf(model, size, "%s", uname(&u) == 0 ? u.machine : "unknown");
  FILE *f = fopen("/proc/cpuinfo", "r");
  char line[512];
  while (f && fgets(line, sizeof line, f)) {
    const char *colon = strchr(line, ':');
    if (strncmp(line, "model name", 10) != 0 || !colon) continue;
    line[strcspn(line, "\n")] = 0;
    snprintf(model, size, "%s", colon + 1 + strspn(colon + 1, " "));
    break;
  }
  if (f) fclose(f);
}

static int usable_cores(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
}

// "13.0" of 1300 with `one` 100.
static json_t *decimal(int value, int one) {
  return json_sprintf("%d.%d", value / one, value % one);
}

json_t *tt_hardware_json(void) {
  char cpu[256], mpi[MPI_MAX_LIBRARY_VERSION_STRING] = "", hdf5[32], system[512] = "unknown";
  cpu_model(cpu, sizeof cpu);
  int length = 0;
  MPI_Get_library_version(mpi, &length);
  mpi[strcspn(mpi, ",\n")] = 0; // "Open MPI v4.1.4", without who built the package
  unsigned major, minor, release;
  H5get_libversion(&major, &minor, &release);
  snprintf(hdf5, sizeof hdf5, "%u.%u.%u", major, minor, release);
  struct utsname u;
  if (uname(&u) == 0) snprintf(system, sizeof system, "%s %s %s", u.sysname, u.release, u.machine);
  long long memory = (long long)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
  json_t *json =
      json_pack("{s:s, s:i, s:I, s:s, s:s, s:s, s:s, s:s, s:s}", "cpu", cpu, "cores", usable_cores(),
                "memory_bytes", (json_int_t)memory, "system", system, "mpi", mpi, "hdf5", hdf5, "openblas",
                openblas_get_config(), "openblas_kernels", openblas_get_corename(), "compiler", __VERSION__);
  tt_cuda_device device;
  if (json && tt_cuda_describe(&device))
    json_object_update_new(
        json, json_pack("{s:s, s:i, s:o, s:I, s:o, s:o}", "gpu", device.name, "gpu_multiprocessors",
                        device.multiprocessors, "gpu_capability", decimal(device.capability, 10),
                        "gpu_memory_bytes", (json_int_t)device.memory, "cuda_driver",
                        decimal(device.driver / 10, 100), "cuda_runtime", decimal(device.runtime / 10, 100)));
  return json;
}
