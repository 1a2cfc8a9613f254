/* Promises of doc/tls-handover.md for keys in memory: what a connection's secrets were is
 * nowhere in the process when the connection has ended, and what lives longer is left out
 * of core dumps.  The clients are in another process, which tells their secrets masked; the
 * test reads all of its own memory. */
#include "certs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "net/secret.h"
#include "net/stream_record.h"
#include "net/ticket.h"
#include "net/tls.h"
#include "net/tls_secrets.h"

#define LIMIT ((uint64_t)1 << 23)
#define MASK 0x5a
#define SECRETS 500u
#define PIECE 16u /* of a secret: so much is looked for */

static char dir[] = "/tmp/molt-test-secret-memory-XXXXXX";
static char cert[64], key[64];
static mo_tls *tls;

/* ---- what is looked for, never unmasked ---- */

static struct {
	uint8_t raw[SECRETS][PIECE], hex[SECRETS][PIECE]; /* masked */
	unsigned count;
	unsigned first[65536 / 32]; /* bits: a piece begins with these two bytes */
} wanted;

static void mark_first(const uint8_t *masked)
{
	unsigned two = (unsigned)(masked[0] ^ MASK) << 8 | (masked[1] ^ MASK);

	wanted.first[two / 32] |= 1u << two % 32;
}

static void want(const uint8_t masked[PIECE])
{
	static const char digits[] = "0123456789abcdef";
	unsigned at = wanted.count++;

	assert_true(at < SECRETS);
	memcpy(wanted.raw[at], masked, PIECE);
	for (unsigned i = 0; i < PIECE; i++) {
		unsigned b = masked[i / 2] ^ MASK;

		wanted.hex[at][i] = (uint8_t)digits[i & 1 ? b & 15 : b >> 4] ^ MASK;
	}
	mark_first(wanted.raw[at]);
	mark_first(wanted.hex[at]);
}

static void forget_wanted(void)
{
	memset(&wanted, 0, sizeof(wanted));
}

/* It reads hundreds of MiB, byte by byte: no sanitizer shall be asked about each. */
#define UNCHECKED __attribute__((no_sanitize("thread", "address", "undefined")))

UNCHECKED static bool is(const uint8_t *p, const uint8_t *masked)
{
	for (unsigned i = 0; i < PIECE; i++)
		if ((p[i] ^ MASK) != masked[i])
			return false;
	return true;
}

UNCHECKED static unsigned hits_in(const uint8_t *p, size_t n)
{
	unsigned hits = 0;

	for (size_t i = 0; i + PIECE <= n; i++) {
		unsigned two = (unsigned)p[i] << 8 | p[i + 1];

		if (!(wanted.first[two / 32] >> two % 32 & 1))
			continue;
		for (unsigned k = 0; k < wanted.count; k++)
			hits += is(p + i, wanted.raw[k]) || is(p + i, wanted.hex[k]);
	}
	return hits;
}

/* ---- all memory that can be written ---- */

enum { CHUNK = 1 << 20 };

/* A sanitizer's own, which are terabytes of nothing; no mapping of the program is so large. */
#define SHADOW ((uintptr_t)1 << 28)

static struct {
	unsigned all, dumpable;
} found;

/* Nothing of it is in memory or in the swap: it was never written. */
static bool is_untouched(int pagemap, uintptr_t from, size_t n)
{
	uint64_t pages[CHUNK / 4096 + 1];
	size_t count = n / (size_t)getpagesize() + 1;

	if (pread(pagemap, pages, count * 8, (off_t)(from / (uintptr_t)getpagesize() * 8)) !=
	    (ssize_t)(count * 8))
		return false;
	for (size_t i = 0; i < count; i++)
		if (pages[i] >> 62)
			return false;
	return true;
}

