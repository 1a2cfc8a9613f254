/* Clients, their connections, and the listeners that they wait at; see sim.h. */
#include <errno.h>

#include "base/check.h"
#include "sim.h"

#define LISTENERS 2
#define CLIENTS 4u
#define REQUESTS 5u /* of a client */
#define TRIES 40u   /* to connect, 50 ms apart */

static struct {
	sim_file *file; /* NULL: nobody has it open */
	sim_conn *first, *last;
} listeners[LISTENERS];
static sim_conn *all;

/* ---- listeners ----------------------------------------------------------------------- */

sim_file *sim_listener_open(int address)
{
	sim_file *f;

	if (listeners[address].file)
		return NULL;
	f = sim_file_new(SIM_LISTENER);
	f->address = address;
	listeners[address].file = f;
	sim_tell("  pid %d binds :%d", (int)sim_self()->pid, address);
	return f;
}

bool sim_listener_waits(const sim_file *f)
{
	return listeners[f->address].first != NULL;
}

static void lose(sim_conn *c, const char *how)
{
	c->ended = true;
	c->waits = false;
	c->next_at = sim_clock;
	c->unread = 0;
	if (c->answered == c->asked || c->closing)
		return;
	sim_check_lost(c, how);
}

/* Who waits there is reset by the kernel. */
void sim_listener_ended(sim_file *f)
{
	sim_conn *c = listeners[f->address].first;

	sim_tell(":%d is closed by all", f->address);
	listeners[f->address].file = NULL;
	listeners[f->address].first = NULL;
	for (; c; c = c->behind)
		lose(c, "was in the queue of a listener that everybody has closed");
	sim_check_listener_ended(f->address);
}

int sim_accept(int fd, sim_conn **out)
{
	sim_file *f = sim_fd(fd);
	sim_conn *c = listeners[f->address].first;
	int got;

	sim_point();
	c = listeners[f->address].first;
	if (!c)
		return -EAGAIN;
	listeners[f->address].first = c->behind;
	c->waits = false;
	c->file = sim_file_new(SIM_CONN);
	c->file->conn = c;
	got = sim_fd_new(sim_self(), c->file);
	if (got >= 0)
		*out = c;
	return got;
}

/* ---- in service ------------------------------------------------------------------------ */

sim_conn *sim_conn_of(int fd)
{
	return sim_fd(fd)->conn;
}

void sim_conn_serve(sim_conn *c, const char *how, bool back)
{
	sim_process *p = sim_self();

	sim_tell("  pid %d serves connection %d (%s)", (int)p->pid, c->number, how);
	if (c->serves && c->serves != p && c->serves->state == SIM_RUNS)
		sim_violation("connection %d is served by pid %d, and now by pid %d (%s)",
			      c->number, (int)c->serves->pid, (int)p->pid, how);
	/* Of one that was given and taken, whoever gave it knows. */
	if (back && c->had != p)
		sim_violation("connection %d was taken by pid %d, and pid %d serves it again",
			      c->number, (int)c->had->pid, (int)p->pid);
	c->serves = c->had = p;
}

void sim_conn_pause(sim_conn *c)
{
	c->serves = NULL;
}

void sim_conn_answer(sim_conn *c, unsigned record)
{
	sim_process *p = sim_self();

	if (c->serves != p)
		sim_violation("pid %d answers on connection %d, which is not in its service",
			      (int)p->pid, c->number);
	if (record != c->records)
		sim_violation("pid %d uses record number %u of connection %d, %u is the next",
			      (int)p->pid, record, c->number, c->records);
	c->records++;
	c->answered++;
	sim_tell("  pid %d answers request %u of connection %d", (int)p->pid, c->answered,
		 c->number);
	c->next_at = sim_clock + (molt_time)sim_choice(60);
}

void sim_conn_close(sim_conn *c)
{
	c->closing = true;
	c->serves = NULL;
}

void sim_conn_ended(sim_conn *c)
{
	c->file = NULL;
	c->serves = NULL;
	lose(c, "was closed by all who had it");
	if (!c->closing)
		sim_check_dropped(c);
}

/* ---- what clients do --------------------------------------------------------------------- */

static void ask(sim_conn *c)
{
	c->asked++;
	c->left--;
	sim_tell("client %d asks (%u)", c->number, c->asked);
	c->unread++;
	c->handler = sim_chance(8) ? 200 + (molt_time)sim_choice(600) : (molt_time)sim_choice(20);
	c->next_at = INT64_MAX;
}

static sim_conn *connection(int number)
{
	sim_conn *c = sim_alloc(sizeof(*c));

	c->number = number;
	c->address = (int)sim_choice((unsigned)sim_setting_now.addresses);
	c->left = 1 + sim_choice(REQUESTS);
	c->next_at = sim_clock + (molt_time)sim_choice(100);
	c->next = all;
	all = c;
	return c;
}

void sim_clients_reset(void)
{
	for (int i = 0; i < LISTENERS; i++)
		listeners[i].file = NULL, listeners[i].first = NULL;
	all = NULL;
	for (unsigned i = 0; i < CLIENTS; i++)
		connection((int)i);
}

/* It connects, and asks at once. */
static bool connect(sim_conn *c)
{
	if (!listeners[c->address].file) {
		c->next_at = sim_clock + 50;
		if (++c->tries == TRIES)
			c->left = 0;
		return false;
	}
	c->tries = 0;
	c->waits = true;
	c->behind = NULL;
	if (listeners[c->address].first)
		listeners[c->address].last->behind = c;
	else
		listeners[c->address].first = c;
	listeners[c->address].last = c;
	ask(c);
	return true;
}

/* A client whose connection has ended opens another for what is left. */
static bool act(sim_conn *c)
{
	if (c->ended || (!c->waits && !c->file)) {
		c->ended = c->closing = false;
		c->records = 0;
		c->asked = c->answered = 0;
		return connect(c);
	}
	ask(c);
	return true;
}

static bool is_due(const sim_conn *c)
{
	return c->left > 0 && c->next_at <= sim_clock;
}

bool sim_clients_act(void)
{
	for (sim_conn *c = all; c; c = c->next)
		if (is_due(c) && act(c))
			return true;
	return false;
}

molt_time sim_clients_wake(void)
{
	molt_time at = INT64_MAX;

	for (sim_conn *c = all; c; c = c->next)
		if (c->left > 0 && c->next_at < at)
			at = c->next_at;
	return at;
}

bool sim_clients_are_done(void)
{
	for (const sim_conn *c = all; c; c = c->next)
		if (c->left > 0 || (!c->ended && c->answered < c->asked))
			return false;
	return true;
}

void sim_clients_tell(void)
{
	for (const sim_conn *c = all; c; c = c->next)
		sim_tell("client %d at :%d: %u asked, %u answered, %u left%s%s%s", c->number,
			 c->address, c->asked, c->answered, c->left, c->waits ? ", in a queue" : "",
			 c->file ? ", connected" : "", c->ended ? ", ended" : "");
}
