// cuBLASLt for the emulator, so that product.cu itself runs: plain loops over column-major matrices, operands
// in their number, sums in fp32, one rounding. Strict where cuBLASLt is: what it answers with an error, and
// what it would take and compute wrongly, both end the program.
#include "cuda/cublas.h"
#include "cuda/number.h"

#include <string.h>
#include <vector>

#include "emulator.h"
#include "streams.h"

struct tt_emulated_cublas {};
struct tt_emulated_operation {
  cublasComputeType_t compute;
  cudaDataType_t scale;
  cublasOperation_t a, b;
  cublasLtEpilogue_t epilogue;
  const void *bias;
};
struct tt_emulated_layout {
  cudaDataType_t type;
  int64_t rows, columns, ld;
  int32_t batch;
  int64_t stride;
};
struct tt_emulated_preference {
  uint64_t workspace;
  uint32_t reductions;
  uint32_t alignment[4]; // a, b, c, d
};

static void must(bool right, const char *what) {
  if (!right) tt_emulated_error(what);
}

template <class V> static cublasStatus_t take(V *to, const void *value, size_t bytes) {
  if (bytes != sizeof *to) return CUBLAS_STATUS_INVALID_VALUE;
  memcpy(to, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle) {
  *handle = new tt_emulated_cublas;
  return CUBLAS_STATUS_SUCCESS;
}
const char *cublasLtGetStatusString(cublasStatus_t status) {
  return status == CUBLAS_STATUS_INVALID_VALUE ? "an invalid value" : "not supported";
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *made, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
  *made =
      new tt_emulated_operation{compute, scale, CUBLAS_OP_N, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT, NULL};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t operation) {
  delete operation;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t operation,
                                              cublasLtMatmulDescAttributes_t attribute, const void *value,
                                              size_t bytes) {
  switch (attribute) {
  case CUBLASLT_MATMUL_DESC_TRANSA:
    return take(&operation->a, value, bytes);
  case CUBLASLT_MATMUL_DESC_TRANSB:
    return take(&operation->b, value, bytes);
  case CUBLASLT_MATMUL_DESC_EPILOGUE:
    return take(&operation->epilogue, value, bytes);
  case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
    return take(&operation->bias, value, bytes);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *made, cudaDataType type, uint64_t rows,
                                          uint64_t columns, int64_t ld) {
  *made = new tt_emulated_layout{type, static_cast<int64_t>(rows), static_cast<int64_t>(columns), ld, 1, 0};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  delete layout;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute, const void *value,
                                                size_t bytes) {
  if (attribute == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT) return take(&layout->batch, value, bytes);
  return take(&layout->stride, value, bytes);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *made) {
  *made = new tt_emulated_preference{0, UINT32_MAX, {256, 256, 256, 256}};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  delete preference;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void *value, size_t bytes) {
  if (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES)
    return take(&preference->workspace, value, bytes);
  if (attribute == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK)
    return take(&preference->reductions, value, bytes);
  return take(&preference->alignment[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value, bytes);
}

static size_t size_of(cudaDataType_t type) {
  return type == CUDA_R_32F ? 4 : 2;
}

// All that an algorithm was asked for with, but the addresses.
static uint64_t problem(const tt_emulated_operation *o, const tt_emulated_layout *const layouts[4]) {
  uint64_t hash = 0xcbf29ce484222325u;
  auto add = [&hash](int64_t value) { hash = (hash ^ static_cast<uint64_t>(value)) * 0x100000001b3u; };
  add(o->compute), add(o->scale), add(o->a), add(o->b), add(o->epilogue);
  for (int k = 0; k < 4; k++) {
    const tt_emulated_layout *l = layouts[k];
    add(l->type), add(l->rows), add(l->columns), add(l->ld), add(l->batch), add(l->stride);
  }
  return hash;
}

static void check_problem(const tt_emulated_operation *o, const tt_emulated_layout *const layouts[4]) {
  const tt_emulated_layout *a = layouts[0], *b = layouts[1], *c = layouts[2], *d = layouts[3];
  int64_t m = o->a == CUBLAS_OP_N ? a->rows : a->columns, k = o->a == CUBLAS_OP_N ? a->columns : a->rows;
  must(o->compute == CUBLAS_COMPUTE_32F && o->scale == CUDA_R_32F, "a product that is not in fp32");
  must((o->b == CUBLAS_OP_N ? b->rows : b->columns) == k, "a product whose operands do not fit");
  must(d->rows == m && d->columns == (o->b == CUBLAS_OP_N ? b->columns : b->rows),
       "a product whose result has another shape");
  must(c->rows == d->rows && c->columns == d->columns && c->ld == d->ld && c->stride == d->stride,
       "a product whose C is not like D");
  must(a->type == b->type && c->type == d->type && (d->type == CUDA_R_32F || d->type == a->type),
       "a product of numbers that cuBLASLt does not have");
  for (int i = 0; i < 4; i++) {
    must(layouts[i]->ld >= layouts[i]->rows, "a matrix whose columns overlap");
    must(layouts[i]->batch == d->batch, "a product of batches of different sizes");
  }
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t operation,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t results[], int *found) {
  const tt_emulated_layout *const layouts[4] = {a, b, c, d};
  check_problem(operation, layouts);
  must((preference->reductions & CUBLASLT_REDUCTION_SCHEME_INPLACE) == 0,
       "a product that may be added up in place, whose bits change");
  must(operation->epilogue != CUBLASLT_EPILOGUE_BIAS || operation->bias != NULL,
       "an algorithm asked for before the bias was set, whose address tells how far it is aligned");
  *found = wanted > 0;
  memset(results, 0, sizeof *results);
  uint64_t *data = results[0].algo.data;
  data[0] = problem(operation, layouts), data[1] = preference->workspace;
  for (int k = 0; k < 4; k++) {
    data[2 + k] = preference->alignment[k];
    // of every matrix of a batch
    must(layouts[k]->stride * static_cast<int64_t>(size_of(layouts[k]->type)) % preference->alignment[k] == 0,
         "a batch whose matrices are less aligned than was said");
  }
  uintptr_t bias = reinterpret_cast<uintptr_t>(operation->bias);
  data[6] = bias & (~bias + 1); // the highest power of two that divides it
  return CUBLAS_STATUS_SUCCESS;
}

static float number(const void *from, cudaDataType_t type, int64_t at) {
  return type == CUDA_R_32F ? static_cast<const float *>(from)[at]
                            : tt_to_float(static_cast<const tt_bf16 *>(from)[at]);
}

// op(X) (rows, columns) as floats, element (i, j) at to[i * i_step + j * j_step]: looked up once, not for
// every product.
static std::vector<float> unpack(const void *from, const tt_emulated_layout &l, cublasOperation_t how,
                                 int64_t rows, int64_t columns, int64_t i_step, int64_t j_step) {
  std::vector<float> to(static_cast<size_t>(rows * columns));
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++)
      to[static_cast<size_t>(i * i_step + j * j_step)] =
          number(from, l.type, how == CUBLAS_OP_N ? i + j * l.ld : j + i * l.ld);
  return to;
}

struct work {
  tt_emulated_operation how;
  tt_emulated_layout a, b, d;
  const char *a_at, *b_at;
  char *d_at;
  float alpha, beta;
};

static void multiply(const work &w, int64_t which) {
  auto at = [which](const char *start, const tt_emulated_layout &l) {
    return start + which * l.stride * static_cast<int64_t>(size_of(l.type));
  };
  int64_t m = w.d.rows, n = w.d.columns, k = w.how.a == CUBLAS_OP_N ? w.a.columns : w.a.rows;
  std::vector<float> a = unpack(at(w.a_at, w.a), w.a, w.how.a, m, k, 1, m);
  std::vector<float> b = unpack(at(w.b_at, w.b), w.b, w.how.b, k, n, 1, k);
  char *d = const_cast<char *>(at(w.d_at, w.d));
  std::vector<float> column(static_cast<size_t>(m));
  for (int64_t j = 0; j < n; j++) {
    for (float &x : column) x = 0;
    for (int64_t q = 0; q < k; q++) {
      float x = b[static_cast<size_t>(q + j * k)];
      const float *line = &a[static_cast<size_t>(q * m)];
      for (int64_t i = 0; i < m; i++) column[static_cast<size_t>(i)] += line[i] * x;
    }
    for (int64_t i = 0; i < m; i++) {
      float sum = w.alpha * column[static_cast<size_t>(i)];
      if (w.how.epilogue == CUBLASLT_EPILOGUE_BIAS) sum += number(w.how.bias, w.d.type, i);
      if (w.beta != 0) sum += w.beta * number(d, w.d.type, i + j * w.d.ld);
      if (w.d.type == CUDA_R_32F)
        reinterpret_cast<float *>(d)[i + j * w.d.ld] = sum;
      else
        reinterpret_cast<tt_bf16 *>(d)[i + j * w.d.ld] = tt_from_float<tt_bf16>(sum);
    }
  }
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation, const void *alpha,
                              const void *a, cublasLtMatrixLayout_t a_layout, const void *b,
                              cublasLtMatrixLayout_t b_layout, const void *beta, const void *c,
                              cublasLtMatrixLayout_t c_layout, void *d, cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t *algorithm, void *workspace, size_t workspace_bytes,
                              cudaStream_t stream) {
  const tt_emulated_layout *const layouts[4] = {a_layout, b_layout, c_layout, d_layout};
  const void *const matrices[4] = {a, b, c, d};
  tt_launch_place place = {"cublasLtMatmul", __FILE__, __LINE__};
  must(handle != NULL, "a product without a handle");
  check_problem(operation, layouts);
  must(algorithm->data[0] == problem(operation, layouts),
       "a product by an algorithm that is for another one");
  must(algorithm->data[1] <= workspace_bytes && reinterpret_cast<uintptr_t>(workspace) % 256 == 0,
       "a product with less workspace than its algorithm may use");
  tt_emulated_check_argument(place, workspace);
  for (int k = 0; k < 4; k++) {
    tt_emulated_check_argument(place, matrices[k]);
    must(reinterpret_cast<uintptr_t>(matrices[k]) % algorithm->data[2 + k] == 0,
         "a product of a matrix that is less aligned than was said");
  }
  must(c == d, "a product whose C is elsewhere than D");
  if (operation->epilogue == CUBLASLT_EPILOGUE_BIAS) {
    must(operation->bias != NULL, "a product with a bias that was never set");
    must(reinterpret_cast<uintptr_t>(operation->bias) % algorithm->data[6] == 0,
         "a product with a bias that is less aligned than was said");
    tt_emulated_check_argument(place, operation->bias);
  }
  work w = {*operation,
            *a_layout,
            *b_layout,
            *d_layout,
            static_cast<const char *>(a),
            static_cast<const char *>(b),
            static_cast<char *>(d),
            0,
            0};
  memcpy(&w.alpha, alpha, sizeof w.alpha), memcpy(&w.beta, beta, sizeof w.beta);
  tt_emulated_queue_step(stream, [w] {
    for (int64_t i = 0; i < w.d.batch; i++) multiply(w, i);
    return true;
  });
  return CUBLAS_STATUS_SUCCESS;
}

// In place of cuda/cublas.cu, which loads the library.
const tt_cublas_functions *tt_cublas(void) {
  static tt_cublas_functions all;
  if (all.handle != NULL) return &all;
#define TT_FILL(name) all.name = name;
  TT_CUBLAS_FUNCTIONS(TT_FILL)
#undef TT_FILL
  cublasLtCreate(&all.handle);
  return &all;
}
