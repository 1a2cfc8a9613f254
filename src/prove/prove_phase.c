/* The phases of a proof: load on every kind of connection, and under it nothing,
 * restarts, crashes after the switch, or kills.  Each adds its rows to what was
 * seen, and reasons for the verdict "fail" when something happened that must not. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "prove/prove.h"

#define ROUNDS 3 /* of crashes, and of kills */
#define BACK_LIMIT (10 * MOLT_SECOND)

static double ms(int64_t us)
{
	return (double)(us / 10) / 100;
}

static json_t *member(mo_prove *p, const char *name, json_t *fresh)
{
	json_t *had = json_object_get(p->seen, name);

	if (!had)
		json_object_set_new(p->seen, name, fresh);
	else
		json_decref(fresh);
	return json_object_get(p->seen, name);
}

/* ---- the load of a phase --------------------------------------------------------------- */

mo_load *mo_prove_load_begin(mo_prove *p)
{
	mo_load *l = mo_load_start(p->crowds, p->n_crowds);
	molt_time end = mo_deadline(15 * MOLT_SECOND);

	while (!mo_load_warm(l) && mo_left(end) > 0 && !mo_prove_interrupted)
		mo_prove_sleep(10);
	return l;
}

static json_t *row_of(const mo_crowd *k, const mo_load_count *c)
{
	json_t *kinds = json_object();

	for (int f = 0; f < MO_FAULTS; f++)
		if (c->failed[f])
			json_object_set_new(kinds, mo_fault_name((enum mo_fault)f),
					    json_integer((json_int_t)c->failed[f]));
	return json_pack("{s:s, s:i, s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:f}", "name", k->name,
			 "clients", (int)k->clients, "requests", (json_int_t)c->requests, "ok",
			 (json_int_t)c->ok, "failed", (json_int_t)mo_load_failed(c), "by_kind",
			 kinds, "inside", (json_int_t)c->inside, "cut", (json_int_t)c->cut,
			 "reopened", (json_int_t)c->reopened, "stalls", (json_int_t)c->stalls,
			 "longest_ms", ms(c->longest));
}

void mo_prove_load_end(mo_prove *p, mo_load *l, const char *phase)
{
	json_t *rows = json_array(), *examples = json_array();
	mo_load_count sum = { 0 };
	const char *text;

	if (mo_prove_interrupted) {
		mo_load_abandon(l);
		json_decref(rows);
		json_decref(examples);
		return;
	}
	mo_load_stop(l);
	for (unsigned k = 0; k < p->n_crowds; k++) {
		const mo_load_count *c = mo_load_counted(l, k);

		json_array_append_new(rows, row_of(&p->crowds[k], c));
		mo_load_add(&sum, c);
		if (c->ok == 0)
			mo_prove_blame(p, "%s: not one request of \"%s\" was answered", phase,
				       p->crowds[k].name);
	}
	for (unsigned i = 0; (text = mo_load_example(l, i)) != NULL; i++)
		json_array_append_new(examples, json_string(text));
	if (mo_load_failed(&sum))
		mo_prove_blame(p, "%s: %llu of %llu requests failed", phase,
			       (unsigned long long)mo_load_failed(&sum),
			       (unsigned long long)sum.requests);
	if (p->o.strict && sum.reopened)
		mo_prove_blame(p, "%s: %llu connections had to be opened again", phase,
			       (unsigned long long)sum.reopened);
	json_array_append_new(
		member(p, "phases", json_array()),
		json_pack("{s:s, s:o, s:o}", "name", phase, "rows", rows, "examples", examples));
	mo_load_free(l);
}

static void glance(mo_load *l, const char *phase, unsigned done, unsigned of)
{
	uint64_t ok, failed;

	mo_load_glance(l, &ok, &failed);
	mo_prove_progress("%s %u/%u: %llu requests, %llu failed", phase, done, of,
			  (unsigned long long)ok, (unsigned long long)failed);
}

/* What the server does when it is left alone: a measure for the rest. */
void mo_prove_steady(mo_prove *p)
{
	mo_load *l = mo_prove_load_begin(p);

	mo_prove_progress("no restart");
	mo_prove_sleep(1000);
	mo_prove_load_end(p, l, "steady");
}

/* ---- restarts --------------------------------------------------------------------------- */

/* The reason in an answer, for people. */
static const char *reason_of(const mo_answer *a)
{
	const char *why = json_string_value(json_object_get(a->body, "reason"));

	return why ? why : "no reason was given";
}

static bool went_well(const mo_answer *a)
{
	return a->status >= 200 && a->status < 300 && a->body;
}

