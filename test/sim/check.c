/* The invariants (doc/invariants.md), as far as the world can see them; see sim.h.
 *
 *   seen from outside                                              invariant
 *   two programs accept                                            1, 9
 *   a listener is closed by all while the service goes on          1
 *   a connection in the service of two                             3
 *   a request is lost though nobody was killed and nothing cut it  2
 *   a record number twice, or left out                             17, 18
 *   an assertion of the library                                    all
 *   at the end of the story: nobody serves, or two do; a call has
 *   no answer; a process is left over; a receipt is missing or
 *   not finished; the service manager knows another process        4, 5, 7, 21 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/check.h"
#include "gen/self.h"
#include "sim.h"

bool sim_failed;

static struct {
	struct {
		sim_process *parent, *child;
	} spawned[SIM_PROCESSES];
	unsigned nspawned;
	pid_t main;
} seen;

void sim_check_reset(void)
{
	sim_failed = false;
	memset(&seen, 0, sizeof(seen));
}

void sim_violation(const char *fmt, ...)
{
	char text[400];
	va_list ap;

	if (sim_failed)
		return;
	sim_failed = true;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sim_report(text);
}

static bool anything_died(void)
{
	return sim_trouble.deaths + sim_trouble.fails > 0;
}

/* ---- at each step ---------------------------------------------------------------------- */

void sim_check_accepts(sim_process *p, bool on)
{
	sim_tell("  pid %d %s", (int)p->pid, on ? "accepts" : "accepts no more");
	p->accepts = on;
	p->accepted = p->accepted || on;
	for (unsigned i = 0; i < sim_count && on; i++) {
		const sim_process *other = sim_all[i];

		/* An older generation that was slow may serve again when its supervisor has
		 * started another program: one of them ends. */
		if (other != p && other->state == SIM_RUNS && other->accepts &&
		    !(sim_setting_now.supervised && anything_died()))
			sim_violation("pid %d accepts, and pid %d does, too", (int)p->pid,
				      (int)other->pid);
	}
}

/* Whether somebody is there who has served or shall. */
static bool is_service_alive(void)
{
	for (unsigned i = 0; i < sim_count; i++)
		if (sim_all[i]->state == SIM_RUNS)
			return true;
	return false;
}

void sim_check_listener_ended(int address)
{
	if (sim_trouble.shutdown || !is_service_alive() || anything_died())
		return;
	/* A program that lacks it lets it go. */
	if (address == 1)
		return;
	sim_violation("the listener :%d was closed by everybody while the service goes on",
		      address);
}

void sim_check_lost(const sim_conn *c, const char *how)
{
	if (anything_died() || sim_trouble.shutdown || c->address == 1)
		return;
	sim_violation("a request on connection %d is lost: it %s", c->number, how);
}

/* An idle connection that nobody has closed on purpose. */
void sim_check_dropped(const sim_conn *c)
{
	if (anything_died() || sim_trouble.shutdown)
		return;
	sim_violation("connection %d was dropped by its last owner, pid %d", c->number,
		      c->had ? (int)c->had->pid : 0);
}

void sim_check_spawned(sim_process *parent, sim_process *child)
{
	seen.spawned[seen.nspawned].parent = parent;
	seen.spawned[seen.nspawned++].child = child;
}

void sim_check_main(pid_t pid)
{
	seen.main = pid;
}

void sim_check_ready(const sim_process *p)
{
	if (!seen.main)
		seen.main = p->pid;
}

/* ---- when everything has settled ---------------------------------------------------------- */

static unsigned count(bool (*is)(const sim_process *p))
{
	unsigned n = 0;

	for (unsigned i = 0; i < sim_count; i++)
		n += sim_all[i]->state == SIM_RUNS && is(sim_all[i]);
	return n;
}

/* A program that hangs and has no supervisor: when its predecessor is gone, nobody is there
 * to kill it. */
static bool never_serves(const sim_process *p)
{
	return p->program->never_ready && !p->accepts && !sim_is_below_supervisor(p);
}

static bool is_program(const sim_process *p)
{
	return !p->program->supervises && !never_serves(p);
}

static bool is_anybody(const sim_process *p)
{
	(void)p;
	return true;
}

/* News that it has not read, for it was slow. */
static bool has_news(const sim_process *p)
{
	for (int fd = 0; fd < SIM_FDS; fd++)
		if (p->fds[fd] && p->fds[fd]->kind == SIM_CHANNEL && p->fds[fd]->first)
			return true;
	return false;
}

