// twotrack bench loader: how fast molecules come from a store.
#include <getopt.h>
#include <jansson.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/bench_options.h"
#include "cli/cli.h"
#include "core/version.h"
#include "train/bench_loader.h"
#include "train/hardware.h"
#include "train/identity.h"

static const char help[] =
    "usage: twotrack bench loader [CONFIG] --store DIR [OPTIONS]\n"
    "\n"
    "Times what training takes from a store, without a model, on one CPU core: chunks read, verified and "
    "decoded, and finished\n"
    "batches as CONFIG (default: every key's default) asks for them. Each is passed over twice: as the page "
    "cache happens to be,\n"
    "then the same molecules again. docs/benchmarks.md defines every figure.\n"
    "\n"
    "  --store DIR            the molecules (overrides data.store)\n"
    "  --seconds S            that each pass takes (default 5)\n"
    "  --cpus N               cores that the program, its threads included, may use (default 1)\n"
    "  --set group.key=value  overrides one key of CONFIG; may be given again\n"
    "  --json                 one JSON object instead of a table\n";

typedef struct {
  tt_cli_configuration config;
  double seconds;
  int cpus;
  bool json, help;
} arguments;

static tt_status read_number(const char *text, const char *option, double least, double most, double *value) {
  char *end;
  *value = strtod(text, &end);
  if (end == text || *end || !(*value >= least && *value <= most))
    return tt_fail(TT_ERR_ARGUMENT, "bench loader: %s takes a number from %g to %g, not '%s'", option, least,
                   most, text);
  return TT_OK;
}

static tt_status take_seconds(const char *text, void *into) {
  return read_number(text, "--seconds", 0.01, 86400, &((arguments *)into)->seconds);
}

static tt_status take_cpus(const char *text, void *into) {
  arguments *a = into;
  double cpus;
  TT_TRY(read_number(text, "--cpus", 1, 1024, &cpus));
  a->cpus = (int)cpus;
  return a->cpus == cpus ? TT_OK : tt_fail(TT_ERR_ARGUMENT, "bench loader: --cpus takes a whole number");
}

static tt_status read_arguments(int argc, char **argv, arguments *a) {
  static const tt_bench_option own[] = {{"seconds", take_seconds}, {"cpus", take_cpus}, {0}};
  *a = (arguments){.seconds = 5, .cpus = 1};
  tt_bench_options o = {.command = "bench loader", .options = own, .config = &a->config};
  TT_TRY(tt_bench_read_options(&o, argc, argv, a));
  a->json = o.json, a->help = o.help;
  if (a->help) return TT_OK;
  if (optind + 1 < argc)
    return tt_fail(TT_ERR_ARGUMENT,
                   "bench loader: '%s' is one configuration too many; see 'twotrack bench loader --help'",
                   argv[optind + 1]);
  a->config.path = argv[optind]; // NULL: none
  return TT_OK;
}

// Binds the process, and all threads that it will start, to the first `cpus` of the cores that it may use
// (from the one that it is on: others are as likely to be busy).
static tt_status bind(int cpus) {
  cpu_set_t may, chosen;
  CPU_ZERO(&chosen);
  if (sched_getaffinity(0, sizeof may, &may) != 0)
    return tt_fail(TT_ERR_UNSUPPORTED, "bench loader: this system does not say which cores may be used");
  if (cpus > CPU_COUNT(&may))
    return tt_fail(TT_ERR_ARGUMENT, "bench loader: --cpus %d, but the program may use %d", cpus,
                   CPU_COUNT(&may));
  int at = sched_getcpu();
  for (int k = 0; k < CPU_SETSIZE && CPU_COUNT(&chosen) < cpus; k++) {
    int cpu = (at < 0 ? k : at + k) % CPU_SETSIZE;
    if (CPU_ISSET(cpu, &may)) CPU_SET(cpu, &chosen);
  }
  if (sched_setaffinity(0, sizeof chosen, &chosen) != 0)
    return tt_fail(TT_ERR_UNSUPPORTED, "bench loader: the program cannot be bound to %d cores", cpus);
  return TT_OK;
}

static double rate(const tt_bench_pass *pass) {
  return (double)pass->molecules / pass->seconds;
}

static void print_rate(const char *name, const tt_bench_rate *r, double bytes) {
  printf("%-40s %12.0f %12.0f %10.0f %12lld\n", name, rate(&r->again), rate(&r->first),
         1e-6 * bytes * rate(&r->again), (long long)r->distinct);
}

