/* Messages between two generations; see wire.h. */
#include "gen/wire/wire.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/mem.h"
#include "net/secret.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

void mo_wire_prepare(int fd)
{
	int on = 1, room = 1 << 20;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
}

/* By the connection where the kernel can: that works across pid namespaces. */
int mo_wire_peer_pidfd(int fd)
{
	struct ucred peer = { 0 };
	socklen_t n = sizeof(int);
	int pidfd = -1;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &n) == 0)
		return pidfd;
	n = sizeof(peer);
#ifdef SYS_pidfd_open
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 && peer.pid > 0)
		return (int)syscall(SYS_pidfd_open, peer.pid, 0);
#endif
	return -1;
}

int mo_wire_pair(int *ours, int *theirs)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		mo_wire_prepare(sv[i]);
	*ours = sv[0];
	*theirs = sv[1];
	return 0;
}

int mo_wire_send(int fd, json_t *body, const int *fds, int n)
{
	return mo_wire_send_blob(fd, body, fds, n, NULL, 0);
}

/* One packet's memory for secrets, which its pieces may be.  A block that nobody uses is
 * kept: a mapping for each of a flood of events would cost more than the event.  Always:
 * what is kept has been wiped. */
static char *_Atomic spare;

static char *packet_new(void)
{
	char *p = atomic_exchange(&spare, NULL);

	return p ? p : mo_secret_new(MO_WIRE_MAX);
}

/* used: the bytes that were written to. */
static void packet_free(char *p, size_t used)
{
	char *none = NULL;

	if (!p)
		return;
	OPENSSL_cleanse(p, used);
	if (!atomic_compare_exchange_strong(&spare, &none, p))
		mo_secret_free(p, MO_WIRE_MAX);
}

/* The packet: the object, and behind a NUL the pieces. */
static void fill_packet(char *p, const char *text, const molt_str *pieces, size_t npieces)
{
	size_t n = strlen(text);

	memcpy(p, text, n);
	p += n + (npieces > 0);
	for (size_t i = 0; i < npieces; i++) {
		if (pieces[i].len)
			memcpy(p, pieces[i].ptr, pieces[i].len);
		p += pieces[i].len;
	}
}

static size_t packet_size(const char *text, const molt_str *pieces, size_t npieces)
{
	size_t n = strlen(text) + (npieces > 0);

	for (size_t i = 0; i < npieces; i++)
		n += pieces[i].len;
	return n;
}

int mo_wire_send_blob(int fd, json_t *body, const int *fds, int n, const molt_str *pieces,
		      size_t npieces)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int) * MO_WIRE_FDS)];
	} control = { 0 };
	char *text = json_dumps(body, JSON_COMPACT);
	const char *type = mo_json_str(body, "type");
	int fault = MO_FAULT("send", type, fd);
	struct iovec iov;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	char *packet;
	size_t size;
	ssize_t sent;

	MO_CHECK(n >= 0 && n <= MO_WIRE_FDS);
	if (!text || (fault < 0 && fault != MO_FAULT_SHORT)) {
		free(text);
		json_decref(body);
		return text ? fault : -EINVAL;
	}
	size = packet_size(text, pieces, npieces);
	if (size > MO_WIRE_MAX) {
		free(text);
		json_decref(body);
		return -EMSGSIZE;
	}
	packet = packet_new();
	fill_packet(packet, text, pieces, npieces);
	free(text);
	iov = (struct iovec){ packet, fault == MO_FAULT_SHORT ? size / 2 : size };
	if (n) {
		size_t bytes = sizeof(int) * (size_t)n;

		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(bytes);
		control.h.cmsg_level = SOL_SOCKET;
		control.h.cmsg_type = SCM_RIGHTS;
		control.h.cmsg_len = CMSG_LEN(bytes);
		memcpy(CMSG_DATA(&control.h), fds, bytes);
	}
	do
		sent = sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	n = sent < 0 ? -errno : (size_t)sent < size ? -EIO : 0;
	(void)MO_FAULT("sent", type, fd);
	json_decref(body);
	packet_free(packet, size);
	return n;
}

/* More than a message may have: where the kernel tells no pid, there is room for some. */
static bool take_fds(const struct cmsghdr *c, mo_wire_msg *out)
{
	size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	bool fit = true;

	for (size_t i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
		if (out->nfds < MO_WIRE_FDS) {
			out->fds[out->nfds++] = fd;
		} else {
			close(fd);
			fit = false;
		}
	}
	return fit;
}

