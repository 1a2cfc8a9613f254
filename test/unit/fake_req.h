/* A request without a connection: a molt_req whose protocol keeps what is sent in
 * a buffer and reads the body from a string, and a server to ask.
 *
 *	molt_server *s = fake_server();
 *	molt_bind(molt_routes(s), "GET /x", handler, NULL);
 *	fake *f = fake_get(s, "/x");
 *	fake_run(f);
 *	assert_string_equal(fake_body(f), "...");
 *	fake_free(f);
 *	fake_server_free(s);
 */
#ifndef FAKE_REQ_H
#define FAKE_REQ_H

#include <arpa/inet.h>
#include <errno.h>

#include "base/mem.h"
#include "base/str.h"
#include "web/core/request.h"
#include "web/run/dispatch.h"

typedef struct fake {
	molt_req r;
	mo_addr peer;
	mo_buf sent; /* body bytes, in order */
	molt_str body;
	size_t body_at, body_step;  /* bytes per read; 0: all */
	int read_error, send_error; /* given instead of doing anything */
	bool gone;
	unsigned sends, reads;
} fake;

static inline fake *fake_of(const molt_req *r)
{
	return (fake *)(uintptr_t)r;
}

static inline long fake_read(molt_req *r, void *buf, size_t n)
{
	fake *f = fake_of(r);
	size_t left = f->body.len - f->body_at;

	f->reads++;
	if (f->read_error)
		return f->read_error;
	n = n < left ? n : left;
	if (f->body_step && n > f->body_step)
		n = f->body_step;
	if (n)
		memcpy(buf, f->body.ptr + f->body_at, n);
	f->body_at += n;
	r->body_read += n;
	if (r->body_read > r->body_max)
		return -E2BIG;
	if (f->body_at == f->body.len)
		r->body_state = MO_BODY_NONE;
	return (long)n;
}

static inline int fake_send(molt_req *r, const void *data, size_t n, bool last)
{
	fake *f = fake_of(r);

	f->sends++;
	if (f->send_error)
		return f->send_error;
	r->head_sent = true;
	r->finished = last;
	if (!mo_str_eq(r->method, MO_STR("HEAD")) && mo_status_has_body(r->status))
		mo_buf_add(&f->sent, data, n);
	return 0;
}

static inline int fake_send_file(molt_req *r, int fd, off_t off, size_t n, bool last)
{
	char *copy = mo_malloc(n);
	ssize_t got = pread(fd, copy, n, off);
	int rc = -EIO;

	if (got == (ssize_t)n)
		rc = fake_send(r, copy, n, last);
	else
		r->cut = true;
	free(copy);
	return rc;
}

static inline bool fake_gone(const molt_req *r)
{
	return fake_of(r)->gone;
}

static const mo_exchange_ops fake_ops = { fake_read, fake_send, fake_send_file, fake_gone,
					  fake_gone };

/* ---- the server ---- */

static inline molt_server *fake_server(void)
{
	molt_server *s = mo_calloc(1, sizeof(*s));

	s->magic = MO_SERVER_MAGIC;
	s->name = mo_strdup("fake");
	s->http.owner = s;
	s->http.app = mo_web_app;
	s->http.lim.stack_size = 64 << 10;
	s->http.lim.max_body = 1000;
	s->root = mo_group_root_new(s);
	return s;
}

static inline void fake_server_free(molt_server *s)
{
	mo_group_tree_free(s->root);
	free(s->failure_why);
	free(s->name);
	free(s);
}

/* ---- a request ---- */