static void look_at(int mem, int pagemap, uintptr_t from, uintptr_t to, bool dumpable)
{
	static uint8_t *chunk;

	if (!chunk)
		chunk = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			     0);
	for (; from < to; from += CHUNK - PIECE) {
		size_t n = to - from < CHUNK ? to - from : CHUNK;
		ssize_t got;

		/* Its own copy of what was seen before is none. */
		if (from < (uintptr_t)chunk + CHUNK && from + n > (uintptr_t)chunk)
			continue;
		got = is_untouched(pagemap, from, n) ? 0 : pread(mem, chunk, n, (off_t)from);
		if (got > 0) {
			unsigned hits = hits_in(chunk, (size_t)got);

			if (hits && getenv("MOLT_TEST_WHERE"))
				printf("%u in %lx-%lx\n", hits, (long)from, (long)to);
			found.all += hits;
			found.dumpable += dumpable ? hits : 0;
		}
		if (n < CHUNK)
			break;
	}
	memset(chunk, 0, CHUNK);
}

static void look(void)
{
	FILE *maps = fopen("/proc/self/smaps", "re");
	int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uintptr_t from = 0, to = 0;
	char line[512], mode[5] = "";

	assert_true(maps && mem >= 0 && pagemap >= 0);
	found.all = found.dumpable = 0;
	while (fgets(line, sizeof(line), maps)) {
		uintptr_t a, b;
		char m[5];

		if (sscanf(line, "%lx-%lx %4s", &a, &b, m) == 3) {
			from = a;
			to = b;
			memcpy(mode, m, sizeof(mode));
		} else if (strncmp(line, "VmFlags:", 8) == 0 && mode[0] == 'r' && mode[1] == 'w' &&
			   to - from < SHADOW) {
			look_at(mem, pagemap, from, to, !strstr(line, " dd"));
		}
	}
	fclose(maps);
	close(mem);
	close(pagemap);
}

/* ---- the clients ---- */

enum how { FRESH, SHED, MOVED, BROKEN, HOWS };
enum { PAIRS = 2 * HOWS }; /* each way in both versions */

static int pair[PAIRS][2], told[2];
static pid_t client_pid;

static void tell(const SSL *ssl, const char *line)
{
	const char *hex = strrchr(line, ' ') + 1;
	uint8_t out[PIECE];

	for (unsigned i = 0; i < PIECE; i++) {
		unsigned b;

		sscanf(hex + 2 * (size_t)i, "%2x", &b);
		out[i] = (uint8_t)b ^ MASK;
	}
	if (write(told[1], out, sizeof(out)) != sizeof(out))
		_exit(1);
}

static void be_client(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	char buf[100];

	SSL_CTX_set_keylog_callback(ctx, tell);
	for (int i = 0; i < PAIRS; i++)
		close(pair[i][0]);
	for (int i = 0; i < PAIRS; i++) {
		SSL *ssl = SSL_new(ctx);

		SSL_set_fd(ssl, pair[i][1]);
		SSL_set_max_proto_version(ssl, i & 1 ? TLS1_2_VERSION : TLS1_3_VERSION);
		if (SSL_connect(ssl) != 1 || SSL_write(ssl, "hello", 5) != 5)
			_exit(2);
		while (SSL_read(ssl, buf, sizeof(buf)) > 0)
			if (buf[0] == 'f' && write(pair[i][1], "no record at all", 16) != 16)
				_exit(3);
		SSL_free(ssl);
		close(pair[i][1]);
	}
	_exit(0);
}

/* ---- the server ---- */

static ssize_t wait_for(mo_stream *s, ssize_t (*what)(mo_stream *s))
{
	ssize_t r;

	while ((r = what(s)) == -EAGAIN) {
		struct pollfd p = { s->fd, POLLIN, 0 };

		assert_int_equal(uninterrupted(poll(&p, 1, 20000)), 1);
	}
	return r;
}

static ssize_t shake(mo_stream *s)
{
	return s->ops->handshake(s);
}

static ssize_t get(mo_stream *s)
{
	char buf[10];

	return s->ops->read(s, buf, sizeof(buf));
}

static void put(mo_stream *s, const char *text)
{
	struct iovec v = { (void *)(uintptr_t)text, strlen(text) };

	assert_int_equal(s->ops->writev(s, &v, 1), strlen(text));
}

