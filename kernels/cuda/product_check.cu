// What is wrong with a product is found on both ways: before cuBLASLt refuses it, and in the emulator.
#include "product.h"

static void zero(const tt_product *p) {
  size_t size = p->result == TT_BF16 ? sizeof(tt_bf16) : sizeof(float);
  size_t row = static_cast<size_t>(p->n) * size;
  size_t pitch = static_cast<size_t>(p->ldc != 0 ? p->ldc : p->n) * size;
  for (int64_t i = 0; i < (p->batch > 1 ? p->batch : 1); i++) {
    char *c = static_cast<char *>(p->c) + static_cast<size_t>(i * p->c_stride) * size;
    for (int64_t r = 0; r < p->m; r++)
      TT_CUDA(cudaMemsetAsync(c + static_cast<size_t>(r) * pitch, 0, row, tt_cuda.stream));
  }
}

bool tt_cuda_product_check(const tt_product *p) {
  if (p->m < 0 || p->n < 0 || p->k < 0) tt_cuda_fail(__FILE__, __LINE__, "a product", "a negative size");
  if (p->m > INT32_MAX || p->n > INT32_MAX || p->k > INT32_MAX)
    tt_cuda_fail(__FILE__, __LINE__, "a product", "more than 2^31 rows or columns");
  if (p->result == TT_BF16 && p->operands != TT_BF16)
    tt_cuda_fail(__FILE__, __LINE__, "a product", "operands in fp32, but the result in bf16");
  if (p->bias != NULL && p->beta != 0)
    tt_cuda_fail(__FILE__, __LINE__, "a product", "a bias, and beta that is not 0");
  if ((p->lda != 0 && p->lda < (p->a_transposed ? p->m : p->k)) ||
      (p->ldb != 0 && p->ldb < (p->b_transposed ? p->k : p->n)) || (p->ldc != 0 && p->ldc < p->n))
    tt_cuda_fail(__FILE__, __LINE__, "a product", "rows that overlap");
  if (p->m == 0 || p->n == 0) return true;
  if (p->k > 0) return false;
  if (p->bias != NULL) tt_cuda_fail(__FILE__, __LINE__, "a product", "a bias, and nothing to multiply");
  if (p->beta == 0) zero(p);
  return true;
}
