/* What happens in a schedule besides what the processes do themselves: who starts, who asks
 * for a restart, a takeover, a rollback, who is killed, stopped, slow, or has a call fail;
 * and the service manager.  All of it is drawn from the seed at the beginning. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "gen/self.h"
#include "sim.h"

#define ACTS 6u

enum { GOOD, NEXT, DIES, HANGS, CRASHES, LACKS, ERRS, SLOW, MOLT, MOLT_NEXT };

const sim_program sim_programs[] = { [GOOD] = { "/p/good", "aa" },
				     [NEXT] = { "/p/next", "bb" },
				     [DIES] = { "/p/dies", "cc", .dies_early = true },
				     [HANGS] = { "/p/hangs", "dd", .never_ready = true },
				     [CRASHES] = { "/p/crashes", "ee", .dies_ready = true },
				     [LACKS] = { "/p/lacks", "ff", .lacks_second = true },
				     [ERRS] = { "/p/errs", "ab", .errs = true },
				     [SLOW] = { "/p/slow", "ac", .slow_start = true },
				     [MOLT] = { "/p/molt", "ad", .supervises = true, .runs = GOOD },
				     [MOLT_NEXT] = { "/p/molt2", "ae", .supervises = true,
						     .runs = NEXT },
				     { NULL } };

sim_setting sim_setting_now;
sim_troubles sim_trouble;

enum deed {
	RESTART,
	RESTART_SIGNAL,
	ROLLBACK,
	TAKEOVER,
	KILL,
	STOP,
	GO_ON,
	LAG,
	BLOCK,
	FAIL,
	EVENTS,
	STOP_ALL
};

static struct {
	enum deed what;
	molt_time at;
	int target;     /* a program */
	int who;        /* see find() */
	long points;    /* so many places further */
	molt_time time; /* so long */
} acts[2 * ACTS];
static unsigned nacts, done;
static int calls; /* that have not returned */
static pid_t top; /* whom a user started first, or last */

/* ---- who ---------------------------------------------------------------------------- */

enum { SERVING, NEWEST, OLDEST, SUPERVISOR, ANY, WHOS };

static bool is_program(const sim_process *p)
{
	return p->state == SIM_RUNS && !p->program->supervises;
}

sim_process *sim_serving_process(void)
{
	for (unsigned i = sim_count; i > 0; i--)
		if (is_program(sim_all[i - 1]) && sim_all[i - 1]->accepts)
			return sim_all[i - 1];
	return NULL;
}

static sim_process *find(int who)
{
	sim_process *found[SIM_PROCESSES];
	unsigned n = 0;

	if (who == SERVING)
		return sim_serving_process();
	for (unsigned i = 0; i < sim_count; i++)
		if (who == SUPERVISOR
			    ? sim_all[i]->state == SIM_RUNS && sim_all[i]->program->supervises
		    : who == ANY ? sim_all[i]->state == SIM_RUNS
				 : is_program(sim_all[i]))
			found[n++] = sim_all[i];
	if (n == 0)
		return NULL;
	return found[who == NEWEST ? n - 1 : who == ANY ? sim_choice(n) : 0];
}

/* ---- what --------------------------------------------------------------------------- */

static void act_at(enum deed what, molt_time at)
{
	acts[nacts].what = what;
	acts[nacts].at = at;
	acts[nacts].target = (int)sim_choice(8);
	acts[nacts].who = (int)sim_choice(WHOS);
	acts[nacts].points = (long)sim_choice(sim_chance(2) ? 12 : 120) + 1;
	acts[nacts].time = (molt_time)sim_choice(sim_chance(3) ? 3000 : 60) + 1;
	nacts++;
}

static enum deed draw_deed(void)
{
	static const enum deed usual[] = { RESTART, RESTART, RESTART_SIGNAL, ROLLBACK, KILL,
					   KILL,    KILL,    STOP,           LAG,      LAG,
					   BLOCK,   FAIL,    TAKEOVER,       EVENTS };
	enum deed d = usual[sim_choice(MO_COUNTOF(usual))];

