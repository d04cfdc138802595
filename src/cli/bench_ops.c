// twotrack bench ops: every operation of a backend, checked and timed.
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/bench_options.h"
#include "cli/cli.h"
#include "comm/comm.h"
#include "core/version.h"
#include "device/cuda.h"
#include "opbench/opbench.h"
#include "train/hardware.h"

static const char help[] =
    "usage: twotrack bench ops [--mode test|grad|perf|support] [--op NAME] [--backend NAME] [--json]\n"
    "\n"
    "Checks or times every operation that the model is written in, one process, one thread.\n"
    "\n"
    "  --mode test     against the reference backend (sums in double), in many small shapes (default)\n"
    "  --mode grad     each backward against finite differences of the reference backend's forward\n"
    "  --mode perf     time, operations and bytes a second at the size of the 84M model\n"
    "  --mode support  which backends have which operations here\n"
    "  --op NAME       one operation only\n"
    "  --backend NAME  cpu (default), cpu-bf16; one set of kernels: cpu-v4, cpu-v3, cpu-base, "
    "cpu-v4-native,\n"
    "                  cpu-v4-rounded, cpu-v3-rounded, cpu-base-rounded (the last four in bf16); reference;\n"
    "                  cuda, cuda-bf16: the first device that this process sees\n"
    "  --json          one JSON object instead of a table\n"
    "\n"
    "The column 'same bits' is measured in every mode: whether an operation gave the same bits when it\n"
    "was called again, with arrays at other addresses and other garbage in scratch. The exit code is 1 when "
    "a\n"
    "test fails. docs/benchmarks.md defines the figures.\n";

typedef enum { TEST, GRAD, PERF, SUPPORT, MODES } mode;
static const char *const mode_names[MODES] = {"test", "grad", "perf", "support"};
static const double PERF_SECONDS = 0.2; // of each row

static const struct {
  const char *name, *kernels; // NULL: not a choice among kernels
} backends[] = {{"cpu", NULL},
                {"cpu-bf16", NULL},
                {"cpu-v4", "v4"},
                {"cpu-v3", "v3"},
                {"cpu-base", "base"},
                {"cpu-v4-native", "v4-native"},
                {"cpu-v4-rounded", "v4-rounded"},
                {"cpu-v3-rounded", "v3-rounded"},
                {"cpu-base-rounded", "base-rounded"},
                {"reference", NULL},
                {"cuda", NULL},
                {"cuda-bf16", NULL}};
enum { CHOSEN = 2 }; // the first ones, each the same as one of those after them
enum { BACKENDS = sizeof backends / sizeof *backends, CUDA = BACKENDS - 2, CUDA_BF16 };

// NULL, with a message, where there is no device or it cannot be used.
static const tt_ops *cuda(tt_precision precision) {
  char why[200];
  if (!tt_cuda_available(why, sizeof why)) return tt_fail(TT_ERR_UNSUPPORTED, "bench ops: %s", why), NULL;
  return tt_cuda_start(0) == TT_OK ? tt_ops_cuda(precision) : NULL;
}

// NULL: not on this machine; of those that say_why() there is a message, too.
static const tt_ops *backend(int k) {
  if (k >= CUDA) return cuda(k == CUDA ? TT_FP32 : TT_BF16);
  if (backends[k].kernels != NULL) return tt_ops_cpu_for(backends[k].kernels);
  return k < CHOSEN ? tt_ops_cpu(k == 0 ? TT_FP32 : TT_BF16) : tt_ops_reference();
}
static bool say_why(int k) {
  return k < CHOSEN || k >= CUDA;
}

typedef struct {
  mode mode;
  int op; // -1: all
  const tt_ops *ops;
  bool json, help;
} arguments;

static tt_status take_mode(const char *name, void *into) {
  for (int k = 0; k < MODES; k++)
    if (strcmp(name, mode_names[k]) == 0) return ((arguments *)into)->mode = (mode)k, TT_OK;
  return tt_fail(TT_ERR_ARGUMENT, "bench ops: --mode takes test, grad, perf or support, not '%s'", name);
}

static tt_status take_op(const char *name, void *into) {
  return tt_opbench_find(name, &((arguments *)into)->op);
}

static tt_status take_backend(const char *name, void *into) {
  arguments *a = into;
  char names[256] = "";
  for (int k = 0; k < BACKENDS; k++) {
    size_t used = strlen(names);
    snprintf(names + used, sizeof names - used, "%s%s", k > 0 ? ", " : "", backends[k].name);
    if (strcmp(name, backends[k].name) != 0) continue;
    a->ops = backend(k);
    if (a->ops != NULL) return TT_OK;
    return say_why(k) ? TT_ERR_UNSUPPORTED
                      : tt_fail(TT_ERR_UNSUPPORTED, "bench ops: this machine cannot run backend '%s'", name);
  }
  return tt_fail(TT_ERR_ARGUMENT, "bench ops: --backend takes one of %s, not '%s'", names, name);
}

