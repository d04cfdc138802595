// The probe: what a pass computes, shown to whoever asked, in fp32 on the host.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "model/activations.h"

int64_t tt_model_probe_rows(tt_probe_rows rows, const tt_batch *own, const tt_batch *all) {
  switch (rows) {
  case TT_PROBE_TOKENS:
    return own->tokens;
  case TT_PROBE_PAIRS:
    return own->pairs;
  case TT_PROBE_ATOM_PAIRS:
    return own->atom_pairs;
  case TT_PROBE_MASKED:
    return own->masked;
  case TT_PROBE_PROBABILITIES:
    return all->pairs;
  }
  return 0;
}

// What activations of 16 bits are: the upper half of a float.
static void widen(float *values, int64_t count) {
  uint16_t half;
  for (int64_t k = count - 1; k >= 0; k--) { // from the end: in place
    memcpy(&half, (const char *)values + k * (int64_t)sizeof half, sizeof half);
    uint32_t bits = (uint32_t)half << 16;
    memcpy(&values[k], &bits, sizeof bits);
  }
}

// `element`: bytes of one number of `data`. What cannot be shown for want of memory fails the pass.
static void show(const tt_pass *p, const char *name, bool gradient, tt_probe_rows rows, int dim,
                 const void *data, size_t element) {
  tt_model *m = p->m;
  if (!m->probe) return;
  if (!p->ops->device) {
    m->probe(m->probe_context, name, gradient, rows, dim, data);
    return;
  }
  int64_t count = tt_model_probe_rows(rows, p->batch, p->batch_all) * dim;
  float *copy = NULL;
  if (m->probe_status == TT_OK) m->probe_status = tt_alloc(&copy, (size_t)count, sizeof *copy, name);
  if (copy == NULL) return;
  p->ops->download(data, (size_t)count * element, copy);
  if (element < sizeof *copy) widen(copy, count);
  m->probe(m->probe_context, name, gradient, rows, dim, copy);
  free(copy);
}

void tt_show(const tt_pass *p, const char *name, tt_probe_rows rows, int dim, const tt_activation *data) {
  show(p, name, false, rows, dim, data, p->ops->activation_size);
}

void tt_show_single(const tt_pass *p, const char *name, tt_probe_rows rows, int dim, const float *data) {
  show(p, name, false, rows, dim, data, sizeof *data);
}

void tt_show_gradient(const tt_pass *p, const char *name, tt_probe_rows rows, int dim,
                      const tt_activation *data) {
  show(p, name, true, rows, dim, data, p->ops->activation_size);
}

void tt_show_single_gradient(const tt_pass *p, const char *name, tt_probe_rows rows, int dim,
                             const float *data) {
  show(p, name, true, rows, dim, data, sizeof *data);
}

void tt_show_layer(const tt_pass *p, bool gradient, int layer, const char *name, tt_probe_rows rows, int dim,
                   const tt_activation *data) {
  if (!p->m->probe) return;
  char full[64];
  snprintf(full, sizeof full, "layer%d.%s", layer, name);
  show(p, full, gradient, rows, dim, data, p->ops->activation_size);
}
