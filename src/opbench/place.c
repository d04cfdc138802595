// A case in a backend's memory: arrays between guards, activations as the backend keeps them.
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/bf16.h"
#include "core/memory.h"
#include "device/batch_upload.h"
#include "opbench/opcase.h"

enum { ALIGNED = 256 };               // what arrays of a model start at
enum { GUARD = 256 };                 // bytes on either side
enum { SCRATCH_GUARD = 1024 * 1024 }; // behind scratch: pieces that lie past its end are written there
enum { BACKENDS = 4 };
// NaN in every type of number: what reads it gives itself away, too.
static const unsigned char guard_byte = 0xFF;

bool tt_op_halves(const tt_ops *ops) {
  return ops->activation_size == sizeof(uint16_t);
}

// ---- what is kept for a backend: its scratch, and the batches in its memory ----
typedef struct {
  const tt_ops *ops;
  unsigned char *pool; // fresh pages for every run would take longer than the runs
  size_t pool_size;
  bool there[TT_OP_BATCHES];
  tt_device_batch batch[TT_OP_BATCHES];
} kept;

static kept *kept_of(const tt_ops *ops) {
  static kept all[BACKENDS];
  static int next;
  for (int k = 0; k < BACKENDS; k++)
    if (all[k].ops == ops) return &all[k];
  kept *k = &all[next++ % BACKENDS]; // the one seen first makes room: its memory is left to the end
  *k = (kept){.ops = ops};
  return k;
}

// The batch for the backend; NULL, with a message, when it has no memory left.
static const tt_batch *batch_of(const tt_ops *ops, const tt_batch *batch) {
  kept *own = kept_of(ops);
  int which = 0;
  while (tt_op_batch((tt_op_molecules)which) != batch) which++;
  if (!own->there[which] && tt_batch_upload(ops, batch, &own->batch[which]) != TT_OK) return NULL;
  own->there[which] = true;
  return &own->batch[which].batch;
}

// ---- guards ----
static tt_status none_left(size_t bytes) {
  return tt_fail(TT_ERR_MEMORY, "a case of an operation: the backend has no %zu bytes left", bytes);
}

// Where an array of the case starts in memory that begins at `memory`.
static size_t offset_of(const tt_op_case *c, const void *memory, size_t element) {
  size_t past = ((uintptr_t)memory + GUARD) % ALIGNED;
  return GUARD + (past > 0 ? ALIGNED - past : 0) + (size_t)c->layout.shift * element;
}

static size_t room_of(const tt_op_case *c, size_t bytes, size_t element, size_t behind) {
  return GUARD + ALIGNED + (size_t)c->layout.shift * element + bytes + behind;
}

static bool all_guard(const unsigned char *at, size_t bytes) {
  return at[0] == guard_byte && memcmp(at, at + 1, bytes - 1) == 0;
}

// A buffer of the host's that arrays go through, kept between calls; NULL: none left.
static unsigned char *buffer_of(size_t bytes) {
  static unsigned char *buffer;
  static size_t size;
  return tt_reserve(&buffer, &size, bytes, 1, "an array on its way to a backend") == TT_OK ? buffer : NULL;
}

// ---- arrays ----
static size_t element_of(const tt_ops *ops, const tt_op_array *a) {
  if (a->activation) return ops->activation_size;
  return a->type == TT_OP_FLOAT ? sizeof(float) : a->type == TT_OP_DOUBLE ? sizeof(double) : 1;
}

static bool narrowed(const tt_ops *ops, const tt_op_array *a) {
  return a->activation && tt_op_halves(ops);
}

static void to_backend(const tt_ops *ops, const tt_op_array *a, unsigned char *to) {
  const float *x = a->at;
  if (!narrowed(ops, a)) {
    memcpy(to, x, tt_op_bytes(a));
    return;
  }
  for (int64_t e = 0; e < a->count; e++) {
    uint16_t half = tt_bf16_of_float(x[e]);
    memcpy(to + 2 * e, &half, sizeof half);
  }
}

static void from_backend(const tt_ops *ops, const unsigned char *from, tt_op_array *a) {
  float *x = a->at;
  if (!narrowed(ops, a)) {
    memcpy(x, from, tt_op_bytes(a));
    return;
  }
  for (int64_t e = 0; e < a->count; e++) {
    uint16_t half;
    memcpy(&half, from + 2 * e, sizeof half);
    x[e] = tt_float_of_bf16(half);
  }
}

size_t tt_op_placed_bytes(const tt_op_placed *p, int slot) {
  const tt_op_array *a = &p->on.array[slot];
  return (size_t)a->count * element_of(p->on.ops, a);
}

static tt_status place_array(tt_op_placed *p, const tt_op_case *c, int slot) {
  const tt_ops *ops = p->on.ops;
  size_t element = element_of(ops, &c->array[slot]), bytes = tt_op_placed_bytes(p, slot);
  size_t room = room_of(c, bytes, element, GUARD);
  unsigned char *buffer = buffer_of(room), *memory = buffer ? ops->allocate(room) : NULL;
  if (memory == NULL) return buffer ? none_left(room) : TT_ERR_MEMORY;
  size_t offset = offset_of(c, memory, element);
  memset(buffer, guard_byte, room);
  to_backend(ops, &c->array[slot], buffer + offset);
  ops->upload(buffer, room, memory);
  p->memory[slot] = memory;
  p->on.array[slot].at = memory + offset;
  return TT_OK;
}

