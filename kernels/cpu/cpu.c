// Which copy of the kernels runs (isa.h).
#include "device/ops.h"

#include <cblas.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const tt_ops tt_cpu_base_ops, tt_cpu_base_rounded_ops;
#ifdef TT_CPU_X86
extern const tt_ops tt_cpu_v3_ops, tt_cpu_v3_rounded_ops, tt_cpu_v4_ops, tt_cpu_v4_rounded_ops;
#endif
#ifdef TT_CPU_NATIVE
extern const tt_ops tt_cpu_v4_native_ops;
#endif

static const tt_ops *copy_named(const char *kernels) {
#ifdef TT_CPU_X86
  bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl");
#ifdef TT_CPU_NATIVE
  bool native = v4 && __builtin_cpu_supports("avx512bf16");
#endif
#endif
  const struct {
    const char *name;
    bool here;
    const tt_ops *ops;
  } copies[] = {
#ifdef TT_CPU_NATIVE
      {"v4-native", native, &tt_cpu_v4_native_ops},
#endif
#ifdef TT_CPU_X86
      {"v4-rounded", v4, &tt_cpu_v4_rounded_ops},       {"v4", v4, &tt_cpu_v4_ops},
      {"v3-rounded", v3, &tt_cpu_v3_rounded_ops},       {"v3", v3, &tt_cpu_v3_ops},
#endif
      {"base-rounded", true, &tt_cpu_base_rounded_ops}, {"base", true, &tt_cpu_base_ops},
  };
  for (size_t k = 0; k < sizeof copies / sizeof *copies; k++)
    if (copies[k].here && strcmp(copies[k].name, kernels) == 0) return copies[k].ops;
  return NULL;
}

// The widest instruction set of the machine, or the one that TWOTRACK_CPU names; NULL, with a message, when
// it cannot be had.
static const char *instructions(void) {
  static const char *const widest_first[] = {"v4", "v3", "base"};
  const char *wanted = getenv("TWOTRACK_CPU");
  for (size_t k = 0; k < sizeof widest_first / sizeof *widest_first; k++)
    if ((wanted == NULL || strcmp(wanted, widest_first[k]) == 0) && copy_named(widest_first[k]) != NULL)
      return widest_first[k];
  tt_fail(TT_ERR_UNSUPPORTED, "TWOTRACK_CPU is '%s'; this machine has kernels for %s%sbase",
          wanted ? wanted : "", copy_named("v4") ? "v4, " : "", copy_named("v3") ? "v3 and " : "");
  return NULL;
}

// VDPBF16PS does twice the operations of an fp32 multiply-add in the same time on AMD's Zen 4 and 5, and half
// of them (measured) on Intel's Sapphire Rapids: there the rounded numbers are multiplied in fp32.
static bool native_is_faster(void) {
#ifdef TT_CPU_X86
  return __builtin_cpu_is("amd");
#else
  return false;
#endif
}

static const tt_ops *bf16(void) {
  const char *isa = instructions(), *way = getenv("TWOTRACK_BF16");
  if (isa == NULL) return NULL;
  if (way != NULL && strcmp(way, "native") != 0 && strcmp(way, "rounded") != 0) {
    tt_fail(TT_ERR_UNSUPPORTED, "TWOTRACK_BF16 is native or rounded, not '%s'", way);
    return NULL;
  }
  const tt_ops *native = strcmp(isa, "v4") == 0 ? copy_named("v4-native") : NULL;
  if (way != NULL ? strcmp(way, "native") == 0 : native != NULL && native_is_faster()) {
    if (native == NULL)
      tt_fail(TT_ERR_UNSUPPORTED, "TWOTRACK_BF16=native: it takes the AVX-512 kernels and a CPU with "
                                  "AVX512-BF16; unset it, or set it "
                                  "to rounded");
    return native;
  }
  char name[16];
  snprintf(name, sizeof name, "%s-rounded", isa);
  return copy_named(name);
}

// One thread: with more, the bits of a product would change with their number (ranks use the cores instead).
static void start(void) {
  openblas_set_num_threads(1);
}

static void start_once(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, start);
}

const tt_ops *tt_ops_cpu(tt_precision precision) {
  start_once();
  if (precision == TT_BF16) return bf16();
  const char *isa = instructions();
  return isa != NULL ? copy_named(isa) : NULL;
}

const tt_ops *tt_ops_cpu_for(const char *kernels) {
  start_once();
  return copy_named(kernels);
}
