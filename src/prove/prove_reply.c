/* Reads answers for the load of molt prove; see prove_reply.h. */
#include "prove/prove_reply.h"

#include <errno.h>
#include <string.h>

#define MAX_HEAD ((size_t)64 * 1024)

void mo_reply_reset(mo_reply *r)
{
	r->state = MO_REPLY_HEAD;
	r->head.len = 0;
	r->status = 0;
	r->closing = r->no_body = false;
	r->left = 0;
}

void mo_reply_free(mo_reply *r)
{
	mo_buf_free(&r->head);
}

bool mo_reply_begun(const mo_reply *r)
{
	return r->state != MO_REPLY_HEAD || r->head.len > 0;
}

/* ---- the head --------------------------------------------------------------- */

molt_str mo_reply_field(const mo_reply *r, const char *name)
{
	molt_str rest = mo_strn(r->head.data, r->head.len);

	mo_str_split(&rest, '\n'); /* the status line */
	while (rest.ptr) {
		molt_str value = mo_str_split(&rest, '\n');
		molt_str key = mo_str_split(&value, ':');

		if (value.ptr && mo_str_eq_ci(key, mo_str(name))) {
			if (value.len && value.ptr[value.len - 1] == '\r')
				value.len--;
			return mo_str_trim(value);
		}
	}
	return (molt_str){ NULL, 0 };
}

/* One of a list of words, case not counted. */
static bool has_word(molt_str list, const char *word)
{
	while (list.ptr)
		if (mo_str_eq_ci(mo_str_trim(mo_str_split(&list, ',')), mo_str(word)))
			return true;
	return false;
}

/* "HTTP/1.1 200 ..." */
static int read_status_line(mo_reply *r)
{
	const char *p = r->head.data;

	if (r->head.len < 14 || memcmp(p, "HTTP/1.", 7) != 0 || (p[7] != '0' && p[7] != '1') ||
	    p[8] != ' ' || (p[12] != ' ' && p[12] != '\r'))
		return -EBADMSG;
	for (int i = 9; i < 12; i++) {
		if (!mo_is_digit(p[i]))
			return -EBADMSG;
		r->status = r->status * 10 + p[i] - '0';
	}
	return 0;
}

/* How the body ends (RFC 9112 section 6.3). */
static int read_framing(mo_reply *r)
{
	molt_str coding = mo_reply_field(r, "Transfer-Encoding");
	molt_str length = mo_reply_field(r, "Content-Length");

	if (r->no_body || r->status == 204 || r->status == 304 || r->status == 101) {
		r->state = MO_REPLY_DONE;
	} else if (coding.ptr) {
		if (!mo_str_eq_ci(coding, MO_STR("chunked")) || length.ptr)
			return -EBADMSG;
		mo_chunked_init(&r->chunked);
		r->state = MO_REPLY_CHUNKED;
	} else if (length.ptr) {
		if (!mo_str_u64(length, INT64_MAX, &r->left))
			return -EBADMSG;
		r->state = r->left ? MO_REPLY_LENGTH : MO_REPLY_DONE;
	} else {
		r->state = MO_REPLY_TO_END;
		r->closing = true;
	}
	return 0;
}

static int read_head(mo_reply *r)
{
	molt_str connection;

	if (read_status_line(r) < 0)
		return -EBADMSG;
	if (r->status < 200 && r->status != 101) { /* interim: the answer follows */
		mo_reply_reset(r);
		return 0;
	}
	connection = mo_reply_field(r, "Connection");
	r->closing = has_word(connection, "close") ||
		     (r->head.data[7] == '0' && !has_word(connection, "keep-alive"));
	return read_framing(r);
}

/* Copies up to the end of the head.  *used: what belonged to it. */
static int feed_head(mo_reply *r, const char *in, size_t n, size_t *used)
{
	size_t had = r->head.len, from = had > 3 ? had - 3 : 0;
	const char *end;

	mo_buf_add(&r->head, in, n);
	end = memmem(r->head.data + from, r->head.len - from, "\r\n\r\n", 4);
	if (!end) {
		*used = n;
		return r->head.len > MAX_HEAD ? -EBADMSG : 0;
	}
	r->head.len = (size_t)(end + 4 - r->head.data);
	*used = r->head.len - had;
	return read_head(r);
}

/* ---- the body --------------------------------------------------------------- */

int mo_reply_feed(mo_reply *r, char *in, size_t n, size_t *used, molt_str *body)
{
	size_t made = 0;
	int rc = 0;

	*used = 0;
	*body = (molt_str){ in, 0 };
	switch (r->state) {
	case MO_REPLY_HEAD:
		rc = feed_head(r, in, n, used);
		break;
	case MO_REPLY_LENGTH:
		*used = body->len = n < r->left ? n : (size_t)r->left;
		r->left -= *used;
		if (r->left == 0)
			r->state = MO_REPLY_DONE;
		break;
	case MO_REPLY_CHUNKED:
		rc = mo_chunked_decode(&r->chunked, in, n, used, in, n, &made);
		body->len = made;
		if (rc == 1)
			r->state = MO_REPLY_DONE;
		break;
	case MO_REPLY_TO_END:
		*used = body->len = n;
		break;
	case MO_REPLY_DONE:
		break;
	}
	return rc < 0 ? -EBADMSG : r->state == MO_REPLY_DONE;
}
