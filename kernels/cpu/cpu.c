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

// The kernels for an instruction set; NULL if this machine has it not.
static const tt_ops *for_instructions(const char *name) {
#ifdef TT_CPU_X86
  bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl");
  if (strcmp(name, "v4") == 0) return v4 ? &tt_cpu_v4_ops : NULL;
  if (strcmp(name, "v3") == 0) return v3 ? &tt_cpu_v3_ops : NULL;
#endif
  return strcmp(name, "base") == 0 ? &tt_cpu_base_ops : NULL;
}

// The widest instruction set of the machine, or a narrower one that TWOTRACK_CPU names ("v3", "base"; for
// tests).
static const tt_ops *choose(void) {
  static const char *const widest_first[] = {"v4", "v3", "base"};
  const char *wanted = getenv("TWOTRACK_CPU");
  const tt_ops *chosen = NULL;
  size_t k = 0;
  while (wanted != NULL && k < 2 && strcmp(wanted, widest_first[k]) != 0) k++;
  if (wanted != NULL && strcmp(wanted, widest_first[k]) != 0) k = 0; // no such name: as without
  for (; chosen == NULL && k < 3; k++) chosen = for_instructions(widest_first[k]);
  return chosen;
}

// One thread: with more, the bits of a product would change with their number (ranks use the cores instead).
static void start(void) {
  openblas_set_num_threads(1);
  ops = choose();
}

static void start_once(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, start);
}

const tt_ops *tt_ops_cpu(tt_precision precision) {
  if (precision != TT_FP32) {
    tt_fail(TT_ERR_UNSUPPORTED, "the CPU backend computes in fp32 only");
    return NULL;
  }
  start_once();
  return ops;
}

const tt_ops *tt_ops_cpu_for(const char *instructions) {
  start_once();
  return for_instructions(instructions);
}
