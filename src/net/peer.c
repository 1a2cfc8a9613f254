/* The user on the other side of a connection; see peer.h.
 *
 * For TCP the kernel is asked by sock_diag(7) for the socket whose addresses are
 * those of ours, the other way round.  An answer counts only when
 *   - the socket belongs to an open file (its inode is not 0): the kernel gives one
 *     that was closed already, or is in TIME_WAIT, to root;
 *   - it is connected, not about to connect from a port that was used again;
 *   - the same question about our own socket, asked after it, finds our own socket,
 *     and connected: so both are of one network namespace and the pair is no older
 *     one than ours. */
#include "net/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rt/small_file.h"

#define UNMAPPED ((uid_t)65534) /* what the kernel says for users of other namespaces */
#define ALL_USERS 4294967295u

/* ---- one question ------------------------------------------------------------- */

/* Both ends of a connection, as sock_diag wants them. */
struct ends {
	uint8_t family;
	uint32_t here[4], there[4];
	uint16_t port_here, port_there; /* network order */
};

struct found {
	uid_t uid;
	uint32_t inode;
	uint8_t state;
};

struct question {
	struct nlmsghdr head;
	struct inet_diag_req_v2 body;
};

static void ask_for(struct question *q, const struct ends *e)
{
	struct inet_diag_sockid *id = &q->body.id;

	memset(q, 0, sizeof(*q));
	q->head.nlmsg_len = sizeof(*q);
	q->head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	q->head.nlmsg_flags = NLM_F_REQUEST;
	q->body.sdiag_family = e->family;
	q->body.sdiag_protocol = IPPROTO_TCP;
	q->body.idiag_states = ~0u;
	id->idiag_sport = e->port_here;
	id->idiag_dport = e->port_there;
	memcpy(id->idiag_src, e->here, sizeof(e->here));
	memcpy(id->idiag_dst, e->there, sizeof(e->there));
	id->idiag_cookie[0] = id->idiag_cookie[1] = INET_DIAG_NOCOOKIE;
}

/* The kernel answers before send() returns. */
static int find_socket(int netlink, const struct ends *e, struct found *out)
{
	struct question q;
	union {
		struct nlmsghdr head;
		char bytes[1024];
	} a;
	const struct inet_diag_msg *m = NLMSG_DATA(&a.head);
	ssize_t n;

	ask_for(&q, e);
	if (send(netlink, &q, sizeof(q), 0) != (ssize_t)sizeof(q))
		return -errno;
	n = recv(netlink, &a, sizeof(a), MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	if (n >= (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) &&
	    a.head.nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *err = NLMSG_DATA(&a.head);

		return err->error == -ENOENT ? -ESRCH : err->error < 0 ? err->error : -EPROTO;
	}
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(*m)) || a.head.nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return -EPROTO;
	*out = (struct found){ .uid = m->idiag_uid,
			       .inode = m->idiag_inode,
			       .state = m->idiag_state };
	return 0;
}

/* ---- TCP ---------------------------------------------------------------------- */

/* An IPv4 address inside IPv6 is asked for as IPv4, which finds sockets of both. */
static int put_end(const struct sockaddr_storage *s, uint8_t *family, uint32_t addr[4],
		   uint16_t *port)
{
	const struct sockaddr_in *v4 = (const void *)s;
	const struct sockaddr_in6 *v6 = (const void *)s;

	memset(addr, 0, 4 * sizeof(*addr));
	if (s->ss_family == AF_INET) {
		addr[0] = v4->sin_addr.s_addr;
		*port = v4->sin_port;
	} else if (s->ss_family == AF_INET6) {
		bool mapped = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);

		memcpy(addr, v6->sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
		*port = v6->sin6_port;
		*family = mapped ? AF_INET : AF_INET6;
		return 0;
	} else {
		return -EAFNOSUPPORT;
	}
	*family = AF_INET;
	return 0;
}

/* The ends as the peer's socket sees them. */
static int ends_of_peer(int fd, struct ends *e)
{
	struct sockaddr_storage own = { 0 }, peer = { 0 };
	socklen_t n = sizeof(own), m = sizeof(peer);
	uint8_t family;
	int err;

	if (getsockname(fd, (struct sockaddr *)&own, &n) < 0 ||
	    getpeername(fd, (struct sockaddr *)&peer, &m) < 0)
		return errno == ENOTCONN ? -ESRCH : -errno;
	err = put_end(&own, &family, e->there, &e->port_there);
	if (!err)
		err = put_end(&peer, &e->family, e->here, &e->port_here);
	return !err && family != e->family ? -EAFNOSUPPORT : err;
}

static struct ends turned(const struct ends *e)
{
	struct ends t = { .family = e->family,
			  .port_here = e->port_there,
			  .port_there = e->port_here };

	memcpy(t.here, e->there, sizeof(t.here));
	memcpy(t.there, e->here, sizeof(t.there));
	return t;
}

static bool connected(uint8_t state)
{
	return state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT || state == TCP_FIN_WAIT1 ||
	       state == TCP_FIN_WAIT2;
}

static int uid_of_tcp(int fd, uid_t *uid)
{
	int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG), err;
	struct found peer, own;
	struct ends e, mine;
	struct stat st;

	if (netlink < 0)
		return -errno;
	err = ends_of_peer(fd, &e);
	if (!err)
		err = find_socket(netlink, &e, &peer);
	if (!err) {
		mine = turned(&e);
		err = find_socket(netlink, &mine, &own);
	}
	close(netlink);
	if (err)
		return err;
	if (!peer.inode || !connected(peer.state) || !connected(own.state) || fstat(fd, &st) < 0 ||
	    own.inode != (uint32_t)st.st_ino)
		return -ESRCH;
	*uid = peer.uid;
	return 0;
}

/* ---- any ---------------------------------------------------------------------- */

static int uid_of_unix(int fd, uid_t *uid)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
		return -errno;
	*uid = peer.uid;
	return 0;
}

/* Does this user namespace know every user?  Where it does not, several users
 * outside have one number here. */
static bool knows_all_users(void)
{
	unsigned long in, out, count;
	char text[128];

	return mo_read_small("/proc/self/uid_map", text, sizeof(text)) > 0 &&
	       sscanf(text, "%lu %lu %lu", &in, &out, &count) == 3 && count == ALL_USERS;
}

int mo_peer_uid(int fd, uid_t *uid)
{
	int domain, err;
	socklen_t n = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) < 0)
		return -errno;
	err = domain == AF_UNIX ? uid_of_unix(fd, uid) : uid_of_tcp(fd, uid);
	if (!err && *uid == UNMAPPED && !knows_all_users())
		return -EOVERFLOW;
	return err;
}

int mo_peer_is_ours(int fd)
{
	uid_t uid;
	int err = mo_peer_uid(fd, &uid);

	return err ? err : uid == 0 || uid == geteuid();
}
