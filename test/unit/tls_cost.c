/* CPU time of the server's end of a TLS connection: OpenSSL's own, and the record
 * layer of connections that moved.  For test/long/test_tls_cost.py; one line for each
 * suite and kind of traffic, with the ratio of the two, best of several turns:
 *
 *   SUITE small|sent|read NANOSECONDS_OPENSSL NANOSECONDS_OURS RATIO */
#include "record_pair.h"

#include <time.h>

enum { TURNS = 9, SMALL = 1500, BULK = 400 };

static uint8_t data[16384];

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* A request of 300 bytes, an answer of 500. */
static double small_turn(void)
{
	double spent = 0, from;

	for (int i = 0; i < SMALL; i++) {
		assert_int_equal(SSL_write(client, data, 300), 300);
		from = cpu_ns();
		assert_int_equal(s->ops->read(s, data, sizeof(data)), 300);
		assert_int_equal(put(data, 500), 500);
		spent += cpu_ns() - from;
		assert_int_equal(SSL_read(client, data, sizeof(data)), 500);
	}
	return spent / SMALL;
}

static double sent_turn(void)
{
	double spent = 0, from;

	for (int i = 0; i < BULK; i++) {
		from = cpu_ns();
		assert_int_equal(put(data, sizeof(data)), sizeof(data));
		spent += cpu_ns() - from;
		assert_int_equal(SSL_read(client, data, sizeof(data)), sizeof(data));
	}
	return spent / BULK;
}

static double read_turn(void)
{
	double spent = 0, from;

	for (int i = 0; i < BULK; i++) {
		size_t got = 0;

		assert_int_equal(SSL_write(client, data, sizeof(data)), sizeof(data));
		from = cpu_ns();
		while (got < sizeof(data)) {
			ssize_t n = s->ops->read(s, data, sizeof(data));

			assert_true(n > 0);
			got += (size_t)n;
		}
		spent += cpu_ns() - from;
	}
	return spent / BULK;
}

static const struct {
	const char *name;
	double (*turn)(void);
} traffic[] = { { "small", small_turn }, { "sent", sent_turn }, { "read", read_turn } };

/* One connection stays with OpenSSL, which nobody watches; another one moves; they take
 * turns. */
static void compare(size_t kind, size_t what, mo_tls *unwatched)
{
	double best[2] = { 0, 0 };
	mo_tls *watched = tls;

	for (int turn = 0; turn < TURNS; turn++)
		for (int ours = 0; ours < 2; ours++) {
			double ns;

			tls = ours ? watched : unwatched;
			begin_pair(kind);
			shake();
			if (ours)
				move();
			ns = traffic[what].turn();
			if (turn == 0 || ns < best[ours])
				best[ours] = ns;
			end_pair();
		}
	tls = watched;
	printf("%s %s %.0f %.0f %.3f\n", kinds[kind].suite ? kinds[kind].suite : kinds[kind].v12,
	       traffic[what].name, best[0], best[1], best[1] / best[0]);
	fflush(stdout);
}

int main(void)
{
	mo_tls *unwatched;
	char *why;

	if (setup(NULL) != 0 || mo_tls_new(cert, key, &unwatched, &why) != 0)
		return 1;
	for (size_t kind = 0; kind < KINDS; kind++)
		for (size_t what = 0; what < 3; what++)
			compare(kind, what, unwatched);
	mo_tls_free(unwatched);
	return teardown(NULL);
}
