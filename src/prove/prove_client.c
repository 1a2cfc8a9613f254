/* One HTTP client of the load: connect, request, answer, think, and again.
 *
 *   state      event                         -> next
 *   IDLE       the time has come             -> OPENING, or SENDING on the open connection
 *   IDLE       the server ends it            -> IDLE, counted as reopened
 *   OPENING    connected, TLS agreed         -> SENDING
 *   SENDING    all is sent                   -> WAITING
 *   SENDING    half is sent, of some uploads -> PAUSED
 *   PAUSED     1 to 20 ms                    -> SENDING
 *   WAITING    the answer is complete        -> IDLE, counted as ok
 *   any but IDLE  broken, refused, too late  -> IDLE, counted by kind, after 50 ms
 *
 * (IDLE: !busy; OPENING: !conn->ready; SENDING: sent < out.len; PAUSED: paused.) */
#include "prove/prove_client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

#define STALL 200000 /* us */
#define AFTER_FAILURE 50000

/* ---- what every kind of client shares ------------------------------------------ */

void mo_client_later(mo_client *c, int64_t us, uv_timer_cb fn)
{
	uv_update_time(&c->load->loop);
	uv_timer_start(&c->timer, fn, (uint64_t)(us + 999) / 1000, 0);
}

static uv_timer_cb first_step(const mo_client *c)
{
	return c->crowd->work == MO_WORK_WS ? mo_wsc_next : mo_client_next;
}

void mo_client_drop(mo_client *c, bool abort)
{
	mo_wsc_drop(c);
	if (c->conn)
		mo_pconn_drop(c->conn, abort);
	c->conn = NULL;
}

/* The first outcome of each client makes the load warm. */
static void had_outcome(mo_client *c)
{
	if (!c->warm && ++c->load->n_warm == c->load->n_clients)
		atomic_store(&c->load->warm, 1);
	c->warm = true;
	c->busy = c->paused = false;
}

#define SOON 500000  /* us */
#define SOON_TURNS 3 /* an answer that was sent comes first, and a request behind it */

/* Was the connection inside the process that is killed?  Then the connection is older than
 * the kill and breaks soon after it.  The clock alone does not decide: where the machine is
 * so busy that our loop sleeps, the loop sees the break late, but in its next turns. */
static bool was_inside(const mo_client *c)
{
	int64_t began = atomic_load(&c->load->kill_began),
		ended = atomic_load(&c->load->kill_ended);

	if (!began || !c->conn || !c->conn->connected)
		return false;
	if (!ended)
		return true;
	return c->conn->opened <= ended && (mo_load_now() <= ended + SOON ||
					    mo_load_turns_since_kill(c->load) <= SOON_TURNS);
}

void mo_client_good(mo_client *c, int64_t took)
{
	mo_load *l = c->load;
	int64_t began = atomic_load(&l->kill_began);

	had_outcome(c);
	c->conn->served++;
	c->count->ok++;
	atomic_fetch_add_explicit(&l->ok, 1, memory_order_relaxed);
	if (took > c->count->longest)
		c->count->longest = took;
	c->count->stalls += took > STALL;
	if (began && !atomic_load(&l->back) && atomic_load(&l->kill_ended) &&
	    c->conn->opened >= began)
		atomic_store(&l->back, mo_load_now());
}

static void keep_example(mo_client *c, enum mo_fault f)
{
	mo_load *l = c->load;
	int64_t now = mo_load_now(), killed = atomic_load(&l->kill_began);
	char after[64] = "";
	unsigned i = 0;

	while (i < MO_LOAD_EXAMPLES && l->examples[i])
		i++;
	if (i == MO_LOAD_EXAMPLES)
		return;
	if (killed)
		snprintf(after, sizeof(after), ", %.1f ms after the kill",
			 (double)(now - killed) / 1000);
	l->examples[i] =
		mo_fmt("%s: %s, request %u of a connection %.1f ms old, %.1f ms after its start%s",
		       c->crowd->name, mo_fault_name(f), c->conn ? c->conn->served + 1 : 1,
		       c->conn ? (double)(now - c->conn->opened) / 1000 : 0.0,
		       (double)(now - c->started) / 1000, after);
}

void mo_client_fail(mo_client *c, enum mo_fault f)
{
	bool can_be_inside = f == MO_FAULT_FRESH_RESET || f == MO_FAULT_REUSED_RESET ||
			     f == MO_FAULT_EOF_BEFORE_ANSWER || f == MO_FAULT_PARTIAL ||
			     f == MO_FAULT_HANDSHAKE;

	had_outcome(c);
	if (can_be_inside && was_inside(c)) {
		c->count->inside++;
	} else {
		c->count->failed[f]++;
		atomic_fetch_add_explicit(&c->load->failed, 1, memory_order_relaxed);
		keep_example(c, f);
	}
	mo_client_drop(c, true);
	mo_client_later(c, AFTER_FAILURE, first_step(c));
}

