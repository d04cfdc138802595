// What kernels stand on, run by the emulator and compared with plain loops: products, tiles, numbers, sums,
// dropout's words.
#include "cuda/dropout.h"
#include "cuda/operations.h"
#include "cuda/product.h"
#include "cuda/tile.h"
#include "cuda/warp.h"

#include <stdio.h>
#include <stdlib.h>

static int failures;
#define CHECK(condition, ...)                                                                                \
  do {                                                                                                       \
    if (!(condition)) {                                                                                      \
      if (failures++ < 20) printf("%s:%d: ", __FILE__, __LINE__), printf(__VA_ARGS__), printf("\n");         \
    }                                                                                                        \
  } while (0)

// That the host reads and writes too.
template <class F> static F *make(size_t count) {
  void *memory;
  TT_CUDA(cudaMallocManaged(&memory, count * sizeof(F), 0));
  return static_cast<F *>(memory);
}

// Small whole numbers and halves: exact in bf16, and so are sums of a few hundred of their products in fp32.
static float number(int64_t i) {
  return static_cast<float>((i * 37 + 11) % 17 - 8) * 0.5f;
}
template <class T> static T *numbers(int64_t count, int64_t start) {
  T *x = make<T>(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; i++) x[i] = tt_from_float<T>(number(start + i));
  return x;
}

// ---- products ----
template <class T, class C>
static void one_product(bool a_transposed, bool b_transposed, float beta, bool bias, int batch) {
  const int m = 13, n = 24, k = 40, lda = (a_transposed ? m : k) + 3, ldb = (b_transposed ? k : n) + 8,
            ldc = n + 5;
  const int a_rows = a_transposed ? k : m, b_rows = b_transposed ? n : k;
  tt_product p = {};
  p.m = m, p.n = n, p.k = k, p.lda = lda, p.ldb = ldb, p.ldc = ldc;
  p.a_transposed = a_transposed, p.b_transposed = b_transposed;
  p.operands = tt_number_of<T>(), p.result = tt_number_of<C>();
  p.beta = beta, p.batch = batch;
  p.a_stride = a_rows * lda + 7, p.b_stride = b_rows * ldb, p.c_stride = m * ldc + 2;
  int copies = batch > 1 ? batch : 1;
  const T *a = numbers<T>(p.a_stride * copies, 1), *b = numbers<T>(p.b_stride * copies, 5);
  C *c = numbers<C>(p.c_stride * copies, 9), *before = numbers<C>(p.c_stride * copies, 9);
  const float *added = numbers<float>(n, 3);
  p.a = a, p.b = b, p.c = c, p.bias = bias ? added : NULL;
  tt_cuda_product(&p);
  tt_cuda_wait();
  for (int64_t at = 0; at < p.c_stride * copies; at++) {
    int64_t one = at / p.c_stride, i = at % p.c_stride / ldc, j = at % p.c_stride % ldc;
    double sum = tt_to_float(before[at]);
    if (i < m && j < n) {
      sum *= beta;
      for (int64_t e = 0; e < k; e++)
        sum += static_cast<double>(
                   tt_to_float(a[one * p.a_stride + (a_transposed ? e * lda + i : i * lda + e)])) *
               tt_to_float(b[one * p.b_stride + (b_transposed ? j * ldb + e : e * ldb + j)]);
      if (bias) sum += added[j];
    }
    float expected = tt_to_float(tt_from_float<C>(static_cast<float>(sum)));
    CHECK(tt_to_float(c[at]) == expected, "product, a^T %d, b^T %d, beta %g, bias %d, batch %d: %g, not %g",
          a_transposed, b_transposed, static_cast<double>(beta), bias, batch,
          static_cast<double>(tt_to_float(c[at])), static_cast<double>(expected));
  }
}

template <class T, class C> static void products(void) {
  for (int way = 0; way < 4; way++) {
    one_product<T, C>(way & 1, way & 2, 0, false, 0);
    one_product<T, C>(way & 1, way & 2, 0, true, 0);
    one_product<T, C>(way & 1, way & 2, 1, false, 3);
  }
}

static void empty_product(void) {
  float *c = numbers<float>(12, 0);
  tt_product p = {};
  p.m = 3, p.n = 2, p.k = 0, p.ldc = 4, p.c = c, p.a = p.b = c;
  tt_cuda_product(&p);
  tt_cuda_wait();
  for (int i = 0; i < 12; i++)
    CHECK(c[i] == (i % 4 < 2 ? 0.0f : number(i)), "a product over nothing: element %d is %g", i,
          static_cast<double>(c[i]));
}

