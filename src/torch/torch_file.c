#include "torch/torch_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/half.h"
#include "core/memory.h"

enum { PICKLE_MOST = 8 << 20, PIECE = 1 << 16 };

// Names that torch, numpy and upstream's trainer put into checkpoints. None is ever called; the list keeps
// out what a file of weights cannot need.
static const char *const allowed[] = {"torch._utils _rebuild_tensor_v2",
                                      "torch._utils _rebuild_parameter",
                                      "torch FloatStorage",
                                      "torch HalfStorage",
                                      "torch BFloat16Storage",
                                      "torch DoubleStorage",
                                      "torch LongStorage",
                                      "torch IntStorage",
                                      "torch ShortStorage",
                                      "torch CharStorage",
                                      "torch ByteStorage",
                                      "torch BoolStorage",
                                      "torch Size",
                                      "torch device",
                                      "torch float32",
                                      "torch float16",
                                      "torch bfloat16",
                                      "torch float64",
                                      "torch int64",
                                      "collections OrderedDict",
                                      "collections defaultdict",
                                      "argparse Namespace",
                                      "numpy dtype",
                                      "numpy ndarray",
                                      "numpy.core.multiarray scalar",
                                      "numpy._core.multiarray scalar",
                                      "numpy.core.multiarray _reconstruct",
                                      "numpy._core.multiarray _reconstruct",
                                      "_codecs encode",
                                      "__builtin__ set",
                                      "builtins set",
                                      "__builtin__ dict",
                                      "builtins dict",
                                      "__builtin__ list",
                                      "builtins list",
                                      "__builtin__ int",
                                      "builtins int",
                                      "__builtin__ float",
                                      "builtins float",
                                      NULL};

static const struct {
  const char *name, *storage;
  int bytes;
  tt_torch_type type;
} types[] = {
    {"float32", "torch FloatStorage", 4, TT_TORCH_FLOAT},
    {"float16", "torch HalfStorage", 2, TT_TORCH_HALF},
    {"bfloat16", "torch BFloat16Storage", 2, TT_TORCH_BFLOAT16},
    {"float64", "torch DoubleStorage", 8, TT_TORCH_DOUBLE},
    {"integer", "", 0, TT_TORCH_INTEGER},
};

const char *tt_torch_type_name(tt_torch_type type) {
  return types[type].name;
}

// ---- opening

// The archive's own name comes before all others: found by the one entry that each file has.
static tt_status find_prefix(tt_torch_file *f) {
  static const char tail[] = "/data.pkl";
  for (int k = 0; k < f->zip.count; k++) {
    const char *name = f->zip.entry[k].name;
    size_t length = strlen(name), tail_length = sizeof tail - 1;
    if (length <= tail_length || strcmp(name + length - tail_length, tail) != 0) continue;
    f->prefix = strndup(name, length - tail_length + 1);
    return f->prefix ? TT_OK : tt_fail(TT_ERR_MEMORY, "out of memory opening %s", f->path);
  }
  return tt_fail(TT_ERR_FORMAT, "%s is a zip archive, but none of torch.save's: it has no data.pkl", f->path);
}

// NULL also for a name that is longer than any of torch.save's.
static tt_zip_entry *find_entry(const tt_torch_file *f, const char *folder, const char *name) {
  char text[512];
  int length = snprintf(text, sizeof text, "%s%s%s", f->prefix, folder, name);
  return length < (int)sizeof text ? tt_zip_find(&f->zip, text) : NULL;
}

static tt_status check_byte_order(const tt_torch_file *f) {
  tt_zip_entry *e = find_entry(f, "", "byteorder"); // older files have none: little-endian
  char order[8] = "";
  if (!e || e->bytes >= (int64_t)sizeof order) return TT_OK;
  TT_TRY(tt_zip_read(&f->zip, e, 0, order, e->bytes));
  if (strcmp(order, "big") != 0) return TT_OK;
  return tt_fail(TT_ERR_UNSUPPORTED,
                 "%s was saved on a big-endian machine; load it there with torch and save it as "
                 "little-endian",
                 f->path);
}

static tt_status read_pickle(tt_torch_file *f) {
  tt_zip_entry *e = find_entry(f, "", "data.pkl");
  if (!e) return tt_fail(TT_ERR_FORMAT, "%s: the names in its zip archive are too long", f->path);
  if (e->bytes > PICKLE_MOST)
    return tt_fail(TT_ERR_UNSUPPORTED,
                   "%s: its pickle has %lld bytes; more than %d are not read (save the state "
                   "dict alone)",
                   f->path, (long long)e->bytes, PICKLE_MOST);
  TT_TRY(tt_zip_check(&f->zip, e));
  char *data = malloc((size_t)e->bytes + 1);
  if (!data) return tt_fail(TT_ERR_MEMORY, "out of memory opening %s", f->path);
  tt_status status = tt_zip_read(&f->zip, e, 0, data, e->bytes);
  if (status == TT_OK) status = tt_pickle_read(f->path, data, (size_t)e->bytes, allowed, &f->pickle);
  free(data);
  if (status == TT_ERR_FORMAT)
    return tt_fail(status, "%s (if you trust the file, load it with torch and save its state dict alone)",
                   tt_error_message());
  return status;
}

static tt_status open_all(tt_torch_file *f) {
  tt_status status = tt_zip_open(f->path, &f->zip);
  if (status == TT_ERR_FORMAT)
    return tt_fail(status,
                   "%s is no file of torch.save (torch 1.6 or newer); an older one: load it with torch and "
                   "save it again",
                   f->path);
  TT_TRY(status);
  TT_TRY(find_prefix(f));
  TT_TRY(check_byte_order(f));
  return read_pickle(f);
}