	if (sim_chance(24))
		return STOP_ALL;
	return d == TAKEOVER && !sim_setting_now.takeover ? RESTART : d;
}

static void begin_setting(void)
{
	memset(&sim_trouble, 0, sizeof(sim_trouble));
	memset(&sim_setting_now, 0, sizeof(sim_setting_now));
	sim_setting_now.supervised = sim_chance(3);
	sim_setting_now.takeover = sim_chance(3);
	sim_setting_now.addresses = 1 + (int)sim_choice(2);
	sim_setting_now.bake = (molt_time)sim_choice(2) * 200;
	sim_setting_now.drain = 400 + (molt_time)sim_choice(2) * 800;
}

void sim_story_begin(void)
{
	molt_time at = sim_clock + (molt_time)sim_choice(80);
	unsigned n = 1 + sim_choice(ACTS);

	nacts = done = 0;
	calls = 0;
	begin_setting();
	act_at(sim_chance(2) ? RESTART : RESTART_SIGNAL, at);
	while (nacts < n) {
		at += (molt_time)sim_choice(sim_chance(2) ? 3 : sim_chance(2) ? 60 : 600);
		act_at(draw_deed(), at);
		if (acts[nacts - 1].what == STOP_ALL)
			break;
	}
	sim_paths_reset();
	sim_clients_reset();
	top = sim_process_start(sim_setting_now.supervised ? MOLT : GOOD, NULL, NULL, false)->pid;
}

/* ---- calls of users ------------------------------------------------------------------- */

typedef struct call {
	const char *exe; /* NULL: a rollback */
} call;

static void run_call(void *arg)
{
	const call *c = arg;
	sim_process *p = sim_self();
	int rc = c->exe ? p->entry->restart(c->exe) : p->entry->rollback("a user");

	calls--;
	p->calls--;
	sim_tell("pid %d: the %s gives %d (%s)", (int)p->pid, c->exe ? "restart" : "rollback", rc,
		 strerror(-rc));
}

static void begin_call(sim_process *p, const char *exe)
{
	call *c = sim_alloc(sizeof(*c));

	c->exe = exe;
	calls++;
	p->calls++;
	sim_thread_start(p, run_call, c);
}

void sim_story_ended_with(const sim_process *p)
{
	calls -= p->calls;
}

static void ask_restart(sim_process *p, int target)
{
	if (p)
		begin_call(p, sim_programs[target].path);
}

static void signal_restart(void)
{
	sim_process *p = sim_setting_now.supervised ? find(SUPERVISOR) : sim_serving_process();

	if (p)
		sim_process_signal(p, SIGUSR1);
}

static void run_publish(void *n)
{
	for (uintptr_t i = (uintptr_t)n; i > 0; i--) {
		sim_self()->entry->publish();
		sim_point();
	}
}

static void take_over(int target)
{
	bool below = sim_setting_now.supervised && sim_chance(2);
	sim_process *p = sim_process_start(below ? MOLT_NEXT : target, NULL, NULL, false);

	if (p)
		p->managed = false;
}

static void block_loop(sim_process *p, molt_time time)
{
	for (sim_thread *t = p ? p->threads : NULL; t; t = t->next)
		if (t->loop && t->loop != p->control) {
			t->blocked_since = sim_clock;
			t->blocked_until = sim_clock + time;
			return;
		}
}

/* ---- acts -------------------------------------------------------------------------------- */

static const char *const names[] = {
	"restart", "restart by signal", "rollback",     "takeover",    "kill",   "stop",
	"go on",   "lag",               "block a loop", "fail a call", "events", "shut down"
};

