// Prints tables and the fits of the program to them, for an independent check (fit_peer.py).
#include <math.h>
#include <stdio.h>

#include "chinchilla.h"
#include "core/philox.h"
#include "scaling/fit.h"

static double normal(uint32_t a, uint32_t b) {
  double x, y;
  tt_philox4 r = tt_philox(77, a, b, 0, 0);
  tt_normal2(r.v[0], r.v[1], &x, &y);
  return x;
}

// One table: the law, delta, the terms' columns x (units and signs as the law has them), losses, and the fit.
static int print(const tt_law *law, const tt_observation *rows, size_t count, double delta) {
  tt_fit_options options = TT_FIT_OPTIONS;
  tt_fit fit;
  options.huber_delta = delta;
  if (tt_fit_solve(law, rows, count, &options, &fit)) return fprintf(stderr, "%s\n", tt_error_message()), 1;
  printf("{\"law\": \"%s\", \"delta\": %.17g, \"objective\": %.17g, \"theta\": [", law->name, delta,
         fit.objective);
  for (int p = 0; p < law->parameters; p++) printf("%s%.17g", p ? ", " : "", fit.theta[p]);
  printf("], \"rows\": [");
  for (size_t i = 0; i < count; i++)
    printf("%s[%.17g, %.17g, %.17g, %.17g]", i ? ", " : "", rows[i].size, rows[i].samples, rows[i].steps,
           rows[i].loss);
  printf("]}\n");
  return 0;
}

int main(void) {
  tt_observation rows[CHINCHILLA_ROWS];
  size_t count = chinchilla(rows);
  if (!count) return fprintf(stderr, "no table in $TT_TEST_VECTORS\n"), 1;
  for (size_t i = 0; i < count; i++) rows[i].steps = rows[i].samples; // known, so that JSON can say it
  const tt_law *chinchilla_law = tt_law_find("chinchilla"), *paper = tt_law_find("uni-mol2"),
               *power = tt_law_find("power");
  int failed = print(chinchilla_law, rows, count, 1e-3) | print(chinchilla_law, rows, count, 1e-2);
  const double strong_third[] = {0.5, -0.6, 4, -0.4, 30, -0.12};
  count = 0;
  for (int i = 0; i < 8; i++)
    for (int j = 0; j < 6; j++, count++) {
      double steps = 100 * pow(2.5, j);
      rows[count] = (tt_observation){
          .size = 4e4 * pow(2.5, i), .steps = steps, .samples = 32 * steps, .group = (int)count};
      rows[count].loss = tt_law_predict(paper, strong_third, &rows[count]) * exp(0.003 * normal(count, 1));
    }
  failed |= print(paper, rows, count, 1e-3) | print(paper, rows, count, 1);
  for (size_t i = 0; i < count; i++)
    rows[i].loss = (1 + 20 / sqrt(rows[i].samples)) * exp(0.01 * normal(i, 2));
  rows[3].loss *= 1.5; // an outlier
  return failed | print(power, rows, count, 1e-3);
}