// ---- tiles ----
template <class T>
TT_KERNEL(64)
tile_kernel(const T *a, bool a_transposed, const T *b, bool b_transposed, float *c) {
  TT_SHARED T line[2][256];
  int warp = static_cast<int>(threadIdx.x / 32);
  tt_tile_sum<T> sum;
  tt_tile_a<T> x;
  tt_tile_b<T> y;
  sum.clear();
  for (int i = static_cast<int>(threadIdx.x % 32); i < 256; i += 32) line[warp][i] = a[warp * 256 + i];
  __syncwarp();
  if (a_transposed)
    x.load_transposed(line[warp], 16);
  else
    x.load(line[warp], 16);
  if (b_transposed)
    y.load_transposed(b, 24);
  else
    y.load(b, 24);
  sum.add(x, y);
  sum.add(x, y);
  sum.scale(0.5f);
  sum.store(c + warp * 256, 16);
}

template <class T> static void tiles(void) {
  const T *a = numbers<T>(512, 2), *b = numbers<T>(16 * 24, 4);
  float *c = make<float>(512);
  for (int way = 0; way < 4; way++) {
    bool at = way & 1, bt = way & 2;
    TT_LAUNCH((tile_kernel<T>), 1, 64, 0, a, at, b, bt, c);
    tt_cuda_wait();
    for (int e = 0; e < 512; e++) {
      int warp = e / 256, i = e % 256 / 16, j = e % 16;
      float sum = 0;
      for (int k = 0; k < 16; k++)
        sum += tt_to_float(a[warp * 256 + (at ? k * 16 + i : i * 16 + k)]) *
               tt_to_float(b[bt ? j * 24 + k : k * 24 + j]);
      CHECK(c[e] == sum, "tiles, a^T %d, b^T %d: %g, not %g", at, bt, static_cast<double>(c[e]),
            static_cast<double>(sum));
    }
  }
}

// ---- numbers ----
static void numbers_of_16_bits(void) {
  // every bf16 number comes back; halfway between two, the even one is taken
  for (uint32_t bits = 0; bits < 0x10000; bits++) {
    tt_bf16 x = {static_cast<uint16_t>(bits)};
    float f = tt_to_float(x);
    if (f != f) continue;
    CHECK(tt_from_float<tt_bf16>(f).bits == bits, "bf16 %04x", bits);
    if ((bits & 0x7fff) >= 0x7f7f) continue;
    double next = tt_to_float(tt_bf16{static_cast<uint16_t>(bits + 1)});
    uint16_t even = static_cast<uint16_t>(bits % 2 == 0 ? bits : bits + 1);
    CHECK(tt_from_float<tt_bf16>(static_cast<float>((f + next) / 2)).bits == even, "halfway above bf16 %04x",
          bits);
  }
}

// ---- sums ----
TT_KERNEL(256) sums_kernel(const float *x, float *sum, double *wide, float *most) {
  sum[threadIdx.x] = tt_block_sum<256>(x[threadIdx.x]);
  wide[threadIdx.x] = tt_block_sum<256>(static_cast<double>(x[threadIdx.x]));
  most[threadIdx.x] = tt_block_max<256>(x[threadIdx.x]);
}

static void sums(void) {
  const float *x = numbers<float>(256, 0);
  float *sum = make<float>(256), *most = make<float>(256), expected = 0, largest = x[0];
  double *wide = make<double>(256);
  for (int i = 0; i < 256; i++) expected += x[i], largest = fmaxf(largest, x[i]);
  TT_LAUNCH(sums_kernel, 1, 256, 0, x, sum, wide, most);
  tt_cuda_wait();
  for (int i = 0; i < 256; i++)
    CHECK(sum[i] == expected && wide[i] == static_cast<double>(expected) && most[i] == largest,
          "sums over a block: thread %d", i);
}

// ---- dropout: against the definition in device/ops.h ----
TT_KERNEL(32) drop_kernel(tt_device_drop d, int64_t rows, int blocks, float *factor) {
  int64_t row = static_cast<int64_t>(blockIdx.x) * 32 + threadIdx.x;
  if (row >= rows) return;
  tt_drop_row r = tt_drop_row_of(d, row);
  for (int b = 0; b < blocks; b++) {
    float eight[8];
    tt_drop_eight(d, r, b, eight);
    for (int e = 0; e < 8; e++) factor[(row * blocks + b) * 8 + e] = eight[e];
  }
}
TT_KERNEL(32) heads_kernel(tt_device_drop d, int molecule, int head, int i, int blocks, float *factor) {
  int b = static_cast<int>(threadIdx.x);
  if (b < blocks) tt_drop_heads(d, molecule, head, i, b, factor + b * 8);
}

static float word(const tt_dropout *d, uint64_t sample, uint32_t c1, uint32_t c2, int64_t e) {
  tt_philox4 v = tt_philox(tt_stream(d->seed, d->step, sample), d->layer * 16 + d->site, c1, c2,
                           static_cast<uint32_t>(e / 8));
  uint32_t w = v.v[e % 8 / 2] >> 16 * (e % 2) & 0xffff,
           t = static_cast<uint32_t>(lround(d->probability * 65536));
  return w < t ? 0.0f : static_cast<float>(65536.0 / (65536.0 - t));
}

