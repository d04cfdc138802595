// Checkpoints of the published code (Uni-Mol2 on Uni-Core) made into checkpoints of ours: docs/weights.md.
#ifndef TT_TRAIN_CHECKPOINT_IMPORT_H
#define TT_TRAIN_CHECKPOINT_IMPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/status.h"

typedef struct {
  bool average;   // take the moving average of the weights ("ema") in place of the weights
  bool new_heads; // a head that the file lacks gets initial values; otherwise that is an error
} tt_import_options;

enum { TT_IMPORT_TYPES = 4 }; // float32, float16, bfloat16, float64: tt_torch_type

// What was found. A name is "" where there is none.
typedef struct {
  tt_model_config model; // dimensions, from the shapes; preset "" when it is none of ours
  int64_t parameters;
  int tensors, types[TT_IMPORT_TYPES]; // tensors in all, and of each type in the file
  int left_out;                        // tensors of fine-tuned classification heads
  char new_heads[64];                  // the heads that got initial values
  bool has_average;
  bool has_means;   // the file has the Gaussian kernel's centres
  double means_off; // largest distance of one of them from linspace(0, 9, 128), which a run in half precision
                    // rounds
  int64_t updates;  // done by the run that wrote it; -1 where the file does not say
} tt_import_report;

// Reads `path`, a file of torch.save, and writes the weights-only checkpoint `out` (complete or absent),
// whose configuration is the default one with the model's dimensions. TT_ERR_FORMAT: not such a checkpoint, a
// tensor missing (all heads that are missing are named), of another shape or of a model that we do not have,
// other settings of the Gaussian kernel; TT_ERR_DATA: a weight that is no finite number; TT_ERR_CORRUPT,
// TT_ERR_IO, TT_ERR_MEMORY, TT_ERR_UNSUPPORTED.
tt_status tt_checkpoint_import(const char *path, const char *out, const tt_import_options *options,
                               tt_import_report *report);

#endif
