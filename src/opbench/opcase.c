#include "opbench/opcase.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/philox.h"

enum { GUARD = 128 };                 // bytes on either side: two cache lines, so that shift 0 stays aligned
enum { SCRATCH_GUARD = 1024 * 1024 }; // behind scratch: pieces that lie past its end are written there
static const unsigned char guard_byte = 0xA5;

static size_t element(tt_op_type type) {
  return type == TT_OP_FLOAT ? sizeof(float) : type == TT_OP_DOUBLE ? sizeof(double) : 1;
}

size_t tt_op_bytes(const tt_op_array *a) {
  return (size_t)a->count * element(a->type);
}

// Bytes before the array, and in all.
static size_t offset_of(const tt_op_case *c, tt_op_type type) {
  return GUARD + (size_t)c->layout.shift * element(type);
}

static void set_guards(unsigned char *memory, size_t offset, size_t bytes, size_t behind) {
  memset(memory, guard_byte, offset);
  memset(memory + offset + bytes, guard_byte, behind);
}

static tt_status guarded(const tt_op_case *c, tt_op_type type, size_t bytes, void *memory, void *at) {
  size_t offset = offset_of(c, type);
  unsigned char *start = NULL;
  TT_TRY(tt_alloc(&start, offset + bytes + GUARD, 1, "a case of an operation"));
  set_guards(start, offset, bytes, GUARD);
  void *place = start + offset;
  memcpy(memory, &start, sizeof start);
  memcpy(at, &place, sizeof place);
  return TT_OK;
}

static bool all_guard(const unsigned char *at, size_t bytes) {
  return at[0] == guard_byte && memcmp(at, at + 1, bytes - 1) == 0;
}

static bool intact(const tt_op_case *c, tt_op_type type, const void *memory, size_t bytes, size_t behind) {
  const unsigned char *start = memory;
  size_t offset = offset_of(c, type);
  return all_guard(start, offset) && all_guard(start + offset + bytes, behind);
}

// Number e of array `slot`: a function of these two only.
static double number(const tt_op_case *c, int slot, int64_t e) {
  const tt_op_array *a = &c->array[slot];
  double unit = (double)(tt_mix64((uint64_t)slot << 40 ^ (uint64_t)e) >> 11) * 0x1p-53;
  double x = a->low + (a->high - a->low) * unit;
  return c->layout.grid ? nearbyint(x * 4096) / 4096 : x;
}

static void set(tt_op_array *a, int64_t e, double value) {
  if (a->type == TT_OP_FLOAT)
    ((float *)a->at)[e] = (float)value;
  else if (a->type == TT_OP_DOUBLE)
    ((double *)a->at)[e] = value;
  else
    ((uint8_t *)a->at)[e] = (uint8_t)(value > 0.5);
}

double tt_op_value(const tt_op_case *c, int slot, int64_t e) {
  const tt_op_array *a = &c->array[slot];
  return a->type == TT_OP_FLOAT    ? ((const float *)a->at)[e]
         : a->type == TT_OP_DOUBLE ? ((const double *)a->at)[e]
                                   : ((const uint8_t *)a->at)[e];
}

void tt_op_declare(tt_op_case *c, int slot, tt_op_array a) {
  if (c->status != TT_OK) return;
  c->status = guarded(c, a.type, tt_op_bytes(&a), &a.memory, &a.at);
  if (c->status != TT_OK) return;
  c->array[slot] = a;
  bool output = a.role == TT_OP_RESULT || a.role == TT_OP_GRADIENT;
  for (int64_t e = 0; e < a.count; e++)
    set(&a, e,
        !output                                      ? number(c, slot, e)
        : !a.filled                                  ? c->layout.garbage
        : a.role == TT_OP_GRADIENT && c->layout.grid ? 0
                                                     : number(c, slot, e));
}

