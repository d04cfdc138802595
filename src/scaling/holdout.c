#include "scaling/holdout.h"

#include <math.h>
#include <stdlib.h>

#include "scaling/quantile.h"

// The smallest of the `wanted` largest distinct sizes, and the largest below it. TT_ERR_ARGUMENT when none is
// below.
static tt_status cut(const tt_observation *rows, size_t count, int wanted, tt_holdout *h) {
  double *sizes = malloc((count + 1) * sizeof *sizes);
  if (!sizes) return tt_fail(TT_ERR_MEMORY, "no memory for %zu sizes", count);
  for (size_t i = 0; i < count; i++) sizes[i] = rows[i].size;
  tt_sort(sizes, count);
  int distinct = 0;
  for (size_t i = count; i-- > 0 && distinct <= wanted;) {
    if (i + 1 == count || !tt_same_size(sizes[i], sizes[i + 1])) distinct++;
    if (distinct <= wanted)
      h->from_size = sizes[i];
    else
      h->fitted_size = sizes[i];
  }
  free(sizes);
  if (wanted < 1 || distinct <= wanted)
    return tt_fail(TT_ERR_ARGUMENT, "%d sizes are to be held out of %d: at least one must be left to fit",
                   wanted, distinct);
  return TT_OK;
}

static tt_status predict_all(tt_holdout *h, const tt_observation *left_out) {
  for (size_t i = 0; i < h->count; i++) {
    tt_holdout_point *p = &h->points[i];
    p->at = left_out[i];
    TT_TRY(tt_predict(&h->intervals, &p->at, &p->predicted));
    p->relative_error = p->predicted.loss / p->at.loss - 1;
    p->inside = p->predicted.measured.low <= p->at.loss && p->at.loss <= p->predicted.measured.high;
    h->inside += p->inside;
    h->mean_relative_error += fabs(p->relative_error) / h->count;
    // rows of a group stand together, in the order of its steps
    if (i + 1 == h->count || left_out[i + 1].group != p->at.group) h->last[h->last_count++] = *p;
  }
  for (size_t i = 0; i < h->last_count; i++)
    h->last_relative_error += fabs(h->last[i].relative_error) / h->last_count;
  return TT_OK;
}

tt_status tt_holdout_make(const tt_law *law, const tt_observation *rows, size_t count, int sizes,
                          const tt_fit_options *fit_options, const tt_interval_options *options,
                          tt_holdout *h) {
  *h = (tt_holdout){.sizes = sizes};
  TT_TRY(cut(rows, count, sizes, h));
  tt_observation *parted = malloc(count * sizeof *parted); // those to fit, then those left out
  h->points = calloc(count, sizeof *h->points);
  h->last = calloc(count, sizeof *h->last);
  tt_status status;
  if (!parted || !h->points || !h->last) {
    status = tt_fail(TT_ERR_MEMORY, "no memory to hold out of %zu rows", count);
    goto end;
  }
  for (size_t i = 0; i < count; i++)
    if (rows[i].size < h->from_size) parted[h->fitted++] = rows[i];
  for (size_t i = 0; i < count; i++)
    if (!(rows[i].size < h->from_size)) parted[h->fitted + h->count++] = rows[i];
  TT_TRY_GOTO(status, tt_fit_solve(law, parted, h->fitted, fit_options, &h->fit), end);
  TT_TRY_GOTO(status, tt_intervals_make(law, parted, h->fitted, fit_options, &h->fit, options, &h->intervals),
              end);
  tt_intervals_identify(&h->intervals, &h->fit);
  status = predict_all(h, parted + h->fitted);
end:
  free(parted);
  if (status != TT_OK) {
    tt_fail_in(status, "hold-out of %d sizes", sizes);
    tt_holdout_free(h);
  }
  return status;
}

void tt_holdout_free(tt_holdout *h) {
  tt_intervals_free(&h->intervals);
  free(h->points), free(h->last);
  *h = (tt_holdout){0};
}
