/* Byte ranges, entity tags, dates: the conditions of RFC 9110 sections 8.8,
 * 13 and 14.  Pure functions. */
#ifndef MO_HTTP_SYNTAX_RANGE_H
#define MO_HTTP_SYNTAX_RANGE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "molt.h"

#define MO_MAX_RANGES 16

typedef struct mo_range {
	uint64_t first, last; /* inclusive, both < size */
} mo_range;

/* Parses "bytes=0-99,200-,-50" against a representation of size bytes.  Ends are
 * clamped, overflow is checked, overlapping and touching ranges are merged.
 *   > 0  number of ranges in out[MO_MAX_RANGES]
 *     0  ignore the field (other unit, malformed, too many): send it whole
 *    -1  none can be satisfied: 416 */
int mo_range_parse(molt_str field, uint64_t size, mo_range *out);

/* Does an If-Match / If-None-Match list name etag ("*" names any)?
 * weak: W/ is ignored on both sides. */
bool mo_etag_listed(molt_str field, molt_str etag, bool weak);

/* The three date forms of RFC 9110 section 5.6.7; -1 when it is none.  A date
 * before 1970 counts as the first second of 1970. */
time_t mo_date_parse(molt_str s);
/* "Sun, 06 Nov 1994 08:49:37 GMT" */
void mo_date_format(time_t t, char out[30]);

/* Content type by file name: "text/html; charset=utf-8";
 * "application/octet-stream" when unknown. */
const char *mo_mime_type(molt_str name);

#endif
