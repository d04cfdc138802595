#include "pickle/pickle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "pickle/codes.h"
#include "pickle/escapes.h"

typedef struct {
  const char *path;
  const unsigned char *data;
  size_t bytes, at;
  const char *const *allowed;
  tt_py *all;
  tt_py **stack; // NULL is a mark
  size_t depth, stack_room;
  tt_py **memo;
  size_t memos, memo_room;
  size_t encoded; // bytes that texts have become
} reader;

static tt_status broken(const reader *r, const char *what) {
  return tt_fail(TT_ERR_CORRUPT, "%s: its pickle %s (byte %zu)", r->path, what, r->at);
}

// ---- operands

static tt_status take(reader *r, size_t bytes, const unsigned char **from) {
  *from = r->data + r->at;
  if (bytes > r->bytes - r->at) return broken(r, "ends too early");
  r->at += bytes;
  return TT_OK;
}

static tt_status take_number(reader *r, int bytes, uint64_t *number) {
  const unsigned char *p;
  *number = 0;
  TT_TRY(take(r, (size_t)bytes, &p));
  for (int k = bytes; k-- > 0;) *number = *number << 8 | p[k];
  return TT_OK;
}

static tt_status take_line(reader *r, const unsigned char **line, size_t *length) {
  const unsigned char *start = r->data + r->at, *end = memchr(start, '\n', r->bytes - r->at);
  *line = start, *length = end ? (size_t)(end - start) : 0;
  if (!end) return broken(r, "ends too early");
  r->at += *length + 1;
  return TT_OK;
}

// ---- the stack

static tt_status push(reader *r, tt_py *value) {
  TT_TRY(tt_reserve(&r->stack, &r->stack_room, r->depth + 1, sizeof(tt_py *), "a pickle"));
  r->stack[r->depth++] = value;
  return TT_OK;
}

static tt_status push_new(reader *r, tt_py_kind kind, tt_py **value) {
  tt_py *v = *value = calloc(1, sizeof *v);
  if (!v) return tt_fail(TT_ERR_MEMORY, "out of memory reading %s", r->path);
  v->kind = kind, v->next = r->all, r->all = v;
  return push(r, v);
}

// The topmost value, which stays or goes.
static tt_status top(reader *r, tt_py **value, bool stays) {
  *value = r->depth > 0 ? r->stack[r->depth - 1] : NULL;
  if (!*value) return broken(r, "has a code without its operands");
  r->depth -= !stays;
  return TT_OK;
}

static tt_status add_item(tt_py *to, tt_py *item) {
  TT_TRY(tt_reserve(&to->items, &to->capacity, to->count + 1, sizeof(tt_py *), "a pickle"));
  to->items[to->count++] = item;
  return TT_OK;
}

// Moves `count` values from the top of the stack into *to*, in their order.
static tt_status move_items(reader *r, tt_py *to, size_t count) {
  for (size_t k = r->depth - count; k < r->depth; k++) TT_TRY(add_item(to, r->stack[k]));
  r->depth -= count;
  return TT_OK;
}

// Values above the topmost mark, or `wanted` of them where there is no mark to look for.
static tt_status count_operands(const reader *r, int wanted, size_t *count) {
  size_t n = 0;
  while (n < r->depth && (wanted < 0 || n < (size_t)wanted) && r->stack[r->depth - 1 - n]) n++;
  *count = n;
  bool there = wanted < 0 ? n < r->depth : n == (size_t)wanted;
  return there ? TT_OK : broken(r, "has a code without its operands");
}

// ---- what codes do

static tt_status push_text(reader *r, tt_py_kind kind, const unsigned char *text, size_t length) {
  tt_py *v;
  TT_TRY(push_new(r, kind, &v));
  if (!(v->text = malloc(length + 1))) return tt_fail(TT_ERR_MEMORY, "out of memory reading %s", r->path);
  memcpy(v->text, text, length);
  v->text[length] = 0, v->length = length;
  return TT_OK;
}

