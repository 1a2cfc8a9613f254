/* The record layer of TLS connections that moved:
 *   - however the bytes are cut, and wherever between them the connection moves on to
 *     another process, the same plaintext comes, the same end, and the same bytes are
 *     written;
 *   - a snapshot is refused, or makes a stream that packs to the same snapshot.
 * The first byte chooses the suite and the limit of a record's content, or a snapshot.  The rest is a row of orders:
 *   0 N bytes...        these bytes, as they are
 *   1 TYPE N bytes...   a record with this content (type 0: they end with the type and
 *                       padding)
 *   2                   the client's keys step on, as after a KeyUpdate */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "fuzz.h"
#include "net/stream_record.h"
#include "net/tls_facts.h"

#define LIMIT 1000000u

static const struct {
	uint16_t id;
	bool v12;
} suites[] = { { 0x1301, false }, { 0x1302, false }, { 0x1303, false },
	       { 0xc02b, true },  { 0xc02c, true },  { 0xcca9, true } };

static mo_tls_keys *keys_of(unsigned suite)
{
	mo_tls_keys *k = mo_tls_keys_new();
	uint8_t master[48] = { 7 }, random[32] = { 9 };

	k->suite = mo_tls_suite_find(suites[suite].id, suites[suite].v12);
	memset(k->read.secret, 1, k->suite->hash_len);
	memset(k->write.secret, 2, k->suite->hash_len);
	if (k->suite->v12)
		mo_tls_keys_from_master(k, master, random, random);
	return k;
}

/* What the orders put on the wire. */
static mo_buf make_wire(unsigned suite, const uint8_t *data, size_t size)
{
	mo_tls_keys *k = keys_of(suite);
	mo_tls_side server = k->write;
	mo_tls_record r;
	mo_buf wire = { 0 };

	k->write = k->read; /* the client writes what the server reads */
	k->read = server;
	mo_tls_record_init(&r, k);
	while (size > 0 && wire.len < 50000) {
		uint8_t order = data[0] % 3;
		size_t head = order == 0 ? 2 : order == 1 ? 3 : 1, n = 0;

		if (size < head)
			break;
		if (order == 2) {
			if (!k->suite->v12)
				mo_tls_record_step(&r, true);
		} else {
			n = data[head - 1];
			n = n < size - head ? n : size - head;
		}
		mo_buf_reserve(&wire, n + MO_TLS_MORE);
		if (order == 0) {
			mo_buf_add(&wire, data + head, n);
		} else if (order == 1 && n > 0) {
			struct iovec v = { (void *)(uintptr_t)(data + head), n };

			wire.len += mo_tls_seal(&r, data[1], &(mo_tls_source){ &v, 1, 0 }, n,
						(uint8_t *)wire.data + wire.len);
		}
		data += head + n;
		size -= head + n;
	}
	mo_tls_record_fini(&r);
	mo_tls_keys_free(k);
	return wire;
}

static mo_stream *moved(mo_stream *s)
{
	int fd = dup(s->fd);
	mo_stream *next;

	MO_CHECK(fd >= 0);
	next = mo_stream_unpack(fd, s->ops->pack(s), LIMIT);
	MO_CHECK(next != NULL);
	s->ops->close(s);
	return next;
}

/* Reads until there is no more; <0: over. */
static int read_all(mo_stream *s, mo_buf *all, size_t piece)
{
	char buf[20000];
	ssize_t n;

	while ((n = s->ops->read(s, buf, piece)) > 0)
		mo_buf_add(all, buf, (size_t)n);
	return n == -EAGAIN ? 0 : n == 0 ? 1 : (int)n;
}

/* Plaintext, how it ended, what was written. */
static mo_buf run(unsigned suite, size_t limit, const mo_buf *wire, unsigned seed, bool pieces)
{
	static const char facts[MO_FACTS] = { 0 };
	char *copy = malloc(sizeof(facts)), out[4096];
	int fd[2], end = 0;
	mo_buf all = { 0 };
	mo_stream *s;
	ssize_t n;

	MO_CHECK(copy && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == 0);
	memcpy(copy, facts, sizeof(facts));
	s = mo_stream_record(fd[0],
			     &(mo_tls_snapshot){ .keys = keys_of(suite),
						 .limit = limit,
						 .facts = { copy, sizeof(facts) } },
			     copy, LIMIT);
	for (size_t at = 0; at < wire->len && end == 0;) {
		size_t left = wire->len - at, len = pieces ? 1 + next_number(&seed, 400) : left;

		len = len < left ? len : left;
		MO_CHECK(write(fd[1], wire->data + at, len) == (ssize_t)len);
		at += len;
		end = read_all(s, &all, pieces ? 1 + next_number(&seed, 700) : 20000);
		if (end == 0 && pieces && next_number(&seed, 3) == 0 && s->ops->settled(s))
			s = moved(s);
	}
	if (end >= 0) {
		struct iovec v = { (void *)(uintptr_t) "bye", 3 };

		MO_CHECK(s->ops->writev(s, &v, 1) == 3 && s->ops->finish(s) == 0);
	}
	mo_buf_fmt(&all, "|%d|", end);
	while ((n = read(fd[1], out, sizeof(out))) > 0)
		mo_buf_add(&all, out, (size_t)n);
	s->ops->close(s);
	close(fd[1]);
	return all;
}

static void check_snapshot(const uint8_t *data, size_t size)
{
	char *copy = exact_copy(data, size);
	molt_str in = { copy, size }, out;
	mo_stream *s;

	if (size > 0 && mo_stream_can_unpack(in)) {
		s = mo_stream_unpack(dup(0), in, LIMIT);
		MO_CHECK(s != NULL);
		out = s->ops->pack(s);
		MO_CHECK(out.len == size);
		s->ops->close(s);
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned what;
	size_t limit;
	mo_buf wire, whole, other;

	if (size == 0)
		return 0;
	what = data[0] % (MO_COUNTOF(suites) + 1);
	limit = data[0] < 128 ? MO_TLS_PLAIN : MO_TLS_LIMIT_LEAST;
	if (what == MO_COUNTOF(suites)) {
		check_snapshot(data + 1, size - 1);
		return 0;
	}
	wire = make_wire(what, data + 1, size - 1);
	whole = run(what, limit, &wire, 0, false);
	for (unsigned i = 0; i < 2; i++) {
		other = run(what, limit, &wire, (unsigned)size + i, true);
		MO_CHECK(whole.len == other.len && memcmp(whole.data, other.data, whole.len) == 0);
		mo_buf_free(&other);
	}
	mo_buf_free(&whole);
	mo_buf_free(&wire);
	return 0;
}
