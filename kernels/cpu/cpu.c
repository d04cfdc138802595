// Which copy of the kernels runs.
#include "device/ops.h"

#include <cblas.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

extern const tt_ops tt_cpu_base_ops;
#ifdef TT_CPU_X86
extern const tt_ops tt_cpu_v3_ops, tt_cpu_v4_ops;
#endif

static const tt_ops *ops;

// The widest instruction set of the machine, or a narrower one that TWOTRACK_CPU names ("v3", "base"; for
// tests).
static const tt_ops *choose(void) {
#ifdef TT_CPU_X86
  const char *wanted = getenv("TWOTRACK_CPU");
  if (wanted == NULL) wanted = "";
  bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl");
  if (v4 && strcmp(wanted, "v3") != 0 && strcmp(wanted, "base") != 0) return &tt_cpu_v4_ops;
  if (v3 && strcmp(wanted, "base") != 0) return &tt_cpu_v3_ops;
#endif
  return &tt_cpu_base_ops;
}

// One thread: with more, the bits of a product would change with their number (ranks use the cores instead).
static void start(void) {
  openblas_set_num_threads(1);
  ops = choose();
}

const tt_ops *tt_ops_cpu(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, start);
  return ops;
}
