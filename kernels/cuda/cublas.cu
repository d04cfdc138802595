#include "cuda.h"

#include "cublas.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define LIBRARY "libcublasLt.so." TEXT(CUBLAS_VER_MAJOR)

// Only this major version: another may mean other things by the same numbers.
static void *open_library(void) {
  const char *named = getenv("TWOTRACK_CUBLASLT");
  const char *places[] = {named, LIBRARY, "/usr/local/cuda/lib64/" LIBRARY,
                          "/usr/local/cuda-" TEXT(CUBLAS_VER_MAJOR) "/lib64/" LIBRARY};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    void *library = places[i] != NULL ? dlopen(places[i], RTLD_NOW | RTLD_LOCAL) : NULL;
    if (library != NULL) return library;
    if (i == 0 && named != NULL) break; // who names a file wants no other
  }
  const char *why = dlerror();
  char what[512];
  snprintf(
      what, sizeof what,
      "%s; it is part of CUDA %d: put its folder in LD_LIBRARY_PATH, or name the file in TWOTRACK_CUBLASLT",
      why != NULL ? why : "not found", CUBLAS_VER_MAJOR);
  tt_cuda_fail(__FILE__, __LINE__, "loading " LIBRARY, what);
}

const tt_cublas_functions *tt_cublas(void) {
  static tt_cublas_functions loaded;
  if (loaded.handle != NULL) return &loaded;
  void *library = open_library();
#define TT_FIND(name)                                                                                        \
  loaded.name = reinterpret_cast<decltype(loaded.name)>(dlsym(library, #name));                              \
  if (loaded.name == NULL) tt_cuda_fail(__FILE__, __LINE__, "loading " LIBRARY, "it has no " #name);
  TT_CUBLAS_FUNCTIONS(TT_FIND)
#undef TT_FIND
  cublasStatus_t status = loaded.cublasLtCreate(&loaded.handle);
  if (status != CUBLAS_STATUS_SUCCESS)
    tt_cuda_fail(__FILE__, __LINE__, "cublasLtCreate", loaded.cublasLtGetStatusString(status));
  return &loaded;
}
