#include "model/parts.h"

const char *tt_part_name(tt_part part) {
  static const char *const names[TT_PARTS] = {
      "embedding",     "attention", "atom FFN",      "outer product", "triangle",  "pair FFN", "heads",
      "gradient sums", "optimizer", "communication", "data",          "imbalance", "other"};
  return names[part];
}
