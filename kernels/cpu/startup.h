// What a benchmark does first of all, before MPI starts: it measures the machine by OpenBLAS.
#ifndef TT_KERNELS_CPU_STARTUP_H
#define TT_KERNELS_CPU_STARTUP_H

// An OpenBLAS that is older than the CPU does not know it and falls back to SSE kernels, several times slower
// than what the CPU can do (seen: OpenBLAS 0.3.21 takes an AVX-512 Xeon of 2023 for a "Prescott"). The kernel
// set is chosen when the library is loaded, from OPENBLAS_CORETYPE; so where it chose badly and the user has
// not set that variable, this sets it and starts the program again in place (same process id). Otherwise it
// does nothing.
void tt_cpu_startup(char **argv);

#endif
