// What the steps of a pass share: one map of a normalised row at its place.
#include "model/activations.h"

void tt_norm_map(const tt_pass *p, const tt_activation *x, int64_t rows, int dim, tt_affine norm,
                 tt_statistics s, int out, tt_affine at, tt_activation *y) {
  tt_map map = {out, {p->w + at.w, at.b < 0 ? NULL : p->w + at.b}, y};
  p->ops->norm_linear(x, rows, dim, tt_at(p, norm), s, &map, 1, p->m->scratch);
}

void tt_norm_map_backward(const tt_pass *p, const tt_activation *dy, const tt_activation *x, int64_t rows,
                          int dim, tt_affine norm, tt_statistics s, int out, tt_affine at,
                          tt_activation *dx) {
  tt_map_gradient map = {out, {p->w + at.w, NULL}, dy, {p->g + at.w, at.b < 0 ? NULL : p->g + at.b}};
  p->ops->norm_linear_backward(x, rows, dim, tt_at(p, norm), s, &map, 1, dx, tt_gradients_at(p, norm),
                               p->m->scratch);
}