static tt_status read_arguments(int argc, char **argv, arguments *a) {
  static const tt_bench_option own[] = {{"mode", take_mode}, {"op", take_op}, {"backend", take_backend}, {0}};
  *a = (arguments){.mode = TEST, .op = -1, .ops = tt_ops_cpu(TT_FP32)};
  if (a->ops == NULL) return TT_ERR_UNSUPPORTED; // it said why
  tt_bench_options o = {.command = "bench ops", .options = own};
  TT_TRY(tt_bench_read_options(&o, argc, argv, a));
  a->json = o.json, a->help = o.help;
  if (!a->help && optind != argc)
    return tt_fail(TT_ERR_ARGUMENT, "bench ops: '%s' is too much; see 'twotrack bench ops --help'",
                   argv[optind]);
  return TT_OK;
}

static const char *yes_no(bool yes) {
  return yes ? "yes" : "NO";
}

// ---- test and grad: returns how many operations failed ----
static tt_status check_op(const arguments *a, int op, json_t *rows, int *failed) {
  tt_op_check check;
  bool deterministic;
  const char *name = tt_opbench_name(op);
  if (!tt_opbench_filled(a->ops, op)) {
    ++*failed;
    if (!a->json) printf("%-26s not there: the backend has no such operation\n", name);
    json_array_append_new(rows, json_pack("{s:s, s:b, s:s}", "op", name, "ok", 0, "message", "not there"));
    return TT_OK;
  }
  TT_TRY(a->mode == TEST ? tt_opbench_test(a->ops, tt_ops_reference(), op, &check)
                         : tt_opbench_grad(a->ops, op, &check));
  if (check.cases == 0 && check.ok) return TT_OK; // grad: not a backward
  TT_TRY(tt_opbench_deterministic(a->ops, op, &deterministic));
  bool ok = check.ok && (deterministic || !a->ops->deterministic);
  *failed += !ok;
  json_array_append_new(rows, json_pack("{s:s, s:b, s:i, s:f, s:f, s:s, s:b, s:s, s:s}", "op", name, "ok", ok,
                                        "cases", check.cases, "error", check.error, "limit", check.limit,
                                        "limit_reason", check.reason ? check.reason : "", "deterministic",
                                        deterministic, "worst", check.worst, "message", check.message));
  if (a->json) return TT_OK;
  printf("%-26s %5d %10.1e %10.1e %9s  %-6s %s\n", name, check.cases, check.error, check.limit,
         yes_no(deterministic), ok ? "ok" : "FAILED", check.reason ? check.reason : "");
  if (check.message[0]) printf("    %s\n", check.message);
  if (!(check.error <= check.limit)) printf("    the largest error: %s\n", check.worst);
  return TT_OK;
}

static tt_status perf_op(const arguments *a, int op, json_t *rows) {
  tt_op_speed speeds[TT_OP_MOST_SPEEDS];
  int count;
  bool deterministic;
  const char *name = tt_opbench_name(op);
  if (!tt_opbench_filled(a->ops, op)) return TT_OK;
  TT_TRY(tt_opbench_perf(a->ops, op, PERF_SECONDS, speeds, &count));
  TT_TRY(tt_opbench_deterministic(a->ops, op, &deterministic));
  for (int k = 0; k < count; k++) {
    const tt_op_speed *s = &speeds[k];
    char flops[32] = "-";
    if (s->flops > 0) snprintf(flops, sizeof flops, "%.1f", 1e-9 * s->flops / s->seconds);
    if (!a->json)
      printf("%-26s %10.3f %10.3f %9s %8.1f %9s  %s\n", name, 1e3 * s->seconds, 1e3 * s->fastest, flops,
             1e-9 * s->bytes / s->seconds, yes_no(deterministic), s->shape);
    json_array_append_new(rows, json_pack("{s:s, s:s, s:i, s:f, s:f, s:f, s:f, s:b}", "op", name, "shape",
                                          s->shape, "runs", s->runs, "seconds_median", s->seconds,
                                          "seconds_fastest", s->fastest, "flops", s->flops, "bytes", s->bytes,
                                          "deterministic", deterministic));
  }
  fflush(stdout);
  return TT_OK;
}

