// Why a layout is where it is in a plan's list, in words. Private to the plan room.
#ifndef TT_PLAN_REASONS_H
#define TT_PLAN_REASONS_H

#include "plan/plan.h"

// Of list[k], once all are in order.
void tt_plan_give_reason(tt_plan *plan, int k);

// A batch has fewer molecules than leaves x tensor ranks.
void tt_plan_few_molecules(tt_plan_layout *l, const tt_plan *plan);

#endif
