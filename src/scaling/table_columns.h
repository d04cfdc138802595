// Which column of somebody's table is what.
#ifndef TT_SCALING_TABLE_COLUMNS_H
#define TT_SCALING_TABLE_COLUMNS_H

#include "scaling/choose.h"
#include "scaling/csv.h"

typedef enum {
  TT_ROLE_SIZE,
  TT_ROLE_SAMPLES,
  TT_ROLE_STEPS,
  TT_ROLE_FLOPS,
  TT_ROLE_LOSS,
  TT_ROLE_LOSS_SE,
  TT_ROLE_RUN,
  TT_ROLE_KIND, // "train" or "valid", as in our own table; not for --columns
  TT_ROLES
} tt_role;

typedef struct {
  int of[TT_ROLES]; // -1: there is none
} tt_table_columns;

// choice->columns ("size=NAME,loss=NAME": a name may hold commas, and need not agree in case, blanks and
// underscores) first, then by usual names: "size_total", "Model Size", "params", "N" ... . TT_ERR_ARGUMENT
// for a key or column that is not there, and when there is no size or loss: the message lists the columns.
// TT_ERR_FORMAT where two columns have the name that is looked for.
tt_status tt_table_columns_find(tt_table_columns *columns, const tt_csv *csv, const tt_choice *choice);

#endif
