#include "train/silent_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/memory.h"
#include "train/array_digest.h"

static bool equal(tt_element_digest x, tt_element_digest y) {
  return x.a == y.a && x.b == y.b;
}

static tt_element_digest digest(const tt_ops *ops, const float *gradient, const tt_parameter *p) {
  tt_element_digest d = {0};
  tt_array_digest_add(&d, ops, gradient + p->offset, p->count, 0);
  return d;
}

static tt_silent_step *next_step(tt_silent_check *c) {
  c->status = tt_reserve(&c->steps, &c->room_, (size_t)c->count + 1, sizeof *c->steps, "silent errors");
  return c->status == TT_OK ? &c->steps[c->count++] : NULL;
}

static void look(void *context, const char *name, bool gradient, tt_probe_rows rows, int dim,
                 const float *data) {
  tt_silent_check *c = context;
  if (c->status != TT_OK || c->differs >= 0) return; // what follows from a difference says nothing
  tt_element_digest d = {0};
  tt_element_digest_add(&d, data, tt_model_probe_rows(rows, c->own, c->all) * dim, 0);
  if (c->again) {
    if (c->count == c->expected || !equal(d, c->steps[c->count].digest)) c->differs = c->count;
    c->count++;
    return;
  }
  tt_silent_step *s = next_step(c);
  if (!s) return;
  *s = (tt_silent_step){.gradient = gradient, .digest = d};
  snprintf(s->name, sizeof s->name, "%s", name);
}

void tt_silent_begin(tt_silent_check *c, bool again, tt_model *model, const tt_batch *own,
                     const tt_batch *all, const tt_work *work) {
  c->model = model, c->own = own, c->all = all, c->work = work;
  c->again = again, c->count = 0, c->differs = -1, c->status = TT_OK;
  tt_model_set_probe(model, look, c);
}

tt_status tt_silent_keep(tt_silent_check *c, const tt_ops *ops, const float *gradient) {
  const tt_parameters *p = tt_model_parameters(c->model);
  tt_model_set_probe(c->model, NULL, NULL);
  TT_TRY(c->status);
  TT_TRY(tt_reserve(&c->gradient, &c->tensors_room_, (size_t)p->count, sizeof *c->gradient, "silent errors"));
  for (int i = 0; i < p->count; i++) c->gradient[i] = digest(ops, gradient, &p->list[i]);
  c->expected = c->count, c->owned = c->work->owned;
  size_t owned = (size_t)c->owned;
  TT_TRY(tt_reserve(&c->losses, &c->losses_room_, owned + 1, sizeof *c->losses, "silent errors"));
  memcpy(c->losses, c->work->own, owned * sizeof *c->losses);
  return TT_OK;
}

// What differs first. False: nothing does.
static bool find_difference(const tt_silent_check *c, const tt_ops *ops, const float *gradient, char *text,
                            size_t size) {
  const tt_parameters *p = tt_model_parameters(c->model);
  if (c->differs >= 0 && c->differs < c->expected) {
    const tt_silent_step *s = &c->steps[c->differs];
    snprintf(text, size, "%s%s", s->gradient ? "the gradient of " : "", s->name);
    return true;
  }
  if (c->differs >= 0 || c->count != c->expected) return snprintf(text, size, "the number of steps"), true;
  if (c->owned != c->work->owned ||
      memcmp(c->losses, c->work->own, (size_t)c->owned * sizeof *c->losses) != 0)
    return snprintf(text, size, "the losses"), true;
  for (int i = 0; i < p->count; i++)
    if (!equal(c->gradient[i], digest(ops, gradient, &p->list[i])))
      return snprintf(text, size, "the gradient of %s", p->list[i].name), true;
  return false;
}

tt_status tt_silent_compare(tt_silent_check *c, const tt_ops *ops, const float *gradient, int64_t step,
                            int leaf) {
  char what[140], host[64] = "";
  tt_model_set_probe(c->model, NULL, NULL);
  TT_TRY(c->status);
  if (!find_difference(c, ops, gradient, what, sizeof what)) return TT_OK;
  gethostname(host, sizeof host - 1);
  return tt_fail(
      TT_ERR_MACHINE,
      "update %lld: leaf %d was computed twice on %s, and %s was not the same: its processor or memory "
      "makes errors. Nothing was changed; go on with --resume, without that machine",
      (long long)step, leaf, host, what);
}

void tt_silent_free(tt_silent_check *c) {
  free(c->steps);
  free(c->gradient);
  free(c->losses);
  *c = (tt_silent_check){0};
}
