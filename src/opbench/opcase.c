#include "opbench/opcase.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bf16.h"
#include "core/memory.h"
#include "core/philox.h"

static size_t element(tt_op_type type) {
  return type == TT_OP_FLOAT ? sizeof(float) : type == TT_OP_DOUBLE ? sizeof(double) : 1;
}

size_t tt_op_bytes(const tt_op_array *a) {
  return (size_t)a->count * element(a->type);
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

void tt_op_round(tt_op_case *c, int slot) {
  float *x = c->array[slot].at;
  for (int64_t e = 0; c->layout.rounded && c->status == TT_OK && e < c->array[slot].count; e++)
    x[e] = tt_float_of_bf16(tt_bf16_of_float(x[e]));
}

void tt_op_declare(tt_op_case *c, int slot, tt_op_array a) {
  if (c->status != TT_OK) return;
  c->status = tt_alloc(&a.at, a.count > 0 ? (size_t)a.count : 1, element(a.type), "a case of an operation");
  if (c->status != TT_OK) return;
  c->array[slot] = a;
  bool output = a.role == TT_OP_RESULT || a.role == TT_OP_GRADIENT;
  for (int64_t e = 0; e < a.count; e++)
    set(&a, e,
        !output                                      ? number(c, slot, e)
        : !a.filled                                  ? c->layout.garbage
        : a.role == TT_OP_GRADIENT && c->layout.grid ? 0
                                                     : number(c, slot, e));
  if (a.activation) tt_op_round(c, slot);
}

void tt_op_activation(tt_op_case *c, int slot) {
  c->array[slot].activation = true;
  tt_op_round(c, slot);
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
                              .activation = c->array[of].activation,
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
                              .activation = c->array[of].activation,
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
  c->array[to].copied = true;
}

tt_status tt_op_build(tt_op_case *c, const tt_op_family *family, const tt_op_shape *shape,
                      tt_op_layout layout) {
  bool many = layout.many && shape->molecules == TT_OP_REAL;
  *c = (tt_op_case){.family = family,
                    .shape = shape,
                    .layout = layout,
                    .batch = tt_op_batch(many ? TT_OP_MANY : shape->molecules)};
  if (c->batch == NULL) return TT_ERR_MEMORY;
  family->build(c);
  c->sizes.of = family->scratch;
  return c->status;
}

void tt_op_free(tt_op_case *c) {
  for (int k = 0; k < TT_OP_ARRAYS; k++) free(c->array[k].at);
  *c = (tt_op_case){0};
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
