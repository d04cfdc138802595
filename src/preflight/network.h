// What only several ranks together can check. Private to the room.
#ifndef TT_PREFLIGHT_NETWORK_H
#define TT_PREFLIGHT_NETWORK_H

#include "preflight/preflight.h"

// All are collective and add remarks to the rank's own report.
tt_status tt_network_clocks(tt_preflight *p);   // own.clock; a note from one second on
tt_status tt_network_reduce(tt_preflight *p);   // sums of known values
tt_status tt_network_messages(tt_preflight *p); // between the first ranks of the nodes; own.rate
tt_status tt_network_folder(tt_preflight *p);   // whether the run's folder is the same everywhere

#endif
