// Copies of the parameters that differ; run with 1, 2 and 4 ranks under mpirun. Every rank runs every test.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/replicas.h"
#include "train/trainer.h"

static tt_comm comm;
static tt_config config;

static void flip(float *value, int bit) {
  uint32_t bits;
  memcpy(&bits, value, sizeof bits);
  bits ^= (uint32_t)1 << bit;
  memcpy(value, &bits, sizeof bits);
}

static void assert_says(const char *words) {
  if (!strstr(tt_error_message(), words)) fail_msg("no '%s' in: %s", words, tt_error_message());
}

// The ranks of a mesh with what each holds of the small model.
typedef struct {
  tt_mesh mesh;
  tt_parameters parameters;
  float *weights;
} copies;

static copies make(int tensor) {
  copies c;
  assert_int_equal(tt_mesh_make(&c.mesh, &comm, tensor), TT_OK);
  assert_int_equal(tt_parameters_build(&c.parameters, &config.model, tensor, c.mesh.tensor.rank), TT_OK);
  c.weights = malloc((size_t)c.parameters.total * sizeof *c.weights);
  assert_non_null(c.weights);
  tt_parameters_init(&c.parameters, 7, c.weights);
  return c;
}

static void release(copies *c) {
  free(c->weights);
  tt_parameters_free(&c->parameters);
  tt_mesh_free(&c->mesh);
}

static tt_status check(const copies *c) {
  return tt_replicas_check(&c->mesh, &c->parameters, tt_ops_cpu(TT_FP32), c->weights, 12);
}

// Turns the last bit of an element of a tensor on one rank of the world, and back.
static void flip_on(copies *c, int rank, const char *name, int64_t element) {
  const tt_parameter *p = tt_parameters_find(&c->parameters, name);
  assert_non_null(p);
  if (comm.rank == rank) flip(&c->weights[p->offset + (element < 0 ? p->count - 1 : element)], 0);
}

static const char *const whole = "encoder.layers.1.opm.linear_in.weight";
static const char *const split[] = {"encoder.layers.0.self_attn.linear_k.weight",
                                    "encoder.layers.1.ffn.linear_2.weight"};

static void equal_copies_pass(void **state) {
  (void)state;
  for (int tensor = 1; tensor <= comm.size; tensor *= 2) {
    copies c = make(tensor);
    assert_int_equal(check(&c), TT_OK);
    release(&c);
  }
}

// Of what all ranks hold, in every mesh: first and last element, every rank the guilty one.
static void one_bit_of_what_all_have(void **state) {
  (void)state;
  for (int tensor = 1; tensor <= comm.size && comm.size > 1; tensor *= 2) {
    copies c = make(tensor);
    for (int rank = 0; rank < comm.size; rank++)
      for (int64_t element = 0; element >= -1; element--) {
        char words[200];
        flip_on(&c, rank, whole, element);
        assert_int_equal(check(&c), TT_ERR_MPI);
        snprintf(words, sizeof words, "after update 12 the copy of %s on rank %d (", whole, rank);
        assert_says(comm.size > 2 ? words : "on ranks 0 (");
        assert_says(whole);
        flip_on(&c, rank, whole, element);
        assert_int_equal(check(&c), TT_OK);
      }
    release(&c);
  }
}

// Of what a tensor group shares out only the ranks with the same place have a copy.
static void one_bit_of_what_is_split(void **state) {
  (void)state;
  for (int tensor = 1; tensor < comm.size; tensor *= 2) {
    copies c = make(tensor);
    for (int rank = 0; rank < comm.size; rank++) {
      const char *name = split[rank % 2];
      int first = rank % tensor, copies_of_it = comm.size / tensor; // the lowest rank with this share
      char words[200];
      flip_on(&c, rank, name, -1);
      assert_int_equal(check(&c), TT_ERR_MPI);
      assert_says(name);
      snprintf(words, sizeof words, copies_of_it > 2 ? "on rank %d (" : "on ranks %d (",
               copies_of_it > 2 ? rank : first);
      assert_says(words);
      snprintf(words, sizeof words, ", %d (", first + tensor); // the other one of two
      if (copies_of_it == 2) assert_says(words);
      flip_on(&c, rank, name, -1);
    }
    assert_int_equal(check(&c), TT_OK);
    release(&c);
  }
  if (comm.size == 1) return;
  copies c = make(comm.size); // nobody has a copy: nothing to compare
  flip_on(&c, 1, split[0], 0);
  assert_int_equal(check(&c), TT_OK);
  release(&c);
}

static void several_at_once(void **state) {
  (void)state;
  if (comm.size < 4) skip();
  copies c = make(1);
  flip_on(&c, 1, split[0], 5);
  flip_on(&c, 3, whole, 6);
  assert_int_equal(check(&c), TT_ERR_MPI);
  assert_says(split[0]); // the first in the model's order, and how many there are
  assert_says("(and of 1 more tensor) on rank 1 (");
  flip_on(&c, 3, split[0], 5);
  assert_int_equal(check(&c), TT_ERR_MPI); // two against two
  assert_says("none has a majority");
  assert_says("on ranks 0 (");
  release(&c);
}

// Zero has two signs, and a number that is none is equal to nothing by ==, itself included.
static void bits_are_compared(void **state) {
  (void)state;
  copies c = make(1);
  c.weights[0] = -0.0f;
  const uint32_t nan = 0x7fc00001;
  memcpy(&c.weights[1], &nan, sizeof nan);
  assert_int_equal(check(&c), TT_OK);
  if (comm.rank == comm.size - 1) c.weights[0] = 0;
  assert_int_equal(check(&c), comm.size > 1 ? TT_ERR_MPI : TT_OK);
  release(&c);
}

static void a_trainer(void **state) {
  (void)state;
  tt_trainer t = {0};
  assert_int_equal(tt_trainer_init(&t, &comm, &config), TT_OK);
  assert_int_equal(tt_replicas_check(&t.mesh, t.parameters, t.ops, t.weights, 0), TT_OK);
  const tt_parameter *p = tt_parameters_find(t.parameters, "lm_head.dense.bias");
  if (comm.rank == comm.size - 1) flip(&t.weights[p->offset + 3], 31);
  assert_int_equal(tt_replicas_check(&t.mesh, t.parameters, t.ops, t.weights, 0),
                   comm.size > 1 ? TT_ERR_MPI : TT_OK);
  if (comm.size > 1) assert_says("lm_head.dense.bias");
  if (comm.size == 2) assert_says("on ranks 0 (");
  if (comm.size == 4) assert_says("on rank 3 (");
  tt_trainer_free(&t);
}

int main(int argc, char **argv) {
  if (tt_comm_start(&comm) != TT_OK) return fprintf(stderr, "%s\n", tt_error_message()), 1;
  const char *const sets[] = {"train.steps=3"};
  if (argc != 2 || tt_config_load(&config, argv[1], sets, 1) != TT_OK)
    return fprintf(stderr, "%s\n", tt_error_message()), 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(equal_copies_pass),        cmocka_unit_test(one_bit_of_what_all_have),
      cmocka_unit_test(one_bit_of_what_is_split), cmocka_unit_test(several_at_once),
      cmocka_unit_test(bits_are_compared),        cmocka_unit_test(a_trainer),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  if (failed) MPI_Abort(comm.mpi, 1); // the others may be waiting for this rank
  tt_config_free(&config);
  tt_comm_finish(&comm);
  return 0;
}
