#include "model/model.h"

int64_t tt_model_probe_rows(tt_probe_rows rows, const tt_batch *own, const tt_batch *all) {
  switch (rows) {
  case TT_PROBE_TOKENS:
    return own->tokens;
  case TT_PROBE_PAIRS:
    return own->pairs;
  case TT_PROBE_ATOM_PAIRS:
    return own->atom_pairs;
  case TT_PROBE_MASKED:
    return own->masked;
  case TT_PROBE_PROBABILITIES:
    return all->pairs;
  }
  return 0;
}
