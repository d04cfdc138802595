#include "comm/traffic.h"

const char *tt_traffic_name(tt_traffic_kind kind) {
  static const char *const names[TT_TRAFFIC_KINDS] = {"other", "records", "losses",     "gradients",
                                                      "norms", "weights", "token rows", "attention bias"};
  return names[kind];
}
