// The CPU backend's table, one for each copy (isa.h).
#include "cpu.h"
#include "device/host_memory.h"

static size_t scratch(const tt_sizes *k) {
  int embed = k->embed_dim, pair = k->pair_dim, hidden = k->pair_hidden, wide = pair > embed ? pair : embed;
  int tokens[] = {3 * embed}, pairs[] = {2 * hidden, 2 * hidden, pair}, one[] = {wide};
  int widest = wide > TT_GAUSSIANS ? wide : TT_GAUSSIANS;
  const struct {
    tt_scratch_of of;
    size_t floats;
  } needs[] = {
      {TT_SCRATCH_ATTENTION, TT_CPU(attention_scratch)(k->length)},
      {TT_SCRATCH_MOVEMENT, TT_CPU(movement_scratch)(k->length, k->heads)},
      {TT_SCRATCH_LINEAR, TT_DENSE(linear_scratch)(widest, widest)},
      {TT_SCRATCH_NORM_LINEAR, TT_DENSE(norm_linear_scratch)(embed, tokens, 1)},
      {TT_SCRATCH_NORM_LINEAR, TT_DENSE(norm_linear_scratch)(pair, pairs, 3)},
      {TT_SCRATCH_NORM_LINEAR, TT_DENSE(norm_linear_scratch)(wide, one, 1)},
      {TT_SCRATCH_NORM_LINEAR, TT_DENSE(norm_linear_scratch)(embed, &pairs[0], 1)},
      {TT_SCRATCH_FFN, TT_DENSE(ffn_scratch)(embed, k->ffn_dim)},
      {TT_SCRATCH_FFN, TT_DENSE(ffn_scratch)(pair, pair)},
      {TT_SCRATCH_OUTER_PRODUCT, TT_CPU(outer_product_scratch)(hidden, k->length)},
      {TT_SCRATCH_TRIANGLE, TT_CPU(triangle_scratch)(k->length)},
      {TT_SCRATCH_TRIANGLE_OUT, TT_DENSE(triangle_out_scratch)(hidden, pair, k->length)},
  };
  size_t most = 0;
  for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
    if (k->of == TT_SCRATCH_ALL || k->of == needs[i].of)
      most = needs[i].floats > most ? needs[i].floats : most;
  return most;
}

const tt_ops TT_DENSE(ops) = {
    .name = TT_CPU_NAME,
    .deterministic = true,
    .precision = TT_CPU_PRECISION,
    TT_HOST_MEMORY,
    .linear = TT_DENSE(linear),
    .linear_backward = TT_DENSE(linear_backward),
    .layer_norm = TT_CPU(layer_norm),
    .layer_norm_backward = TT_CPU(layer_norm_backward),
    .gelu = TT_CPU(gelu),
    .gelu_backward = TT_CPU(gelu_backward),
    .linear_single = TT_DENSE(linear),
    .linear_single_backward = TT_DENSE(linear_backward),
    .gelu_single = TT_CPU(gelu),
    .gelu_single_backward = TT_CPU(gelu_backward),
    .norm_linear = TT_DENSE(norm_linear),
    .norm_linear_backward = TT_DENSE(norm_linear_backward),
    .linear_residual = TT_DENSE(linear_residual),
    .linear_residual_backward = TT_DENSE(linear_residual_backward),
    .bias_residual = TT_CPU(bias_residual),
    .bias_residual_backward = TT_CPU(bias_residual_backward),
    .ffn = TT_DENSE(ffn),
    .ffn_backward = TT_DENSE(ffn_backward),
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
    .triangle_out = TT_DENSE(triangle_out),
    .triangle_out_backward = TT_DENSE(triangle_out_backward),
    .gather_masked = TT_CPU(gather_masked),
    .scatter_masked = TT_CPU(scatter_masked),
    .cross_entropy = TT_CPU(cross_entropy),
    .position_losses = TT_CPU(position_losses),
    .copy_activations = TT_CPU(copy),
    .zero_activations = TT_CPU(zero),
    .add_activations = TT_CPU(add),
    .copy = TT_CPU(copy),
    .zero = TT_CPU(zero),
    .library_product = TT_CPU(library_product),
    .add = TT_CPU(add),
    .sum_squares = TT_CPU(sum_squares),
    .block_squares = TT_CPU(block_squares),
    .adam = TT_CPU(adam),
};