void tt_op_input(tt_op_case *c, int slot, const char *name, int64_t count, double low, double high) {
  tt_op_declare(c, slot,
                (tt_op_array){.name = name,
                              .role = TT_OP_INPUT,
                              .forward = true,
                              .backward = true,
                              .of = -1,
                              .count = count,
                              .low = low,
                              .high = high});
}

void tt_op_result(tt_op_case *c, int slot, const char *name, int64_t count) {
  tt_op_declare(
      c, slot,
      (tt_op_array){
          .name = name, .role = TT_OP_RESULT, .forward = true, .backward = true, .of = -1, .count = count});
}

void tt_op_in_out(tt_op_case *c, int slot, const char *name, int64_t count, double low, double high) {
  tt_op_declare(c, slot,
                (tt_op_array){.name = name,
                              .role = TT_OP_RESULT,
                              .filled = true,
                              .forward = true,
                              .of = -1,
                              .count = count,
                              .low = low,
                              .high = high});
}

void tt_op_seed(tt_op_case *c, int slot, const char *name, int of) {
  tt_op_declare(c, slot,
                (tt_op_array){.name = name,
                              .role = TT_OP_SEED,
                              .backward = true,
                              .of = of,
                              .count = c->array[of].count,
                              .low = -1,
                              .high = 1});
}

void tt_op_gradient(tt_op_case *c, int slot, const char *name, int of, bool filled) {
  tt_op_declare(c, slot,
                (tt_op_array){.name = name,
                              .role = TT_OP_GRADIENT,
                              .filled = filled,
                              .backward = true,
                              .of = of,
                              .count = c->array[of].count,
                              .low = -1,
                              .high = 1});
}

void tt_op_forward_only(tt_op_case *c, int slot) {
  c->array[slot].backward = false;
}

void tt_op_rows(tt_op_case *c) {
  const tt_op_shape *s = c->shape;
  c->rows = s->kind == TT_ROWS_TOKENS ? c->batch->tokens : c->batch->pairs;
  tt_dropout d = {.probability = s->dropout,
                  .seed = 0x123456789ABCDEF,
                  .step = 77,
                  .layer = 3,
                  .site = 2,
                  .first = (uint32_t)s->first_dropped};
  c->drop = (tt_drop){c->batch, s->kind, d};
  d.probability = s->inner_dropout, d.site = 5;
  c->inner = (tt_drop){c->batch, s->kind, d};
}

void tt_op_dense_sizes(tt_op_case *c, int width) {
  width = width > 0 ? width : 1;
  c->sizes = (tt_sizes){.length = c->batch->max_length,
                        .heads = 1,
                        .embed_dim = width,
                        .ffn_dim = width,
                        .pair_dim = width,
                        .pair_hidden = 1,
                        .tokens = c->rows,
                        .pairs = c->rows};
}

void tt_op_copy(tt_op_case *c, int to, int from) {
  memcpy(c->array[to].at, c->array[from].at, tt_op_bytes(&c->array[to]));
}

tt_status tt_op_build(tt_op_case *c, const tt_op_family *family, const tt_op_shape *shape,
                      tt_op_layout layout) {
  *c = (tt_op_case){
      .family = family, .shape = shape, .layout = layout, .batch = tt_op_batch(shape->molecules)};
  if (c->batch == NULL) return TT_ERR_MEMORY;
  family->build(c);
  c->sizes.of = family->scratch;
  return c->status;
}

void tt_op_free(tt_op_case *c) {
  for (int k = 0; k < TT_OP_ARRAYS; k++) free(c->array[k].memory);
  *c = (tt_op_case){0};
}

// One memory for all: fresh pages for every run would take longer than the runs.
static unsigned char *pool;
static size_t pool_size;

static size_t scratch_bytes(const tt_op_case *c) {
  return (size_t)c->scratch_count * sizeof(float);
}

