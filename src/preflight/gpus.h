// Which GPUs this process may use, asked of NVIDIA's driver itself; no CUDA is needed.
#ifndef TT_PREFLIGHT_GPUS_H
#define TT_PREFLIGHT_GPUS_H

#include "preflight/report.h"

// Fills gpus, gpu and gpu_name. A driver that is there and does not work is a problem when `wanted`, else a
// note.
void tt_gpus_look(tt_report *report, bool wanted);

#endif
