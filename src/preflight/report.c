#include "preflight/report.h"

#include <stdarg.h>
#include <stdio.h>

static void add(tt_report *r, bool problem, const char *format, va_list values) {
  if (r->remark_count == TT_PREFLIGHT_REMARKS) return;
  tt_remark *remark = &r->remarks[r->remark_count++];
  remark->problem = problem;
  vsnprintf(remark->text, sizeof remark->text, format, values);
}

void tt_report_problem(tt_report *report, const char *format, ...) {
  va_list values;
  va_start(values, format);
  add(report, true, format, values);
  va_end(values);
}

void tt_report_note(tt_report *report, const char *format, ...) {
  va_list values;
  va_start(values, format);
  add(report, false, format, values);
  va_end(values);
}
