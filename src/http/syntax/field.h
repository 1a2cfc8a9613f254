/* Header fields of a request, for every protocol. */
#ifndef MO_HTTP_SYNTAX_FIELD_H
#define MO_HTTP_SYNTAX_FIELD_H

#include "molt.h"

#define MO_MAX_FIELDS 128u

/* Well-known fields, found once by name so that no one compares names twice. */
enum mo_field_id {
	MO_F_OTHER = 0,
	MO_F_HOST,
	MO_F_CONNECTION,
	MO_F_CONTENT_LENGTH,
	MO_F_CONTENT_TYPE,
	MO_F_TRANSFER_ENCODING,
	MO_F_EXPECT,
	MO_F_UPGRADE,
	MO_F_COOKIE,
	MO_F_AUTHORIZATION,
	MO_F_USER_AGENT,
	MO_F_REFERER,
	MO_F_ORIGIN,
	MO_F_RANGE,
	MO_F_IF_RANGE,
	MO_F_IF_MATCH,
	MO_F_IF_NONE_MATCH,
	MO_F_IF_MODIFIED_SINCE,
	MO_F_IF_UNMODIFIED_SINCE,
	MO_F_ACCEPT,
	MO_F_ACCEPT_ENCODING,
	MO_F_SEC_FETCH_SITE,
	MO_F_COUNT
};

typedef struct mo_field {
	molt_str name, value; /* value without white space at its ends */
	enum mo_field_id id;
} mo_field;

/* name must be a token. */
enum mo_field_id mo_field_id_of(molt_str name);

#endif
