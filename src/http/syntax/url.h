/* Paths, queries and forms (RFC 3986, the URL standard's form encoding). */
#ifndef MO_HTTP_SYNTAX_URL_H
#define MO_HTTP_SYNTAX_URL_H

#include "base/arena.h"
#include "base/buf.h"
#include "molt.h"

/* A slash that was sent as "%2F" and so is no separator.  No path has this byte
 * otherwise; the three bytes "%2F" in a path are text, which was sent as "%252F". */
#define MO_KEPT_SLASH '\x1f'

/* Decodes %XX once, resolves "." and "..", folds "//" (a trailing '/' stays).
 * raw begins with '/'.  "%2F" stays inside its segment, as MO_KEPT_SLASH.  The result is in a, NUL-terminated.  -EINVAL: bad escape, %00, a control
 * byte, or ".." above the root.  Linear in raw.len. */
int mo_url_path(mo_arena *a, molt_str raw, molt_str *out);
/* Would mo_url_path() give raw back as it is?  Most paths are so. */
bool mo_url_path_is_plain(molt_str raw);
/* A copy of path, or of a part of one, with slash in the place of each MO_KEPT_SLASH:
 * "/" for the value of one segment, "%2F" where it stands among separators. */
molt_str mo_url_shown(mo_arena *a, molt_str path, const char *slash);
/* Decodes %XX (and '+' to space when plus) of one piece; bad escapes stay as
 * they are.  NUL bytes are kept: len tells. */
molt_str mo_url_decode(mo_arena *a, molt_str raw, bool plus);
/* Appends s escaped for a path (keeps '/') or a query value. */
void mo_url_encode(mo_buf *out, molt_str s, bool keep_slash);

/* A parsed list of names and values, in order; names are not unique. */
typedef struct mo_pair {
	struct mo_pair *next;
	molt_str name, value; /* decoded, NUL-terminated, in the arena */
} mo_pair;
#define MO_MAX_PAIRS 1024 /* the rest is ignored */
mo_pair *mo_query_parse(mo_arena *a, molt_str query);
const mo_pair *mo_pair_find(const mo_pair *list, const char *name);

/* Cookie: (RFC 6265 section 5.4; values as they are, quotes removed). */
mo_pair *mo_cookie_parse(mo_arena *a, molt_str field);

/* multipart/form-data (RFC 7578).  name, filename and type are copies, from a head of at
 * most 8 KiB; data lies in body, which must stay.  All end with a NUL: the one behind data
 * takes the place of the CR before the delimiter, once the whole body has been parsed.
 * Takes at most MO_PART_MEMORY bytes of a for each part, and twice the length of its head.
 * -EINVAL: bad boundary (1 to 70 bytes), broken framing; -E2BIG: > MO_MAX_PARTS parts;
 * body is as it was then. */
#define MO_MAX_PARTS 256
#define MO_PART_MEMORY 512
typedef struct mo_part {
	struct mo_part *next;
	molt_str name, filename, type, data; /* filename: base name; NULs and controls refused */
	bool is_file;
} mo_part;
int mo_multipart_parse(mo_arena *a, molt_str content_type, char *body, size_t len, mo_part **out);
/* Sets the bytes behind the data of all parts, in what was parsed or in a copy of it at to:
 * '\r', as they came, or '\0'. */
void mo_multipart_end(const mo_part *list, const char *parsed, char *to, char end);

#endif
