// The three ways in which `twotrack fit` tells what it found. All say the same; each returns TT_ERR_MEMORY or
// its own errors.
#ifndef TT_CLI_FIT_REPORT_H
#define TT_CLI_FIT_REPORT_H

#include "cli/fit_result.h"

// Tables for people, to the standard output.
void tt_fit_report_print(const tt_fit_result *result);

// One JSON object with full precision (docs/formats.md), to the standard output.
tt_status tt_fit_report_json(const tt_fit_result *result);

// The figure, to the file of --out. TT_ERR_ARGUMENT (its ending), TT_ERR_IO.
tt_status tt_fit_report_draw(const tt_fit_result *result);

#endif
