// cuBLASLt, loaded when the first product is asked for: the library is as large as a thousand of our
// programs, and machines without a GPU do not have it. $TWOTRACK_CUBLASLT names the file, where it is in no
// usual place.
#ifndef TT_KERNELS_CUDA_CUBLAS_H
#define TT_KERNELS_CUDA_CUBLAS_H

#include <cublasLt.h>

// X(name): what is used of it. Each is called as tt_cublas()->name(...).
#define TT_CUBLAS_FUNCTIONS(X)                                                                               \
  X(cublasLtCreate)                                                                                          \
  X(cublasLtGetStatusString)                                                                                 \
  X(cublasLtMatmul)                                                                                          \
  X(cublasLtMatmulAlgoGetHeuristic)                                                                          \
  X(cublasLtMatmulDescCreate)                                                                                \
  X(cublasLtMatmulDescDestroy)                                                                               \
  X(cublasLtMatmulDescSetAttribute)                                                                          \
  X(cublasLtMatmulPreferenceCreate)                                                                          \
  X(cublasLtMatmulPreferenceDestroy)                                                                         \
  X(cublasLtMatmulPreferenceSetAttribute)                                                                    \
  X(cublasLtMatrixLayoutCreate)                                                                              \
  X(cublasLtMatrixLayoutDestroy)                                                                             \
  X(cublasLtMatrixLayoutSetAttribute)

struct tt_cublas_functions {
#define TT_MEMBER(name) decltype(&::name) name;
  TT_CUBLAS_FUNCTIONS(TT_MEMBER)
#undef TT_MEMBER
  cublasLtHandle_t handle;
};

// Loaded by the first call. A library that cannot be loaded ends the process (tt_cuda_fail).
const tt_cublas_functions *tt_cublas(void);

#define TT_CUBLAS(call)                                                                                      \
  do {                                                                                                       \
    cublasStatus_t tt_status_ = (call);                                                                      \
    if (tt_status_ != CUBLAS_STATUS_SUCCESS)                                                                 \
      tt_cuda_fail(__FILE__, __LINE__, #call, tt_cublas()->cublasLtGetStatusString(tt_status_));             \
  } while (0)

#endif
