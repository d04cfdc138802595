// Subcommands: one file each; each reads its options, calls into the rooms below and prints.
#ifndef TT_CLI_CLI_H
#define TT_CLI_CLI_H

// argv[0] is the subcommand's name, argv[-1] the program's. Returns the process's exit code: 0 done, 1
// failed, 2 wrong usage.
typedef struct {
  const char *name;
  int (*run)(int argc, char **argv);
  const char *summary; // one line
} tt_command;

int tt_cli_bench(int argc, char **argv);
int tt_cli_bench_loader(int argc, char **argv); // argv[0]: "loader"
int tt_cli_bench_ops(int argc, char **argv); // argv[0]: "ops"
int tt_cli_bench_scaling(int argc, char **argv); // argv[0]: "scaling"
int tt_cli_checkpoint(int argc, char **argv);
int tt_cli_checkpoint_import(int argc, char **argv); // argv[0]: "import"
int tt_cli_fit(int argc, char **argv);
int tt_cli_log(int argc, char **argv);
int tt_cli_plan(int argc, char **argv);
int tt_cli_plot(int argc, char **argv);
int tt_cli_preflight(int argc, char **argv);
int tt_cli_replay(int argc, char **argv);
int tt_cli_store(int argc, char **argv);
int tt_cli_store_build(int argc, char **argv);
int tt_cli_store_merge(int argc, char **argv);
int tt_cli_store_sample(int argc, char **argv);
int tt_cli_store_split(int argc, char **argv);
int tt_cli_sweep(int argc, char **argv);
int tt_cli_train(int argc, char **argv);
int tt_cli_version(void);

#endif
