/* One TCP connection of a load client, plain or TLS, watched by the load's loop.
 * It belongs to its client until mo_pconn_drop(), then to the loop, which frees
 * it when its handle has closed. */
#ifndef MO_PROVE_CONN_H
#define MO_PROVE_CONN_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "net/addr.h"

typedef struct mo_pconn {
	uv_poll_t poll;
	void (*on_ready)(void *arg); /* something can be read or written */
	void *arg;
	SSL *ssl; /* NULL: plain */
	int fd;
	int watching;    /* UV_READABLE ... as told to the loop */
	int64_t opened;  /* us */
	unsigned served; /* answers so far */
	bool connected;  /* TCP */
	bool ready;      /* and TLS: bytes can go */
} mo_pconn;

/* Begins to connect.  NULL with errno. */
mo_pconn *mo_pconn_open(uv_loop_t *loop, const mo_addr *addr, SSL_CTX *tls, const char *host,
			bool verify, void (*on_ready)(void *), void *arg);
/* Goes on until ready.  1: it is; 0: wait; -EPROTO: TLS failed; else -errno of connect(). */
int mo_pconn_advance(mo_pconn *c);
/* > 0 bytes; -EAGAIN; other -errno.  Reading: 0 at the end. */
ssize_t mo_pconn_read(mo_pconn *c, void *buf, size_t n);
ssize_t mo_pconn_write(mo_pconn *c, const void *buf, size_t n);
void mo_pconn_watch(mo_pconn *c, bool write_too);
/* abort: with a reset, so that no port waits; the answer has been read by then. */
void mo_pconn_drop(mo_pconn *c, bool abort);

#endif
