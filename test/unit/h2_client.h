/* Clients of HTTP/2 for the server of http_app.h, without TLS: one that is right (nghttp2's
 * client session), and one that sends frames that were made by hand.
 *
 * Both wait for what comes with the time limit of their sockets (WAIT_MS). */
#ifndef H2_CLIENT_H
#define H2_CLIENT_H

#include "http_app.h"

#include <nghttp2/nghttp2.h>

#include "base/check.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define ANSWERS 256

typedef struct answer {
	int status, interim; /* interim: the last 1xx */
	char length[24];     /* content-length; "": none */
	mo_buf body;
	bool over;
	uint32_t error; /* of RST_STREAM, or 0 */
} answer;

typedef struct client {
	int fd;
	nghttp2_session *session;
	answer answers[ANSWERS]; /* by (stream - 1) / 2 */
	int goaways;
	uint32_t goaway_code;
	int32_t goaway_last, first_last; /* of the newest and of the first */
	bool acked, ended;
	bool greedy; /* gives windows back at once */
} client;

typedef struct body {
	const char *data;
	size_t n;
	bool endless; /* the rest never comes */
	bool trailers;
} body;

static inline answer *answer_of(client *c, int32_t id)
{
	assert_true(id > 0 && id / 2 < ANSWERS);
	return &c->answers[id / 2];
}

/* ---- nghttp2's calls ---- */

static int got_header(nghttp2_session *s, const nghttp2_frame *f, const uint8_t *name, size_t nlen,
		      const uint8_t *value, size_t vlen, uint8_t flags, void *user)
{
	answer *a = answer_of(user, f->hd.stream_id);
	molt_str n = mo_strn((const char *)name, nlen);

	if (mo_str_eq(n, MO_STR(":status"))) {
		a->interim = a->status;
		a->status = atoi((const char *)value);
	} else if (mo_str_eq(n, MO_STR("content-length"))) {
		snprintf(a->length, sizeof(a->length), "%.*s", (int)vlen, (const char *)value);
	}
	return 0;
}

static int got_data(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *data, size_t n,
		    void *user)
{
	client *c = user;

	mo_buf_add(&answer_of(c, id)->body, data, n);
	if (c->greedy)
		nghttp2_session_consume(s, id, n);
	return 0;
}

static int got_frame(nghttp2_session *s, const nghttp2_frame *f, void *user)
{
	client *c = user;

	if (f->hd.type == NGHTTP2_SETTINGS)
		c->acked |= (f->hd.flags & NGHTTP2_FLAG_ACK) != 0;
	if (f->hd.type != NGHTTP2_GOAWAY)
		return 0;
	if (c->goaways++ == 0)
		c->first_last = f->goaway.last_stream_id;
	c->goaway_last = f->goaway.last_stream_id;
	c->goaway_code = f->goaway.error_code;
	return 0;
}

static int got_close(nghttp2_session *s, int32_t id, uint32_t code, void *user)
{
	answer *a = answer_of(user, id);

	a->over = true;
	a->error = code;
	return 0;
}

static ssize_t fetch_body(nghttp2_session *s, int32_t id, uint8_t *buf, size_t n, uint32_t *flags,
			  nghttp2_data_source *source, void *user)
{
	body *b = source->ptr;

	n = n < b->n ? n : b->n;
	memcpy(buf, b->data, n);
	b->data += n;
	b->n -= n;
	if (n == 0 && b->endless)
		return NGHTTP2_ERR_DEFERRED;
	if (b->n == 0 && !b->endless)
		*flags |=
			NGHTTP2_DATA_FLAG_EOF | (b->trailers ? NGHTTP2_DATA_FLAG_NO_END_STREAM : 0);
	if (b->n == 0 && b->trailers) {
		nghttp2_nv nv = { (uint8_t *)(uintptr_t) "x-sum", (uint8_t *)(uintptr_t) "1", 5, 1,
				  0 };

		nghttp2_submit_trailer(s, id, &nv, 1);
	}
	return (ssize_t)n;
}

/* ---- the connection ---- */

static inline void client_open_on(client *c, int fd, uint32_t window)
{
	nghttp2_settings_entry e[] = { { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window },
				       { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 } };
	nghttp2_session_callbacks *cb;
	nghttp2_option *o;

	memset(c, 0, sizeof(*c));
	c->fd = fd;
	c->greedy = true;
	assert_int_equal(nghttp2_session_callbacks_new(&cb), 0);
	nghttp2_session_callbacks_set_on_header_callback(cb, got_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, got_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, got_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, got_close);
	assert_int_equal(nghttp2_option_new(&o), 0);
	nghttp2_option_set_no_auto_window_update(o, 1);
	assert_int_equal(nghttp2_session_client_new2(&c->session, cb, c, o), 0);
	nghttp2_option_del(o);
	nghttp2_session_callbacks_del(cb);
	assert_int_equal(nghttp2_submit_settings(c->session, 0, e, MO_COUNTOF(e)), 0);
}

static inline void client_open(client *c)
{
	client_open_on(c, dial(), 65535);
}

static inline void client_close(client *c)
{
	for (int i = 0; i < ANSWERS; i++)
		mo_buf_free(&c->answers[i].body);
	nghttp2_session_del(c->session);
	close(c->fd);
}

static inline void client_send(client *c)
{
	const uint8_t *p;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(c->session, &p)) > 0)
		if (!say_n(c->fd, (const char *)p, (size_t)n))
			c->ended = true;
	assert_int_equal(n, 0);
}

