// The files of this folder are compiled once for each instruction set (meson.build); cpu.c picks one copy
// when the program starts. TT_CPU gives each copy's functions their own names.
#ifndef TT_KERNELS_CPU_ISA_H
#define TT_KERNELS_CPU_ISA_H

#ifndef TT_ISA
#define TT_ISA base
#endif
#define TT_CPU_JOIN_(name, isa) tt_cpu_##isa##_##name
#define TT_CPU_JOIN(name, isa) TT_CPU_JOIN_(name, isa)
#define TT_CPU(name) TT_CPU_JOIN(name, TT_ISA)
#define TT_ISA_TEXT_(isa) #isa
#define TT_ISA_TEXT(isa) TT_ISA_TEXT_(isa)

#endif
