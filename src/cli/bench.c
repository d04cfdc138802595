// twotrack bench: how fast training runs here.
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench_options.h"
#include "cli/cli.h"
#include "core/version.h"
#include "cpu/startup.h"
#include "device/ops.h"
#include "train/bench_step.h"
#include "train/backend.h"
#include "train/hardware.h"
#include "train/identity.h"

static const char help[] =
    "usage: twotrack bench step CONFIG --store DIR [OPTIONS]\n"
    "\n"
    "Times whole training updates of CONFIG on real molecules, after some that are not counted, and prints "
    "molecules a second,\n"
    "where the time goes, operations a second in two labelled conventions, and the share of this machine's "
    "own SGEMM rate. Run it\n"
    "under mpirun like training. It writes no files. docs/benchmarks.md defines every figure.\n"
    "\n"
    "  --store DIR            the molecules (overrides data.store)\n"
    "  --steps N              updates that are timed (default 20)\n"
    "  --warmup N             updates before them (default 3)\n"
    "  --sgemm-seconds S      of SGEMM before them, and after (default 0.7; 0: none, and no peak_fraction)\n"
    "  --set group.key=value  overrides one key of CONFIG; may be given again\n"
    "  --json                 one JSON object instead of a table\n"
    "\n"
    "'twotrack bench scaling --help': what more ranks bring.\n"
    "'twotrack bench loader --help': how fast molecules come from a store.\n"
    "'twotrack bench ops --help': every operation of the backends, checked and timed.\n";

typedef struct {
  tt_cli_configuration config;
  int64_t steps, warmup;
  double sgemm_seconds;
  bool json, help;
} arguments;

static tt_status take_steps(const char *text, void *into) {
  return tt_bench_read_count("bench", text, "--steps", 1, &((arguments *)into)->steps);
}

static tt_status take_warmup(const char *text, void *into) {
  return tt_bench_read_count("bench", text, "--warmup", 0, &((arguments *)into)->warmup);
}

static tt_status take_sgemm_seconds(const char *text, void *into) {
  char *end;
  double *seconds = &((arguments *)into)->sgemm_seconds;
  *seconds = strtod(text, &end);
  if (end == text || *end || !(*seconds >= 0 && *seconds <= 3600))
    return tt_fail(TT_ERR_ARGUMENT, "bench: --sgemm-seconds takes a number from 0 to 3600, not '%s'", text);
  return TT_OK;
}

static tt_status read_arguments(int argc, char **argv, arguments *a) {
  static const tt_bench_option own[] = {
      {"steps", take_steps}, {"warmup", take_warmup}, {"sgemm-seconds", take_sgemm_seconds}, {0}};
  *a = (arguments){.steps = 20, .warmup = 3, .sgemm_seconds = 0.7};
  tt_bench_options o = {.command = "bench", .options = own, .config = &a->config};
  TT_TRY(tt_bench_read_options(&o, argc, argv, a));
  a->json = o.json, a->help = o.help;
  if (a->help) return TT_OK;
  if (optind + 2 != argc || strcmp(argv[optind], "step") != 0)
    return tt_fail(TT_ERR_ARGUMENT, "bench: say 'step' or 'scaling' and one configuration file, or 'loader', "
                                    "or 'ops'; see 'twotrack bench --help'");
  a->config.path = argv[optind + 1];
  return TT_OK;
}

