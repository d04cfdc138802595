// Runs as event files that TensorBoard opens: `twotrack log export RUN... --tensorboard DIR`.
#ifndef TT_EXPORT_TENSORBOARD_H
#define TT_EXPORT_TENSORBOARD_H

#include "core/status.h"
#include "scaling/run_table.h"

// Writes FOLDER/NAME/events.out.tfevents.twotrack for each run (docs/formats.md says what is in it); folders
// are made where they are missing. The same runs give the same bytes; a file that is there is replaced, whole
// or not at all. TT_ERR_ARGUMENT, with nothing written, for a run whose name leads out of the folder (two of
// one name go by their paths, see run_table.h); TT_ERR_FORMAT for a record without a step; TT_ERR_IO.
tt_status tt_export_tensorboard(const tt_run_table *table, const char *folder);

#endif