static tt_status support_op(const arguments *a, int op, json_t *rows) {
  json_t *cells = json_object();
  if (!a->json) printf("%-26s", tt_opbench_name(op));
  for (int k = CHOSEN; k < BACKENDS; k++) {
    const tt_ops *ops = backend(k);
    const char *cell = "not here";
    bool deterministic = false;
    if (ops != NULL) {
      cell = "not there";
      if (tt_opbench_filled(ops, op)) {
        TT_TRY(tt_opbench_deterministic(ops, op, &deterministic));
        cell = deterministic ? "same bits" : "yes";
      }
    }
    if (!a->json) printf(" %-16s", cell);
    json_object_set_new(cells, backends[k].name, json_string(cell));
  }
  if (!a->json) printf("\n");
  json_array_append_new(rows, json_pack("{s:s, s:o}", "op", tt_opbench_name(op), "backends", cells));
  return TT_OK;
}

static void print_heading(const arguments *a) {
  int molecules;
  int64_t tokens, pairs;
  printf("twotrack %s, %s%s\n", tt_version(), a->ops->name,
         a->mode == SUPPORT ? ", which training uses here in fp32; and all others" : "");
  switch (a->mode) {
  case PERF:
    tt_opbench_molecules(a->ops, &molecules, &tokens, &pairs);
    printf("84M shapes; %d molecules of mixed length, %lld token and %lld pair rows; %s\n\n", molecules,
           (long long)tokens, (long long)pairs,
           a->ops->device ? "a call, its start and its end waited for" : "one thread");
    printf("%-26s %10s %10s %9s %8s %9s  %s\n", "operation", "ms", "fastest", "GFLOP/s", "GB/s", "same bits",
           "shape");
    break;
  case SUPPORT:
    printf("'same bits': has it, and gave the same bits whenever called; 'yes': has it; 'not there': has it "
           "not\n'not here': the machine has no such processor, or no device\n\n%-26s",
           "operation");
    for (int k = CHOSEN; k < BACKENDS; k++) printf(" %-16s", backends[k].name);
    printf("\n");
    break;
  default:
    printf("%s\n\n", a->mode == TEST
                         ? "largest difference from the reference backend, over the largest value"
                         : "gradient along random directions, less finite differences, over its length");
    printf("%-26s %5s %10s %10s %9s  %-6s %s\n", "operation", "cases", "error", "limit", "same bits", "",
           "limit");
  }
}

static tt_status run(const arguments *a, int *failed) {
  json_t *rows = json_array();
  tt_status status = TT_OK;
  if (!a->json) print_heading(a);
  for (int op = 0; status == TT_OK && op < tt_opbench_count(); op++) {
    if (a->op >= 0 && a->op != op) continue;
    status = a->mode == PERF      ? perf_op(a, op, rows)
             : a->mode == SUPPORT ? support_op(a, op, rows)
                                  : check_op(a, op, rows, failed);
  }
  if (status == TT_OK && json_array_size(rows) == 0)
    status = tt_fail(TT_ERR_ARGUMENT, "bench ops: nothing to check: %s is no backward, so it has no gradient",
                     a->op >= 0 ? tt_opbench_name(a->op) : "an operation");
  if (status == TT_OK && a->json) {
    json_t *all = json_pack("{s:s, s:s, s:o, s:s, s:i, s:O}", "code_version", tt_version(), "backend",
                            a->ops->name, "hardware", tt_hardware_json(), "mode", mode_names[a->mode],
                            "failed", *failed, "operations", rows);
    json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    putchar('\n');
    json_decref(all);
  }
  json_decref(rows);
  return status;
}

static tt_status check_ranks(const tt_comm *comm) {
  if (comm->size > 1)
    return tt_fail(
        TT_ERR_ARGUMENT,
        "bench ops: one process is enough, and %d would disturb each other; start it without mpirun",
        comm->size);
  return TT_OK;
}

int tt_cli_bench_ops(int argc, char **argv) {
  tt_comm comm;
  if (tt_comm_start(&comm) != TT_OK) return fprintf(stderr, "twotrack: error: %s\n", tt_error_message()), 1;
  arguments a;
  int failed = 0;
  tt_status status = read_arguments(argc, argv, &a);
  if (status == TT_OK) status = check_ranks(&comm);
  int code = tt_comm_agree(&comm, status) == TT_OK ? 0 : 2;
  if (code == 0 && a.help) fputs(help, stdout);
  if (code == 0 && !a.help) {
    status = run(&a, &failed);
    if (status == TT_OK && failed > 0)
      status = tt_fail(TT_ERR_NUMERIC, "bench ops: %d operation%s of backend '%s' failed", failed,
                       failed > 1 ? "s" : "", a.ops->name);
    code = tt_comm_agree(&comm, status) == TT_OK ? 0 : 1;
  }
  tt_comm_finish(&comm);
  return code;
}