static void print_table(const tt_bench_step *r, const tt_config *config, int ranks) {
  const double giga = 1e-9;
  double ms = 1e3 * r->seconds / (double)r->steps;
  printf("twotrack %s, %s, %d rank%s of one thread\n", tt_version(), tt_backend_choose(config)->name, ranks,
         ranks > 1 ? "s" : "");
  printf("model %s, %.1f million parameters%s\n",
         config->model.preset[0] ? config->model.preset : "of no preset", 1e-6 * (double)r->parameters,
         config->train.recompute == TT_RECOMPUTE_PAIR ? "; the pair track is computed again in the backward"
                                                      : "");
  printf("%lld updates of %d molecules (%.1f atoms on average) in %d leaves, %s: %.1f ms an update\n\n",
         (long long)r->steps, config->train.batch_size, (double)r->atoms / (double)r->molecules,
         config->train.micro_batches, tt_precision_name(config->train.precision), ms);
  printf("conformations/s      %12.1f\n", (double)r->molecules / r->seconds);
  printf("atoms/s              %12.1f\n", (double)r->atoms / r->seconds);
  printf("pairs/s              %12.1f\n", (double)r->pairs / r->seconds);
  printf("executed GFLOP/s     %12.1f   3 x forward of the factored algorithm, recomputation not counted\n",
         giga * r->flops_executed / r->seconds);
  printf("reference GFLOP/s    %12.1f   the same with the outer product formed, as upstream does\n",
         giga * r->flops_reference / r->seconds);
  if (r->sgemm_flops > 0) {
    printf("SGEMM GFLOP/s        %12.1f   %d ranks at once, in this run\n", giga * r->sgemm_flops, ranks);
    printf("peak_fraction        %12.3f   executed over SGEMM\n", r->peak_fraction);
  }
  printf("peak memory, MB      %12.0f   largest rank (%.0f all ranks)\n", 1e-6 * r->memory_largest,
         1e-6 * r->memory_sum);
  const tt_trainer_memory *m = &r->planned;
  printf("  planned, MB        %12.0f   weights %.0f, masters %.0f, moments %.0f, gradients %.0f, exchange "
         "%.0f, "
         "tables %.0f, activations %.0f\n",
         1e-6 * ((double)tt_trainer_memory_sum(m) + r->activations), 1e-6 * (double)m->weights,
         1e-6 * (double)m->masters, 1e-6 * (double)m->moments, 1e-6 * (double)m->gradients,
         1e-6 * (double)m->exchange, 1e-6 * (double)m->tables, 1e-6 * r->activations);
  printf("  before that, MB    %12.0f   MPI, libraries, the store\n", 1e-6 * r->memory_before);
  if (r->device_peak > 0)
    printf("device memory, MB    %12.0f   most that was allocated at once, %.0f of it the backend's own room "
           "to work; "
           "in use, with libraries, %.0f\n",
           1e-6 * r->device_peak, 1e-6 * r->device_own, 1e-6 * r->device_used);
  printf("page faults/update   %12.1f   all ranks\n\n", r->page_faults / (double)r->steps);
  double parts = 0;
  for (int p = 0; p < TT_PARTS; p++) parts += r->part_seconds[p];
  printf("%-16s %10s %8s   (mean over ranks%s)\n", "part", "ms/update", "share",
         tt_backend_choose(config)->device ? "; of updates that wait at the end of each part" : "");
  for (int p = 0; p < TT_PARTS; p++)
    printf("%-16s %10.2f %7.1f%%\n", tt_part_name(p), 1e3 * r->part_seconds[p] / (double)r->steps,
           100 * r->part_seconds[p] / parts);
  printf("%-16s %10.2f %7.1f%%   (of the slowest rank, in \"data\")\n", "waited for data",
         1e3 * r->data_wait / (double)r->steps, 100 * r->data_wait / r->seconds);
  if (ranks > 1) printf("\n%-16s %15s %15s\n", "bytes sent", "all ranks", "largest rank   (an update)");
  for (int k = 0; ranks > 1 && k < TT_TRAFFIC_KINDS; k++)
    printf("%-16s %15.1f %15.1f\n", tt_traffic_name(k), (double)r->sent_all[k] / (double)r->steps,
           (double)r->sent_largest[k] / (double)r->steps);
  printf("\n%-16s %10s\n", "atoms", "molecules");
  for (int k = 0; k < TT_LENGTH_BINS; k++) {
    char range[32];
    snprintf(range, sizeof range, k + 1 < TT_LENGTH_BINS ? "%d - %d" : "%d or more", k * TT_LENGTH_BIN,
             (k + 1) * TT_LENGTH_BIN - 1);
    if (r->lengths[k]) printf("%-16s %10lld\n", range, (long long)r->lengths[k]);
  }
}

static json_t *memory_json(const tt_bench_step *r) {
  const tt_trainer_memory *m = &r->planned;
  return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "weights", (json_int_t)m->weights, "masters",
                   (json_int_t)m->masters, "moments", (json_int_t)m->moments, "gradients",
                   (json_int_t)m->gradients, "exchange", (json_int_t)m->exchange, "tables",
                   (json_int_t)m->tables, "activations", r->activations);
}

// {"gradients": {"all_ranks": bytes, "largest_rank": bytes}, ...}
static json_t *traffic_json(const tt_bench_step *r) {
  json_t *all = json_object();
  for (int k = 0; k < TT_TRAFFIC_KINDS; k++)
    json_object_set_new(all, tt_traffic_name(k),
                        json_pack("{s:f, s:f}", "all_ranks", (double)r->sent_all[k] / (double)r->steps,
                                  "largest_rank", (double)r->sent_largest[k] / (double)r->steps));
  return all;
}

static json_t *if_measured(double value) {
  return value > 0 ? json_real(value) : json_null();
}

