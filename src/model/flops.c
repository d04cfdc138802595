#include "model/flops.h"

#include <math.h>

// Everything but the outer product and the movement head's sum over values, which the two conventions do
// differently.
static double common(const tt_model_config *c, double n, double masked) {
  double S = n + 1, D = c->embed_dim, H = c->heads, P = c->pair_dim, C = c->pair_hidden, F = c->ffn_dim,
         L = c->layers;
  double K = TT_GAUSSIANS, V = TT_TOKENS;
  double attention = 8 * S * D * D + 4 * S * S * D + 2 * S * S * P * H;
  double ffn = 4 * S * D * F;
  double outer_in = 4 * S * D * C;
  double triangle = 8 * S * S * P * C + 2 * S * S * P * P + 4 * S * S * S * C + 2 * S * S * C * P;
  double pair_ffn = 4 * S * S * P * P;
  double gaussian = 2 * n * n * (K * K + K * P);
  double movement = 6 * n * D * D + 2 * n * n * P * H + 2 * n * n * D;
  double tokens = 2 * masked * (D * D + V * D);
  return L * (attention + ffn + outer_in + triangle + pair_ffn) + gaussian + movement + tokens;
}

double tt_flops_executed(const tt_model_config *c, int atoms, double masked) {
  double n = atoms, S = n + 1, P = c->pair_dim, C = c->pair_hidden, D = c->embed_dim, H = c->heads;
  double outer = 2 * S * C * C * P + 2 * S * S * C * P; // T_i = W a_i, then T_i b_j
  double movement = 2 * n * D + 2 * n * n * (H + 3);    // one scalar a head and atom, then its weighted sum
  return common(c, n, masked) + c->layers * outer + movement;
}

double tt_flops_reference(const tt_model_config *c, int atoms, double masked) {
  double n = atoms, S = n + 1, P = c->pair_dim, C = c->pair_hidden, D = c->embed_dim;
  double outer = S * S * C * C + 2 * S * S * C * C * P; // a_i (x) b_j, then W
  double movement = 6 * n * n * D + 6 * n * D; // three weighted sums of the values, then the projection
  return common(c, n, masked) + c->layers * outer + movement;
}

int64_t tt_flops_cost(const tt_config *config, int atoms) {
  return llround(3e-3 * tt_flops_executed(&config->model, atoms, config->data.mask_probability * atoms));
}
