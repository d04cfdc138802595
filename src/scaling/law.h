// The scaling laws. All are sums of powers,  L = [E +] sum over k of c_k x_k^(sign_k p_k),  with E >= 0 and
// c_k > 0, so that they are one implementation and a table.
// Sources: "chinchilla" is Hoffmann et al. 2022 (arXiv 2203.15556), equation 2, with the estimate of
// Besiroglu et al. 2024 (arXiv 2404.10102); "uni-mol2" is Uni-Mol2 (arXiv 2406.14969), equations 10 and 11.
#ifndef TT_SCALING_LAW_H
#define TT_SCALING_LAW_H

#include <stdbool.h>

#include "scaling/observations.h"

typedef enum {
  TT_VARIABLE_SIZE,       // N (M)
  TT_VARIABLE_SAMPLES,    // D
  TT_VARIABLE_STEPS,      // S
  TT_VARIABLE_FLOPS,      // C
  TT_VARIABLE_SIZE_STEPS, // N S, what the paper calls the compute
  TT_VARIABLES
} tt_variable;

enum { TT_LAW_TERMS = 3, TT_LAW_PARAMETERS = 7 };

typedef struct {
  const char *name;    // "chinchilla", "uni-mol2", "power"
  const char *formula; // "L = E + A / N^alpha + B / D^beta"
  bool offset;         // has E, which is parameter 0
  int terms;
  tt_variable variable[TT_LAW_TERMS];
  double unit[TT_LAW_TERMS]; // x = variable / unit (the paper's M is in millions)
  double sign[TT_LAW_TERMS]; // the exponent of x is sign * parameter (alpha > 0 is printed, but b_m < 0)
  int parameters;
  const char *parameter[TT_LAW_PARAMETERS]; // their names: [E,] then coefficient and exponent of each term
  const double *published;  // [parameters] what its authors (or those who corrected them) found, or NULL
  const char *published_by; // who, and on what
} tt_law;

// The law of this name, NULL where there is none. "power" is that of samples.
const tt_law *tt_law_find(const char *name);

// "chinchilla, uni-mol2 or power", for messages.
const char *tt_law_names(void);

// L = E + A / x^alpha for one of size, samples, steps, flops; NULL for another variable.
const tt_law *tt_law_power(tt_variable variable);

// "size", "samples", "steps", "flops", "size x steps"; and the other way, false where there is no such
// variable.
const char *tt_variable_name(tt_variable variable);
bool tt_variable_parse(const char *name, tt_variable *variable);

// What a law sees of an observation; NaN where that is unknown.
double tt_variable_value(tt_variable variable, const tt_observation *at);

// Where the coefficient and the exponent of term k stand among the parameters.
static inline int tt_law_coefficient(const tt_law *law, int k) {
  return law->offset + 2 * k;
}
static inline int tt_law_exponent(const tt_law *law, int k) {
  return law->offset + 2 * k + 1;
}

// The law's loss at theta[law->parameters]. NaN where a variable of the law is unknown.
double tt_law_predict(const tt_law *law, const double *theta, const tt_observation *at);

#endif