static void dropout(void) {
  enum { MOLECULES = 3, BLOCKS = 2 };
  static const int lengths[MOLECULES] = {5, 2, 9};
  tt_batch batch = {};
  batch.molecules = MOLECULES;
  batch.length = make<int32_t>(MOLECULES), batch.sample = make<uint64_t>(MOLECULES);
  batch.token_offset = make<int64_t>(MOLECULES + 1), batch.pair_offset = make<int64_t>(MOLECULES + 1);
  batch.token_molecule = make<int32_t>(16);
  batch.token_offset[0] = batch.pair_offset[0] = 0;
  for (int m = 0; m < MOLECULES; m++) {
    batch.length[m] = lengths[m], batch.sample[m] = 1000u + static_cast<uint64_t>(m);
    batch.token_offset[m + 1] = batch.token_offset[m] + lengths[m];
    batch.pair_offset[m + 1] = batch.pair_offset[m] + lengths[m] * lengths[m];
    for (int i = 0; i < lengths[m]; i++) batch.token_molecule[batch.token_offset[m] + i] = m;
  }
  tt_dropout d = {0.2, 7, 42, 3, 5, 16};
  for (int rows = TT_ROWS_TOKENS; rows <= TT_ROWS_PAIRS_SHARED; rows++) {
    const int64_t *offset = rows == TT_ROWS_TOKENS ? batch.token_offset : batch.pair_offset;
    int64_t count = offset[MOLECULES];
    float *factor = make<float>(static_cast<size_t>(count * BLOCKS * 8));
    TT_LAUNCH(drop_kernel, tt_parts(count, 32), 32, 0,
              tt_device_drop_of(&batch, static_cast<tt_rows>(rows), &d), count, static_cast<int>(BLOCKS),
              factor);
    tt_cuda_wait();
    for (int m = 0; m < MOLECULES; m++)
      for (int64_t at = 0; at < offset[m + 1] - offset[m]; at++) {
        uint32_t i = static_cast<uint32_t>(rows == TT_ROWS_TOKENS ? at : at / lengths[m]);
        uint32_t j = static_cast<uint32_t>(rows == TT_ROWS_TOKENS ? 0 : at % lengths[m]);
        if (rows == TT_ROWS_PAIRS_SHARED) i = 0;
        for (int e = 0; e < BLOCKS * 8; e++)
          CHECK(factor[(offset[m] + at) * BLOCKS * 8 + e] == word(&d, batch.sample[m], i, j, d.first + e),
                "dropout, rows %d, molecule %d, row %d, channel %d", rows, m, static_cast<int>(at), e);
      }
  }
  float *factor = make<float>(BLOCKS * 8);
  TT_LAUNCH(heads_kernel, 1, 32, 0, tt_device_drop_of(&batch, TT_ROWS_TOKENS, &d), 2, 6, 4,
            static_cast<int>(BLOCKS), factor);
  tt_cuda_wait();
  for (int e = 0; e < 9; e++)
    CHECK(factor[e] == word(&d, batch.sample[2], d.first + 6, 4, e), "dropout of attention, key %d", e);
}

// ---- weights ----
static void weights(void) {
  float *w = make<float>(100), *other = make<float>(100);
  for (int i = 0; i < 100; i++) w[i] = other[i] = static_cast<float>(i) + 0.001f;
  tt_cuda_weights_changed(w, 100);
  const tt_bf16 *copy = tt_cuda_weight<tt_bf16>(w + 10, 20), *loose = tt_cuda_weight<tt_bf16>(other + 10, 20);
  tt_cuda_wait();
  w[10] = other[10] = 77;
  tt_bf16 read[20];
  tt_cuda_download(copy, sizeof read, read);
  CHECK(tt_to_float(read[0]) == 10 && tt_to_float(read[19]) == 29, "the copy of announced weights");
  tt_cuda_weights_changed(w, 100);
  tt_cuda_download(copy, sizeof read, read);
  CHECK(tt_to_float(read[0]) == 77, "the copy is renewed in its place");
  tt_cuda_download(loose, sizeof read, read);
  CHECK(tt_to_float(read[0]) == 10, "the copy of other weights");
  CHECK(tt_cuda_weight<float>(w, 20) == w, "in fp32 there is no copy");
}

int main(void) {
  if (tt_cuda_start(0) != TT_OK) return 2;
  products<float, float>(), products<tt_bf16, tt_bf16>(), products<tt_bf16, float>();
  empty_product();
  tiles<float>(), tiles<tt_bf16>();
  numbers_of_16_bits();
  sums();
  dropout();
  weights();
  if (failures != 0) printf("%d failures\n", failures);
  return failures != 0;
}
