/* Packets of a neighbour process (gen/wire/wire.c) and those who read them: whatever it says,
 * nobody asserts, reads beyond it or grows without limit.
 *
 * The input: a byte that chooses how many descriptors come along and of which kind, then
 * the packet. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "gen/new/previous.h"
#include "gen/receipt/receipt_wire.h"
#include "gen/transfer/counter_ledger.h"
#include "gen/transfer/event_bus.h"
#include "gen/transfer/move.h"
#include "gen/transfer/state.h"
#include "gen/wire/messages.h"
#include "gen/wire/offer.h"
#include "gen/wire/series.h"

/* ---- a host that takes everything ---- */

static bool takes(const char *server, bool tls)
{
	return tls || server[0] != '-';
}

static void prepare(mo_gen_conn *c, size_t n, bool *keep)
{
	for (size_t i = 0; i < n; i++) {
		MO_CHECK(c[i].moving.bytes.len + c[i].moving.state.len + c[i].moving.stream.len <=
			 MO_WIRE_MAX);
		MO_CHECK(c[i].moving.left >= -1 && c[i].moving.left <= MO_WIRE_NUMBER);
		keep[i] = keep[i] && c[i].moving.protocol[0] != '-';
	}
}

static void take(const mo_gen_conn *c)
{
	MO_CHECK(fcntl(c->moving.fd, F_GETFL) & O_NONBLOCK);
	close(c->moving.fd);
}

static void discard(const mo_gen_conn *c)
{
}

static json_t *counted(void)
{
	return json_object();
}

static const mo_gen_host host = {
	.takes = takes, .prepare = prepare, .take = take, .discard = discard, .counted = counted
};

static void each_listener(void *arg, const char *server, mo_listener *l)
{
	mo_listener_close(l);
}

/* ---- the readers ---- */

static int on_totals(void *why, mo_wire_msg *m)
{
	json_t *sum = json_object(), *offer;

	if (mo_message_is(m, MO_MSG_TOTALS))
		mo_ledger_hear(NULL, m);
	else
		mo_ledger_hear_counts(NULL, m);
	mo_ledger_add("web", sum);
	MO_CHECK(json_object_size(sum) <= MO_SERIES_NAMES);
	json_decref(sum);
	mo_ledger_end(mo_json_str(m->body, "name"));
	offer = mo_ledger_offer(&host);
	MO_CHECK(json_object_size(json_object_get(offer, "live")) <= MO_LEDGER_PROCESSES + 1);
	json_decref(offer);
	return 0;
}

static void take_or_refuse(mo_wire_msg *m, bool readable)
{
	int ours, theirs;

	MO_CHECK(mo_wire_pair(&ours, &theirs) == 0);
	mo_event_bus_up_open(ours);
	if (readable)
		(void)mo_move_take(&host, ours, m);
	else
		mo_move_refuse(ours, m);
	mo_event_bus_up_close(ours);
	close(ours);
	close(theirs);
}

static int on_conns(void *why, mo_wire_msg *m)
{
	take_or_refuse(m, true);
	return 0;
}

static int on_state(void *why, mo_wire_msg *m)
{
	(void)mo_state_arrive(m);
	return 0;
}

static int on_listeners(void *why, mo_wire_msg *m)
{
	(void)mo_offer_unpack(m, each_listener, NULL, why);
	return 0;
}

static int on_previous(void *why, mo_wire_msg *m)
{
	mo_previous_take(m);
	return 0;
}

static int refused(void *why, mo_wire_msg *m, const char *reason)
{
	MO_CHECK(reason[0] == '"');
	if (mo_message_is(m, MO_MSG_CONNS))
		take_or_refuse(m, false);
	return -EPROTO;
}

/* Those that are made something of. */
static const mo_hears readers[] = {
	{ MO_MSG_CONNS, on_conns },           { MO_MSG_STATE, on_state },
	{ MO_MSG_LISTENERS, on_listeners },   { MO_MSG_PREVIOUS, on_previous },
	{ MO_MSG_TOTALS, on_totals },         { MO_MSG_COUNTS, on_totals },
	{ MO_MSG_RECEIPT, mo_receipts_hear },
};
static const mo_role role = MO_ROLE(readers, refused);

static void read_one(mo_wire_msg *m)
{
	char *why = NULL;

	(void)mo_message_hand(&role, &why, m);
	/* Whatever the list says of them, for it is looked at first. */
	for (enum mo_msg what = 0; what < MO_MSGS; what++)
		free(mo_message_refuse(m, what));
	free(why);
	json_decref(mo_previous_status());
	json_decref(mo_state_report());
	mo_state_reset();
}

/* ---- the packet ---- */

static void close_all(const int *fds, int n)
{
	for (int i = 0; i < n; i++)
		close(fds[i]);
}

static int open_some(uint8_t choice, int *fds)
{
	int n = choice % 8, other;

	for (int i = 0; i < n; i++) {
		int pair[2];

		if (choice & 0x80) {
			fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
			continue;
		}
		other = choice & 0x40 ? SOCK_DGRAM : SOCK_STREAM;
		MO_CHECK(socketpair(AF_UNIX, other | SOCK_CLOEXEC, 0, pair) == 0);
		fds[i] = pair[0];
		close(pair[1]);
	}
	return n;
}

static void send_raw(int fd, const void *p, size_t size, const int *fds, int n)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int) * 8)];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)p, size };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n);
		control.h.cmsg_level = SOL_SOCKET;
		control.h.cmsg_type = SCM_RIGHTS;
		control.h.cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
		memcpy(CMSG_DATA(&control.h), fds, sizeof(int) * (size_t)n);
	}
	(void)!sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fds[8], a, b, n, rc;
	mo_wire_msg m;

	if (size < 2)
		return 0;
	MO_CHECK(mo_wire_pair(&a, &b) == 0);
	n = open_some(data[0], fds);
	send_raw(b, data + 1, size - 1, fds, n);
	close_all(fds, n);
	rc = mo_wire_recv(a, &m);
	MO_CHECK(rc == 1 || rc == -EBADMSG || rc == -EAGAIN);
	if (rc == 1) {
		MO_CHECK(m.nfds == n && m.size == size - 1);
		read_one(&m);
		mo_wire_free(&m);
	}
	close(a);
	close(b);
	return 0;
}
