#include "pickle/arrays.h"

#include <stdlib.h>
#include <string.h>

#include "core/half.h"

static bool is_call(const tt_py *v, const char *name, const char *newer_name) {
  return v->kind == TT_PY_CALL &&
         (strcmp(v->items[0]->text, name) == 0 || (newer_name && strcmp(v->items[0]->text, newer_name) == 0));
}

static const tt_py *item(const tt_py *tuple, size_t k, tt_py_kind kind) {
  bool there = tuple && tuple->kind == TT_PY_TUPLE && k < tuple->count && tuple->items[k]->kind == kind;
  return there ? tuple->items[k] : NULL;
}

// dtype("f4", ...), whose state is (version, byte order, ...).
static bool read_type(const tt_py *v, tt_py_array *a) {
  if (!v || !is_call(v, "numpy dtype", NULL)) return false;
  const tt_py *name = item(v->items[1], 0, TT_PY_TEXT), *order = item(v->state, 1, TT_PY_TEXT);
  if (!name || !name->text[0] || !order) return false;
  char *end;
  long width = strtol(name->text + 1, &end, 10);
  a->kind = name->text[0], a->big_endian = order->text[0] == '>';
  if (*end || end == name->text + 1 || width < 1 || width > 1024) return false;
  a->width = (int)(a->kind == 'U' ? 4 * width : width);
  bool power = (width & (width - 1)) == 0 && width <= 8;
  return a->kind == 'U' || a->kind == 'S' || (power && (a->kind == 'i' || a->kind == 'u')) ||
         (power && a->kind == 'f' && width >= 2);
}

static bool read_shape(const tt_py *shape, bool by_columns, tt_py_array *a) {
  if (!shape || shape->count > TT_ARRAY_DIMS) return false;
  a->dims = (int)shape->count, a->count = 1;
  bool empty = false;
  for (int k = 0; k < a->dims; k++) {
    const tt_py *side = item(shape, (size_t)k, TT_PY_INT);
    if (!side || side->number < 0 || side->number > INT32_MAX || a->count > INT32_MAX) return false;
    a->shape[k] = side->number, empty |= side->number == 0;
    if (side->number > 0) a->count *= side->number; // also the steps of an empty array must have room
  }
  int64_t step = 1;
  for (int k = 0; k < a->dims; k++) {
    int d = by_columns ? k : a->dims - 1 - k; // which index runs faster than those after it here
    a->step[d] = step;
    if (a->shape[d] > 0) step *= a->shape[d];
  }
  if (empty) a->count = 0;
  return true;
}

static bool read_data(const tt_py *data, tt_py_array *a) {
  if (!data || data->length / (size_t)a->width < (size_t)a->count) return false;
  a->data = (const unsigned char *)data->text;
  return true;
}

bool tt_py_array_describe(const tt_py *v, tt_py_array *a) {
  *a = (tt_py_array){0};
  if (is_call(v, "numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct")) {
    // state: (version, shape, type, by columns, bytes)
    const tt_py *s = v->state, *by_columns = item(s, 3, TT_PY_BOOL);
    return read_type(item(s, 2, TT_PY_CALL), a) && by_columns &&
           read_shape(item(s, 1, TT_PY_TUPLE), by_columns->number, a) && read_data(item(s, 4, TT_PY_TEXT), a);
  }
  if (!is_call(v, "numpy.core.numeric _frombuffer", "numpy._core.numeric _frombuffer")) return false;
  // arguments: (bytes, type, shape, order)
  const tt_py *arguments = v->items[1], *order = item(arguments, 3, TT_PY_TEXT);
  return order && read_type(item(arguments, 1, TT_PY_CALL), a) &&
         read_shape(item(arguments, 2, TT_PY_TUPLE), order->text[0] == 'F', a) &&
         read_data(item(arguments, 0, TT_PY_TEXT), a);
}

// The bytes of a number, lowest first.
static uint64_t bits_of(const unsigned char *from, int width, bool big_endian) {
  uint64_t bits = 0;
  for (int k = 0; k < width; k++) bits |= (uint64_t)from[big_endian ? width - 1 - k : k] << 8 * k;
  return bits;
}

double tt_py_array_number(const tt_py_array *a, int64_t at) {
  uint64_t bits = bits_of(a->data + at * a->width, a->width, a->big_endian);
  if (a->kind == 'f' && a->width == 8) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
  }
  if (a->kind == 'f' && a->width == 4) {
    uint32_t half = (uint32_t)bits;
    float value;
    memcpy(&value, &half, sizeof value);
    return (double)value;
  }
  if (a->kind == 'f') return (double)tt_float_of_half((uint16_t)bits);
  if (a->kind == 'i' && a->width < 8 && bits >> (8 * a->width - 1)) bits |= ~(uint64_t)0 << 8 * a->width;
  return a->kind == 'i' ? (double)(int64_t)bits : (double)bits;
}

bool tt_py_array_text(const tt_py_array *a, int64_t at, char *text, size_t size) {
  const unsigned char *from = a->data + at * a->width;
  int each = a->kind == 'U' ? 4 : 1;
  size_t length = 0;
  for (int k = 0; k < a->width; k += each) { // zeros fill an element up
    uint64_t c = bits_of(from + k, each, a->big_endian);
    if (c == 0) break;
    if (c > 127 || length + 1 >= size) return false;
    text[length++] = (char)c;
  }
  text[length] = 0;
  return true;
}