tt_status tt_torch_open(const char *path, tt_torch_file *file) {
  *file = (tt_torch_file){.path = strdup(path), .zip.file = -1};
  tt_status status = file->path ? open_all(file) : tt_fail(TT_ERR_MEMORY, "out of memory opening %s", path);
  if (status != TT_OK) tt_torch_close(file);
  return status;
}

void tt_torch_close(tt_torch_file *f) {
  tt_zip_close(&f->zip);
  tt_pickle_free(&f->pickle);
  free(f->path), free(f->prefix);
  *f = (tt_torch_file){.zip.file = -1};
}

// ---- tensors

static bool is_call(const tt_py *v, const char *name) {
  return v->kind == TT_PY_CALL && strcmp(v->items[0]->text, name) == 0;
}

static bool is(const tt_py *tuple, size_t k, tt_py_kind kind) {
  return tuple->kind == TT_PY_TUPLE && k < tuple->count && tuple->items[k]->kind == kind;
}

// ("storage", class, name in the archive, device, elements)
static bool describe_storage(const tt_py *v, tt_torch_tensor *t) {
  if (v->kind != TT_PY_PERSISTENT) return false;
  const tt_py *id = v->items[0];
  if (!is(id, 0, TT_PY_TEXT) || !is(id, 1, TT_PY_NAME) || !is(id, 2, TT_PY_TEXT) || !is(id, 4, TT_PY_INT) ||
      strcmp(id->items[0]->text, "storage") != 0)
    return false;
  t->type = 0;
  while (t->type < TT_TORCH_INTEGER && strcmp(types[t->type].storage, id->items[1]->text) != 0) t->type++;
  t->storage = id->items[2]->text;
  t->storage_count = id->items[4]->number;
  return t->storage_count >= 0;
}

// Row by row: the last index runs fastest. Steps along sides of one element say nothing.
static bool describe_shape(const tt_py *shape, const tt_py *steps, tt_torch_tensor *t, bool *rows) {
  if (shape->kind != TT_PY_TUPLE || steps->kind != TT_PY_TUPLE || shape->count > 4 ||
      shape->count != steps->count)
    return false;
  t->dims = (int)shape->count, t->count = 1, *rows = true;
  for (int k = t->dims; k-- > 0;) {
    if (!is(shape, (size_t)k, TT_PY_INT) || !is(steps, (size_t)k, TT_PY_INT)) return false;
    int64_t side = shape->items[k]->number;
    if (side < 0 || (side > 0 && t->count > t->storage_count / side)) return false;
    *rows &= side == 1 || steps->items[k]->number == t->count;
    t->shape[k] = side, t->count *= side;
  }
  return true;
}

tt_status tt_torch_describe(const tt_torch_file *f, const tt_py *v, const char *name, tt_torch_tensor *t) {
  bool rows = false;
  *t = (tt_torch_tensor){0};
  if (is_call(v, "torch._utils _rebuild_parameter") && v->items[1]->count > 0) v = v->items[1]->items[0];
  // (storage, offset, shape, steps, ...)
  const tt_py *a = is_call(v, "torch._utils _rebuild_tensor_v2") ? v->items[1] : NULL;
  bool good = a && a->count >= 4 && is(a, 1, TT_PY_INT) && describe_storage(a->items[0], t) &&
              describe_shape(a->items[2], a->items[3], t, &rows);
  if (good) t->offset = a->items[1]->number;
  if (!good || t->offset < 0 || t->offset > t->storage_count - t->count)
    return tt_fail(TT_ERR_FORMAT, "%s: its %s is no tensor that lies inside its storage", f->path, name);
  if (!rows)
    return tt_fail(TT_ERR_UNSUPPORTED, "%s: its %s does not lie row by row; save it with .contiguous()",
                   f->path, name);
  return TT_OK;
}

// ---- values

static float from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static void convert(tt_torch_type type, const unsigned char *from, int64_t count, float *to) {
  for (int64_t k = 0; k < count; k++) {
    uint16_t word;
    double wide;
    if (type == TT_TORCH_FLOAT)
      memcpy(&to[k], from + 4 * k, 4);
    else if (type == TT_TORCH_DOUBLE)
      memcpy(&wide, from + 8 * k, 8), to[k] = (float)wide;
    else {
      memcpy(&word, from + 2 * k, 2);
      to[k] = type == TT_TORCH_HALF ? tt_float_of_half(word) : from_bits((uint32_t)word << 16);
    }
  }
}

tt_status tt_torch_read(const tt_torch_file *f, const tt_torch_tensor *t, const char *name, float *values) {
  const int width = types[t->type].bytes;
  if (!width) return tt_fail(TT_ERR_FORMAT, "%s: its %s holds no floating-point numbers", f->path, name);
  tt_zip_entry *e = find_entry(f, "data/", t->storage);
  if (!e)
    return tt_fail(TT_ERR_CORRUPT, "%s: the values of its %s (data/%.80s) are missing", f->path, name,
                   t->storage);
  if (t->storage_count > e->bytes / width)
    return tt_fail(TT_ERR_CORRUPT, "%s: the values of its %s are fewer than its shape says", f->path, name);
  TT_TRY(tt_zip_check(&f->zip, e));
  unsigned char *piece = malloc((size_t)PIECE * (size_t)width);
  tt_status status = piece ? TT_OK : tt_fail(TT_ERR_MEMORY, "out of memory reading %s", f->path);
  for (int64_t k = 0; k < t->count && status == TT_OK; k += PIECE) {
    int64_t n = t->count - k < PIECE ? t->count - k : PIECE;
    status = tt_zip_read(&f->zip, e, (t->offset + k) * width, piece, n * width);
    if (status == TT_OK) convert(t->type, piece, n, values + k);
  }
  free(piece);
  return status;
}
