/* What one process has counted of one server: series by name, as JSON, and their sums over
 * processes.
 *
 *   kind       what it is             JSON                                     of a process
 *                                                                              that has ended
 *   sum        only grows             12                                       kept
 *   gauge      as many as now         {"gauge": 3}                             dropped
 *   histogram  values by their size   {"sum": 70, "buckets": {"5": 1,          kept
 *                                     "inf": 2}}: one of at most 5, two more
 *
 * Series are added by name, buckets by bound; a name or bound that one side lacks counts
 * nothing there.  So a release may add some, and its neighbours carry them along.
 *
 * Always: mo_series_clean() is between what a neighbour tells and everything else here. */
#ifndef MO_GEN_WIRE_SERIES_H
#define MO_GEN_WIRE_SERIES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is kept of what neighbours tell: more is not believed. */
#define MO_SERIES_NAMES 64
#define MO_SERIES_NAME 48    /* bytes of a name: a-z, 0-9, _ */
#define MO_SERIES_BUCKETS 32 /* of one histogram; a bound is a number, or inf */

/* ---- of this process; json_object() is the empty one ---- */

void mo_series_set_sum(json_t *series, const char *name, uint64_t n);
void mo_series_set_gauge(json_t *series, const char *name, uint64_t n);
/* counts[i] values were over bounds[i - 1] and at most bounds[i], counts[n] over all n of
 * the bounds; sum: of all values.  n is less than MO_SERIES_BUCKETS. */
void mo_series_set_histogram(json_t *series, const char *name, const uint64_t *bounds,
			     const uint64_t *counts, size_t n, uint64_t sum);

/* A sum, or a gauge; of a histogram how many values; 0 for what is not there. */
uint64_t mo_series_number(const json_t *series, const char *name);

/* ---- of several ---- */

/* Of what a neighbour told, what is known here; a new reference. */
json_t *mo_series_clean(json_t *from);
/* ended: gauges are left out. */
void mo_series_add(json_t *to, json_t *from, bool ended);

#endif
