#include "cpu/startup.h"

#include <cblas.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __x86_64__
static const char *better_kernels(const char *chosen) {
  static const char *const fallbacks[] = {"Prescott", "Core2", "Nehalem", "Generic"};
  for (size_t k = 0; k < sizeof fallbacks / sizeof *fallbacks; k++) {
    if (strcasecmp(chosen, fallbacks[k]) != 0) continue;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512cd"))
      return "SkylakeX";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
  }
  return NULL;
}
#endif

void tt_cpu_startup(char **argv) {
#ifdef __x86_64__
  const char *better = getenv("OPENBLAS_CORETYPE") ? NULL : better_kernels(openblas_get_corename());
  if (!better || setenv("OPENBLAS_CORETYPE", better, 1) != 0) return;
  char program[PATH_MAX]; // by its own path, so that it keeps its name in lists of processes
  ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  if (length <= 0) return;
  program[length] = 0;
  execv(program, argv); // comes back only if it failed: then the slow kernels do
#else
  (void)argv;
#endif
}
