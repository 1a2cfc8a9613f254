/* Dates of HTTP (RFC 9110 section 5.6.7).
 *
 * Called for conditional requests and for Last-Modified.  No locale, no time
 * zone, no libc calendar: the proleptic Gregorian calendar is computed here, so
 * the result is the same in every environment and on every thread.
 *
 *   fixed     Sun, 06 Nov 1994 08:49:37 GMT
 *   rfc850    Sunday, 06-Nov-94 08:49:37 GMT
 *   asctime   Sun Nov  6 08:49:37 1994 */

#include "base/check.h"
#include "base/clock.h"
#include "base/digits.h"
#include "base/str.h"
#include "http/syntax/range.h"

#define LAST_SECOND 253402300799 /* 9999-12-31 23:59:59: what four digits can say */

static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
				    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
static const char days[7][10] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
				  "Thursday", "Friday", "Saturday" };

typedef struct calendar {
	int year, month, day, hour, minute, second; /* month and day from 1 */
} calendar;

/* Days from 1970-01-01 to the first of March of that year, counted so that the
 * leap day is the last day of a year that begins in March. */
static int64_t days_to_march(int64_t year)
{
	return year * 365 + year / 4 - year / 100 + year / 400 - 719468;
}

static int64_t day_number(const calendar *c)
{
	/* March is month 0; months then have 31 and 30 days in a pattern of five. */
	int shifted = (c->month + 9) % 12;
	int64_t year = c->month <= 2 ? c->year - 1 : c->year;

	return days_to_march(year) + (153 * shifted + 2) / 5 + c->day - 1;
}

/* What four digits can say, and not before 1970. */
static int64_t clamped(int64_t t)
{
	return t < 0 ? 0 : t > LAST_SECOND ? LAST_SECOND : t;
}

static void calendar_from_days(int64_t number, calendar *c)
{
	int64_t year = (number + 719468) * 400 / 146097;
	int64_t in_year;
	int shifted;

	if (number < days_to_march(year))
		year--;
	else if (number >= days_to_march(year + 1))
		year++;
	in_year = number - days_to_march(year);
	shifted = (int)((5 * in_year + 2) / 153);
	c->day = (int)(in_year - (153 * shifted + 2) / 5 + 1);
	c->month = shifted < 10 ? shifted + 3 : shifted - 9;
	c->year = (int)(c->month <= 2 ? year + 1 : year);
}