void mo_client_reopen(mo_client *c)
{
	if (was_inside(c))
		c->count->cut++;
	else
		c->count->reopened++;
	mo_client_drop(c, false);
}

enum mo_fault mo_client_broke(const mo_client *c, ssize_t rc)
{
	if (mo_reply_begun(&c->reply))
		return MO_FAULT_PARTIAL;
	if (rc == 0)
		return MO_FAULT_EOF_BEFORE_ANSWER;
	return c->conn->served ? MO_FAULT_REUSED_RESET : MO_FAULT_FRESH_RESET;
}

bool mo_client_connect(mo_client *c, void (*on_ready)(void *))
{
	const mo_crowd *k = c->crowd;

	if (!c->conn)
		c->conn = mo_pconn_open(&c->load->loop, &k->addr, k->tls, k->name_of_tls, k->verify,
					on_ready, c);
	if (!c->conn)
		mo_client_fail(c, MO_FAULT_CONNECT);
	return c->conn != NULL;
}

/* ---- the request ---------------------------------------------------------------- */

static size_t upload_size(const mo_client *c)
{
	static const size_t sizes[] = { 100, 4000, 16384, 70000, 1500, 262144 };

	return sizes[(c->seq + c->number) % MO_COUNTOF(sizes)];
}

/* Bytes that no other request has, so that a mix-up is seen. */
static void make_body(mo_client *c)
{
	size_t size = upload_size(c);

	c->body.len = 0;
	mo_buf_fmt(&c->body, "%u.%llu ", c->number, (unsigned long long)c->seq);
	mo_buf_reserve(&c->body, size);
	memset(c->body.data + c->body.len, 'a' + (int)(c->seq % 26), size);
	c->body.len += size;
}

static void add_chunk(mo_buf *out, const char *data, size_t n)
{
	mo_buf_fmt(out, "%zx\r\n", n);
	mo_buf_add(out, data, n);
	mo_buf_puts(out, "\r\n");
}

/* By turns with a length and chunked; every fourth one with a pause in the middle. */
static void make_upload(mo_client *c)
{
	size_t cut;

	make_body(c);
	cut = c->body.len / 3;
	if (c->seq % 2) {
		mo_buf_fmt(&c->out, "Content-Length: %zu\r\n\r\n", c->body.len);
		mo_buf_add(&c->out, c->body.data, c->body.len);
	} else {
		mo_buf_puts(&c->out, "Transfer-Encoding: chunked\r\n\r\n");
		add_chunk(&c->out, c->body.data, cut);
		add_chunk(&c->out, c->body.data + cut, c->body.len - cut);
		mo_buf_puts(&c->out, "0\r\n\r\n");
	}
	if (c->seq % 4 < 2)
		c->half = 1 + (size_t)mo_load_random(c->load, c->out.len - 1);
}

static void make_request(mo_client *c)
{
	bool upload = c->crowd->work == MO_WORK_UPLOAD;

	/* The head of a GET is the same each time. */
	if (upload || c->out.len == 0) {
		c->out.len = 0;
		mo_buf_fmt(&c->out, "%s %s HTTP/1.1\r\nHost: %s\r\n", upload ? "POST" : "GET",
			   c->crowd->path, c->crowd->host);
		mo_buf_fmt(&c->out, "User-Agent: molt-prove\r\n%s", c->crowd->headers);
		if (upload)
			make_upload(c);
		else
			mo_buf_puts(&c->out, "\r\n");
	}
	c->sent = 0;
	c->echoed = 0;
	mo_reply_reset(&c->reply);
}

/* ---- its way --------------------------------------------------------------------- */

static void push(mo_client *c);
static void on_ready(void *arg);

static void after_pause(uv_timer_t *t)
{
	mo_client *c = t->data;

	c->paused = false;
	if (c->busy && c->conn)
		push(c);
}

static void next_one(mo_client *c)
{
	if (c->crowd->pace == MO_PACE_PAUSING)
		mo_client_later(c, (int64_t)mo_load_random(c->load, 20000), mo_client_next);
	else
		mo_client_next(&c->timer);
}

static void finish(mo_client *c)
{
	mo_client_good(c, mo_load_now() - c->started - c->pause);
	if (c->crowd->pace == MO_PACE_NEW)
		mo_client_drop(c, true);
	else if (c->reply.closing)
		mo_client_reopen(c);
	next_one(c);
}

