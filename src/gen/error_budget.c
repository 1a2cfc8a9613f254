/* The error budget of a new generation; see error_budget.h. */
#include "gen/control.h"
#include "gen/error_budget.h"

#define CHANCE 6 /* standard deviations */
#define EVERY (5 * MOLT_SECOND)
#define SAMPLES 13 /* a minute, both ends */

double mo_rate_share(mo_rate r)
{
	return r.answers ? 100.0 * (double)r.errors / (double)r.answers : 0;
}

mo_rate mo_rate_since(mo_rate now, mo_rate then)
{
	return (mo_rate){ now.answers - then.answers, now.errors - then.errors };
}

bool mo_error_budget_spent(const mo_error_budget *b, mo_rate own, mo_rate theirs)
{
	double p = mo_rate_share(own), above = mo_rate_share(theirs) - p, variance;

	if (b->share <= 0 || theirs.answers == 0 || theirs.answers < (uint64_t)b->min)
		return false;
	variance = p * (100 - p) / (double)theirs.answers;
	return above > (double)b->share && above * above > CHANCE * CHANCE * variance;
}

/* ---- our own share ------------------------------------------------------------- */

static struct {
	mo_rate (*answered)(void);
	mo_timer timer;
	mo_rate sample[SAMPLES]; /* a ring */
	unsigned next;           /* as many have been taken */
} own;

static void take_sample(mo_timer *t)
{
	own.sample[own.next++ % SAMPLES] = own.answered();
	mo_timer_start(mo_control_loop(), t, EVERY);
}

void mo_error_budget_watch(mo_rate (*answered)(void))
{
	if (own.answered)
		return;
	own.answered = answered;
	mo_timer_init(&own.timer, take_sample);
	take_sample(&own.timer);
}

void mo_error_budget_close(void)
{
	if (own.answered)
		mo_timer_stop(mo_control_loop(), &own.timer);
	own.answered = NULL;
	own.next = 0;
}

mo_rate mo_error_budget_own(const mo_error_budget *b)
{
	mo_rate now, lately;

	if (!own.answered)
		return (mo_rate){ 0 };
	now = own.answered();
	lately = mo_rate_since(now,
			       own.next < SAMPLES ? own.sample[0] : own.sample[own.next % SAMPLES]);
	return lately.answers >= (uint64_t)b->min ? lately : now;
}