static tt_status do_text(reader *r, int length_bytes) {
  uint64_t length;
  const unsigned char *text;
  TT_TRY(take_number(r, length_bytes, &length));
  if (length > r->bytes) return broken(r, "ends too early");
  TT_TRY(take(r, (size_t)length, &text));
  return push_text(r, TT_PY_TEXT, text, (size_t)length);
}

static tt_status do_integer(reader *r, int bytes, bool sign) {
  uint64_t number;
  tt_py *v;
  TT_TRY(take_number(r, bytes, &number));
  TT_TRY(push_new(r, TT_PY_INT, &v));
  if (sign && bytes > 0 && bytes < 8 && number >> (8 * bytes - 1)) number |= ~(uint64_t)0 << (8 * bytes);
  v->number = (int64_t)number;
  return TT_OK;
}

static tt_status do_long(reader *r, int length_bytes) {
  uint64_t bytes;
  const unsigned char *p;
  tt_py *v;
  TT_TRY(take_number(r, length_bytes, &bytes));
  if (bytes <= 8) return do_integer(r, (int)bytes, true);
  TT_TRY(take(r, (size_t)bytes, &p));
  return push_new(r, TT_PY_OTHER, &v);
}

// Protocol 0 writes its values as lines of text.
static tt_status do_integer_line(reader *r) {
  const unsigned char *line;
  size_t length;
  tt_py *v;
  TT_TRY(take_line(r, &line, &length));
  if (length == 0 || line[0] <= ' ') return broken(r, "has an integer that is none");
  bool truth = length == 2 && line[0] == '0'; // 00 and 01, which no number begins with
  char *end;
  errno = 0;
  long long number = strtoll((const char *)line, &end, 10); // ends at the line feed at the latest
  TT_TRY(push_new(r, truth ? TT_PY_BOOL : errno ? TT_PY_OTHER : TT_PY_INT, &v));
  v->number = number;
  size_t used = (size_t)((const unsigned char *)end - line);
  if (used + 1 == length && *end == 'L') used++;
  return used == length ? TT_OK : broken(r, "has an integer that is none");
}

static tt_status do_float_line(reader *r) {
  const unsigned char *line;
  size_t length;
  tt_py *v;
  TT_TRY(take_line(r, &line, &length));
  if (length == 0 || line[0] <= ' ') return broken(r, "has a number that is none");
  TT_TRY(push_new(r, TT_PY_FLOAT, &v));
  char *end;
  v->real = strtod((const char *)line, &end);
  return end == (const char *)line + length ? TT_OK : broken(r, "has a number that is none");
}

static tt_status do_text_line(reader *r, bool unicode) {
  const unsigned char *line;
  size_t length;
  tt_py *v;
  TT_TRY(take_line(r, &line, &length));
  TT_TRY(push_new(r, TT_PY_TEXT, &v));
  if (!(v->text = malloc(2 * length + 1))) return tt_fail(TT_ERR_MEMORY, "out of memory reading %s", r->path);
  bool good = unicode ? tt_unescape_unicode(line, length, v->text, &v->length)
                      : tt_unescape_string(line, length, v->text, &v->length);
  return good ? TT_OK : broken(r, "has a text with wrong escapes");
}

static tt_status do_float(reader *r) {
  const unsigned char *p;
  tt_py *v;
  uint64_t bits = 0;
  TT_TRY(take(r, 8, &p));
  for (int k = 0; k < 8; k++) bits = bits << 8 | p[k]; // the one number that has its high byte first
  TT_TRY(push_new(r, TT_PY_FLOAT, &v));
  memcpy(&v->real, &bits, sizeof bits);
  return TT_OK;
}

static tt_status do_bool(reader *r, bool value) {
  tt_py *v;
  TT_TRY(push_new(r, TT_PY_BOOL, &v));
  v->number = value;
  return TT_OK;
}

static tt_status do_tuple(reader *r, int wanted) {
  size_t count;
  TT_TRY(count_operands(r, wanted, &count));
  tt_py *v;
  TT_TRY(push_new(r, TT_PY_TUPLE, &v));
  r->depth--; // to get at what lies below
  TT_TRY(move_items(r, v, count));
  if (wanted < 0) r->depth--; // the mark
  return push(r, v);
}