static bool echo_fits(mo_client *c, molt_str part)
{
	if (!c->crowd->echo)
		return true;
	if (part.len > c->body.len - c->echoed ||
	    (part.len && memcmp(part.ptr, c->body.data + c->echoed, part.len) != 0))
		return false;
	c->echoed += part.len;
	return true;
}

/* The answer is there.  It may come before all of the request was sent. */
static void replied(mo_client *c)
{
	if (c->reply.status != c->crowd->status)
		mo_client_fail(c, MO_FAULT_BAD_STATUS);
	else if (c->crowd->echo && c->echoed != c->body.len)
		mo_client_fail(c, MO_FAULT_MIXED_UP);
	else if (c->sent < c->out.len && !c->reply.closing)
		c->replied = true;
	else
		finish(c);
}

/* Takes what was read.  false: the connection is the next request's, or gone. */
static bool take(mo_client *c, char *in, size_t n)
{
	size_t used;
	molt_str body;
	int rc = 0;

	while (n > 0 && rc == 0) {
		rc = c->busy && !c->replied ? mo_reply_feed(&c->reply, in, n, &used, &body)
					    : -EBADMSG;
		if (rc < 0) {
			mo_client_fail(c, MO_FAULT_BROKEN);
			return false;
		}
		if (c->crowd->work == MO_WORK_UPLOAD && c->reply.status == c->crowd->status &&
		    !echo_fits(c, body)) {
			mo_client_fail(c, MO_FAULT_MIXED_UP);
			return false;
		}
		in += used;
		n -= used;
	}
	if (rc == 1 && n > 0)
		mo_client_fail(c, MO_FAULT_BROKEN);
	else if (rc == 1)
		replied(c);
	return rc == 0;
}

static void ended(mo_client *c, ssize_t rc)
{
	if (rc == 0)
		rc = c->broke; /* reading after a failed write may look like a plain end */
	if (c->busy && rc == 0 && c->reply.state == MO_REPLY_TO_END)
		replied(c);
	else if (c->busy && c->replied)
		finish(c); /* answered, and closed without the rest of the request */
	else if (c->busy)
		mo_client_fail(c, mo_client_broke(c, rc));
	else
		mo_client_reopen(c);
}

static void pull(mo_client *c)
{
	char *in = c->load->input;

	for (;;) {
		ssize_t n = mo_pconn_read(c->conn, in, MO_LOAD_INPUT);

		if (n == -EAGAIN) {
			if (!c->conn->watching)
				mo_pconn_watch(c->conn, c->busy && c->sent < c->out.len);
			return;
		}
		if (n <= 0) {
			ended(c, n);
			return;
		}
		if (!take(c, in, (size_t)n))
			return;
		if (!c->conn->ssl && n < (ssize_t)MO_LOAD_INPUT)
			return;
	}
}

static void push(mo_client *c)
{
	while (c->sent < c->out.len && !c->paused) {
		size_t to = c->sent < c->half ? c->half : c->out.len;
		ssize_t n = mo_pconn_write(c->conn, c->out.data + c->sent, to - c->sent);

		if (n == -EAGAIN) {
			mo_pconn_watch(c->conn, true);
			return;
		}
		if (n < 0) {
			/* The answer may be there already; reading tells which it is. */
			c->sent = c->out.len;
			c->broke = n;
			pull(c);
			return;
		}
		c->sent += (size_t)n;
		if (c->sent == c->half && c->sent < c->out.len) {
			c->paused = true;
			c->pause = (int64_t)(1000 + mo_load_random(c->load, 19000));
			mo_client_later(c, c->pause, after_pause);
		}
	}
	mo_pconn_watch(c->conn, false);
	if (c->replied && c->sent == c->out.len)
		finish(c);
}

static void on_ready(void *arg)
{
	mo_client *c = arg;
	mo_pconn *conn = c->conn;

	if (!conn->ready) {
		int rc = mo_pconn_advance(conn);

		if (rc < 0)
			mo_client_fail(c, rc == -EPROTO ? MO_FAULT_HANDSHAKE : MO_FAULT_CONNECT);
		if (rc <= 0)
			return;
	}
	if (c->busy && c->sent < c->out.len && !c->paused)
		push(c);
	if (c->conn == conn)
		pull(c);
}

void mo_client_next(uv_timer_t *t)
{
	mo_client *c = t->data;

	if (c->load->stopping)
		return;
	c->busy = true;
	c->replied = false;
	c->started = mo_load_now();
	c->pause = 0;
	c->half = 0;
	c->broke = 0;
	c->seq++;
	c->count->requests++;
	make_request(c);
	if (mo_client_connect(c, on_ready) && c->conn->ready)
		push(c);
}