static inline enum mo_field_id fake_field_id(molt_str name)
{
	static const struct {
		const char *name;
		enum mo_field_id id;
	} known[] = { { "cookie", MO_F_COOKIE },
		      { "accept", MO_F_ACCEPT },
		      { "content-type", MO_F_CONTENT_TYPE },
		      { "range", MO_F_RANGE },
		      { "if-range", MO_F_IF_RANGE },
		      { "if-match", MO_F_IF_MATCH },
		      { "if-none-match", MO_F_IF_NONE_MATCH },
		      { "if-modified-since", MO_F_IF_MODIFIED_SINCE },
		      { "if-unmodified-since", MO_F_IF_UNMODIFIED_SINCE } };

	for (size_t i = 0; i < MO_COUNTOF(known); i++) {
		if (mo_str_eq_ci(name, mo_str(known[i].name)))
			return known[i].id;
	}
	return MO_F_OTHER;
}

static inline molt_str fake_str(fake *f, const char *s, size_t n)
{
	return mo_strn(mo_arena_strndup(&f->r.arena, s, n), n);
}

/* "Name: value" */
static inline void fake_field(fake *f, const char *line)
{
	const char *colon = strchr(line, ':');
	molt_str value = mo_str_trim(mo_str(colon + 1));
	mo_field *field = &f->r.fields[f->r.nfields++];

	field->name = fake_str(f, line, (size_t)(colon - line));
	field->value = fake_str(f, value.ptr, value.len);
	field->id = fake_field_id(field->name);
}

static inline fake *fake_new(molt_server *s, const char *method, const char *target)
{
	fake *f = mo_calloc(1, sizeof(*f));
	const char *mark = strchrnul(target, '?');

	if (!s->root->chain[MO_STAGE_HANDLER].calls)
		assert_int_equal(mo_groups_compile(s), 0);
	f->peer.u.in.sin_family = AF_INET;
	f->peer.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	f->peer.len = sizeof(f->peer.u.in);
	f->r = (molt_req){ .magic = MO_REQ_MAGIC,
			   .ops = &fake_ops,
			   .server = &s->http,
			   .peer = &f->peer,
			   .id = 0xabc,
			   .status = 200,
			   .res_length = -1,
			   .write_deadline = INT64_MAX,
			   .version = MO_HTTP_1_1 };
	f->r.out_tail = &f->r.out_fields;
	mo_arena_init(&f->r.arena, NULL);
	f->r.method = fake_str(f, method, strlen(method));
	f->r.target = fake_str(f, target, strlen(target));
	f->r.raw_path = fake_str(f, target, (size_t)(mark - target));
	f->r.query = *mark ? fake_str(f, mark + 1, strlen(mark + 1)) : fake_str(f, "", 0);
	f->r.host = fake_str(f, "", 0);
	f->r.fields = mo_arena_alloc(&f->r.arena, MO_MAX_FIELDS * sizeof(mo_field));
	return f;
}

static inline fake *fake_get(molt_server *s, const char *target)
{
	return fake_new(s, "GET", target);
}

static inline void fake_host(fake *f, const char *host)
{
	f->r.host = fake_str(f, host, strlen(host));
}

static inline void fake_set_body(fake *f, const char *type, const char *body, size_t n)
{
	char *line = mo_fmt("Content-Type: %s", type);

	fake_field(f, line);
	free(line);
	f->body = fake_str(f, body, n);
	f->r.body_state = n ? MO_BODY_PENDING : MO_BODY_NONE;
	f->r.body_length = (int64_t)n;
}

/* What the protocol does: route, handle, send the rest. */
static inline void fake_run(fake *f)
{
	f->r.server->app.route(&f->r);
	f->r.server->app.handle(&f->r);
	if (f->r.chain)
		mo_out_end(&f->r);
	if (!f->r.finished && !f->r.cut) {
		fake_send(&f->r, f->r.out.data, f->r.out.len, true);
		f->r.out.len = 0;
	}
}

static inline const char *fake_body(fake *f)
{
	return mo_buf_cstr(&f->sent);
}

static inline const char *fake_header(fake *f, const char *name)
{
	const char *value = mo_res_get(&f->r, name);

	return value ? value : "";
}

static inline void fake_free(fake *f)
{
	mo_arena_fini(&f->r.arena);
	mo_buf_free(&f->r.out);
	mo_buf_free(&f->sent);
	free(f);
}

#endif