// A list or dict of what lies above the mark, made at once.
static tt_status do_container(reader *r, tt_py_kind kind) {
  size_t count;
  TT_TRY(count_operands(r, -1, &count));
  if (kind == TT_PY_DICT && count % 2) return broken(r, "has a code without its operands");
  TT_TRY(do_tuple(r, -1));
  r->stack[r->depth - 1]->kind = kind;
  return TT_OK;
}

static tt_status do_pop_mark(reader *r) {
  size_t count;
  TT_TRY(count_operands(r, -1, &count));
  r->depth -= count + 1;
  return TT_OK;
}

// Adds what lies above the mark (wanted < 0) or the topmost `wanted` values to the container below.
static tt_status do_fill(reader *r, tt_py_kind kind, int wanted) {
  size_t count;
  TT_TRY(count_operands(r, wanted, &count));
  size_t below = r->depth - count - (wanted < 0);
  tt_py *to = below > 0 ? r->stack[below - 1] : NULL;
  if (!to || to->kind != kind || (kind == TT_PY_DICT && count % 2))
    return broken(r, "has a code without its operands");
  TT_TRY(move_items(r, to, count));
  r->depth = below;
  return TT_OK;
}

static tt_status push_name(reader *r, const unsigned char *module, size_t module_length,
                           const unsigned char *name, size_t name_length) {
  char text[200];
  snprintf(text, sizeof text, "%.*s %.*s", (int)(module_length < 90 ? module_length : 90),
           (const char *)module, (int)(name_length < 90 ? name_length : 90), (const char *)name);
  for (const char *const *a = r->allowed; *a; a++)
    if (strcmp(*a, text) == 0) return push_text(r, TT_PY_NAME, (unsigned char *)text, strlen(text));
  for (char *p = text; *p; p++)
    if (*p == ' ')
      *p = '.';
    else if (*p < 32 || *p > 126)
      *p = '?';
  return tt_fail(TT_ERR_FORMAT,
                 "%s refers to Python's %s, which has no place there: refused, and nothing of it was run",
                 r->path, text);
}

static tt_status do_global(reader *r) {
  const unsigned char *module, *name;
  size_t module_length, name_length;
  TT_TRY(take_line(r, &module, &module_length));
  TT_TRY(take_line(r, &name, &name_length));
  return push_name(r, module, module_length, name, name_length);
}

static tt_status do_stack_global(reader *r) {
  tt_py *module, *name;
  TT_TRY(top(r, &name, false));
  TT_TRY(top(r, &module, false));
  if (module->kind != TT_PY_TEXT || name->kind != TT_PY_TEXT) return broken(r, "has a name that is no text");
  return push_name(r, (unsigned char *)module->text, strlen(module->text), (unsigned char *)name->text,
                   strlen(name->text));
}

// Bytes are written as a text, a character each, by the protocols that have no code for bytes.
static bool is_encode(const tt_py *name, const tt_py *arguments) {
  if (strcmp(name->text, "_codecs encode") != 0 || arguments->count != 2) return false;
  const tt_py *text = arguments->items[0], *code = arguments->items[1];
  return text->kind == TT_PY_TEXT && code->kind == TT_PY_TEXT && strcmp(code->text, "latin1") == 0;
}

static tt_status do_encode(reader *r, const tt_py *text) {
  tt_py *v;
  // each text once, or a short pickle could make endless ones
  if ((r->encoded += text->length) > 2 * r->bytes) return broken(r, "makes too much of a text");
  TT_TRY(push_text(r, TT_PY_TEXT, (unsigned char *)text->text, text->length));
  TT_TRY(top(r, &v, true));
  return tt_latin1_of_utf8(v->text, &v->length) ? TT_OK : broken(r, "has bytes that are none");
}

