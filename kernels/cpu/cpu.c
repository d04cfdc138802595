// The CPU backend's table.
#include "cpu.h"

#include <cblas.h>
#include <pthread.h>

static size_t larger(size_t a, size_t b) {
  return a > b ? a : b;
}

static size_t scratch(int length, int heads, int pair_hidden, int pair_dim) {
  size_t size = tt_cpu_attention_scratch(length);
  size = larger(size, tt_cpu_movement_scratch(length, heads));
  size = larger(size, tt_cpu_outer_product_scratch(pair_hidden, pair_dim));
  return larger(size, tt_cpu_triangle_scratch(length));
}

static const tt_ops ops = {
    .name = "cpu",
    .deterministic = true,
    .linear = tt_cpu_linear,
    .linear_backward = tt_cpu_linear_backward,
    .layer_norm = tt_cpu_layer_norm,
    .layer_norm_apply = tt_cpu_layer_norm_apply,
    .layer_norm_backward = tt_cpu_layer_norm_backward,
    .gelu = tt_cpu_gelu,
    .gelu_backward = tt_cpu_gelu_backward,
    .dropout = tt_cpu_dropout,
    .gate_add = tt_cpu_gate_add,
    .gate_backward = tt_cpu_gate_backward,
    .embed_tokens = tt_cpu_embed_tokens,
    .embed_tokens_backward = tt_cpu_embed_tokens_backward,
    .embed_pairs = tt_cpu_embed_pairs,
    .embed_pairs_backward = tt_cpu_embed_pairs_backward,
    .gaussian = tt_cpu_gaussian,
    .gaussian_backward = tt_cpu_gaussian_backward,
    .atom_pairs_add = tt_cpu_atom_pairs_add,
    .atom_pairs_get = tt_cpu_atom_pairs_get,
    .attention = tt_cpu_attention,
    .attention_backward = tt_cpu_attention_backward,
    .attention_values = tt_cpu_attention_values,
    .attention_values_backward = tt_cpu_attention_values_backward,
    .movement = tt_cpu_movement,
    .movement_backward = tt_cpu_movement_backward,
    .scratch = scratch,
    .outer_product = tt_cpu_outer_product,
    .outer_product_backward = tt_cpu_outer_product_backward,
    .triangle = tt_cpu_triangle,
    .triangle_backward = tt_cpu_triangle_backward,
    .gather_masked = tt_cpu_gather_masked,
    .scatter_masked = tt_cpu_scatter_masked,
    .cross_entropy = tt_cpu_cross_entropy,
    .position_losses = tt_cpu_position_losses,
    .copy = tt_cpu_copy,
    .zero = tt_cpu_zero,
    .add = tt_cpu_add,
    .sum_squares = tt_cpu_sum_squares,
    .adam = tt_cpu_adam,
};

// One thread: with more, the bits of a product would change with their number (ranks use the cores instead).
static void single_thread(void) {
  openblas_set_num_threads(1);
}

const tt_ops *tt_ops_cpu(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, single_thread);
  return &ops;
}
