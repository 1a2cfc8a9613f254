/* One request of molt prove, waited for: what does this path answer? */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/str.h"
#include "prove/prove.h"
#include "prove/prove_conn.h"
#include "prove/prove_reply.h"

#define PROBE_LIMIT 5000 /* ms */

struct probe {
	uv_loop_t loop;
	uv_timer_t limit;
	mo_pconn *conn;
	mo_buf out, body;
	size_t sent;
	mo_reply reply;
	int rc; /* 0: answered */
	bool done;
};

static void probe_end(struct probe *b, int rc)
{
	if (b->done)
		return;
	b->done = true;
	b->rc = rc;
	mo_pconn_drop(b->conn, false);
	uv_close((uv_handle_t *)&b->limit, NULL);
}

static void probe_late(uv_timer_t *t)
{
	probe_end(t->data, -ETIMEDOUT);
}

/* 1: the answer is complete; 0: more; else failed. */
static int probe_take(struct probe *b, char *in, size_t n)
{
	int rc = 0;

	while (n > 0 && rc == 0) {
		size_t used;
		molt_str part;

		rc = mo_reply_feed(&b->reply, in, n, &used, &part);
		if (b->body.len < 4096)
			mo_buf_str(&b->body, part);
		in += used;
		n -= used;
	}
	return rc;
}

static void probe_ready(void *arg)
{
	struct probe *b = arg;
	char in[4096];
	ssize_t n;

	if (!b->conn->ready) {
		int rc = mo_pconn_advance(b->conn);

		if (rc < 0)
			probe_end(b, rc);
		if (rc <= 0)
			return;
	}
	if (b->sent < b->out.len) {
		n = mo_pconn_write(b->conn, b->out.data + b->sent, b->out.len - b->sent);
		b->sent += n > 0 ? (size_t)n : 0;
		mo_pconn_watch(b->conn, b->sent < b->out.len);
	}
	while ((n = mo_pconn_read(b->conn, in, sizeof(in))) > 0) {
		int rc = probe_take(b, in, (size_t)n);

		if (rc != 0) {
			probe_end(b, rc < 0 ? rc : 0);
			return;
		}
	}
	if (n == 0)
		probe_end(b, b->reply.state == MO_REPLY_TO_END ? 0 : -ECONNRESET);
	else if (n != -EAGAIN)
		probe_end(b, (int)n);
}

int mo_prove_ask(const mo_prove *p, bool tls, const char *method, const char *path,
		 const char *headers, const char *body, bool *echoed)
{
	struct probe b = { .rc = -EIO };

	mo_buf_fmt(&b.out, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: %s\r\n%s%s", method,
		   path, p->host, headers ? "Upgrade" : "close", headers ? headers : "",
		   p->o.headers);
	if (body)
		mo_buf_fmt(&b.out, "Content-Length: %zu\r\n", strlen(body));
	mo_buf_fmt(&b.out, "\r\n%s", body ? body : "");
	MO_CHECK(uv_loop_init(&b.loop) == 0);
	b.conn = mo_pconn_open(&b.loop, tls ? &p->tls : &p->plain, tls ? p->ctx : NULL, p->tls_host,
			       !p->o.insecure, probe_ready, &b);
	if (b.conn) {
		uv_timer_init(&b.loop, &b.limit);
		b.limit.data = &b;
		uv_timer_start(&b.limit, probe_late, PROBE_LIMIT, 0);
		uv_run(&b.loop, UV_RUN_DEFAULT);
	} else {
		b.rc = -errno;
	}
	uv_loop_close(&b.loop);
	if (echoed)
		*echoed = b.rc == 0 && body &&
			  mo_str_eq(mo_strn(b.body.data, b.body.len), mo_str(body));
	if (b.rc == 0)
		b.rc = b.reply.status;
	mo_buf_free(&b.out);
	mo_buf_free(&b.body);
	mo_reply_free(&b.reply);
	return b.rc;
}
