#include "cli/bench_scaling_print.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/version.h"
#include "train/backend.h"
#include "train/hardware.h"

typedef struct {
  double least, median, most;
} spread;

// One number of data ranks beside the smallest.
typedef struct {
  const tt_scaling_case *at;
  const tt_scaling_time *time, *smallest; // (rounds)
  int smallest_ranks;
  int median; // the round whose update took the median time, of an even number the shorter one
} row;

static double rate(const tt_scaling_time *t) {
  return t->molecules / t->seconds;
}

// A rank's rate over a rank's rate of the smallest number, in the same round.
static double efficiency(const row *r, int round) {
  return rate(&r->time[round]) / r->at->ranks / (rate(&r->smallest[round]) / r->smallest_ranks);
}

static double rate_of(const row *r, int round) {
  return rate(&r->time[round]);
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static spread over_rounds(const row *r, int rounds, double (*value)(const row *r, int round)) {
  double list[TT_SCALING_ROUNDS];
  for (int k = 0; k < rounds; k++) list[k] = value(r, k);
  qsort(list, (size_t)rounds, sizeof *list, ascending);
  return (spread){list[0], (list[(rounds - 1) / 2] + list[rounds / 2]) / 2, list[rounds - 1]};
}

static int median_round(const tt_scaling_time *time, int rounds) {
  for (int k = 0;; k++) {
    int shorter = 0; // the earlier of two that are equal counts as the shorter
    for (int j = 0; j < rounds; j++)
      shorter += time[j].seconds < time[k].seconds || (time[j].seconds == time[k].seconds && j < k);
    if (shorter == (rounds - 1) / 2) return k;
  }
}

static row row_of(const tt_bench_scaling *r, const int *cases, int k) {
  row made = {.at = &r->of_case[cases[k]],
              .time = r->time + cases[k] * r->rounds,
              .smallest = r->time + cases[0] * r->rounds,
              .smallest_ranks = r->of_case[cases[0]].ranks};
  made.median = median_round(made.time, r->rounds);
  return made;
}

static void print_mode(const tt_bench_scaling *r, const int *cases, int count) {
  printf("%10s %6s %10s %7s %10s %10s %10s %9s %11s %7s %7s\n", "data ranks", "ranks", "molecules", "updates",
         "conf./s", "least", "most", "a rank", "efficiency", "least", "most");
  for (int k = 0; k < count; k++) {
    row w = row_of(r, cases, k);
    const tt_scaling_time *t = &w.time[w.median];
    spread rates = over_rounds(&w, r->rounds, rate_of), of_one = over_rounds(&w, r->rounds, efficiency);
    printf("%10d %6d %10d %7lld %10.1f %10.1f %10.1f %9.1f %11.3f %7.3f %7.3f\n", w.at->data_ranks,
           w.at->ranks, w.at->batch_size, (long long)w.at->steps, rate(t), rates.least, rates.most,
           rate(t) / w.at->ranks, of_one.median, of_one.least, of_one.most);
  }
  printf("\n%10s %10s %12s %10s %14s %17s\n", "data ranks", "ms/update", "computation", "imbalance",
         "communication", "waiting for data");
  for (int k = 0; k < count; k++) {
    row w = row_of(r, cases, k);
    const tt_step_split *s = &w.time[w.median].split;
    printf("%10d %10.2f %12.2f %10.2f %14.2f %17.2f\n", w.at->data_ranks, 1e3 * w.time[w.median].seconds,
           1e3 * s->computation, 1e3 * s->imbalance, 1e3 * s->communication, 1e3 * s->data);
  }
}

void tt_scaling_print_table(const tt_scaling_report *p) {
  const tt_bench_scaling *r = p->result;
  const tt_config *c = p->config;
  const tt_ops *ops = tt_backend_choose(c);
  printf("twotrack %s, %s, up to %d rank%s", tt_version(), ops->name, p->ranks, p->ranks > 1 ? "s" : "");
  printf(ops->device ? "\n" : " of one thread\n");
  printf("model %s, %.1f million parameters, %s; tensor groups of %d\n",
         c->model.preset[0] ? c->model.preset : "of no preset", 1e-6 * (double)r->parameters,
         tt_precision_name(c->train.precision), c->parallel.tensor);
  printf("%d round%s, from the fewest ranks to the most, of the same %lld molecules each\n", r->rounds,
         r->rounds > 1 ? "s" : "", (long long)p->request->steps * c->train.batch_size);
  if (r->weak_count) {
    printf("\nweak: %d molecules an update for each data rank\n", r->of_case[r->weak[0]].batch_size);
    print_mode(r, r->weak, r->weak_count);
  }
  if (r->strong_count) {
    printf("\nstrong: %d molecules an update for all ranks together\n", c->train.batch_size);
    print_mode(r, r->strong, r->strong_count);
  }
}

static json_t *split_json(const tt_step_split *s) {
  return json_pack("{s:f, s:f, s:f, s:f}", "computation", 1e3 * s->computation, "imbalance",
                   1e3 * s->imbalance, "communication", 1e3 * s->communication, "data", 1e3 * s->data);
}

static json_t *spread_json(spread s) {
  return json_pack("{s:f, s:f, s:f}", "least", s.least, "median", s.median, "most", s.most);
}

static json_t *rounds_json(const row *w, int rounds) {
  json_t *all = json_array();
  for (int k = 0; k < rounds; k++) {
    const tt_scaling_time *t = &w->time[k];
    json_array_append_new(all, json_pack("{s:f, s:o, s:f, s:f}", "ms_per_update", 1e3 * t->seconds,
                                         "ms_per_update_split", split_json(&t->split), "conformations_per_s",
                                         rate(t), "efficiency", efficiency(w, k)));
  }
  return all;
}

static json_t *mode_json(const tt_bench_scaling *r, const int *cases, int count) {
  json_t *all = json_array();
  for (int k = 0; k < count; k++) {
    row w = row_of(r, cases, k);
    const tt_scaling_time *t = &w.time[w.median];
    json_array_append_new(
        all, json_pack("{s:i, s:i, s:i, s:i, s:I, s:f, s:f, s:o, s:o, s:f, s:f, s:o, s:o}", "data_ranks",
                       w.at->data_ranks, "ranks", w.at->ranks, "batch_size", w.at->batch_size,
                       "micro_batches", w.at->micro_batches, "steps", (json_int_t)w.at->steps,
                       "conformations_per_s", rate(t), "conformations_per_s_a_rank", rate(t) / w.at->ranks,
                       "conformations_per_s_rounds", spread_json(over_rounds(&w, r->rounds, rate_of)),
                       "efficiency", spread_json(over_rounds(&w, r->rounds, efficiency)),
                       "executed_flops_per_conformation", t->flops, "ms_per_update", 1e3 * t->seconds,
                       "ms_per_update_split", split_json(&t->split), "rounds", rounds_json(&w, r->rounds)));
  }
  return all;
}

tt_status tt_scaling_print_json(const tt_scaling_report *p) {
  const tt_bench_scaling *r = p->result;
  char *text = NULL;
  TT_TRY(tt_config_print(p->config, &text));
  json_t *all =
      json_pack("{s:s, s:s, s:o, s:i, s:i, s:I, s:I, s:i, s:s, s:I, s:s, s:s}", "code_version", tt_version(),
                "backend", tt_backend_choose(p->config)->name, "hardware", tt_hardware_json(), "ranks",
                p->ranks, "tensor_ranks", p->config->parallel.tensor, "steps", (json_int_t)p->request->steps,
                "warmup", (json_int_t)p->request->warmup, "rounds", r->rounds, "precision",
                tt_precision_name(p->config->train.precision), "parameters", (json_int_t)r->parameters,
                "store_digest", r->store_digest, "config", text);
  free(text);
  if (!all) return tt_fail(TT_ERR_MEMORY, "out of memory");
  if (r->weak_count) json_object_set_new(all, "weak", mode_json(r, r->weak, r->weak_count));
  if (r->strong_count) json_object_set_new(all, "strong", mode_json(r, r->strong, r->strong_count));
  json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
  putchar('\n');
  json_decref(all);
  return TT_OK;
}
