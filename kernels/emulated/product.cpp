// Products as plain loops: operands in their number, sums in fp32, one rounding.
#include "cuda/product.h"

#include <vector>

// An operand as floats, row-major (rows, columns): bf16 is looked up once, not for every product.
static void unpack(const void *from, tt_precision number, bool transposed, int64_t ld, int64_t rows,
                   int64_t columns, float *to) {
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++) {
      int64_t at = transposed ? j * ld + i : i * ld + j;
      to[i * columns + j] = number == TT_FP32 ? static_cast<const float *>(from)[at]
                                              : tt_to_float(static_cast<const tt_bf16 *>(from)[at]);
    }
}

static void multiply(const tt_product &p, const void *a_from, const void *b_from, const tt_bf16 *bias16,
                     void *c_to) {
  std::vector<float> a(static_cast<size_t>(p.m * p.k)), b(static_cast<size_t>(p.k * p.n)),
      row(static_cast<size_t>(p.n));
  unpack(a_from, p.operands, p.a_transposed, p.lda, p.m, p.k, a.data());
  unpack(b_from, p.operands, p.b_transposed, p.ldb, p.k, p.n, b.data());
  for (int64_t i = 0; i < p.m; i++) {
    for (int64_t j = 0; j < p.n; j++) row[static_cast<size_t>(j)] = 0;
    for (int64_t k = 0; k < p.k; k++) {
      float x = a[static_cast<size_t>(i * p.k + k)];
      const float *line = &b[static_cast<size_t>(k * p.n)];
      for (int64_t j = 0; j < p.n; j++) row[static_cast<size_t>(j)] += x * line[j];
    }
    for (int64_t j = 0; j < p.n; j++) {
      int64_t at = i * p.ldc + j;
      float sum = row[static_cast<size_t>(j)];
      if (bias16 != NULL)
        sum += tt_to_float(bias16[j]);
      else if (p.bias != NULL)
        sum += p.bias[j];
      float *c = static_cast<float *>(c_to);
      tt_bf16 *c16 = static_cast<tt_bf16 *>(c_to);
      if (p.result == TT_FP32)
        c[at] = sum + (p.beta != 0 ? p.beta * c[at] : 0);
      else
        c16[at] = tt_from_float<tt_bf16>(sum + (p.beta != 0 ? p.beta * tt_to_float(c16[at]) : 0));
    }
  }
}

static size_t size_of(tt_precision number) {
  return number == TT_FP32 ? 4 : 2;
}

void tt_cuda_product(const tt_product *given) {
  tt_product p = *given;
  tt_launch_place place = {"tt_cuda_product", __FILE__, __LINE__};
  if (tt_cuda_product_check(&p)) return;
  const tt_bf16 *bias16 = NULL;
  if (p.bias != NULL && p.result == TT_BF16) bias16 = tt_cuda_weight<tt_bf16>(p.bias, p.n);
  tt_emulated_check_argument(place, p.a), tt_emulated_check_argument(place, p.b);
  tt_emulated_check_argument(place, p.c), tt_emulated_check_argument(place, p.bias);
  if (p.lda == 0) p.lda = p.a_transposed ? p.m : p.k;
  if (p.ldb == 0) p.ldb = p.b_transposed ? p.k : p.n;
  if (p.ldc == 0) p.ldc = p.n;
  tt_emulated_queue_work([=] {
    for (int64_t i = 0; i < (p.batch > 0 ? p.batch : 1); i++)
      multiply(p, static_cast<const char *>(p.a) + i * p.a_stride * static_cast<int64_t>(size_of(p.operands)),
               static_cast<const char *>(p.b) + i * p.b_stride * static_cast<int64_t>(size_of(p.operands)),
               bias16, static_cast<char *>(p.c) + i * p.c_stride * static_cast<int64_t>(size_of(p.result)));
  });
}
