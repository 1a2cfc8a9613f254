/* A cache and a counter that outlive the program that filled them: ask for /square/7
 * a few times, restart, and ask again.  The new program begins with what the old one
 * knew, and says in the receipt when it does not understand it. */
#include <molt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 1
#define MOST 100

/* The offer is made on another thread than the handlers'. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct table {
	int version;
	long visits;
	long square[MOST]; /* 0: not known yet */
} table = { .version = VERSION };

static void square(molt_req *r)
{
	int n = atoi(molt_req_param(r, "n"));
	bool known;

	if (n < 1 || n >= MOST) {
		molt_res_error(r, 404, "1 to 99 are known here");
		return;
	}
	pthread_mutex_lock(&lock);
	table.visits++;
	known = table.square[n] != 0;
	table.square[n] = (long)n * n;
	pthread_mutex_unlock(&lock);
	molt_res_printf(r, "%d, %s\n", n * n, known ? "known" : "computed");
}

static void visits(molt_req *r)
{
	long n;

	pthread_mutex_lock(&lock);
	n = table.visits;
	pthread_mutex_unlock(&lock);
	molt_res_printf(r, "%ld\n", n);
}

/* A successor was started: it gets the table as it is now. */
static void give(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&lock);
	molt_state_give("table", &table, sizeof(table), -1);
	pthread_mutex_unlock(&lock);
}

/* First of all: begin with what the predecessor knew, if there was one. */
static void take(void)
{
	struct table *old;
	size_t len;
	char why[80];

	if (molt_state_take("table", (void **)&old, &len, NULL) < 0)
		return;
	if (len == sizeof(*old) && old->version == VERSION) {
		table = *old;
	} else {
		snprintf(why, sizeof(why), "%zu bytes are no table of version %d", len, VERSION);
		molt_state_refuse("table", why);
	}
	free(old);
}

int main(void)
{
	molt_server *s = molt_server_get(NULL);

	take();
	molt_on(MOLT_ON_OFFER, give, NULL);
	molt_bind(molt_routes(s), "/square/{n}", square, NULL);
	molt_bind(molt_routes(s), "/visits", visits, NULL);
	molt_server_set_graceful(s, true);
	molt_server_enable_admin(s, NULL);
	molt_server_set_port(s, 8199);
	return molt_server_run(s);
}
