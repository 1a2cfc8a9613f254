/* What multipart_push.c needs of multipart_head.c. */
#ifndef MO_HTTP_SYNTAX_MULTIPART_INTERNAL_H
#define MO_HTTP_SYNTAX_MULTIPART_INTERNAL_H

#include "http/syntax/multipart.h"

/* The boundary that a Content-Type names, copied to a.  -EINVAL: there is none, it is bad, or
 * the type is another one. */
int mo_multipart_boundary(mo_arena *a, molt_str content_type, molt_str *out);
/* Reads a part's head, without the empty line: all of *part but data.  -EINVAL. */
int mo_multipart_head(mo_arena *a, molt_str head, mo_part *part);

#endif
