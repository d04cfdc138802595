#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/philox.h"

int array_shift;
const int odd_atoms[5] = {1, 2, 7, 13, 5}, long_atoms[7] = {1, 2, 7, 13, 5, 19, 3};

enum { GUARD = 32, KEPT = 256 };
static const float guard_value = -12345.0f;
static struct {
  float *base;
  int64_t count;
  int shift;
} kept[KEPT];
static int kept_count;
static uint64_t random_state;

void array_restart(uint64_t seed) {
  random_state = seed;
}
static double uniform(void) {
  return (double)(tt_mix64(random_state++) >> 11) * 0x1p-53;
}

float *array_new(int64_t count, float fill) {
  assert_true(kept_count < KEPT);
  size_t size = (size_t)(count + 3 * GUARD) * sizeof(float);
  float *base = aligned_alloc(64, (size + 63) / 64 * 64);
  assert_non_null(base);
  for (int64_t i = 0; i < count + 3 * GUARD; i++) base[i] = guard_value;
  float *array = base + GUARD + array_shift;
  for (int64_t i = 0; i < count; i++) array[i] = fill;
  kept[kept_count].base = base, kept[kept_count].count = count, kept[kept_count++].shift = array_shift;
  return array;
}

float *array_random(int64_t count, double low, double high) {
  float *array = array_new(count, 0);
  for (int64_t i = 0; i < count; i++) array[i] = (float)(low + (high - low) * uniform());
  return array;
}

void arrays_free(void) {
  int damaged = 0;
  for (int k = 0; k < kept_count; k++) {
    int64_t start = GUARD + kept[k].shift, end = start + kept[k].count;
    for (int64_t i = 0; i < kept[k].count + 3 * GUARD; i++)
      damaged += (i < start || i >= end) && kept[k].base[i] != guard_value;
    free(kept[k].base);
  }
  kept_count = 0;
  if (damaged > 0) fail_msg("%d floats written outside their arrays", damaged);
}

static int below(int n) {
  return (int)(uniform() * n);
}

static void sample_fill(tt_sample *s, int atoms, void *memory) {
  *s = (tt_sample){.atoms = atoms};
  unsigned char *at = memory;
  size_t n = (size_t)atoms;
  s->position = (float *)at, at += 3 * n * sizeof(float);
  s->target_position = (float *)at, at += 3 * n * sizeof(float);
  s->atom_input = (uint16_t *)at, at += TT_ATOM_INPUTS * n * 2;
  s->degree = (uint16_t *)at, at += n * 2;
  s->path = (uint16_t *)at, at += n * n * 2;
  s->token = at, at += n;
  s->target = at, at += n;
  s->edge = at, at += 3 * n * n;
  s->pair_class = at;
  for (int i = 0; i < atoms; i++) {
    int masked = i % 3 == 0;
    s->masked += masked;
    s->target[i] = (uint8_t)(masked ? 1 + below(118) : 0);
    s->token[i] = (uint8_t)(masked ? TT_MASK_TOKEN : 1 + below(118));
    s->degree[i] = (uint16_t)(1 + below(6));
    s->pair_class[i] = (uint8_t)(3 + below(3));
    for (int k = 0; k < TT_ATOM_INPUTS; k++)
      s->atom_input[i * TT_ATOM_INPUTS + k] = (uint16_t)(3 + 16 * k + below(4));
    for (int c = 0; c < 3; c++) {
      s->target_position[3 * i + c] = (float)(4 * uniform() - 2);
      s->position[3 * i + c] = s->target_position[3 * i + c] + (float)(uniform() - 0.5);
    }
    for (int j = 0; j < atoms; j++) {
      int64_t ij = (int64_t)i * atoms + j;
      s->path[ij] = (uint16_t)(1 + below(9));
      uint8_t *e = s->edge + 3 * ij;
      if (below(2))
        e[0] = e[1] = e[2] = 2;
      else
        e[0] = (uint8_t)(4 + below(4)), e[1] = (uint8_t)(20 + below(6)), e[2] = (uint8_t)(36 + below(2));
    }
  }
}