static void print_table(const tt_bench_loader *r, const tt_config *config, int cpus) {
  double molecules = (double)r->molecules, bytes = (double)r->bytes / molecules;
  printf("twotrack %s, %d core%s\n", tt_version(), cpus, cpus > 1 ? "s" : "");
  printf(
      "store %s: %llu molecules for training, %.1f atoms and %.1f bytes each; %u shards, opened in %.1f ms\n",
      config->data.store, (unsigned long long)r->molecules, (double)r->atoms / molecules, bytes, r->shards,
      1e3 * r->open_seconds);
  printf("batches of %d in %d leaves, %d lanes\n\n", config->train.batch_size, config->train.micro_batches,
         config->data.lanes);
  printf("%-40s %12s %12s %10s %12s\n", "", "molecules/s", "first pass", "MB/s", "molecules");
  print_rate("chunks, in the order of the store", &r->sequential, bytes);
  print_rate("chunks, shuffled", &r->shuffled, bytes);
  print_rate("finished batches", &r->batches, bytes);
  printf("\nof the finished batches: %.1f %% of the time waited for molecules, %.2f cores used, %.1f page "
         "faults a batch\n",
         100 * r->batches.again.waited / r->batches.again.seconds,
         r->batches.again.cpu_seconds / r->batches.again.seconds, r->page_faults);
  printf("bytes a conformation on disk %.1f, peak memory %.0f MB\n", (double)r->bytes / (double)r->conformers,
         1e-6 * r->memory);
}

static json_t *pass_json(const tt_bench_pass *p) {
  return json_pack("{s:I, s:f, s:f, s:f, s:f}", "molecules", (json_int_t)p->molecules, "seconds", p->seconds,
                   "cpu_seconds", p->cpu_seconds, "seconds_waited", p->waited, "molecules_per_s", rate(p));
}

static json_t *rate_json(const tt_bench_rate *r) {
  return json_pack("{s:I, s:f, s:o, s:o}", "distinct", (json_int_t)r->distinct, "molecules_per_s",
                   rate(&r->again), "first_pass", pass_json(&r->first), "again", pass_json(&r->again));
}

static tt_status print_json(const tt_bench_loader *r, const tt_config *config, int cpus) {
  char *text = NULL;
  TT_TRY(tt_config_print(config, &text));
  json_t *all = json_pack(
      "{s:s, s:o, s:i, s:s, s:s, s:I, s:I, s:I, s:I, s:i, s:f, s:f, s:o, s:o, s:o, s:f, s:f}", "code_version",
      tt_version(), "hardware", tt_hardware_json(), "cpus", cpus, "config", text, "store_digest", r->digest,
      "molecules", (json_int_t)r->molecules, "conformers", (json_int_t)r->conformers, "atoms",
      (json_int_t)r->atoms, "bytes", (json_int_t)r->bytes, "shards", (int)r->shards, "open_seconds",
      r->open_seconds, "bytes_per_conformation", (double)r->bytes / (double)r->conformers, "sequential",
      rate_json(&r->sequential), "shuffled", rate_json(&r->shuffled), "batches", rate_json(&r->batches),
      "page_faults_per_batch", r->page_faults, "peak_memory_bytes", r->memory);
  free(text);
  if (!all) return tt_fail(TT_ERR_MEMORY, "out of memory");
  json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
  putchar('\n');
  json_decref(all);
  return TT_OK;
}

int tt_cli_bench_loader(int argc, char **argv) {
  tt_comm comm;
  if (tt_comm_start(&comm) != TT_OK) return fprintf(stderr, "twotrack: error: %s\n", tt_error_message()), 1;
  arguments a;
  tt_config config = {0};
  tt_status status = read_arguments(argc, argv, &a);
  if (status == TT_OK && !a.help) status = tt_cli_load(&a.config, &config);
  if (status == TT_OK && !a.help) status = bind(a.cpus);
  status = tt_identity_check(&comm, status, a.help ? "bench loader --help\n" : "bench loader\n",
                             a.help ? NULL : &config);
  int code = status == TT_OK ? 0 : status == TT_ERR_ARGUMENT ? 2 : 1;
  if (status == TT_OK && a.help && comm.rank == 0) fputs(help, stdout);
  if (status == TT_OK && !a.help) {
    tt_bench_loader result;
    status = tt_bench_loader_run(&comm, &config, a.seconds, &result);
    if (status == TT_OK && a.json)
      status = print_json(&result, &config, a.cpus);
    else if (status == TT_OK)
      print_table(&result, &config, a.cpus);
    code = status == TT_OK ? 0 : 1;
  }
  tt_config_free(&config);
  tt_comm_finish(&comm);
  return code;
}