/* Sends what there is, and takes what comes next. */
static inline void client_step(client *c)
{
	char buf[16384];
	ssize_t n;

	client_send(c);
	n = uninterrupted(recv(c->fd, buf, sizeof(buf), 0));
	if (n <= 0) {
		c->ended = true;
		assert_true(n == 0 || errno != EAGAIN); /* nothing came in time */
		return;
	}
	assert_int_equal(nghttp2_session_mem_recv(c->session, (uint8_t *)buf, (size_t)n), n);
}

#define UNTIL(c, cond)                                                                             \
	do {                                                                                       \
		while (!(cond) && !(c)->ended)                                                     \
			client_step(c);                                                            \
		assert_true(cond);                                                                 \
	} while (0)

/* ---- requests ---- */

#define NV(n, v)                                                                                   \
	{                                                                                          \
		(uint8_t *)(uintptr_t)(n), (uint8_t *)(uintptr_t)(v), strlen(n), strlen(v), 0      \
	}

/* more: one field, or NULL. */
static inline int32_t ask_with(client *c, const char *method, const char *path, const char *name,
			       const char *value, body *b)
{
	nghttp2_nv nv[] = { NV(":method", method), NV(":scheme", "http"), NV(":path", path),
			    NV(":authority", "a"), NV(name ? name : "x-none", value ? value : "") };
	nghttp2_data_provider from = { { .ptr = b }, fetch_body };
	int32_t id = nghttp2_submit_request(c->session, NULL, nv, MO_COUNTOF(nv) - !name,
					    b ? &from : NULL, NULL);

	assert_true(id > 0);
	return id;
}

static inline int32_t ask(client *c, const char *path)
{
	return ask_with(c, "GET", path, NULL, NULL, NULL);
}

static inline answer *hear(client *c, int32_t id)
{
	answer *a = answer_of(c, id);

	UNTIL(c, a->over);
	mo_buf_cstr(&a->body);
	return a;
}

static inline void expect(client *c, int32_t id, int status, const char *text)
{
	answer *a = hear(c, id);

	assert_int_equal(a->status, status);
	assert_int_equal(a->error, 0);
	if (text)
		assert_string_equal(a->body.data, text);
}

/* ---- the server's side ---- */

static inline void h2_limits(void)
{
	mo_http_limits lim = srv.http.lim;

	lim.h2_cleartext = true;
	lim.h2_streams = 100;
	lim.h2_stream_window = 262144;
	lim.h2_connection_window = 1048576;
	lim.h2_frame_size = 16384;
	lim.h2_header_list = 32768;
	lim.h2_resets = 500;
	lim.h2_controls = 2000;
	lim.h2_continuations = 8;
	lim.h2_replies = 1000;
	on_loop(set_limits, &lim);
}

static int h2_setup(void **state)
{
	plain_setup(state);
	h2_limits();
	return 0;
}

#define SERVED_H2(test) cmocka_unit_test_setup_teardown(test, h2_setup, plain_teardown)

/* ---- frames by hand ---- */

#define GET_HELLO "\x82\x86\x44\x06/hello\x41\x01\x61" /* HPACK: 13 bytes */
#define GET_HELLO_N 13

static inline void put_frame(mo_buf *b, int type, int flags, int32_t id, const void *payload,
			     size_t n)
{
	uint8_t head[9] = { (uint8_t)(n >> 16),  (uint8_t)(n >> 8),  (uint8_t)n,
			    (uint8_t)type,       (uint8_t)flags,     (uint8_t)((uint32_t)id >> 24),
			    (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id };

	mo_buf_add(b, head, 9);
	if (n > 0)
		mo_buf_add(b, payload, n);
}

/* The preface and empty SETTINGS. */
static inline void put_start(mo_buf *b)
{
	mo_buf_add(b, PREFACE, 24);
	put_frame(b, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
}

static inline void put_hello(mo_buf *b, int32_t id, bool end)
{
	put_frame(b, NGHTTP2_HEADERS,
		  NGHTTP2_FLAG_END_HEADERS | (end ? NGHTTP2_FLAG_END_STREAM : 0), id, GET_HELLO,
		  GET_HELLO_N);
}

static inline void say_buf(int fd, mo_buf *b)
{
	(void)say_n(fd, b->data, b->len);
	mo_buf_free(b);
}

typedef struct frame {
	int type, flags;
	int32_t id;
	uint32_t code; /* of RST_STREAM and GOAWAY */
	int32_t last;  /* of GOAWAY */
} frame;

static inline uint32_t number_at(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* false: the connection has ended. */
static inline bool next_frame(int fd, frame *f)
{
	uint8_t head[9], payload[16384];
	size_t n, at = 0;
	ssize_t k;

	while (at < 9) {
		k = uninterrupted(recv(fd, head + at, 9 - at, 0));
		if (k <= 0)
			return false;
		at += (size_t)k;
	}
	n = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
	assert_true(n <= sizeof(payload));
	hear_n(fd, (char *)payload, n);
	*f = (frame){ head[3], head[4], (int32_t)number_at(head + 5), 0, 0 };
	if (f->type == NGHTTP2_RST_STREAM)
		f->code = number_at(payload);
	if (f->type == NGHTTP2_GOAWAY) {
		f->last = (int32_t)number_at(payload);
		f->code = number_at(payload + 4);
	}
	return true;
}

/* The next frame of that type, or false. */
static inline bool frame_of(int fd, int type, frame *f)
{
	while (next_frame(fd, f))
		if (f->type == type)
			return true;
	return false;
}

/* The connection ends with that error, and with no other. */
static inline void expect_goaway(int fd, uint32_t code)
{
	frame f;

	assert_true(frame_of(fd, NGHTTP2_GOAWAY, &f));
	assert_int_equal(f.code, code);
	while (next_frame(fd, &f))
		continue;
	close(fd);
}

#endif
