#include "train/step_split.h"

static double smaller(double a, double b) {
  return a < b ? a : b;
}

tt_step_split tt_split_step(const tt_rank_step *ranks, int count, double waited) {
  double computing = 0, others = 0, longest = 0;
  for (int r = 0; r < count; r++) {
    computing += ranks[r].computing / count;
    others += ranks[r].others / count;
    if (ranks[r].computing > longest) longest = ranks[r].computing;
  }
  tt_step_split split = {.computation = computing};
  // no more than there was; the clocks of ranks start a few microseconds apart
  double late = longest > computing ? longest - computing : 0;
  split.imbalance = smaller(late, others);
  split.data = smaller(waited, others - split.imbalance);
  split.communication = others - split.imbalance - split.data;
  return split;
}

void tt_step_split_add(tt_step_split *sum, const tt_step_split *term) {
  sum->computation += term->computation;
  sum->imbalance += term->imbalance;
  sum->communication += term->communication;
  sum->data += term->data;
}

double tt_step_split_sum(const tt_step_split *split) {
  return split->computation + split->imbalance + split->communication + split->data;
}