/* Takes descriptors and credentials out of the control part; false: too many. */
static bool take_control(struct msghdr *m, mo_wire_msg *out)
{
	bool fit = true;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_RIGHTS) {
			fit = take_fds(c, out) && fit;
		} else if (c->cmsg_type == SCM_CREDENTIALS) {
			struct ucred cred;

			memcpy(&cred, CMSG_DATA(c), sizeof(cred));
			out->pid = cred.pid;
		}
	}
	return fit;
}

/* A peer that died with unread messages of ours: the kernel tells ECONNRESET once, and
 * gives what the peer had sent before only to who asks again. */
static ssize_t receive(int fd, struct msghdr *m)
{
	bool reset = false;
	ssize_t n;

	for (;;) {
		n = recvmsg(fd, m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
		if (n >= 0 || (errno != EINTR && (errno != ECONNRESET || reset)))
			return n;
		reset = errno == ECONNRESET;
	}
}

int mo_wire_await(int fd, molt_time limit)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	molt_time deadline = mo_deadline(limit);
	int n;

	do
		n = poll(&p, 1, (int)mo_left(deadline));
	while (n < 0 && errno == EINTR);
	return n != 0;
}

/* There was no room for all of them, and nobody can tell which are there. */
static void lose_fds(mo_wire_msg *m)
{
	for (int i = 0; i < m->nfds; i++)
		close(m->fds[i]);
	m->nfds = 0;
	m->cut = true;
}

int mo_wire_recv(int fd, mo_wire_msg *out)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int) * MO_WIRE_FDS) + CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec iov = { NULL, MO_WIRE_MAX };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	char *text;
	json_t *type;
	int fault = MO_FAULT_WAITING(fd);
	ssize_t n;

	*out = (mo_wire_msg){ 0 };
	if (fault < 0)
		return fault;
	iov.iov_base = text = packet_new();
	n = receive(fd, &m);
	if (n <= 0) {
		packet_free(text, 0);
		return n == 0 ? 0 : errno == ECONNRESET ? 0 : -errno;
	}
	if (!take_control(&m, out) || m.msg_flags & MSG_CTRUNC)
		lose_fds(out);
	out->packet = text;
	out->size = (size_t)n;
	if (!(m.msg_flags & MSG_TRUNC)) {
		size_t head = strnlen(text, (size_t)n);

		out->body = mo_json_load(text, head, MO_JSON_DEPTH_NEAR, JSON_REJECT_DUPLICATES);
		if (head < (size_t)n)
			out->blob = (molt_str){ text + head + 1, (size_t)n - head - 1 };
	}
	type = json_object_get(out->body, "type");
	if (!json_is_string(type)) {
		mo_wire_free(out);
		return -EBADMSG;
	}
	out->type = json_string_value(type);
	if (MO_FAULT("got", out->type, fd) < 0)
		lose_fds(out);
	return 1;
}

void mo_wire_turn_begin(mo_wire_turn *t)
{
	t->messages = 0;
	t->bytes = 0;
}

int mo_wire_next(int fd, mo_wire_turn *t, mo_wire_msg *out)
{
	int rc;

	if (t->messages >= MO_WIRE_TURN || t->bytes >= MO_WIRE_TURN_BYTES)
		return -EBUSY;
	rc = mo_wire_recv(fd, out);
	if (rc == 1) {
		t->messages++;
		t->bytes += out->size;
		t->all_messages++;
		t->all_bytes += out->size;
	}
	return rc;
}

void mo_wire_free(mo_wire_msg *m)
{
	for (int i = 0; i < m->nfds; i++)
		if (m->fds[i] >= 0)
			close(m->fds[i]);
	json_decref(m->body);
	packet_free(m->packet, m->size);
	*m = (mo_wire_msg){ 0 };
}

const char *mo_json_str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

long long mo_json_int(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

int mo_json_version(const json_t *v)
{
	json_int_t n = json_integer_value(v);

	return n > 0 && n <= MO_WIRE_VERSION_MAX ? (int)n : 0;
}

mo_versions mo_json_versions(const json_t *o, const char *lowest, const char *highest)
{
	int low = mo_json_version(json_object_get(o, lowest));
	const json_t *high = json_object_get(o, highest);

	return (mo_versions){ low, high ? mo_json_version(high) : low };
}

char *mo_versions_text(mo_versions v)
{
	return v.lowest == v.highest ? mo_fmt("%d", v.lowest)
				     : mo_fmt("%d to %d", v.lowest, v.highest);
}

long long mo_json_count(const json_t *o, const char *key)
{
	long long n = mo_json_int(o, key);

	return n < 0 ? 0 : n > MO_WIRE_NUMBER ? MO_WIRE_NUMBER : n;
}
