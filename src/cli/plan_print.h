// How 'twotrack plan' shows a plan. Private to the cli room.
#ifndef TT_CLI_PLAN_PRINT_H
#define TT_CLI_PLAN_PRINT_H

#include "plan/plan.h"

void tt_cli_plan_print(const tt_plan *plan);
// TT_ERR_MEMORY.
tt_status tt_cli_plan_json(const tt_plan *plan);

#endif
