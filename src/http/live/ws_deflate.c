/* Messages through zlib; see ws_deflate.h.  Always: what is inflated never grows
 * beyond its limit, whatever the input promises. */
#include "http/live/ws_deflate.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/check.h"
#include "base/mem.h"

#define PIECE 4096u
#define TAIL "\x00\x00\xff\xff" /* ends each message, and is not sent */
#define TAIL_LEN 4u

struct mo_ws_zlib {
	z_stream out, in;
};

static mo_ws_zlib *get(mo_ws_zlib **z)
{
	if (*z)
		return *z;
	*z = mo_calloc(1, sizeof(**z));
	MO_CHECK(deflateInit2(&(*z)->out, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) ==
		 Z_OK);
	MO_CHECK(inflateInit2(&(*z)->in, -MAX_WBITS) == Z_OK);
	return *z;
}

void mo_ws_zlib_free(mo_ws_zlib *z)
{
	if (!z)
		return;
	deflateEnd(&z->out);
	inflateEnd(&z->in);
	free(z);
}

static unsigned char *bytes(const char *p)
{
	return (unsigned char *)(uintptr_t)p;
}

bool mo_ws_deflate(mo_ws_zlib **z, molt_str in, mo_buf *out)
{
	z_stream *s = &get(z)->out;
	size_t before = out->len;

	MO_CHECK(in.len < UINT32_MAX / 2);
	/* Room for all that may come, so that one call does it. */
	mo_buf_reserve(out, deflateBound(s, in.len) + PIECE);
	s->next_in = bytes(in.ptr);
	s->avail_in = (unsigned)in.len;
	s->next_out = bytes(out->data + before);
	s->avail_out = (unsigned)(out->cap - before);
	MO_CHECK(deflate(s, Z_SYNC_FLUSH) == Z_OK && s->avail_in == 0 && s->avail_out > 0);
	out->len = out->cap - s->avail_out;
	deflateReset(s);
	MO_CHECK(out->len - before >= TAIL_LEN);
	out->len -= TAIL_LEN;
	if (out->len - before < in.len)
		return true;
	out->len = before;
	return false;
}

/* One stretch of input. */
static int inflate_some(z_stream *s, const char *p, size_t n, size_t max, mo_buf *out)
{
	s->next_in = bytes(p);
	s->avail_in = (unsigned)n;
	do {
		int rc;

		/* One byte more than is allowed shows that it is too long. */
		mo_buf_reserve(out, PIECE);
		s->next_out = bytes(out->data + out->len);
		s->avail_out = (unsigned)(out->cap - out->len);
		if (s->avail_out > max + 1 - out->len)
			s->avail_out = (unsigned)(max + 1 - out->len);
		rc = inflate(s, Z_SYNC_FLUSH);
		out->len = (size_t)((char *)s->next_out - out->data);
		if (out->len > max)
			return -EMSGSIZE;
		if (rc == Z_STREAM_END) {
			/* A final block ends no message (RFC 7692 section 7.2.3.5). */
			inflateReset(s);
			continue;
		}
		if (rc == Z_BUF_ERROR)
			return s->avail_in == 0 ? 0 : -EBADMSG;
		if (rc != Z_OK)
			return -EBADMSG;
	} while (s->avail_in > 0 || s->avail_out == 0);
	return 0;
}

int mo_ws_inflate(mo_ws_zlib **z, molt_str in, size_t max, mo_buf *out)
{
	z_stream *s = &get(z)->in;
	int rc;

	MO_CHECK(in.len < UINT32_MAX / 2 && max < UINT32_MAX / 2 && out->len == 0);
	rc = inflate_some(s, in.ptr ? in.ptr : "", in.len, max, out);
	if (rc == 0)
		rc = inflate_some(s, TAIL, TAIL_LEN, max, out);
	inflateReset(s);
	return rc;
}