static tt_status print_json(const tt_bench_step *r, const tt_config *config, int ranks) {
  char *text = NULL;
  TT_TRY(tt_config_print(config, &text));
  json_t *parts = json_object(), *lengths = json_array();
  for (int p = 0; p < TT_PARTS; p++)
    json_object_set_new(parts, tt_part_name(p), json_real(1e3 * r->part_seconds[p] / (double)r->steps));
  for (int k = 0; k < TT_LENGTH_BINS; k++) json_array_append_new(lengths, json_integer(r->lengths[k]));
  json_t *all = json_pack(
      "{s:s, s:s, s:o, s:i, s:I, s:i, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:o, s:o, s:f, s:f, s:f, s:o, s:i, "
      "s:o, s:s, s:I, s:s, s:o, s:o, s:f, s:f}",
      "code_version", tt_version(), "backend", tt_backend_choose(config)->name, "hardware",
      tt_hardware_json(), "ranks", ranks, "steps", (json_int_t)r->steps, "batch_size",
      config->train.batch_size, "precision", tt_precision_name(config->train.precision), "ms_per_update",
      1e3 * r->seconds / (double)r->steps, "conformations_per_s", (double)r->molecules / r->seconds,
      "atoms_per_s", (double)r->atoms / r->seconds, "pairs_per_s", (double)r->pairs / r->seconds,
      "executed_flops_per_s", r->flops_executed / r->seconds, "reference_flops_per_s",
      r->flops_reference / r->seconds, "sgemm_flops_per_s", if_measured(r->sgemm_flops), "peak_fraction",
      if_measured(r->peak_fraction), "peak_memory_bytes_largest_rank", r->memory_largest,
      "peak_memory_bytes_all_ranks", r->memory_sum, "page_faults_per_update",
      r->page_faults / (double)r->steps, "ms_per_update_by_part", parts, "length_bin_atoms", TT_LENGTH_BIN,
      "length_histogram", lengths, "config", text, "parameters", (json_int_t)r->parameters, "store_digest",
      r->store_digest, "bytes_sent_per_update", traffic_json(r), "planned_memory_bytes", memory_json(r),
      "memory_bytes_before", r->memory_before, "data_wait_ms_per_update",
      1e3 * r->data_wait / (double)r->steps);
  free(text);
  if (!all) return tt_fail(TT_ERR_MEMORY, "out of memory");
  if (r->device_peak > 0)
    json_object_update_new(all, json_pack("{s:f, s:f, s:f}", "device_memory_peak_bytes", r->device_peak,
                                          "device_memory_own_bytes", r->device_own,
                                          "device_memory_used_bytes", r->device_used));
  json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
  putchar('\n');
  json_decref(all);
  return TT_OK;
}

int tt_cli_bench(int argc, char **argv) {
  tt_cpu_startup(argv - 1); // the whole command line, program first
  if (argc > 1 && strcmp(argv[1], "ops") == 0) return tt_cli_bench_ops(argc - 1, argv + 1);
  if (argc > 1 && strcmp(argv[1], "loader") == 0) return tt_cli_bench_loader(argc - 1, argv + 1);
  if (argc > 1 && strcmp(argv[1], "scaling") == 0) return tt_cli_bench_scaling(argc - 1, argv + 1);
  tt_comm comm;
  if (tt_comm_start(&comm) != TT_OK) return fprintf(stderr, "twotrack: error: %s\n", tt_error_message()), 1;
  arguments a;
  tt_config config = {0};
  tt_bench_step result;
  tt_status status = read_arguments(argc, argv, &a);
  if (status == TT_OK && !a.help) status = tt_cli_load(&a.config, &config);
  char request[150]; // what all ranks must have been asked for
  snprintf(request, sizeof request,
           "command = bench step%s\n--steps = %lld\n--warmup = %lld\n--sgemm-seconds = %g\n",
           a.help ? " --help" : "", (long long)a.steps, (long long)a.warmup, a.sgemm_seconds);
  status = tt_identity_check(&comm, status, request, a.help ? NULL : &config);
  int code = status == TT_OK ? 0 : status == TT_ERR_ARGUMENT ? 2 : 1;
  if (status == TT_OK && a.help && comm.rank == 0) fputs(help, stdout);
  if (status == TT_OK && !a.help) {
    status = tt_bench_step_run(&comm, &config, a.warmup, a.steps, a.sgemm_seconds, &result);
    if (status == TT_OK && comm.rank == 0) {
      if (a.json)
        status = print_json(&result, &config, comm.size);
      else
        print_table(&result, &config, comm.size);
    }
    code = status == TT_OK ? 0 : 1;
  }
  tt_config_free(&config);
  tt_comm_finish(&comm);
  return code;
}