/* One good restart.  The pid that serves then, in *pid when it is told. */
static bool restart_once(mo_prove *p, const char *phase, pid_t *pid)
{
	mo_answer a;
	const json_t *receipt;
	bool good;
	int rc;

	if (p->o.reload_cmd) {
		rc = mo_prove_command(p->o.reload_cmd);
		if (rc != 0 && !mo_prove_interrupted)
			mo_prove_blame(p, "%s: the reload command ended with status %d", phase, rc);
		mo_prove_sleep(p->o.settle);
		return rc == 0;
	}
	rc = mo_program_restart(p, NULL, &a);
	if (rc < 0) {
		if (!mo_prove_interrupted)
			mo_prove_blame(p, "%s: no answer to a restart: %s", phase,
				       molt_strerror(rc));
		return false;
	}
	good = went_well(&a);
	if (!good)
		mo_prove_blame(p, "%s: a good restart failed: %s", phase, reason_of(&a));
	receipt = json_object_get(a.body, "receipt");
	if (pid)
		*pid = (pid_t)json_integer_value(json_object_get(receipt, "successor_pid"));
	mo_answer_free(&a);
	return good;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void note_times(mo_prove *p, unsigned asked, double *times, unsigned n)
{
	json_t *o = json_pack("{s:i, s:i}", "asked", (int)asked, "done", (int)n);

	qsort(times, n, sizeof(*times), by_size);
	if (n)
		json_object_set_new(o, "ms",
				    json_pack("{s:f, s:f, s:f}", "least", times[0], "median",
					      times[n / 2], "most", times[n - 1]));
	json_object_set_new(p->seen, "restarts", o);
}

/* On a slow machine the restarts need longer than their time: as long as all have been
 * good, each that was asked for is made. */
void mo_prove_restarts(mo_prove *p)
{
	unsigned n = p->o.restarts, done = 0, asked = 0;
	double *times = mo_calloc(n, sizeof(*times));
	mo_load *l = mo_prove_load_begin(p);
	int64_t begun = mo_now(), whole = (int64_t)p->o.seconds * 1000, apart = whole / n;

	while (asked < n && (mo_now() < begun + whole || done == asked) && !mo_prove_interrupted) {
		struct timespec a, b;
		int64_t due = begun + apart * ++asked;

		clock_gettime(CLOCK_MONOTONIC, &a);
		if (restart_once(p, "restarts", NULL)) {
			clock_gettime(CLOCK_MONOTONIC, &b);
			times[done++] = ms((b.tv_sec - a.tv_sec) * 1000000 +
					   (b.tv_nsec - a.tv_nsec) / 1000) -
					p->o.settle;
		}
		glance(l, "restart", asked, n);
		if (due > mo_now())
			mo_prove_sleep((long)(due - mo_now()));
	}
	mo_prove_load_end(p, l, "restarts");
	note_times(p, n, times, done);
	free(times);
}

/* ---- crashes ------------------------------------------------------------------------------ */

/* Kills pid and waits until somebody answers new connections.  us; -1: nobody. */
static int64_t kill_and_wait(mo_load *l, pid_t pid, int sig)
{
	molt_time end = mo_deadline(BACK_LIMIT);

	mo_load_kill_begins(l);
	if (!mo_program_kill(pid, sig))
		return -1;
	mo_load_kill_ended(l);
	while (mo_load_back_after(l) < 0 && mo_left(end) > 0 && !mo_prove_interrupted)
		mo_prove_sleep(1);
	return mo_load_back_after(l);
}

static void note_back(mo_prove *p, const char *phase, int64_t us)
{
	json_t *o = member(p, phase, json_pack("{s:[], s:f}", "times_ms", "most_ms", 0.0));

	if (us < 0)
		return;
	json_array_append_new(json_object_get(o, "times_ms"), json_real(ms(us)));
	if (ms(us) > json_real_value(json_object_get(o, "most_ms")))
		json_object_set_new(o, "most_ms", json_real(ms(us)));
}

/* The new version is ready, serves, and crashes at once; who serves then? */
static void rollback_round(mo_prove *p, mo_load *l)
{
	pid_t old = mo_program_serving(p), fresh = 0;
	int64_t back;

	if (!old || !restart_once(p, "rollback", &fresh) || fresh <= 1)
		return;
	mo_prove_sleep(100);
	back = kill_and_wait(l, fresh, SIGSEGV);
	if (mo_prove_interrupted)
		return;
	note_back(p, "rollback", back);
	if (back < 0)
		mo_prove_blame(p, "rollback: the new version crashed after the switch, and nobody "
				  "serves within 10 s");
	else if (!mo_program_wait_serving(p, old, BACK_LIMIT))
		mo_prove_blame(p, "rollback: the former process (pid %d) does not serve again",
			       (int)old);
}

void mo_prove_rollback(mo_prove *p)
{
	mo_load *l = mo_prove_load_begin(p);

	for (unsigned i = 0; i < ROUNDS && !mo_prove_interrupted; i++) {
		glance(l, "crash after the switch", i + 1, ROUNDS);
		rollback_round(p, l);
		mo_prove_sleep(700); /* what broke inside has been counted by then */
	}
	restart_once(p, "rollback", NULL);
	mo_prove_sleep(200);
	mo_prove_load_end(p, l, "rollback");
}

void mo_prove_kills(mo_prove *p)
{
	mo_load *l = mo_prove_load_begin(p);

	for (unsigned i = 0; i < ROUNDS && !mo_prove_interrupted; i++) {
		pid_t pid;
		int64_t back;

		glance(l, "kill -9", i + 1, ROUNDS);
		mo_prove_sleep(1100); /* a second of service makes the supervisor's pause short */
		pid = mo_program_serving(p);
		back = kill_and_wait(l, pid, SIGKILL);
		if (mo_prove_interrupted)
			break;
		note_back(p, "kill", back);
		if (back < 0 || !mo_program_wait_serving(p, 0, BACK_LIMIT))
			mo_prove_blame(p, "kill -9: nobody serves within 10 s");
	}
	mo_prove_sleep(600);
	mo_prove_load_end(p, l, "kill -9");
}