static bool is_any_dying(void)
{
	for (unsigned i = 0; i < sim_count; i++)
		if (sim_all[i]->state == SIM_DYING || (sim_all[i]->accepts && has_news(sim_all[i])))
			return true;
	return false;
}

/* Nobody can decide between two whose supervisor has ended, or was stopped, or that have a
 * supervisor each: one of them was slow, and knows nothing of the program that was started in
 * its place. */
static bool are_two_allowed(void)
{
	bool two = sim_setting_now.supervised && sim_setting_now.takeover;

	if (!sim_trouble.supervisors && !(two && sim_trouble.stops + sim_trouble.slow > 0))
		return false;
	for (unsigned i = 0; i < sim_count; i++)
		if (sim_all[i]->state == SIM_RUNS && is_program(sim_all[i]) && !sim_all[i]->accepts)
			return false;
	return true;
}

/* One program serves and no other is left, or all are gone. */
bool sim_check_is_settled(void)
{
	const sim_process *p = sim_serving_process();

	if (is_any_dying() || (count(is_program) > 1 && !are_two_allowed()))
		return false;
	if (!p)
		return count(is_anybody) == count(never_serves);
	return p->entry->state() == MO_GEN_SERVING && sim_clients_are_done();
}

static const char *const state_names[] = { "starting", "serving",  "restarting",
					   "draining", "stopping", "ended" };

static void tell_all(char *text, size_t n)
{
	size_t at = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < sim_count && at < n; i++) {
		const sim_process *p = sim_all[i];

		if (p->state == SIM_GONE)
			continue;
		at += (size_t)snprintf(
			text + at, n - at, "; pid %d %s is %s%s%s", (int)p->pid, p->program->path,
			p->state != SIM_RUNS     ? "dying"
			: p->program->supervises ? "a supervisor"
						 : state_names[p->entry->state()],
			p->accepts ? ", accepts" : "", p->stopped ? ", stopped" : "");
	}
}

/* Who has which listener. */
static void tell_listeners(void)
{
	for (unsigned i = 0; i < sim_count; i++)
		for (int fd = 0; fd < SIM_FDS; fd++) {
			const sim_file *f = sim_all[i]->fds[fd];

			if (f && f->kind == SIM_LISTENER)
				sim_tell("pid %d has :%d", (int)sim_all[i]->pid, f->address);
		}
}

void sim_check_not_settled(void)
{
	char text[300];

	tell_listeners();
	sim_clients_tell();

	tell_all(text, sizeof(text));
	sim_violation("nothing has settled%s%s", text,
		      sim_clients_are_done() ? "" : "; clients wait");
}

static const char *text_of(const json_t *receipt, const char *key)
{
	const char *s = json_string_value(json_object_get(receipt, key));

	return s ? s : "";
}

static const json_t *receipt_of(const json_t *all, pid_t successor)
{
	const json_t *one;
	size_t i;

	json_array_foreach (all, i, one)
		if (json_integer_value(json_object_get(one, "successor_pid")) == successor)
			return one;
	return NULL;
}

/* Of a predecessor that dies in the middle of its offer nobody has the history. */
static void check_receipts(const sim_process *p)
{
	json_t *all = p->entry->receipts();
	const json_t *one;
	size_t i;

	json_array_foreach (all, i, one)
		if (strcmp(text_of(one, "outcome"), "running") == 0)
			sim_violation("the receipt %s is not finished", text_of(one, "id"));
	for (unsigned k = 0; k < seen.nspawned; k++) {
		const sim_process *parent = seen.spawned[k].parent;
		pid_t child = seen.spawned[k].child->pid;

		if (parent->program->supervises || anything_died() || sim_trouble.shutdown ||
		    receipt_of(all, child))
			continue;
		sim_violation("nobody knows how the restart by pid %d into pid %d ended",
			      (int)parent->pid, (int)child);
	}
	json_decref(all);
}

void sim_check_settled(void)
{
	const sim_process *p = sim_serving_process();

	if (!p)
		return;
	check_receipts(p);
	if (!sim_setting_now.supervised && !sim_setting_now.takeover && !anything_died() &&
	    seen.main != p->pid)
		sim_violation("the service manager believes in pid %d, but pid %d serves",
			      (int)seen.main, (int)p->pid);
}

bool sim_check_is_ended(void)
{
	return count(is_anybody) == 0 && !is_any_dying();
}

void sim_check_not_ended(void)
{
	char text[300];

	tell_all(text, sizeof(text));
	sim_violation("it does not end%s", text);
}
