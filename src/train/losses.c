#include "train/losses.h"

#include <math.h>

void tt_loss_sums_add(tt_loss_sums *s, const tt_molecule_losses *l, const tt_train_config *config) {
  double both = config->position_loss_weight * l->position + config->distance_loss_weight * l->distance;
  s->token += l->token;
  s->token_squares += l->token_squares;
  s->position += l->position;
  s->position_squares += l->position * l->position;
  s->distance += l->distance;
  s->distance_squares += l->distance * l->distance;
  s->both += both;
  s->both_squares += both * both;
  s->molecules++;
  s->masked += l->masked;
}

static double standard_error(double sum, double squares, int64_t count) {
  if (count < 2) return 0;
  double n = (double)count, variance = (squares - sum * sum / n) / (n - 1);
  return variance > 0 ? sqrt(variance / n) : 0;
}

tt_losses tt_loss_means(const tt_loss_sums *s, const tt_train_config *config) {
  tt_losses l = {.molecules = s->molecules, .masked = s->masked};
  double molecules = s->molecules ? (double)s->molecules : 1, atoms = s->masked ? (double)s->masked : 1;
  l.token = s->token / atoms;
  l.position = s->position / molecules;
  l.distance = s->distance / molecules;
  l.loss = config->token_loss_weight * l.token + config->position_loss_weight * l.position +
           config->distance_loss_weight * l.distance;
  l.token_se = standard_error(s->token, s->token_squares, s->masked);
  l.position_se = standard_error(s->position, s->position_squares, s->molecules);
  l.distance_se = standard_error(s->distance, s->distance_squares, s->molecules);
  l.loss_se =
      hypot(config->token_loss_weight * l.token_se, standard_error(s->both, s->both_squares, s->molecules));
  return l;
}
