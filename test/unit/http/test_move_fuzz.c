/* Random pipelines, ends and resets meet moves at random moments (src/http/conn/conn_move.c):
 * whatever is MOVING, taken or not, every whole request is answered once and in order,
 * and nothing of a connection that has ended is looked at.
 *
 * MOLT_FUZZ_ROUNDS: how many rounds (default: some); MOLT_FUZZ_SEED: the first round's
 * seed, which a failure prints. */
#include "http_app.h"

#include <fcntl.h>

#include "base/check.h"

#define ROUNDS 60
#define CONNS 16
#define REQUESTS 90
#define TEXT_MAX (64u * 1024)

static uint64_t state_of_random;

static unsigned below(uint64_t *state, unsigned n)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(*state >> 33) % n;
}

static unsigned rnd(unsigned n)
{
	return below(&state_of_random, n);
}

/* ---- the mover: a successor that is the same loop ---- */

static struct {
	pthread_t thread;
	atomic_bool over;
	uint64_t random;
	mo_pack *pack;
	_Atomic long moved, refused;
} mover;

static void pack_now(void *unused)
{
	mover.pack = mo_conns_pack(srv.loop);
}

/* What travels is a duplicate of the descriptor and a copy of the fields. */
static void answer_now(void *unused)
{
	mo_pack *p = mover.pack;
	size_t n = p->n;
	struct {
		int fd;
		mo_addr peer;
		molt_time left;
		char *bytes;
		size_t len;
	} came[MO_PACK_MAX];

	for (size_t i = 0; i < n; i++) {
		mo_packed *it = &p->items[i];

		it->taken = below(&mover.random, 8) != 0;
		came[i].fd = it->taken ? fcntl(it->moving.fd, F_DUPFD_CLOEXEC, 3) : -1;
		came[i].peer = it->moving.peer;
		came[i].left = it->moving.left;
		came[i].len = it->moving.bytes.len;
		came[i].bytes = mo_malloc(it->moving.bytes.len + 1);
		memcpy(came[i].bytes, it->moving.bytes.ptr, it->moving.bytes.len);
		atomic_fetch_add(it->taken ? &mover.moved : &mover.refused, 1);
	}
	mo_conns_gave(p);
	for (size_t i = 0; i < n; i++) {
		if (came[i].fd >= 0)
			mo_conn_adopt(srv.loop, &srv.http, mo_stream_plain(came[i].fd),
				      &came[i].peer, came[i].left,
				      mo_strn(came[i].bytes, came[i].len), NULL, NULL);
		free(came[i].bytes);
	}
}

static void turn_closing(void *unused)
{
	atomic_store(&srv.http.closing,
		     below(&mover.random, 2) ? MO_CLOSING_NONE : MO_CLOSING_UNMOVABLE);
	mo_conns_retire(srv.loop, &srv.http);
}

static void *move_all_the_time(void *unused)
{
	while (!atomic_load(&mover.over)) {
		on_loop(pack_now, NULL);
		usleep(below(&mover.random, 300));
		if (mover.pack)
			on_loop(answer_now, NULL);
		if (below(&mover.random, 20) == 0)
			on_loop(turn_closing, NULL);
	}
	atomic_store(&srv.http.closing, MO_CLOSING_NONE);
	return NULL;
}

/* ---- the clients ---- */

/* STAYS: it reads its answers and then ends; CLOSES: the last request says so. */
enum ending { STAYS, ENDS, CLOSES, CLOSES_AND_ENDS, RESETS, ENDINGS };

typedef struct client {
	int fd, number, requests;
	enum ending ending;
	char *text;
	size_t len, sent;
	bool big[REQUESTS];
} client;

static void add_request(client *c, int i)
{
	const char *last =
		c->ending == CLOSES || c->ending == CLOSES_AND_ENDS ? "Connection: close\r\n" : "";
	char id[32], *p = c->text + c->len;

	snprintf(id, sizeof(id), "c%dr%d.", c->number, i);
	if (i + 1 < c->requests)
		last = "";
	c->big[i] = rnd(40) == 0;
	if (c->big[i])
		p += sprintf(p, "GET /big?%d HTTP/1.1\r\nHost: a\r\n%s\r\n", 150000 + i, last);
	else if (rnd(4) == 0)
		p += sprintf(p, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n%s\r\n%s",
			     strlen(id), last, id);
	else if (rnd(12) == 0)
		p += sprintf(p,
			     "POST /ignore HTTP/1.1\r\nHost: a\r\nX-Id: %s\r\n%sContent-Length: "
			     "3\r\n\r\nabc",
			     id, last);
	else
		p += sprintf(p, "GET /parts?%s HTTP/1.1\r\nHost: a\r\n%s\r\n", id, last);
	c->len = (size_t)(p - c->text);
}

