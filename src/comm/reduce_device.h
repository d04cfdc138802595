// The same as comm/reduce.h for arrays of a device. Private to the comm room.
#ifndef TT_COMM_REDUCE_DEVICE_H
#define TT_COMM_REDUCE_DEVICE_H

#include "comm/link.h"

typedef struct tt_device_reduction tt_device_reduction;

// `floats` on the device for what arrives.
tt_status tt_device_reduction_create(tt_device_reduction **reduction, int stretches, const tt_link *link,
                                     int64_t floats);
void tt_device_reduction_free(tt_device_reduction *reduction); // NULL is fine

// longest: elements of the longest segment, more than 0.
void tt_device_reduction_begin(tt_device_reduction *reduction, const tt_comm *ranks, float *partial,
                               const int64_t *segment, int64_t longest);
void tt_device_reduction_finish(tt_device_reduction *reduction);

#endif