// A call, or an object made of a class: both are only written down. An ordered dict is a dict at once, and so
// are bytes.
static tt_status do_call(reader *r) {
  tt_py *arguments, *name, *v;
  TT_TRY(top(r, &arguments, false));
  TT_TRY(top(r, &name, false));
  if (name->kind != TT_PY_NAME || arguments->kind != TT_PY_TUPLE)
    return broken(r, "calls what cannot be called");
  if (strcmp(name->text, "collections OrderedDict") == 0) return push_new(r, TT_PY_DICT, &v);
  if (is_encode(name, arguments)) return do_encode(r, arguments->items[0]);
  TT_TRY(push_new(r, TT_PY_CALL, &v));
  TT_TRY(add_item(v, name));
  return add_item(v, arguments);
}

// With keyword arguments, which are only written down as the state.
static tt_status do_call_with_keywords(reader *r) {
  tt_py *keywords;
  TT_TRY(top(r, &keywords, false));
  TT_TRY(do_call(r));
  r->stack[r->depth - 1]->state = keywords;
  return TT_OK;
}

static tt_status do_build(reader *r) {
  tt_py *state, *object;
  TT_TRY(top(r, &state, false));
  TT_TRY(top(r, &object, true));
  object->state = state;
  return TT_OK;
}

static tt_status do_persistent(reader *r) {
  tt_py *id, *v;
  TT_TRY(top(r, &id, false));
  TT_TRY(push_new(r, TT_PY_PERSISTENT, &v));
  return add_item(v, id);
}

// ---- the memo: values that are used again

static tt_status put(reader *r, uint64_t place) {
  tt_py *v;
  TT_TRY(top(r, &v, true));
  // places are given out one after the other, by one code each
  if (place > r->bytes) return broken(r, "keeps a value at an impossible place");
  if (place >= r->memos) {
    TT_TRY(tt_reserve(&r->memo, &r->memo_room, (size_t)place + 1, sizeof(tt_py *), "a pickle"));
    memset(r->memo + r->memos, 0, ((size_t)place + 1 - r->memos) * sizeof(tt_py *));
    r->memos = (size_t)place + 1;
  }
  r->memo[place] = v;
  return TT_OK;
}

static tt_status do_put(reader *r, int bytes) {
  uint64_t place;
  TT_TRY(take_number(r, bytes, &place));
  return put(r, place);
}

// Protocol 0 writes places in decimal.
static tt_status take_place(reader *r, uint64_t *place) {
  const unsigned char *line;
  size_t length;
  TT_TRY(take_line(r, &line, &length));
  char *end;
  errno = 0;
  *place = strtoull((const char *)line, &end, 10);
  bool good = length && line[0] >= '0' && line[0] <= '9' && !errno && end == (const char *)line + length;
  return good ? TT_OK : broken(r, "keeps a value at an impossible place");
}

static tt_status do_put_line(reader *r) {
  uint64_t place;
  TT_TRY(take_place(r, &place));
  return put(r, place);
}

static tt_status get(reader *r, uint64_t place) {
  if (place >= r->memos || !r->memo[place]) return broken(r, "uses a value that was not kept");
  return push(r, r->memo[place]);
}

static tt_status do_get(reader *r, int bytes) {
  uint64_t place;
  TT_TRY(take_number(r, bytes, &place));
  return get(r, place);
}

static tt_status do_get_line(reader *r) {
  uint64_t place;
  TT_TRY(take_place(r, &place));
  return get(r, place);
}

