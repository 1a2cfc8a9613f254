/* Fields of the answer, and what names and values may hold. */
#ifndef MO_WEB_CORE_HEADER_H
#define MO_WEB_CORE_HEADER_H

#include "molt.h"

bool mo_is_token(const char *s);       /* RFC 9110 section 5.6.2; not "" */
bool mo_is_field_value(const char *s); /* no control bytes but the tab */
/* Fit for Location: not empty, no control bytes, does not lead to another host without
 * naming a scheme. */
bool mo_is_location(const char *s);

/* Sets, replaces or removes (NULL) a field, adds one, gives the first one's
 * value or NULL.  None of them checks: name and value are known to be fit. */
void mo_res_set(molt_req *r, const char *name, const char *value);
void mo_res_add(molt_req *r, const char *name, const char *value);
const char *mo_res_get(const molt_req *r, const char *name);
/* The same of texts that outlive the request, or lie in its arena: nothing is copied. */
void mo_res_set_kept(molt_req *r, molt_str name, molt_str value);
void mo_res_set_type(molt_req *r, molt_str type);
bool mo_res_has_type(const molt_req *r);

#endif