void batch_make(tt_batch *batch, const int *atoms, int count, const int32_t *order) {
  tt_sample samples[16], *pointers[16];
  void *memory[16];
  uint64_t number[16];
  int32_t index[16], plain[16];
  assert_true(count <= 16);
  for (int m = 0; m < count; m++) {
    memory[m] = malloc((size_t)atoms[m] * (24 + 2 * TT_ATOM_INPUTS + 5 + 5 * (size_t)atoms[m]));
    sample_fill(&samples[m], atoms[m], memory[m]);
    pointers[m] = &samples[m], number[m] = 1000 + (uint64_t)m, index[m] = plain[m] = m;
  }
  memset(batch, 0, sizeof *batch);
  assert_int_equal(tt_batch_pack(batch, pointers, order != NULL ? order : plain, count, number, index,
                                 TT_SCALING_MOLECULE, 0),
                   TT_OK);
  for (int m = 0; m < count; m++) free(memory[m]);
}

void check_input(check *c, const float *values, int64_t count) {
  check_array *a = &c->in[c->inputs++];
  assert_true(c->inputs <= CHECK_ARRAYS);
  *a = (check_array){count, malloc((size_t)(count + 1) * sizeof(double))};
  for (int64_t i = 0; i < count; i++) a->v[i] = values[i];
}

void check_output(check *c, int64_t count) {
  assert_true(c->outputs < CHECK_ARRAYS);
  c->out[c->outputs++] = (check_array){count, calloc((size_t)count + 1, sizeof(double))};
}

void check_free(check *c) {
  for (int i = 0; i < c->inputs; i++) free(c->in[i].v);
  for (int i = 0; i < c->outputs; i++) free(c->out[i].v);
}

void check_forward(check *c, int k, const float *result, double tolerance) {
  double largest = 0, worst = 0;
  int64_t where = 0;
  c->formula(c);
  for (int64_t i = 0; i < c->out[k].count; i++) {
    double value = c->out[k].v[i], difference = fabs(value - result[i]);
    largest = fmax(largest, fabs(value));
    if (!(difference <= worst)) worst = difference, where = i;
  }
  if (!(worst <= tolerance * largest) || largest == 0)
    fail_msg("%s, output %d: element %lld is %.9g, not %.9g; error %.2g of the largest value %.3g", c->name,
             k, (long long)where, result[where], c->out[k].v[where], worst / largest, largest);
}

static double weighted(check *c, const float *const *seeds) {
  double sum = 0;
  c->formula(c);
  for (int k = 0; k < c->outputs; k++)
    for (int64_t e = 0; seeds[k] != NULL && e < c->out[k].count; e++) sum += seeds[k][e] * c->out[k].v[e];
  return sum;
}

void check_gradient(check *c, int i, const float *const *seeds, const float *gradient, double filled,
                    int samples, double tolerance) {
  check_array *a = &c->in[i];
  double largest = 0, worst = 0, expected = 0, found = 0;
  int64_t where = 0, taken = a->count < samples ? a->count : samples;
  for (int64_t s = 0; s < taken; s++) {
    int64_t e = a->count <= samples ? s : (int64_t)(uniform() * (double)a->count);
    const double x = a->v[e], h = 1e-5;
    a->v[e] = x + h;
    double above = weighted(c, seeds);
    a->v[e] = x - h;
    double under = weighted(c, seeds);
    a->v[e] = x;
    double slope = (above - under) / (2 * h), given = gradient[e] - filled;
    largest = fmax(largest, fabs(slope));
    if (!(fabs(slope - given) <= worst))
      worst = fabs(slope - given), where = e, expected = slope, found = given;
  }
  // adding to what the array held costs it a rounding
  if (!(worst <= tolerance * largest + 1.2e-7 * fabs(filled)) || largest == 0)
    fail_msg("%s, gradient of input %d: element %lld is %.9g, not %.9g; error %.2g of the largest value %.3g",
             c->name, i, (long long)where, found, expected, worst / largest, largest);
}

double mask_factor(const tt_dropout *d, uint64_t sample, uint32_t c1, uint32_t c2, int e) {
  uint32_t threshold = (uint32_t)floor(d->probability * 65536 + 0.5);
  if (threshold == 0) return 1;
  tt_philox4 block =
      tt_philox(tt_stream(d->seed, d->step, sample), d->layer * 16 + d->site, c1, c2, (uint32_t)(e / 8));
  uint32_t word = block.v[e % 8 / 2] >> 16 * (e % 2) & 0xFFFF;
  return word < threshold ? 0 : 65536.0 / (65536.0 - threshold);
}
