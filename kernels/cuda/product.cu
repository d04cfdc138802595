// Products by cuBLASLt. Which of its algorithms is used follows from the shape by its own table (the first
// answer of its heuristic), never from timing; reductions in place, whose order would be that in which blocks
// happen to end, are not allowed. What was found for a shape is kept.
//
// cuBLASLt thinks in columns. A row-major (m, n) matrix is a column-major (n, m) one, so what is asked for is
// C^T = op(B)^T op(A)^T: B comes first, and neither is copied.
#include "product.h"

#include "cublas.h"
#include "workspace.h"

#include <string.h>

enum { WORKSPACE = 32 << 20, PLANS = 1024, SURE_ALIGNMENT = 16 };

// All that the choice of an algorithm depends on. Compared as bytes: made by memset and assignments only.
typedef struct {
  int64_t m, n, k, lda, ldb, ldc, a_stride, b_stride, c_stride;
  int32_t a_transposed, b_transposed, operands, result, adds, bias, batch;
  int32_t a_alignment, b_alignment, c_alignment, bias_alignment; // bytes, of all addresses in a batch
} shape;

typedef struct {
  bool made;
  shape is;
  cublasLtMatmulDesc_t operation;
  cublasLtMatrixLayout_t a, b, c;
  cublasLtMatmulAlgo_t algorithm;
} plan;
static plan plans[PLANS];
static void *workspace; // WORKSPACE bytes, from the first product on

static int32_t alignment_of(const void *p, int64_t stride, size_t size) {
  uintptr_t all = reinterpret_cast<uintptr_t>(p) | static_cast<uintptr_t>(stride) * size;
  int32_t bytes = SURE_ALIGNMENT;
  while (all % static_cast<uintptr_t>(bytes) != 0) bytes /= 2;
  return bytes;
}

static size_t size_of(int32_t number) {
  return number == TT_BF16 ? sizeof(tt_bf16) : sizeof(float);
}

static shape shape_of(const tt_product *p, const void *bias) {
  shape s;
  memset(&s, 0, sizeof s);
  s.m = p->m, s.n = p->n, s.k = p->k;
  s.lda = p->lda != 0 ? p->lda : p->a_transposed ? p->m : p->k;
  s.ldb = p->ldb != 0 ? p->ldb : p->b_transposed ? p->k : p->n;
  s.ldc = p->ldc != 0 ? p->ldc : p->n;
  s.a_transposed = p->a_transposed, s.b_transposed = p->b_transposed;
  s.operands = p->operands, s.result = p->result;
  s.adds = p->beta != 0, s.bias = bias != NULL;
  s.batch = p->batch > 1 ? p->batch : 1;
  if (s.batch > 1) s.a_stride = p->a_stride, s.b_stride = p->b_stride, s.c_stride = p->c_stride;
  s.a_alignment = alignment_of(p->a, s.a_stride, size_of(s.operands));
  s.b_alignment = alignment_of(p->b, s.b_stride, size_of(s.operands));
  s.c_alignment = alignment_of(p->c, s.c_stride, size_of(s.result));
  s.bias_alignment = alignment_of(bias, 0, 1);
  return s;
}

static size_t place_of(const shape *s) { // FNV-1a over its bytes
  const unsigned char *bytes = reinterpret_cast<const unsigned char *>(s);
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < sizeof *s; i++) hash = (hash ^ bytes[i]) * 0x100000001b3u;
  return (hash ^ hash >> 32) % PLANS;
}

static cudaDataType_t type_of(int32_t number) {
  return number == TT_BF16 ? CUDA_R_16BF : CUDA_R_32F;
}

// `rows` and `columns` as they are stored, row-major.
static cublasLtMatrixLayout_t layout(int32_t number, int64_t rows, int64_t columns, int64_t ld, int32_t batch,
                                     int64_t stride) {
  const tt_cublas_functions *c = tt_cublas();
  cublasLtMatrixLayout_t made;
  TT_CUBLAS(c->cublasLtMatrixLayoutCreate(&made, type_of(number), static_cast<uint64_t>(columns),
                                          static_cast<uint64_t>(rows), ld));
  if (batch > 1) {
    TT_CUBLAS(
        c->cublasLtMatrixLayoutSetAttribute(made, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof batch));
    TT_CUBLAS(c->cublasLtMatrixLayoutSetAttribute(made, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride,
                                                  sizeof stride));
  }
  return made;
}

