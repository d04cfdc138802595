// The files of this folder are compiled once for each instruction set, and those with the dense products
// again for each precision of their operands (meson.build); cpu.c picks one copy when the program starts.
// Each copy's functions have their own names: TT_CPU(name) are those of an instruction set, TT_DENSE(name)
// those of a precision too.
//   TT_ISA        base, v3 (AVX2) or v4 (AVX-512)
//   TT_CPU_BF16   not defined: fp32. Else operands of dense products (operand.h) are bf16, rounded (any CPU)
//   or native (v4
//                 with AVX512-BF16)
#ifndef TT_KERNELS_CPU_ISA_H
#define TT_KERNELS_CPU_ISA_H

#ifndef TT_ISA
#define TT_ISA base
#endif
#define TT_TEXT_(word) #word
#define TT_TEXT(word) TT_TEXT_(word)
#define TT_CPU_JOIN_(name, isa) tt_cpu_##isa##_##name
#define TT_CPU_JOIN(name, isa) TT_CPU_JOIN_(name, isa)
#define TT_CPU(name) TT_CPU_JOIN(name, TT_ISA)
#ifdef TT_CPU_BF16
#define TT_DENSE_JOIN_(name, isa, way) tt_cpu_##isa##_##way##_##name
#define TT_DENSE_JOIN(name, isa, way) TT_DENSE_JOIN_(name, isa, way)
#define TT_DENSE(name) TT_DENSE_JOIN(name, TT_ISA, TT_CPU_BF16)
#define TT_CPU_NAME "cpu, " TT_TEXT(TT_ISA) ", bf16 " TT_TEXT(TT_CPU_BF16)
#define TT_CPU_PRECISION TT_BF16
#else
#define TT_DENSE(name) TT_CPU(name)
#define TT_CPU_NAME "cpu, " TT_TEXT(TT_ISA)
#define TT_CPU_PRECISION TT_FP32
#endif

#endif
