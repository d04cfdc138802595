// twotrack train, on a machine that computes something else now and then: built with --wrap for
// tt_model_train, tt_block_forward and tt_block_backward. TT_TEST_FAULT = "KIND RANK STEP RUN" turns a bit
// round in the RUN-th piece (from 0) that this rank computes for update STEP: KIND "forward", of what layer 0
// gives to the pair track; "backward", of the gradient that goes into layer 0; "gradient", of a weight's
// gradient; "losses", of a loss.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "model/activations.h"

static int run = -1; // pieces of the update so far
static int64_t at = -1;

// Whether it is the time for a fault of this kind.
static bool strikes(const char *kind) {
  char wanted[16];
  int rank, step, which;
  const char *fault = getenv("TT_TEST_FAULT"), *own = getenv("OMPI_COMM_WORLD_RANK");
  if (!fault || sscanf(fault, "%15s %d %d %d", wanted, &rank, &step, &which) != 4) return false;
  return strcmp(kind, wanted) == 0 && rank == (own ? atoi(own) : 0) && step == at && which == run;
}

static void flip(float *value) {
  uint32_t bits;
  memcpy(&bits, value, sizeof bits);
  bits ^= 1u << 21;
  memcpy(value, &bits, sizeof bits);
}

void __real_tt_block_forward(const tt_pass *p, int layer);
void __wrap_tt_block_forward(const tt_pass *p, int layer);
void __wrap_tt_block_forward(const tt_pass *p, int layer) {
  __real_tt_block_forward(p, layer);
  if (layer == 0 && strikes("forward")) flip(&p->m->layers[1].pair[5]);
}

void __real_tt_block_backward(const tt_pass *p, int layer);
void __wrap_tt_block_backward(const tt_pass *p, int layer);
void __wrap_tt_block_backward(const tt_pass *p, int layer) {
  if (layer == 0 && strikes("backward")) flip(&p->m->dx[7]);
  __real_tt_block_backward(p, layer);
}

tt_status __real_tt_model_train(tt_model *model, const float *weights, const tt_piece *piece, uint64_t seed,
                                uint64_t step, const tt_loss_scale *scale, float *gradient,
                                const tt_piece_losses *losses);
tt_status __wrap_tt_model_train(tt_model *model, const float *weights, const tt_piece *piece, uint64_t seed,
                                uint64_t step, const tt_loss_scale *scale, float *gradient,
                                const tt_piece_losses *losses);
tt_status __wrap_tt_model_train(tt_model *model, const float *weights, const tt_piece *piece, uint64_t seed,
                                uint64_t step, const tt_loss_scale *scale, float *gradient,
                                const tt_piece_losses *losses) {
  run = at == (int64_t)step + 1 ? run + 1 : 0;
  at = (int64_t)step + 1;
  TT_TRY(__real_tt_model_train(model, weights, piece, seed, step, scale, gradient, losses));
  const tt_parameter *p = tt_parameters_find(&model->parameters, "encoder.layers.0.opm.linear_in.weight");
  if (strikes("gradient")) flip(&gradient[p->offset + 3]);
  if (strikes("losses")) losses->position[0] += 1e-9;
  return TT_OK;
}

int main(int argc, char **argv) {
  return tt_cli_train(argc - 1, argv + 1); // inject_compute train CONFIG ...
}
