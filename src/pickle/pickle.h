// A reader of Python pickles that executes nothing: whatever a pickle names or calls becomes an inert object,
// and names outside the caller's list are refused. Protocols 0 to 5, of which it knows the codes for plain
// values, containers, names and calls.
#ifndef TT_PICKLE_PICKLE_H
#define TT_PICKLE_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef enum {
  TT_PY_NONE,
  TT_PY_BOOL,
  TT_PY_INT,
  TT_PY_FLOAT,
  TT_PY_TEXT, // bytes too
  TT_PY_TUPLE,
  TT_PY_LIST,       // sets too
  TT_PY_DICT,       // OrderedDict too
  TT_PY_NAME,       // a class or function: text is "module name"
  TT_PY_CALL,       // items: the name called, its tuple of arguments
  TT_PY_PERSISTENT, // items: the id, which refers to something outside the pickle
  TT_PY_OTHER,      // an integer of more than 64 bits
} tt_py_kind;

typedef struct tt_py tt_py;
struct tt_py {
  tt_py_kind kind;
  int64_t number; // of a bool or int
  double real;    // of a float
  char *text;     // UTF-8 or bytes; followed by a 0
  size_t length;  // of text
  size_t count, capacity;
  tt_py **items; // (count); a dict's are key, value, key, value, ...
  tt_py *state;  // of a call's result: what it is set to afterwards (an object's attributes); or NULL
  tt_py *next;   // for tt_pickle_free
};

typedef struct {
  tt_py *all;  // every value read
  tt_py *root; // the value that the pickle holds
} tt_pickle;

// Reads the pickle in data. `allowed`: the names it may use, as "module name", ended by NULL. Takes at most
// some 100 times `bytes`, whatever they say. TT_ERR_FORMAT (a name that is not allowed, an unknown code),
// TT_ERR_CORRUPT (it ends too early, a code without its operands), TT_ERR_MEMORY; `path` is for messages.
tt_status tt_pickle_read(const char *path, const void *data, size_t bytes, const char *const *allowed,
                         tt_pickle *pickle);
void tt_pickle_free(tt_pickle *pickle);

// The value under a key of a dict, or of the attributes of an object; NULL when there is none.
const tt_py *tt_py_get(const tt_py *dict, const char *key);

#endif
