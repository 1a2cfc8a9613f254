/* What a line of the access and error logs says; see access_log.c for the form and
 * for where it goes.  Called on any loop.
 *
 * A line is put into room that is asked for once: printf(), or a growing buffer for
 * each piece, would take longer for a line than half of all the rest of its request.
 *
 * Always: what a client sent is escaped and cut. */
#include "web/log/access_line.h"

#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digits.h"
#include "base/log.h"
#include "base/str.h"
#include "gen/self.h"
#include "web/core/server.h"

#define MAX_FIELD 2048u /* bytes of one field; the rest becomes "..." */
#define FIXED_MAX 512u  /* bytes of a line without its fields: numbers, quotes, addresses */

/* ---- what is the same in many lines ---- */

static int64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Asking the system would cost a call for each line. */
static pid_t process_id(void)
{
	static _Atomic pid_t known;
	pid_t pid = atomic_load_explicit(&known, memory_order_relaxed);

	if (pid == 0) {
		pid = getpid();
		atomic_store_explicit(&known, pid, memory_order_relaxed);
	}
	return pid;
}

#define PUT(p, literal) put(p, literal, sizeof(literal) - 1)

static inline char *put(char *p, const char *text, size_t n)
{
	memcpy(p, text, n);
	return p + n;
}

void mo_line_frame_make(mo_line_frame *f)
{
	char *p = f->who;

	*f = (mo_line_frame){ 0 };
	f->wall_ahead = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
	*p++ = ' ';
	p = mo_put_u64(p, (uint64_t)process_id());
	p = PUT(p, ": ");
	f->gen_at = (uint8_t)(p - f->who);
	p = PUT(p, "gen ");
	p = mo_put_u64(p, mo_self_generation());
	*p++ = ' ';
	f->who_len = (uint8_t)(p - f->who);
}

/* ---- pieces of a line ---- */

static size_t field_room(molt_str s)
{
	return 4 * (s.len < MAX_FIELD ? s.len : MAX_FIELD) + 3;
}

static char *put_field(char *p, molt_str s)
{
	if (s.len <= MAX_FIELD)
		return mo_log_put_escaped(p, s);
	return PUT(mo_log_put_escaped(p, mo_strn(s.ptr, MAX_FIELD)), "...");
}

static char *put_start(char *p, const mo_line_frame *f, int64_t now, bool error, int status)
{
	p = mo_log_put_stamp(p, (now + f->wall_ahead) / 1000000);
	if (error) {
		p = put(p, f->who, f->gen_at);
		p = PUT(p, "[ERROR] ");
		p = put(p, f->who + f->gen_at, f->who_len - (size_t)f->gen_at);
	} else {
		memcpy(p, f->who, sizeof(f->who));
		p += f->who_len;
	}
	p = mo_put_u64(p, (uint64_t)status);
	return PUT(p, " \"");
}

static char *put_seconds(char *p, molt_time ms)
{
	p = mo_put_u64(p, ms > 0 ? (uint64_t)ms / 1000 : 0);
	*p++ = '.';
	return mo_put_3digits(p, ms > 0 ? (unsigned)(ms % 1000) : 0);
}

/* As mo_addr_ip() has it, but quickly for the usual one. */
static char *put_ip(char *p, const mo_addr *a)
{
	const unsigned char *ip;

	if (!a)
		return PUT(p, "-");
	if (a->u.sa.sa_family != AF_INET) {
		mo_addr_ip(a, p);
		return p + strlen(p);
	}
	ip = (const unsigned char *)&a->u.in.sin_addr;
	for (int i = 0; i < 4; i++) {
		p = mo_put_byte(p, ip[i]);
		*p++ = '.';
	}
	return p - 1;
}

/* ---- lines ---- */

/* The first of each. */
static void find_fields(const molt_req *r, molt_str *referer, molt_str *agent)
{
	for (size_t i = 0; i < r->nfields; i++) {
		const mo_field *f = &r->fields[i];

		if (f->id == MO_F_REFERER && !referer->ptr)
			*referer = f->value;
		else if (f->id == MO_F_USER_AGENT && !agent->ptr)
			*agent = f->value;
	}
}

void mo_access_line(mo_buf *out, const mo_line_frame *f, const molt_req *r, bool error)
{
	molt_str referer = { NULL, 0 }, agent = { NULL, 0 };
	int64_t now = clock_ns(CLOCK_MONOTONIC);
	char *p;

	find_fields(r, &referer, &agent);
	mo_buf_reserve(out, FIXED_MAX + field_room(r->method) + field_room(r->host) +
				    field_room(r->target) + field_room(referer) +
				    field_room(agent));
	p = put_start(out->data + out->len, f, now, error, r->status);
	p = put_field(p, r->method);
	p = r->tls ? PUT(p, " https ") : PUT(p, " http ");
	p = put_field(p, r->host);
	*p++ = ' ';
	p = put_field(p, r->target);
	p = PUT(p, " HTTP/");
	*p++ = (char)('0' + r->version / 10);
	*p++ = '.';
	*p++ = (char)('0' + r->version % 10);
	p = PUT(p, "\" ");
	p = put_seconds(p, now / 1000000 + 1 - r->started); /* mo_now() counts from 1 */
	p = PUT(p, ", ");
	p = put_ip(p, r->peer);
	p = PUT(p, ", ");
	p = mo_put_u64(p, r->bytes_sent);
	p = PUT(p, ", \"");
	p = put_field(p, referer);
	p = PUT(p, "\", \"");
	p = put_field(p, agent);
	p = PUT(p, "\", ");
	p = mo_put_hex16(p, r->id);
	*p++ = '\n';
	out->len = (size_t)(p - out->data);
}

void mo_access_line_refused(mo_buf *out, const mo_addr *peer, int status, molt_str line, bool error)
{
	mo_line_frame f;
	char *p;

	mo_line_frame_make(&f);
	mo_buf_reserve(out, FIXED_MAX + field_room(line));
	p = put_start(out->data + out->len, &f, clock_ns(CLOCK_MONOTONIC), error, status);
	p = put_field(p, line);
	p = PUT(p, "\" 0.000, ");
	p = put_ip(p, peer);
	p = PUT(p, ", 0, \"\", \"\", -\n");
	out->len = (size_t)(p - out->data);
}

void mo_access_line_left_out(mo_buf *out, uint64_t n)
{
	mo_buf_reserve(out, MO_LOG_STAMP_MAX);
	out->len = (size_t)(mo_log_put_stamp(out->data + out->len, mo_wall()) - out->data);
	mo_buf_fmt(out, " %d: [WARN] %llu refused requests more were left out\n", (int)getpid(),
		   (unsigned long long)n);
}