static mo_stream *moved(mo_stream *s)
{
	mo_stream *next;

	assert_true(s->ops->settled(s));
	next = mo_stream_unpack(dup(s->fd), s->ops->pack(s), LIMIT);
	s->ops->close(s);
	return next;
}

/* One connection up to its first answer. */
static mo_stream *begun(int i, enum how how)
{
	mo_stream *s = mo_stream_tls(pair[i][0], tls);
	uint8_t masked[PIECE];

	assert_int_equal(wait_for(s, shake), 0);
	assert_int_equal(wait_for(s, get), 5);
	if (how == SHED || how == BROKEN)
		s = mo_stream_tls_shed(s);
	if (how == MOVED)
		s = moved(s);
	assert_string_equal(s->ops->name, how == FRESH ? "tls" : "record");
	while (read(told[0], masked, sizeof(masked)) == sizeof(masked))
		want(masked);
	return s;
}

static void ended(mo_stream *s, enum how how)
{
	if (how == BROKEN) {
		put(s, "fault");
		assert_int_equal(wait_for(s, get), -EPROTO);
	} else {
		put(s, "world");
		(void)s->ops->finish(s);
	}
	s->ops->close(s);
}

static void secrets_of_a_closed_connection_are_nowhere(void **state)
{
	assert_true(mo_secret_openssl_wipes());
	for (int i = 0; i < PAIRS; i++) {
		enum how how = (enum how)(i / 2 % HOWS);
		mo_stream *s;

		forget_wanted();
		s = begun(i, how);
		look();
		assert_true(wanted.count > 0);
		if (how != FRESH && !(i & 1))
			assert_int_equal(found.dumpable, 0);
		if (!(i & 1))
			assert_true(found.all > 0); /* they are seen where they are */
		ended(s, how);
		look();
		if (found.all)
			print_error("%u found, pair %d\n", found.all, i);
		assert_int_equal(found.all, 0);
	}
}

/* After the clients of the first test. */
static void ticket_keys_are_left_out_of_core_dumps(void **state)
{
	uint8_t keys[MO_TICKET_EXPORT], masked[PIECE];
	size_t n;

	mo_tickets_rotate();
	mo_tickets_rotate();
	mo_tickets_rotate();
	n = mo_tickets_export(keys);
	assert_int_equal(n, MO_TICKET_EXPORT);
	forget_wanted();
	for (size_t at = 16; at < n; at += MO_TICKET_KEY_SIZE)
		for (size_t half = 0; half < 64; half += 32) {
			for (unsigned i = 0; i < PIECE; i++)
				masked[i] = keys[at + half + i] ^ MASK;
			want(masked);
		}
	explicit_bzero(keys, sizeof(keys));
	look();
	assert_int_equal(found.all, 6);
	assert_int_equal(found.dumpable, 0);
}

static int setup(void **state)
{
	char *why;

	for (int i = 0; i < PAIRS; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair[i]) < 0)
			return -1;
		fcntl(pair[i][0], F_SETFL, O_NONBLOCK);
	}
	if (pipe2(told, O_CLOEXEC) < 0)
		return -1;
	client_pid = fork();
	if (client_pid == 0)
		be_client();
	for (int i = 0; i < PAIRS; i++)
		close(pair[i][1]);
	close(told[1]);
	fcntl(told[0], F_SETFL, O_NONBLOCK);
	if (!write_new_pair(dir, cert, key, sizeof(cert)))
		return -1;
	if (mo_tls_new(cert, key, &tls, &why) != 0)
		return -1;
	mo_tls_allow_handover(tls, LIMIT);
	return 0;
}

static int teardown(void **state)
{
	int status;

	kill(client_pid, SIGKILL);
	uninterrupted(waitpid(client_pid, &status, 0));
	mo_tls_free(tls);
	unlink(cert);
	unlink(key);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_of_a_closed_connection_are_nowhere),
		cmocka_unit_test(ticket_keys_are_left_out_of_core_dumps),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
