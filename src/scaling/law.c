#include "scaling/law.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static const double epoch_point[] = {1.8169, 482.01, 0.3478, 2085.43, 0.3658};
static const double uni_mol2_point[] = {2.660, -1.137, 1.848, -0.225, 0.588, -1.479};

static const tt_law laws[] = {
    {.name = "chinchilla",
     .formula = "L = E + A / N^alpha + B / D^beta",
     .offset = true,
     .terms = 2,
     .variable = {TT_VARIABLE_SIZE, TT_VARIABLE_SAMPLES},
     .unit = {1, 1},
     .sign = {-1, -1},
     .parameters = 5,
     .parameter = {"E", "A", "alpha", "B", "beta"},
     .published = epoch_point,
     .published_by = "Besiroglu et al. 2024 (arXiv 2404.10102), 240 runs of Hoffmann et al. 2022"},
    // The paper states no units; with M in millions and S in updates its own predictions come out.
    {.name = "uni-mol2",
     .formula = "L = a_m M^b_m + a_s S^b_s + a_c (M S)^b_c",
     .offset = false,
     .terms = 3,
     .variable = {TT_VARIABLE_SIZE, TT_VARIABLE_STEPS, TT_VARIABLE_SIZE_STEPS},
     .unit = {1e6, 1, 1e6},
     .sign = {1, 1, 1},
     .parameters = 6,
     .parameter = {"a_m", "b_m", "a_s", "b_s", "a_c", "b_c"},
     .published = uni_mol2_point,
     .published_by = "Uni-Mol2 (arXiv 2406.14969), equation 11"},
};

#define POWER(letter, kind)                                                                                  \
  {                                                                                                          \
    .name = "power", .formula = "L = E + A / " letter "^alpha", .offset = true, .terms = 1,                  \
    .variable = {kind}, .unit = {1}, .sign = {-1}, .parameters = 3, .parameter = {                           \
      "E",                                                                                                   \
      "A",                                                                                                   \
      "alpha"                                                                                                \
    }                                                                                                        \
  }

static const tt_law powers[] = {
    [TT_VARIABLE_SIZE] = POWER("N", TT_VARIABLE_SIZE),
    [TT_VARIABLE_SAMPLES] = POWER("D", TT_VARIABLE_SAMPLES),
    [TT_VARIABLE_STEPS] = POWER("S", TT_VARIABLE_STEPS),
    [TT_VARIABLE_FLOPS] = POWER("C", TT_VARIABLE_FLOPS),
};

static const char *variable_names[] = {"size", "samples", "steps", "flops", "size x steps"};

const tt_law *tt_law_find(const char *name) {
  for (size_t i = 0; i < sizeof laws / sizeof *laws; i++)
    if (!strcmp(laws[i].name, name)) return &laws[i];
  return strcmp(name, "power") ? NULL : &powers[TT_VARIABLE_SAMPLES];
}

const char *tt_law_names(void) {
  return "chinchilla, uni-mol2 or power";
}

const tt_law *tt_law_power(tt_variable variable) {
  return (size_t)variable < sizeof powers / sizeof *powers ? &powers[variable] : NULL;
}

const char *tt_variable_name(tt_variable variable) {
  return variable_names[variable];
}

bool tt_variable_parse(const char *name, tt_variable *variable) {
  for (int i = 0; i < TT_VARIABLE_SIZE_STEPS; i++)
    if (!strcmp(variable_names[i], name)) return *variable = (tt_variable)i, true;
  return false;
}

double tt_variable_value(tt_variable variable, const tt_observation *at) {
  switch (variable) {
  case TT_VARIABLE_SIZE:
    return at->size;
  case TT_VARIABLE_SAMPLES:
    return at->samples;
  case TT_VARIABLE_STEPS:
    return at->steps;
  case TT_VARIABLE_FLOPS:
    return at->flops;
  case TT_VARIABLE_SIZE_STEPS:
    return at->size * at->steps;
  default:
    return NAN;
  }
}

// c_k x_k^(sign_k p_k)
static double term(const tt_law *law, const double *theta, int k, const tt_observation *at) {
  double x = tt_variable_value(law->variable[k], at) / law->unit[k];
  return theta[tt_law_coefficient(law, k)] * pow(x, law->sign[k] * theta[tt_law_exponent(law, k)]);
}

double tt_law_predict(const tt_law *law, const double *theta, const tt_observation *at) {
  double loss = law->offset ? theta[0] : 0;
  for (int k = 0; k < law->terms; k++) loss += term(law, theta, k, at);
  return loss;
}