static tt_status do_code(reader *r, int code) {
  const unsigned char *skipped;
  tt_py *v;
  switch (code) {
  case PROTO:
    return take(r, 1, &skipped);
  case FRAME:
    return take(r, 8, &skipped);
  case MARK:
    return push(r, NULL);
  case POP:
    return top(r, &v, false);
  case POP_MARK:
    return do_pop_mark(r);
  case DUP:
    TT_TRY(top(r, &v, true));
    return push(r, v);
  case NONE:
    return push_new(r, TT_PY_NONE, &v);
  case NEWTRUE:
    return do_bool(r, true);
  case NEWFALSE:
    return do_bool(r, false);
  case INT:
  case LONG:
    return do_integer_line(r);
  case BININT1:
    return do_integer(r, 1, false);
  case BININT2:
    return do_integer(r, 2, false);
  case BININT:
    return do_integer(r, 4, true);
  case LONG1:
    return do_long(r, 1);
  case LONG4:
    return do_long(r, 4);
  case FLOAT:
    return do_float_line(r);
  case BINFLOAT:
    return do_float(r);
  case UNICODE:
  case STRING:
    return do_text_line(r, code == UNICODE);
  case SHORT_BINUNICODE:
  case SHORT_BINSTRING:
  case SHORT_BINBYTES:
    return do_text(r, 1);
  case BINUNICODE:
  case BINSTRING:
  case BINBYTES:
    return do_text(r, 4);
  case BINUNICODE8:
  case BINBYTES8:
  case BYTEARRAY8:
    return do_text(r, 8);
  case EMPTY_TUPLE:
    return push_new(r, TT_PY_TUPLE, &v);
  case TUPLE:
    return do_tuple(r, -1);
  case TUPLE1:
    return do_tuple(r, 1);
  case TUPLE2:
    return do_tuple(r, 2);
  case TUPLE3:
    return do_tuple(r, 3);
  case EMPTY_LIST:
  case EMPTY_SET:
    return push_new(r, TT_PY_LIST, &v);
  case LIST:
  case FROZENSET:
    return do_container(r, TT_PY_LIST);
  case DICT:
    return do_container(r, TT_PY_DICT);
  case APPEND:
    return do_fill(r, TT_PY_LIST, 1);
  case APPENDS:
  case ADDITEMS:
    return do_fill(r, TT_PY_LIST, -1);
  case EMPTY_DICT:
    return push_new(r, TT_PY_DICT, &v);
  case SETITEM:
    return do_fill(r, TT_PY_DICT, 2);
  case SETITEMS:
    return do_fill(r, TT_PY_DICT, -1);
  case GLOBAL:
    return do_global(r);
  case STACK_GLOBAL:
    return do_stack_global(r);
  case REDUCE:
  case NEWOBJ:
    return do_call(r);
  case NEWOBJ_EX:
    return do_call_with_keywords(r);
  case BUILD:
    return do_build(r);
  case BINPERSID:
    return do_persistent(r);
  case PUT:
    return do_put_line(r);
  case BINPUT:
    return do_put(r, 1);
  case LONG_BINPUT:
    return do_put(r, 4);
  case MEMOIZE:
    return put(r, r->memos);
  case GET:
    return do_get_line(r);
  case BINGET:
    return do_get(r, 1);
  case LONG_BINGET:
    return do_get(r, 4);
  default:
    return tt_fail(TT_ERR_FORMAT,
                   "%s: its pickle has a code that this program does not know (0x%02x at byte %zu)", r->path,
                   (unsigned)code, r->at - 1);
  }
}

tt_status tt_pickle_read(const char *path, const void *data, size_t bytes, const char *const *allowed,
                         tt_pickle *pickle) {
  reader r = {.path = path, .data = data, .bytes = bytes, .allowed = allowed};
  tt_status status = TT_OK;
  bool stopped = false;
  *pickle = (tt_pickle){0};
  while (status == TT_OK && !stopped) {
    const unsigned char *code;
    if ((status = take(&r, 1, &code)) != TT_OK) break;
    if ((stopped = *code == STOP))
      status = top(&r, &pickle->root, false);
    else
      status = do_code(&r, *code);
  }
  free(r.stack), free(r.memo);
  pickle->all = r.all;
  if (status != TT_OK) tt_pickle_free(pickle);
  return status;
}

void tt_pickle_free(tt_pickle *pickle) {
  for (tt_py *v = pickle->all, *next; v; v = next) {
    next = v->next;
    free(v->text), free(v->items), free(v);
  }
  *pickle = (tt_pickle){0};
}

const tt_py *tt_py_get(const tt_py *dict, const char *key) {
  if (dict && dict->kind == TT_PY_CALL) dict = dict->state;
  if (!dict || dict->kind != TT_PY_DICT) return NULL;
  for (size_t k = dict->count; k >= 2; k -= 2) { // of equal keys the last one counts
    const tt_py *name = dict->items[k - 2];
    if (name->kind == TT_PY_TEXT && strcmp(name->text, key) == 0) return dict->items[k - 1];
  }
  return NULL;
}
