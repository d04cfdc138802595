#include "slab.h"

#include <stdlib.h>

struct limits {
  int64_t elements, rows; // of a slab's widest array; and fewer rows than these it never has
};

static limits slab_limits() {
  static limits wanted = {0, 0}; // asked for once: scratch and the operations must agree
  if (wanted.elements == 0) {
    const char *text = getenv("TWOTRACK_SLAB");
    wanted = {text != nullptr ? atoll(text) : 0, 8};
    if (wanted.elements <= 0) wanted = {16896 * 512, 4096};
  }
  return wanted;
}

// Whole tiles of a product (128 rows), or, where tests ask for tiny slabs, of eight rows.
static int64_t most_rows(int widest) {
  int64_t rows = slab_limits().elements / (widest > 0 ? widest : 1), least = slab_limits().rows;
  rows = rows >= 128 ? rows / 128 * 128 : rows / 8 * 8;
  return rows > least ? rows : least;
}

int64_t tt_slab_rows(int64_t rows, int widest) {
  int64_t most = most_rows(widest);
  if (rows <= most) return rows;
  int64_t slabs = (rows + most - 1) / most, unit = most >= 128 ? 128 : 8;
  return ((rows + slabs - 1) / slabs + unit - 1) / unit * unit;
}

int64_t tt_slab_elements(int64_t rows, int columns) {
  int64_t least = slab_limits().rows > 128 ? slab_limits().rows : 128;
  int64_t most = slab_limits().elements > least * columns ? slab_limits().elements : least * columns;
  return rows * columns < most ? rows * columns : most;
}