static int month_length(int year, int month)
{
	static const int length[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : length[month - 1];
}

/* ---- reading: each step takes its bytes from *s or makes *ok false ---- */

static void take_text(molt_str *s, bool *ok, const char *text)
{
	molt_str wanted = mo_str(text);

	if (!*ok || !mo_str_has_prefix(*s, wanted)) {
		*ok = false;
		return;
	}
	*s = mo_strn(s->ptr + wanted.len, s->len - wanted.len);
}

static int take_digits(molt_str *s, bool *ok, size_t n)
{
	uint64_t value = 0;

	if (!*ok || s->len < n || !mo_str_u64(mo_strn(s->ptr, n), 9999, &value)) {
		*ok = false;
		return 0;
	}
	*s = mo_strn(s->ptr + n, s->len - n);
	return (int)value;
}

static int take_month(molt_str *s, bool *ok)
{
	for (int i = 0; *ok && i < 12; i++) {
		bool found = true;

		take_text(s, &found, months[i]);
		if (found)
			return i + 1;
	}
	*ok = false;
	return 1;
}

static void take_clock(molt_str *s, bool *ok, calendar *c)
{
	c->hour = take_digits(s, ok, 2);
	take_text(s, ok, ":");
	c->minute = take_digits(s, ok, 2);
	take_text(s, ok, ":");
	c->second = take_digits(s, ok, 2);
}

/* "06 Nov 1994 08:49:37 GMT" */
static void take_fixed(molt_str *s, bool *ok, calendar *c)
{
	c->day = take_digits(s, ok, 2);
	take_text(s, ok, " ");
	c->month = take_month(s, ok);
	take_text(s, ok, " ");
	c->year = take_digits(s, ok, 4);
	take_text(s, ok, " ");
	take_clock(s, ok, c);
	take_text(s, ok, " GMT");
}

/* "06-Nov-94 08:49:37 GMT"; a year that seems more than 50 years ahead is the
 * last one in the past with these two digits. */
static void take_rfc850(molt_str *s, bool *ok, calendar *c)
{
	calendar now;

	calendar_from_days(mo_wall() / MOLT_SECOND / 86400, &now);
	c->day = take_digits(s, ok, 2);
	take_text(s, ok, "-");
	c->month = take_month(s, ok);
	take_text(s, ok, "-");
	c->year = take_digits(s, ok, 2) + now.year / 100 * 100 + 100;
	while (c->year > now.year + 50)
		c->year -= 100;
	take_text(s, ok, " ");
	take_clock(s, ok, c);
	take_text(s, ok, " GMT");
}

/* "Nov  6 08:49:37 1994" */
static void take_asctime(molt_str *s, bool *ok, calendar *c)
{
	bool short_day = true;

	c->month = take_month(s, ok);
	take_text(s, ok, " ");
	take_text(s, &short_day, " ");
	c->day = take_digits(s, ok, short_day ? 1 : 2);
	take_text(s, ok, " ");
	take_clock(s, ok, c);
	take_text(s, ok, " ");
	c->year = take_digits(s, ok, 4);
}

/* Takes the weekday and what follows it; the weekday itself is not compared
 * with the date. */
static bool take_any(molt_str *s, calendar *c)
{
	for (size_t i = 0; i < MO_COUNTOF(days); i++) {
		molt_str rest = *s;
		bool ok = true;

		take_text(&rest, &ok, days[i]);
		take_text(&rest, &ok, ", ");
		if (ok) {
			take_rfc850(&rest, &ok, c);
			*s = rest;
			return ok;
		}
		if (s->len < 4 || memcmp(s->ptr, days[i], 3) != 0)
			continue;
		rest = mo_strn(s->ptr + 4, s->len - 4);
		ok = true;
		if (s->ptr[3] == ' ') {
			take_asctime(&rest, &ok, c);
		} else {
			ok = s->ptr[3] == ',';
			take_text(&rest, &ok, " ");
			take_fixed(&rest, &ok, c);
		}
		*s = rest;
		return ok;
	}
	return false;
}

time_t mo_date_parse(molt_str s)
{
	calendar c = { 0 };
	int64_t t;

	if (!take_any(&s, &c) || s.len != 0)
		return -1;
	/* Second 60 is a leap second; it becomes the next minute's first. */
	if (c.hour > 23 || c.minute > 59 || c.second > 60)
		return -1;
	if (c.day < 1 || c.day > month_length(c.year, c.month))
		return -1;
	t = day_number(&c) * 86400 + c.hour * 3600 + c.minute * 60 + c.second;
	return (time_t)clamped(t);
}

static char *put_text(char *p, const char *text, size_t n)
{
	memcpy(p, text, n);
	return p + n;
}

void mo_date_format(time_t t, char out[30])
{
	int64_t second = clamped(t), number = second / 86400;
	int in_day = (int)(second % 86400);
	calendar c;
	char *p = out;

	calendar_from_days(number, &c);
	p = put_text(p, days[(number + 4) % 7], 3);
	p = put_text(p, ", ", 2);
	p = mo_put_2digits(p, (unsigned)c.day);
	*p++ = ' ';
	p = put_text(p, months[c.month - 1], 3);
	*p++ = ' ';
	p = mo_put_2digits(p, (unsigned)c.year / 100);
	p = mo_put_2digits(p, (unsigned)c.year);
	*p++ = ' ';
	p = mo_put_2digits(p, (unsigned)in_day / 3600);
	*p++ = ':';
	p = mo_put_2digits(p, (unsigned)in_day / 60 % 60);
	*p++ = ':';
	p = mo_put_2digits(p, (unsigned)in_day % 60);
	p = put_text(p, " GMT", 4);
	*p = '\0';
}