static void client_new(client *c, int number)
{
	*c = (client){ .number = number, .ending = (enum ending)rnd(ENDINGS) };
	c->fd = rnd(4) ? dial() : dial_with(4096);
	c->requests = 1 + (int)(rnd(2) ? rnd(5) : rnd(REQUESTS));
	c->text = mo_malloc(TEXT_MAX);
	for (int i = 0; i < c->requests; i++)
		add_request(c, i);
	assert_true(c->len < TEXT_MAX);
}

/* A piece of the pipeline, and its end behind the last one.  The server may have ended
 * the connection meanwhile: what came before it is looked at. */
static void client_step(client *c)
{
	size_t left = c->len - c->sent, n = rnd(3) ? left : rnd(400);

	if (left == 0)
		return;
	n = n < left ? n : left;
	if (!say_n(c->fd, c->text + c->sent, n))
		n = left;
	c->sent += n;
	if (c->sent == c->len && (c->ending == ENDS || c->ending == CLOSES_AND_ENDS))
		shutdown(c->fd, SHUT_WR);
}

/* Half a request behind the whole ones, then a reset, at any moment. */
static void client_reset(client *c)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	(void)say_n(c->fd, "GET /hello HT", rnd(13));
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(c->fd);
	free(c->text);
}

static void check_body(const client *c, int i, int status, const char *body)
{
	char id[32];

	snprintf(id, sizeof(id), "c%dr%d.", c->number, i);
	assert_int_equal(status, 200);
	if (c->big[i])
		assert_int_equal(strlen(body), 150000 + i);
	else if (strcmp(body, "ignored\n") != 0)
		assert_non_null(strstr(body, id));
}

static void client_check(client *c)
{
	bool closes = false;
	char byte;

	for (int i = 0; i < c->requests && !closes; i++) {
		char *body;
		int status = hear_answer(c->fd, &body, &closes);

		check_body(c, i, status, body);
		free(body);
	}
	if (closes || c->ending != STAYS)
		assert_int_equal(uninterrupted(recv(c->fd, &byte, 1, 0)), 0);
	close(c->fd);
	free(c->text);
}

static void play_round(uint64_t seed)
{
	client clients[CONNS];
	bool more = true;

	state_of_random = seed * 0x9e3779b97f4a7c15u + 1;
	for (int i = 0; i < CONNS; i++)
		client_new(&clients[i], i);
	while (more) {
		more = false;
		for (int i = 0; i < CONNS; i++) {
			client_step(&clients[i]);
			more |= clients[i].sent < clients[i].len;
		}
		usleep(rnd(200));
	}
	for (int i = 0; i < CONNS; i++) {
		if (clients[i].ending == RESETS)
			client_reset(&clients[i]);
		else
			client_check(&clients[i]);
	}
}

static uint64_t number_in(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void pipelines_ends_and_resets_meet_moves(void **state)
{
	uint64_t rounds = number_in("MOLT_FUZZ_ROUNDS", ROUNDS),
		 seed = number_in("MOLT_FUZZ_SEED", 1);

	LIMIT(handover, true);
	mover.random = seed;
	assert_int_equal(pthread_create(&mover.thread, NULL, move_all_the_time, NULL), 0);
	for (uint64_t i = 0; i < rounds; i++) {
		print_message("seed %llu\n", (unsigned long long)(seed + i));
		play_round(seed + i);
	}
	atomic_store(&mover.over, true);
	pthread_join(mover.thread, NULL);
	print_message("%ld moved, %ld refused\n", atomic_load(&mover.moved),
		      atomic_load(&mover.refused));
	assert_true(atomic_load(&mover.moved) > 0 && atomic_load(&mover.refused) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVED(pipelines_ends_and_resets_meet_moves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
