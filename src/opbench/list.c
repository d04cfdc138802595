// The operations by name, and who has cases for them.
#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "config/keys.h"
#include "opbench/opbench.h"
#include "opbench/opcase.h"

#define OP(name)                                                                                             \
  { #name, offsetof(tt_ops, name) }
static const struct {
  const char *name;
  size_t at;
} list[] = {
    OP(linear),
    OP(linear_backward),
    OP(layer_norm),
    OP(layer_norm_backward),
    OP(gelu),
    OP(gelu_backward),
    OP(linear_single),
    OP(linear_single_backward),
    OP(gelu_single),
    OP(gelu_single_backward),
    OP(norm_linear),
    OP(norm_linear_backward),
    OP(linear_residual),
    OP(linear_residual_backward),
    OP(bias_residual),
    OP(bias_residual_backward),
    OP(ffn),
    OP(ffn_backward),
    OP(embed_tokens),
    OP(embed_tokens_backward),
    OP(embed_pairs),
    OP(embed_pairs_backward),
    OP(gaussian),
    OP(gaussian_backward),
    OP(atom_pairs_add),
    OP(atom_pairs_get),
    OP(attention),
    OP(attention_backward),
    OP(attention_values),
    OP(attention_values_backward),
    OP(movement),
    OP(movement_backward),
    OP(outer_product),
    OP(outer_product_backward),
    OP(triangle),
    OP(triangle_backward),
    OP(triangle_out),
    OP(triangle_out_backward),
    OP(gather_masked),
    OP(scatter_masked),
    OP(cross_entropy),
    OP(position_losses),
    OP(copy_activations),
    OP(zero_activations),
    OP(add_activations),
    OP(copy),
    OP(zero),
    OP(library_product),
    OP(add),
    OP(sum_squares),
    OP(block_squares),
    OP(adam),
};
enum { COUNT = sizeof list / sizeof *list };
// scratch() is the one that is none
static_assert(sizeof(tt_ops) - offsetof(tt_ops, linear) == (COUNT + 1) * sizeof(void (*)(void)),
              "an operation of the table is missing in this list: give it cases, too");

int tt_opbench_count(void) {
  return COUNT;
}

const char *tt_opbench_name(int op) {
  return list[op].name;
}

bool tt_opbench_filled(const tt_ops *ops, int op) {
  void (*function)(void);
  memcpy(&function, (const unsigned char *)ops + list[op].at, sizeof function);
  return function != NULL;
}

tt_status tt_opbench_find(const char *name, int *op) {
  const char *names[COUNT + 1] = {NULL};
  char known[1024] = "";
  for (int k = 0; k < COUNT; k++) {
    size_t used = strlen(known);
    names[k] = list[k].name;
    if (strcmp(name, names[k]) == 0) return *op = k, TT_OK;
    snprintf(known + used, sizeof known - used, "%s%s", k ? ", " : "", names[k]);
  }
  char shown[64];
  tt_config_quote(shown, sizeof shown, name);
  return tt_fail(TT_ERR_ARGUMENT, "there is no operation %s; the nearest is %s (there are %s)", shown,
                 tt_config_nearest_word(name, names), known);
}

const tt_op_family *tt_op_family_of(const char *name, bool *backward) {
  static const tt_op_family *const rooms[] = {tt_op_dense, tt_op_fused,  tt_op_embedding, tt_op_attention,
                                              tt_op_pair,  tt_op_losses, tt_op_flat};
  for (size_t k = 0; k < sizeof rooms / sizeof *rooms; k++)
    for (const tt_op_family *f = rooms[k]; f->forward != NULL; f++) {
      *backward = f->backward != NULL && strcmp(f->backward, name) == 0;
      if (*backward || strcmp(f->forward, name) == 0) return f;
    }
  return NULL;
}
