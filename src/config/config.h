// The configuration of a run: libconfig text -> typed values, every one checked.
//
// A file has the groups model, data, train, optimizer, validation and parallel; each key below is one field,
// named alike. Defaults are the paper's (Uni-Mol2, arXiv 2406.14969, tables 2 and 9, sections 3.1-3.3); where
// the released code differs from the paper, the code's choice is an option.
#ifndef TT_CONFIG_CONFIG_H
#define TT_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

enum { TT_GAUSSIANS = 128, TT_TOKENS = 128, TT_MASK_TOKEN = 127 };

typedef enum { TT_SCALING_MOLECULE, TT_SCALING_BATCH } tt_scaling_length;
typedef enum { TT_NOISE_NORMAL, TT_NOISE_UNIFORM, TT_NOISE_TRUNCATED_NORMAL, TT_NOISE_NONE } tt_noise;
typedef enum { TT_FP32, TT_BF16 } tt_precision;
// What computes: an NVIDIA GPU where there is one, the processor, a GPU or nothing.
typedef enum { TT_DEVICE_AUTO, TT_DEVICE_CPU, TT_DEVICE_CUDA } tt_device;
// How arrays go from GPU to GPU: NCCL where every rank can have it, else as MPI; NCCL; MPI by way of the
// host.
typedef enum { TT_EXCHANGE_AUTO, TT_EXCHANGE_NCCL, TT_EXCHANGE_MPI } tt_exchange;
// Who adds the ranks' gradients on GPUs: twotrack in a fixed binary tree, or NCCL in an order of its choice.
typedef enum { TT_REDUCTION_TREE, TT_REDUCTION_NCCL } tt_reduction_sum;
// What the backward computes again instead of keeping it from the forward: nothing, or each layer's pair
// track.
typedef enum { TT_RECOMPUTE_NONE, TT_RECOMPUTE_PAIR } tt_recompute;
// Who writes a checkpoint: every rank its own part by plain writes, all ranks together through HDF5, or what
// fits the file system.
typedef enum { TT_WRITER_AUTO, TT_WRITER_DIRECT, TT_WRITER_COLLECTIVE } tt_checkpoint_writer;
// What becomes of a training chunk that cannot be read: the run stops, or its molecules are replaced by its
// lane's next ones.
typedef enum { TT_BAD_STOP, TT_BAD_SKIP } tt_bad_chunks;
// What becomes of an update whose loss or gradient is not finite: the run stops, its batch is left out, or
// the run also goes back to its newest checkpoint.
typedef enum { TT_NON_FINITE_STOP, TT_NON_FINITE_SKIP, TT_NON_FINITE_ROLLBACK } tt_non_finite;
typedef enum { TT_SCHEDULE_LINEAR, TT_SCHEDULE_CONSTANT, TT_SCHEDULE_COOLDOWN } tt_schedule;

typedef struct {
  char preset[16]; // "42M" "84M" "164M" "310M" "570M" "1.1B", CPU sizes, or "" for none
  int layers, embed_dim, heads, pair_dim, pair_hidden, ffn_dim; // L, D, H, P, C, F of docs/model.md
  double dropout;                                               // 0.1: attention output, FFNs, outer product
  double attention_dropout;                                     // 0.1: attention probabilities
  double activation_dropout;                                    // 0.0: inside the FFNs
  double pair_dropout;              // 0.25: triangle output, shared over the first pair index
  double movement_dropout;          // 0.1: attention probabilities of the movement head
  tt_scaling_length scaling_length; // "molecule" (default): each molecule's own length rounded up to 4;
                                    // "batch" (upstream): the longest of the global batch, rounded up to 4
} tt_model_config;

typedef struct {
  char *store;                      // folder of the store; "" when it is to come from --store
  int lanes;                        // data lanes; fix the order of the data for ever
  int read_ahead;                   // chunks a lane has ready beyond the one in use (2)
  tt_bad_chunks bad_chunks;         // "stop" (default) | "skip"
  int max_atoms;                    // molecules with more atoms are an error (256)
  double mask_probability;          // fraction of atoms whose token is masked (0.15)
  tt_noise noise;                   // coordinate noise: "normal" (paper) | "uniform" (released code) | ...
  double noise_scale;               // its standard deviation or half-width in Angstrom (0.2)
  double noise_probability;         // fraction of atoms that get noise (1.0)
  double drop_features_probability; // a molecule's atom, bond and path features dropped together (0.5)
  double
      coordinates_2d_probability; // 2-D coordinates instead of 3-D where features are kept (0; upstream 0.5)
} tt_data_config;

