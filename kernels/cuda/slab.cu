#include "slab.h"

#include <stdlib.h>

static int64_t elements() {
  static int64_t wanted = 0; // asked for once: scratch and the operations must agree
  if (wanted == 0) {
    const char *text = getenv("TWOTRACK_SLAB");
    wanted = text != nullptr ? atoll(text) : 0;
    if (wanted <= 0) wanted = (int64_t)16896 * 512;
  }
  return wanted;
}

// Whole tiles of a product (128 rows), or, where tests ask for tiny slabs, of eight rows.
static int64_t most_rows(int widest) {
  int64_t rows = elements() / (widest > 0 ? widest : 1);
  return rows >= 128 ? rows / 128 * 128 : rows >= 8 ? rows / 8 * 8 : 8;
}

int64_t tt_slab_rows(int64_t rows, int widest) {
  int64_t most = most_rows(widest);
  if (rows <= most) return rows;
  int64_t slabs = (rows + most - 1) / most, unit = most >= 128 ? 128 : 8;
  return ((rows + slabs - 1) / slabs + unit - 1) / unit * unit;
}

int64_t tt_slab_elements(int64_t rows, int columns) {
  int64_t least = (int64_t)128 * columns, most = elements() > least ? elements() : least;
  return rows * columns < most ? rows * columns : most;
}