tt_status tt_op_scratch(tt_op_case *c, const tt_ops *ops) {
  size_t offset = offset_of(c, TT_OP_FLOAT);
  c->scratch_count = (int64_t)ops->scratch(&c->sizes);
  TT_TRY(
      tt_reserve(&pool, &pool_size, offset + scratch_bytes(c) + SCRATCH_GUARD, 1, "scratch of an operation"));
  set_guards(pool, offset, scratch_bytes(c), SCRATCH_GUARD);
  c->scratch = (float *)(void *)(pool + offset);
  for (int64_t e = 0; e < c->scratch_count; e++) c->scratch[e] = c->layout.garbage;
  return TT_OK;
}

void tt_op_run(const tt_ops *ops, tt_op_case *c, bool backward) {
  (backward ? c->family->run_backward : c->family->run)(ops, c);
  if (!intact(c, TT_OP_FLOAT, pool, scratch_bytes(c), SCRATCH_GUARD)) c->scratch_damaged = true;
}

tt_status tt_op_prepare(tt_op_case *c) {
  TT_TRY(tt_op_scratch(c, tt_ops_reference()));
  tt_op_run(tt_ops_reference(), c, false);
  return TT_OK;
}

const char *tt_op_damage(const tt_op_case *c) {
  for (int k = 0; k < TT_OP_ARRAYS; k++) {
    const tt_op_array *a = &c->array[k];
    if (a->name != NULL && !intact(c, a->type, a->memory, tt_op_bytes(a), GUARD)) return a->name;
  }
  return c->scratch_damaged ? "scratch" : NULL;
}

bool tt_op_is_output(const tt_op_array *a, bool backward) {
  return a->name != NULL && a->role == (backward ? TT_OP_GRADIENT : TT_OP_RESULT);
}

void tt_op_describe(const tt_op_case *c, char *text, size_t size) {
  const tt_op_shape *s = c->shape;
  static const char *const kinds[] = {"token", "pair", "pair"};
  size_t used = 0;
#define SAY(...) used += (size_t)snprintf(text + used, used < size ? size - used : 0, __VA_ARGS__)
  if (size > 0) text[0] = 0;
  if (c->rows > 0 && s->rows == 0)
    SAY("%lld %s rows", (long long)c->rows, kinds[s->kind]);
  else if (s->rows > 0)
    SAY("%lld %s", (long long)s->rows, s->in + s->dim > 0 ? "rows" : "elements");
  else if (c->batch->molecules == 0)
    SAY("no molecule");
  else
    SAY("%d molecule%s of at most %d atoms", c->batch->molecules, c->batch->molecules > 1 ? "s" : "",
        c->batch->max_length - 1);
  const struct {
    const char *name;
    int value;
  } numbers[] = {{"in", s->in},       {"out", s->out},
                 {"dim", s->dim},     {"hidden", s->hidden},
                 {"heads", s->heads}, {"head_dim", s->head_dim},
                 {"first", s->first}, {"dropped from", s->first_dropped}};
  for (size_t k = 0; k < sizeof numbers / sizeof *numbers && used < size; k++)
    if (numbers[k].value != 0) SAY(", %s %d", numbers[k].name, numbers[k].value);
  for (int k = 0; k < TT_MOST_MAPS && used < size; k++)
    if (s->outs[k] != 0) SAY("%s%d", k == 0 ? ", maps to " : " + ", s->outs[k]);
  if (s->dropout > 0 && used < size) SAY(", dropout %g", s->dropout);
  if (s->inner_dropout > 0 && used < size) SAY(", inner dropout %g", s->inner_dropout);
  const struct {
    const char *name;
    bool value;
  } flags[] = {{"no bias", s->no_bias},   {"no residual", s->no_residual},
               {"in place", s->in_place}, {"accumulated", s->accumulate},
               {"no dx", s->no_dx},       {"extreme values", s->extreme},
               {"zero", s->zero}};
  for (size_t k = 0; k < sizeof flags / sizeof *flags && used < size; k++)
    if (flags[k].value) SAY(", %s", flags[k].name);
#undef SAY
}
