/* Series of counts by name; see series.h. */
#include "gen/wire/series.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

enum kind { NONE, SUM, GAUGE, HISTOGRAM };

static enum kind kind_of(const json_t *one)
{
	if (json_is_integer(one))
		return SUM;
	if (json_is_integer(json_object_get(one, "gauge")))
		return GAUGE;
	return json_is_object(json_object_get(one, "buckets")) ? HISTOGRAM : NONE;
}

/* Never negative. */
static uint64_t count_of(const json_t *n)
{
	json_int_t count = json_integer_value(n);

	return count < 0 ? 0 : (uint64_t)count;
}

/* Sums wrap instead of overflowing. */
static json_int_t plus(const json_t *a, const json_t *b)
{
	return (json_int_t)((count_of(a) + count_of(b)) & INT64_MAX);
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)(n & INT64_MAX));
}

/* ---- of this process --------------------------------------------------------- */

void mo_series_set_sum(json_t *series, const char *name, uint64_t n)
{
	json_object_set_new(series, name, number(n));
}

static json_t *gauge(uint64_t n)
{
	return json_pack("{s:o}", "gauge", number(n));
}

void mo_series_set_gauge(json_t *series, const char *name, uint64_t n)
{
	json_object_set_new(series, name, gauge(n));
}

void mo_series_set_histogram(json_t *series, const char *name, const uint64_t *bounds,
			     const uint64_t *counts, size_t n, uint64_t sum)
{
	json_t *buckets = json_object();
	char bound[24];

	MO_CHECK(n < MO_SERIES_BUCKETS);
	for (size_t i = 0; i < n; i++) {
		snprintf(bound, sizeof(bound), "%llu", (unsigned long long)bounds[i]);
		json_object_set_new(buckets, bound, number(counts[i]));
	}
	json_object_set_new(buckets, "inf", number(counts[n]));
	json_object_set_new(series, name,
			    json_pack("{s:o, s:o}", "sum", number(sum), "buckets", buckets));
}

uint64_t mo_series_number(const json_t *series, const char *name)
{
	json_t *one = json_object_get(series, name), *count;
	uint64_t n = count_of(one) + count_of(json_object_get(one, "gauge"));
	const char *bound;

	json_object_foreach (json_object_get(one, "buckets"), bound, count)
		n += count_of(count);
	return n & INT64_MAX;
}

/* ---- of several -------------------------------------------------------------- */

static bool is_name(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_");

	return n > 0 && n <= MO_SERIES_NAME && s[n] == '\0';
}

static bool is_bound(const char *s)
{
	size_t n = strspn(s, "0123456789");

	return strcmp(s, "inf") == 0 || (n > 0 && n <= 20 && s[n] == '\0');
}

static void add_buckets(json_t *to, json_t *from)
{
	const char *bound;
	json_t *n;

	json_object_foreach (from, bound, n)
		if (is_bound(bound) &&
		    (json_object_get(to, bound) || json_object_size(to) < MO_SERIES_BUCKETS))
			json_object_set_new(to, bound,
					    json_integer(plus(json_object_get(to, bound), n)));
}

/* A new reference; NULL: it is no series.  One that there is already keeps its kind. */
static json_t *together(const json_t *a, json_t *b)
{
	json_t *buckets;

	if (a && kind_of(a) != kind_of(b))
		return NULL;
	switch (kind_of(b)) {
	case SUM:
		return json_integer(plus(a, b));
	case GAUGE:
		return json_pack("{s:I}", "gauge",
				 plus(json_object_get(a, "gauge"), json_object_get(b, "gauge")));
	case HISTOGRAM:
		buckets = json_object();
		add_buckets(buckets, json_object_get(a, "buckets"));
		add_buckets(buckets, json_object_get(b, "buckets"));
		return json_pack("{s:I, s:o}", "sum",
				 plus(json_object_get(a, "sum"), json_object_get(b, "sum")),
				 "buckets", buckets);
	case NONE:
		break;
	}
	return NULL;
}

void mo_series_add(json_t *to, json_t *from, bool ended)
{
	const char *name;
	json_t *one;

	json_object_foreach (from, name, one) {
		json_t *known = json_object_get(to, name), *sum;

		if (!is_name(name) || (ended && kind_of(one) == GAUGE) ||
		    (!known && json_object_size(to) == MO_SERIES_NAMES))
			continue;
		sum = together(known, one);
		if (sum)
			json_object_set_new(to, name, sum);
	}
}

json_t *mo_series_clean(json_t *from)
{
	json_t *out = json_object();

	mo_series_add(out, from, false);
	return out;
}