typedef struct {
  uint64_t seed;
  tt_device device;       // "auto" (default) | "cpu" | "cuda"
  tt_precision precision; // of the operands of dense products, and of activations on a GPU: "fp32" (default)
                          // | "bf16"; all else is fp32
  int64_t steps;          // updates (818359: one pass over 838M conformations)
  int batch_size;         // molecules an update, over all ranks (1024)
  int micro_batches;      // leaves of the gradient tree, a power of two
  tt_recompute recompute;
  int64_t max_pairs; // pair rows (sum of (atoms+1)^2) a piece may have; bounds memory
  double token_loss_weight, position_loss_weight, distance_loss_weight; // 1, 1, 1
  int64_t log_every, checkpoint_every;                                  // in steps
  int checkpoint_keep;                                                  // newest checkpoints kept (0: all)
  tt_checkpoint_writer checkpoint_writer;
  int64_t replica_check_every; // steps between comparisons of the ranks' copies of the parameters (0: never)
  double hang_limit;           // seconds without progress that end the job (300; 0: none)
  double hang_limit_start;     // the same until the first update is done (1800)
  int64_t silent_check_every;  // steps between leaves that are run twice and compared (0: never)
  int spike_window;            // updates that a loss is compared with to find spikes (128)
  double spike_z; // standard deviations above their mean from which it is one (6; 0: none is looked for)
  tt_non_finite non_finite; // "stop" (default) | "skip" | "rollback"
  int skip_limit;           // batches a run may leave out by itself (10)
  char *skip_batches;       // numbers of batches left out, from 0: "12, 500-519" (""); owned
} tt_train_config;

typedef struct {
  double learning_rate;                                  // peak (1e-4)
  double beta1, beta2, epsilon, weight_decay, clip_norm; // 0.9, 0.99, 1e-6, 1e-4, 1.0 (clip 0: off)
  tt_schedule
      schedule; // "linear": warm-up then linear to 0; "constant"; "cooldown": constant, then linear to 0
  int64_t warmup_steps;   // 100000; must be below train.steps
  int64_t cooldown_steps; // last steps of "cooldown"
} tt_optimizer_config;

typedef struct {
  int64_t every;     // steps between validations (also after the last step)
  int64_t molecules; // how many of the store's validation molecules, in store order (0: all)
  uint64_t seed;     // of the validation masks and noise; the same for all runs that are to be compared
} tt_validation_config;

// How the ranks are laid out. Not part of the experiment: may change at a resume.
typedef struct {
  int tensor;                 // ranks of a tensor group, which share a leaf; ranks = data x tensor
  bool share_gpu;             // there may be more ranks on a node than it has GPUs
  tt_exchange exchange;       // "auto"
  tt_reduction_sum reduction; // "tree"
} tt_parallel_config;

typedef struct {
  tt_model_config model;
  tt_data_config data;
  tt_train_config train;
  tt_optimizer_config optimizer;
  tt_validation_config validation;
  tt_parallel_config parallel;
} tt_config;

// The paper's defaults. Release with tt_config_free.
tt_status tt_config_defaults(tt_config *config);

// Reads `path` (NULL: nothing, so what is not overridden has its default), applies the `count` overrides
// ("group.key=value", as after --set) in order, resolves the preset (explicit keys win over it) and checks
// every value and their relations. On failure TT_ERR_IO (no such file) or TT_ERR_CONFIG with file, line, key
// and the nearest valid key in the message; *config is then empty.
tt_status tt_config_load(tt_config *config, const char *path, const char *const *overrides, int count);

// The same from a text in memory, such as a run log holds; `name` stands for the file in messages.
tt_status tt_config_load_text(tt_config *config, const char *name, const char *text);

// The fully resolved configuration as libconfig text (reads back to the same values); free() it.
tt_status tt_config_print(const tt_config *config, char **text);

// The line of such a text that has the character text[at], as "group.key = value" (cut to `size`); a line
// outside groups as it is.
void tt_config_line(const char *text, size_t at, char *line, size_t size);

void tt_config_free(tt_config *config);

// Fills the dimensions of `model` from a preset's name; TT_ERR_CONFIG naming the valid ones.
tt_status tt_model_preset(tt_model_config *model, const char *name);

// "fp32" or "bf16".
const char *tt_precision_name(tt_precision precision);

// Names of all presets, smallest first; ends with NULL.
const char *const *tt_model_preset_names(void);

#endif
