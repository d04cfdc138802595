// Spikes of the loss: an update whose loss is far above those of the updates before it. They are told, with
// the molecules of the batch, and change nothing.
//
// Compared are the losses of the last train.spike_window updates. With m their mean and s their standard
// deviation (n - 1 in the denominator), an update's z is (loss - m) / s; from train.spike_z on it is a spike.
// Only losses above count, and only once there are a quarter of the window, and 8, to compare with. A spike
// is compared with by later ones: where the loss stays high, it is told once or twice.
#ifndef TT_TRAIN_SPIKES_H
#define TT_TRAIN_SPIKES_H

#include "train/runlog.h"
#include "train/trainer.h"

typedef struct {
  double threshold; // 0: nothing is looked for
  int room;         // losses that are kept
  double *losses;   // (room) the last `count` ones, losses[next - 1] the newest, round and round
  int count, next;
} tt_spikes;

typedef struct {
  double z, loss, mean, deviation;
  int count; // losses that it is compared with
} tt_spike;

// Zeroes are fine for all but the first of these functions, and mean that nothing is looked for.
// TT_ERR_MEMORY.
tt_status tt_spikes_init(tt_spikes *spikes, int window, double threshold);
void tt_spikes_free(tt_spikes *spikes);

// The loss of the next update, which is finite. True when it is a spike, described in *spike.
bool tt_spikes_add(tt_spikes *spikes, double loss, tt_spike *spike);

// Forgets all, then takes the losses of the updates up to `step` out of RUN/run.jsonl, as far back as it has
// them without a gap: after a resume all go on as if nothing had been, where train.log_every is 1. TT_ERR_IO,
// TT_ERR_FORMAT.
tt_status tt_spikes_refill(tt_spikes *spikes, const char *run, int64_t step);

// For rank 0 after each update: tells of a spike in the log and in a line on stderr. TT_ERR_IO.
tt_status tt_spikes_watch(tt_spikes *spikes, const tt_trainer *trainer, const tt_global_batch *batch,
                          const tt_update *update, tt_runlog *log);

#endif
