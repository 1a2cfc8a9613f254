/* Pieces of bytes behind one another, each with its length in front: what a
 * connection takes along to the successor.  Reading never trusts a length. */
#ifndef MO_BASE_BLOB_H
#define MO_BASE_BLOB_H

#include <string.h>

#include "base/buf.h"

static inline void mo_blob_put(mo_buf *b, molt_str s)
{
	uint32_t n = (uint32_t)s.len;

	mo_buf_add(b, &n, sizeof(n));
	mo_buf_add(b, s.ptr, s.len);
}

static inline bool mo_blob_get(molt_str *rest, molt_str *out)
{
	uint32_t n;

	if (rest->len < sizeof(n))
		return false;
	memcpy(&n, rest->ptr, sizeof(n));
	if (n > rest->len - sizeof(n))
		return false;
	*out = (molt_str){ rest->ptr + sizeof(n), n };
	*rest = (molt_str){ out->ptr + n, rest->len - sizeof(n) - n };
	return true;
}

#endif
