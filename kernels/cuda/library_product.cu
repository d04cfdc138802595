// What benchmarks compare with: one product of the platform's library.
#include "operations.h"
#include "product.h"

static void library_product(int n, const float *x, const float *y, float *z) {
  tt_product p = {};
  p.m = p.n = p.k = n;
  p.a = x, p.b = y, p.c = z;
  tt_cuda_product(&p);
}

template <class T> void tt_cuda_fill_library_product(tt_cuda_table *table) {
  table->ops.library_product = library_product;
}
TT_FILL(library_product)
