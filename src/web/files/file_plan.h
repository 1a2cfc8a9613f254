/* What to answer for a stored file: pure decisions, without I/O (RFC 9110
 * sections 8.8, 13.2.2 and 14.2).
 *
 *   condition, in this order                              holds      fails
 *   If-Match lists the tag (strongly)                     go on      412
 *   else If-Unmodified-Since is not before the file       go on      412
 *   If-None-Match does not list the tag (weakly)          go on      304
 *   else If-Modified-Since is before the file             go on      304
 *   Range, and If-Range (when sent) names this very file  206, 416   200
 */
#ifndef MO_WEB_FILES_FILE_PLAN_H
#define MO_WEB_FILES_FILE_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "base/buf.h"
#include "http/syntax/range.h"

#define MO_ETAG_MAX 72u

typedef struct mo_file_facts {
	uint64_t size;
	time_t modified;        /* never in the future */
	char etag[MO_ETAG_MAX]; /* strong, with its quotes */
} mo_file_facts;
void mo_file_facts_from(const struct stat *st, time_t now, mo_file_facts *out);

/* Fields of the request; {NULL, 0}: not sent. */
typedef struct mo_file_conditions {
	molt_str match, none_match, modified_since, unmodified_since, if_range, range;
	bool head; /* Range is of GET alone */
} mo_file_conditions;

typedef struct mo_file_plan {
	int status;  /* 200, 206, 304, 412, 416 */
	int nranges; /* of 206 */
	mo_range ranges[MO_MAX_RANGES];
} mo_file_plan;
void mo_file_plan_make(const mo_file_conditions *c, const mo_file_facts *f, time_t now,
		       mo_file_plan *out);

/* The framing of multipart/byteranges: part i's head is text[start[i]..start[i + 1]),
 * and the end of the body is text[start[nranges]..text.len). */
typedef struct mo_byteranges {
	mo_buf text;
	size_t start[MO_MAX_RANGES + 1];
	uint64_t total; /* the whole body, with the bytes of the file */
} mo_byteranges;
/* out->text is the caller's to free. */
void mo_byteranges_make(const mo_file_plan *p, uint64_t size, const char *type,
			const char *boundary, mo_byteranges *out);

#endif