static void trouble(unsigned i)
{
	static const int codes[] = { -ENOBUFS, -ENOMEM, -EMFILE };
	sim_process *p = find(acts[i].who);

	if (!p)
		return;
	sim_tell("* %s pid %d (%ld, %lld ms)", names[acts[i].what], (int)p->pid, acts[i].points,
		 (long long)acts[i].time);
	sim_trouble.supervisors += p->program->supervises && acts[i].what != KILL;
	switch (acts[i].what) {
	case KILL:
		p->dies_at = p->points + acts[i].points;
		break;
	case STOP:
		sim_process_signal(p, SIGSTOP);
		sim_trouble.stops++;
		if (nacts < MO_COUNTOF(acts))
			act_at(GO_ON, sim_clock + 2 * acts[i].time);
		break;
	case LAG:
		p->slow_until = sim_clock + acts[i].time;
		sim_trouble.slow++;
		break;
	case BLOCK:
		block_loop(p, acts[i].time);
		break;
	case EVENTS:
		if (!p->program->supervises && p->control)
			sim_thread_start(p, run_publish, (void *)(uintptr_t)(1 + acts[i].points % 8));
		break;
	case FAIL:
		p->fails_at = p->points + acts[i].points;
		p->fails_with = codes[sim_choice(MO_COUNTOF(codes))];
		sim_trouble.fails++;
		break;
	default:
		break;
	}
}

static void go_on(void)
{
	for (unsigned i = 0; i < sim_count; i++)
		sim_process_signal(sim_all[i], SIGCONT);
}

static void do_act(unsigned i)
{
	sim_process *p = sim_serving_process();

	switch (acts[i].what) {
	case RESTART:
		sim_tell("* restart into %s", sim_programs[acts[i].target].path);
		ask_restart(p, acts[i].target);
		break;
	case RESTART_SIGNAL:
		sim_tell("* restart by signal");
		signal_restart();
		break;
	case ROLLBACK:
		sim_tell("* rollback");
		if (p)
			begin_call(p, NULL);
		break;
	case TAKEOVER:
		sim_tell("* takeover by %s", sim_programs[acts[i].target].path);
		take_over(acts[i].target);
		break;
	case GO_ON:
		go_on();
		break;
	case STOP_ALL:
		sim_story_shut_down();
		break;
	default:
		trouble(i);
	}
}

/* The first act waits until somebody serves. */
bool sim_story_act(void)
{
	if (done == nacts || acts[done].at > sim_clock || (done == 0 && !sim_serving_process()))
		return false;
	do_act(done++);
	return true;
}

molt_time sim_story_wake(void)
{
	if (done == nacts || (done == 0 && !sim_serving_process()))
		return INT64_MAX;
	return acts[done].at;
}

/* Whoever is stopped goes on at the end, and a lag ends; a kill that has not come by then
 * does not come any more. */
bool sim_story_is_over(void)
{
	if (done < nacts)
		return false;
	if (done == nacts && nacts > 0) {
		go_on();
		for (unsigned i = 0; i < sim_count; i++)
			sim_all[i]->dies_at = sim_all[i]->fails_at = SIM_POINTS_FAR;
		nacts = done = 0;
	}
	return calls == 0;
}

bool sim_is_below_supervisor(const sim_process *p)
{
	const sim_process *at = p;

	while ((at = sim_process_find(at->parent)) != NULL)
		if (at->state == SIM_RUNS && at->program->supervises)
			return true;
	return false;
}

/* Supervisors pass it on; programs without one are asked themselves, and who hangs is
 * killed. */
void sim_story_shut_down(void)
{
	sim_tell("* shut down");
	sim_trouble.shutdown = true;
	go_on();
	for (unsigned i = 0; i < sim_count; i++) {
		sim_process *p = sim_all[i];

		if (p->state == SIM_RUNS && p->program->supervises)
			sim_process_signal(p, SIGTERM);
		else if (!sim_is_below_supervisor(p))
			sim_process_signal(p, p->program->never_ready && !p->accepts ? SIGKILL
										     : SIGTERM);
	}
}

/* ---- the service manager ------------------------------------------------------------------ */

void sim_manager_hear(sim_process *from, const char *text, size_t n)
{
	(void)n;
	if (strncmp(text, "MAINPID=", 8) == 0)
		sim_check_main((pid_t)atoi(text + 8));
	else if (strncmp(text, "READY=1", 7) == 0)
		sim_check_ready(from);
}