static void choose(plan *made) {
  const tt_cublas_functions *c = tt_cublas();
  const shape *s = &made->is;
  cublasLtMatmulPreference_t wishes;
  TT_CUBLAS(c->cublasLtMatmulPreferenceCreate(&wishes));
  const size_t room = WORKSPACE;
  TT_CUBLAS(c->cublasLtMatmulPreferenceSetAttribute(wishes, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &room,
                                                    sizeof room));
  const uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE; // parts in fp32, added by a second step
  TT_CUBLAS(c->cublasLtMatmulPreferenceSetAttribute(wishes, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                                                    &reductions, sizeof reductions));
  const struct {
    cublasLtMatmulPreferenceAttributes_t attribute;
    int32_t bytes;
  } alignments[] = {{CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, s->b_alignment},
                    {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, s->a_alignment},
                    {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, s->c_alignment},
                    {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, s->c_alignment}};
  for (size_t i = 0; i < sizeof alignments / sizeof *alignments; i++) {
    const uint32_t bytes = static_cast<uint32_t>(alignments[i].bytes);
    TT_CUBLAS(c->cublasLtMatmulPreferenceSetAttribute(wishes, alignments[i].attribute, &bytes, sizeof bytes));
  }
  cublasLtMatmulHeuristicResult_t best;
  int found = 0;
  TT_CUBLAS(c->cublasLtMatmulAlgoGetHeuristic(c->handle, made->operation, made->b, made->a, made->c, made->c,
                                              wishes, 1, &best, &found));
  TT_CUBLAS(c->cublasLtMatmulPreferenceDestroy(wishes));
  if (found == 0) tt_cuda_fail(__FILE__, __LINE__, "a product", "cuBLASLt has no algorithm for its shape");
  made->algorithm = best.algo;
}

static void forget(plan *old) {
  const tt_cublas_functions *c = tt_cublas();
  TT_CUBLAS(c->cublasLtMatmulDescDestroy(old->operation));
  TT_CUBLAS(c->cublasLtMatrixLayoutDestroy(old->a));
  TT_CUBLAS(c->cublasLtMatrixLayoutDestroy(old->b));
  TT_CUBLAS(c->cublasLtMatrixLayoutDestroy(old->c));
  old->made = false;
}

static void set(cublasLtMatmulDesc_t operation, cublasLtMatmulDescAttributes_t attribute, const void *value,
                size_t bytes) {
  TT_CUBLAS(tt_cublas()->cublasLtMatmulDescSetAttribute(operation, attribute, value, bytes));
}

static plan *plan_for(const shape *s) {
  plan *p = &plans[place_of(s)];
  if (p->made && memcmp(&p->is, s, sizeof *s) == 0) return p;
  if (p->made) forget(p);
  p->is = *s;
  // fp32 sums of fp32 products: CUBLAS_COMPUTE_32F never rounds operands to tf32
  TT_CUBLAS(tt_cublas()->cublasLtMatmulDescCreate(&p->operation, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  const cublasOperation_t second = s->a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N,
                          first = s->b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
  set(p->operation, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first);
  set(p->operation, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second);
  const cublasLtEpilogue_t epilogue = s->bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
  set(p->operation, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
  // The heuristic takes from the bias's address, which it does not read, how far that is aligned: so it gets
  // one that is no better aligned than that of any bias that the plan will be used with.
  const uintptr_t bias = static_cast<uintptr_t>(s->bias_alignment);
  if (s->bias) set(p->operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias);
  p->a = s->a_transposed ? layout(s->operands, s->k, s->m, s->lda, s->batch, s->a_stride)
                         : layout(s->operands, s->m, s->k, s->lda, s->batch, s->a_stride);
  p->b = s->b_transposed ? layout(s->operands, s->n, s->k, s->ldb, s->batch, s->b_stride)
                         : layout(s->operands, s->k, s->n, s->ldb, s->batch, s->b_stride);
  p->c = layout(s->result, s->m, s->n, s->ldc, s->batch, s->c_stride);
  choose(p);
  p->made = true;
  return p;
}

size_t tt_cuda_product_room(void) {
  return workspace != NULL ? WORKSPACE : 0;
}

void tt_cuda_product(const tt_product *p) {
  if (tt_cuda_product_check(p)) return;
  const void *bias = p->bias;
  if (p->bias != NULL && p->result == TT_BF16) bias = tt_cuda_weight<tt_bf16>(p->bias, p->n);
  if (workspace == NULL) workspace = tt_cuda_take(WORKSPACE, "room for cuBLASLt");
  shape s = shape_of(p, bias);
  plan *how = plan_for(&s);
  if (bias != NULL) set(how->operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias);
  const float alpha = 1;
  const tt_cublas_functions *c = tt_cublas();
  TT_CUBLAS(c->cublasLtMatmul(c->handle, how->operation, &alpha, p->b, how->b, p->a, how->a, &p->beta, p->c,
                              how->c, p->c, how->c, &how->algorithm, workspace, WORKSPACE, tt_cuda.stream));
}
