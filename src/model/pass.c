// What the steps of a pass share: affine maps and LayerNorms at their places, and the probe.
#include <stdio.h>

#include "model/activations.h"

void tt_show_layer(const tt_pass *p, bool gradient, int layer, const char *name, tt_probe_rows rows, int dim,
                   const float *data) {
  if (!p->m->probe) return;
  char full[64];
  snprintf(full, sizeof full, "layer%d.%s", layer, name);
  p->m->probe(p->m->probe_context, full, gradient, rows, dim, data);
}

void tt_norm(const tt_pass *p, const float *x, int64_t rows, int dim, tt_affine at, tt_statistics s,
             float *y) {
  p->ops->layer_norm(x, rows, dim, p->w + at.w, p->w + at.b, y, s.mean, s.rstd);
}

void tt_norm_again(const tt_pass *p, const float *x, int64_t rows, int dim, tt_affine at, tt_statistics s,
                   float *y) {
  p->ops->layer_norm_apply(x, rows, dim, p->w + at.w, p->w + at.b, s.mean, s.rstd, y);
}

void tt_norm_backward(const tt_pass *p, const float *dy, const float *x, int64_t rows, int dim, tt_affine at,
                      tt_statistics s, float *dx) {
  p->ops->layer_norm_backward(dy, x, rows, dim, p->w + at.w, s.mean, s.rstd, dx, p->g + at.w, p->g + at.b);
}

void tt_affine_forward(const tt_pass *p, const float *x, int64_t rows, int in, int out, tt_affine at,
                       float *y) {
  p->ops->linear(x, rows, in, out, p->w + at.w, p->w + at.b, y);
}

void tt_affine_backward(const tt_pass *p, const float *dy, const float *x, int64_t rows, int in, int out,
                        tt_affine at, float *dx, bool accumulate) {
  p->ops->linear_backward(dy, x, rows, in, out, p->w + at.w, dx, accumulate, p->g + at.w, p->g + at.b);
}