tt_status tt_op_place(tt_op_placed *p, const tt_ops *ops, const tt_op_case *c) {
  *p = (tt_op_placed){.on = *c};
  p->on.ops = ops;
  p->on.batch = p->on.drop.batch = p->on.inner.batch = batch_of(ops, c->batch);
  if (p->on.batch == NULL) return TT_ERR_MEMORY;
  for (int k = 0; k < TT_OP_ARRAYS; k++)
    if (c->array[k].name != NULL) TT_TRY(place_array(p, c, k));
  return TT_OK;
}

tt_status tt_op_renew(tt_op_placed *p, const tt_op_case *c, int slot) {
  unsigned char *buffer = buffer_of(tt_op_placed_bytes(p, slot) + 1);
  if (buffer == NULL) return TT_ERR_MEMORY;
  to_backend(p->on.ops, &c->array[slot], buffer);
  p->on.ops->upload(buffer, tt_op_placed_bytes(p, slot), p->on.array[slot].at);
  return TT_OK;
}

void tt_op_call(tt_op_placed *p, bool backward) {
  (backward ? p->on.family->run_backward : p->on.family->run)(p->on.ops, &p->on);
}

void tt_op_leave(tt_op_placed *p) {
  for (int k = 0; k < TT_OP_ARRAYS; k++)
    if (p->memory[k] != NULL) p->on.ops->release(p->memory[k]);
  *p = (tt_op_placed){0};
}

void tt_op_put(tt_op_case *c, int slot, double value) {
  c->ops->upload(&value, sizeof value, c->array[slot].at);
}

static tt_status fetch_array(const tt_op_placed *p, tt_op_case *c, int slot) {
  const tt_ops *ops = p->on.ops;
  size_t element = element_of(ops, &c->array[slot]), bytes = tt_op_placed_bytes(p, slot);
  size_t room = room_of(c, bytes, element, GUARD), offset = offset_of(c, p->memory[slot], element);
  unsigned char *buffer = buffer_of(room);
  if (buffer == NULL) return TT_ERR_MEMORY;
  ops->download(p->memory[slot], room, buffer);
  if (!all_guard(buffer, offset) || !all_guard(buffer + offset + bytes, room - offset - bytes))
    c->damaged = c->array[slot].name;
  from_backend(ops, buffer + offset, &c->array[slot]);
  return TT_OK;
}

// ---- scratch ----
static size_t scratch_bytes(const tt_op_case *c) {
  return (size_t)c->scratch_count * sizeof(float);
}

tt_status tt_op_scratch(tt_op_case *c, const tt_ops *ops) {
  kept *own = kept_of(ops);
  c->scratch_count = (int64_t)ops->scratch(&c->sizes);
  size_t room = room_of(c, scratch_bytes(c), sizeof(float), SCRATCH_GUARD);
  if (room > own->pool_size) {
    if (own->pool != NULL) ops->release(own->pool);
    own->pool_size = 0;
    own->pool = ops->allocate(room);
    if (own->pool == NULL) return none_left(room);
    own->pool_size = room;
  }
  unsigned char *buffer = buffer_of(room);
  if (buffer == NULL) return TT_ERR_MEMORY;
  size_t offset = offset_of(c, own->pool, sizeof(float));
  memset(buffer, guard_byte, room);
  for (int64_t e = 0; e < c->scratch_count; e++)
    memcpy(buffer + offset + 4 * e, &c->layout.garbage, sizeof(float));
  ops->upload(buffer, room, own->pool);
  c->scratch = (float *)(void *)(own->pool + offset);
  return TT_OK;
}

static tt_status check_scratch(tt_op_case *c, const tt_ops *ops) {
  const unsigned char *pool = kept_of(ops)->pool, *end = (unsigned char *)c->scratch + scratch_bytes(c);
  size_t offset = offset_of(c, pool, sizeof(float));
  unsigned char *buffer = buffer_of(offset + SCRATCH_GUARD);
  if (buffer == NULL) return TT_ERR_MEMORY;
  ops->download(pool, offset, buffer);
  ops->download(end, SCRATCH_GUARD, buffer + offset);
  if (!all_guard(buffer, offset + SCRATCH_GUARD)) c->damaged = "scratch";
  return TT_OK;
}

// ---- a run ----
tt_status tt_op_run(const tt_ops *ops, tt_op_case *c, bool backward) {
  tt_op_placed p;
  c->damaged = NULL;
  if (c->family->ready != NULL) c->family->ready(c, backward);
  tt_status status = tt_op_place(&p, ops, c);
  if (status == TT_OK) tt_op_call(&p, backward);
  for (int k = 0; k < TT_OP_ARRAYS && status == TT_OK; k++)
    if (c->array[k].name != NULL) status = fetch_array(&p, c, k);
  if (status == TT_OK) status = check_scratch(c, ops);
  tt_op_leave(&p);
  return status;
}

tt_status tt_op_prepare(tt_op_case *c) {
  TT_TRY(tt_op_scratch(c, tt_ops_reference()));
  TT_TRY(tt_op_run(tt_ops_reference(), c, false));
  for (int k = 0; k < TT_OP_ARRAYS; k++)
    if (c->array[k].name != NULL && c->array[k].role == TT_OP_RESULT && c->array[k].activation)
      tt_op_round(c, k);
  return TT_OK;
}
