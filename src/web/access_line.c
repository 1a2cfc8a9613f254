/* What a line of the access and error logs says; see access_log.c for the form and
 * for where it goes.  Called on any loop.
 *
 * Always: what a client sent is escaped and cut. */
#include "web/access_line.h"

#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "web/server.h"

#define MAX_FIELD 2048u /* bytes of one field; the rest becomes "..." */

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

static void add_field(mo_buf *out, molt_str s)
{
	bool cut = s.len > MAX_FIELD;

	mo_log_escape(out, cut ? mo_strn(s.ptr, MAX_FIELD) : s);
	if (cut)
		mo_buf_puts(out, "...");
}

/* printf() would take longer for a line than all the rest of its request. */
#define PUT(out, literal) mo_buf_add(out, literal, sizeof(literal) - 1)

static void begin_line(mo_buf *out, bool error, int status)
{
	mo_log_stamp(out);
	mo_buf_putc(out, ' ');
	mo_buf_u64(out, (uint64_t)process_id());
	PUT(out, ": ");
	if (error)
		PUT(out, "[ERROR] ");
	PUT(out, "gen ");
	mo_buf_u64(out, mo_process_generation());
	mo_buf_putc(out, ' ');
	mo_buf_u64(out, (uint64_t)status);
	PUT(out, " \"");
}

static void put_seconds(mo_buf *out, molt_time ms)
{
	char part[4] = { '.', (char)('0' + ms / 100 % 10), (char)('0' + ms / 10 % 10),
			 (char)('0' + ms % 10) };

	mo_buf_u64(out, (uint64_t)ms / 1000);
	mo_buf_add(out, part, sizeof(part));
}

static void put_id(mo_buf *out, uint64_t id)
{
	static const char hex[] = "0123456789abcdef";
	char text[16];

	for (int i = 15; i >= 0; i--, id >>= 4)
		text[i] = hex[id & 15];
	mo_buf_add(out, text, sizeof(text));
}

/* As mo_addr_ip() has it, but quickly for the usual one. */
static void put_ip(mo_buf *out, const mo_addr *a)
{
	const unsigned char *ip = (const unsigned char *)&a->u.in.sin_addr;
	char text[INET6_ADDRSTRLEN];

	if (a->u.sa.sa_family != AF_INET) {
		mo_addr_ip(a, text);
		mo_buf_puts(out, text);
		return;
	}
	for (int i = 0; i < 4; i++) {
		if (i > 0)
			mo_buf_putc(out, '.');
		mo_buf_u64(out, ip[i]);
	}
}

static molt_str field_value(const molt_req *r, enum mo_field_id id)
{
	const mo_field *f = mo_req_field(r, id);

	return f ? f->value : mo_strn(NULL, 0);
}

void mo_access_line(mo_buf *out, const molt_req *r, bool error)
{
	begin_line(out, error, r->status);
	add_field(out, r->method);
	if (r->tls)
		PUT(out, " https ");
	else
		PUT(out, " http ");
	add_field(out, r->host);
	mo_buf_putc(out, ' ');
	add_field(out, r->target);
	PUT(out, " HTTP/1.");
	mo_buf_u64(out, (uint64_t)r->minor);
	PUT(out, "\" ");
	put_seconds(out, mo_now() - r->started);
	PUT(out, ", ");
	if (r->peer)
		put_ip(out, r->peer);
	else
		mo_buf_putc(out, '-');
	PUT(out, ", ");
	mo_buf_u64(out, r->bytes_sent);
	PUT(out, ", \"");
	add_field(out, field_value(r, MO_F_REFERER));
	PUT(out, "\", \"");
	add_field(out, field_value(r, MO_F_USER_AGENT));
	PUT(out, "\", ");
	put_id(out, r->id);
	mo_buf_putc(out, '\n');
}

void mo_access_line_refused(mo_buf *out, const mo_addr *peer, int status, molt_str line, bool error)
{
	begin_line(out, error, status);
	add_field(out, line);
	PUT(out, "\" 0.000, ");
	if (peer)
		put_ip(out, peer);
	else
		mo_buf_putc(out, '-');
	PUT(out, ", 0, \"\", \"\", -\n");
}
