// Arrays of numpy in a pickle, in the forms that numpy writes: _reconstruct and a state (protocols 0 to 4),
// _frombuffer (protocol 5).
#ifndef TT_PICKLE_ARRAYS_H
#define TT_PICKLE_ARRAYS_H

#include "pickle/pickle.h"

enum { TT_ARRAY_DIMS = 4 };

// A view into the pickle.
typedef struct {
  char kind; // f float, i and u integer, U text (four bytes a character), S bytes
  int width; // bytes an element
  bool big_endian;
  int dims;                                          // 0 .. TT_ARRAY_DIMS
  int64_t shape[TT_ARRAY_DIMS], step[TT_ARRAY_DIMS]; // elements; a step is from one index to the next
  int64_t count;                                     // elements
  const unsigned char *data;
} tt_py_array;

// Names that the pickle of an array uses, for `allowed` of tt_pickle_read.
#define TT_PICKLE_ARRAY_NAMES                                                                                \
  "numpy dtype", "numpy ndarray", "numpy.core.multiarray _reconstruct",                                      \
      "numpy._core.multiarray _reconstruct", "numpy.core.numeric _frombuffer",                               \
      "numpy._core.numeric _frombuffer", "_codecs encode"

// False: the value is no array, or one that is not described as numpy does it.
bool tt_py_array_describe(const tt_py *value, tt_py_array *array);

// The element `at` elements from the first one, of kinds f, i and u.
double tt_py_array_number(const tt_py_array *array, int64_t at);

// Same of kinds U and S, when all its characters are ASCII: at most `size` - 1 of them and a 0. False: not
// so.
bool tt_py_array_text(const tt_py_array *array, int64_t at, char *text, size_t size);

#endif
