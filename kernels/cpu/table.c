// The CPU backend's table, one for each instruction set.
#include "cpu.h"

static size_t larger(size_t a, size_t b) {
  return a > b ? a : b;
}

static size_t scratch(int length, int heads, int pair_hidden, int pair_dim) {
  size_t size = TT_CPU(attention_scratch)(length);
  size = larger(size, TT_CPU(movement_scratch)(length, heads));
  size = larger(size, TT_CPU(outer_product_scratch)(pair_hidden, pair_dim));
  return larger(size, TT_CPU(triangle_scratch)(length));
}

const tt_ops TT_CPU(ops) = {
    .name = "cpu, " TT_ISA_TEXT(TT_ISA),
    .deterministic = true,
    .linear = TT_CPU(linear),
    .linear_backward = TT_CPU(linear_backward),
    .layer_norm = TT_CPU(layer_norm),
    .layer_norm_apply = TT_CPU(layer_norm_apply),
    .layer_norm_backward = TT_CPU(layer_norm_backward),
    .gelu = TT_CPU(gelu),
    .gelu_backward = TT_CPU(gelu_backward),
    .dropout = TT_CPU(dropout),
    .gate_add = TT_CPU(gate_add),
    .gate_backward = TT_CPU(gate_backward),
    .embed_tokens = TT_CPU(embed_tokens),
    .embed_tokens_backward = TT_CPU(embed_tokens_backward),
    .embed_pairs = TT_CPU(embed_pairs),
    .embed_pairs_backward = TT_CPU(embed_pairs_backward),
    .gaussian = TT_CPU(gaussian),
    .gaussian_backward = TT_CPU(gaussian_backward),
    .atom_pairs_add = TT_CPU(atom_pairs_add),
    .atom_pairs_get = TT_CPU(atom_pairs_get),
    .attention = TT_CPU(attention),
    .attention_backward = TT_CPU(attention_backward),
    .attention_values = TT_CPU(attention_values),
    .attention_values_backward = TT_CPU(attention_values_backward),
    .movement = TT_CPU(movement),
    .movement_backward = TT_CPU(movement_backward),
    .scratch = scratch,
    .outer_product = TT_CPU(outer_product),
    .outer_product_backward = TT_CPU(outer_product_backward),
    .triangle = TT_CPU(triangle),
    .triangle_backward = TT_CPU(triangle_backward),
    .gather_masked = TT_CPU(gather_masked),
    .scatter_masked = TT_CPU(scatter_masked),
    .cross_entropy = TT_CPU(cross_entropy),
    .position_losses = TT_CPU(position_losses),
    .copy = TT_CPU(copy),
    .zero = TT_CPU(zero),
    .add = TT_CPU(add),
    .sum_squares = TT_CPU(sum_squares),
    .adam = TT_CPU(adam),
};
