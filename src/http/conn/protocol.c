/* The tables of what can speak on a connection; see protocol.h.  A new transport is a row
 * in both. */
#include "http/conn/protocol.h"

#include <string.h>

#include "base/check.h"
#include "base/str.h"

const mo_protocol *const mo_protocols[] = {
	&mo_protocol_h1,  &mo_protocol_h2,   &mo_protocol_ws,
	&mo_protocol_sse, &mo_protocol_step, NULL,
};

const char *const *mo_transport_names(bool http2)
{
	static const char *const names[] = { "h2", "http/1.1", NULL };

	return names + !http2;
}

const mo_protocol *mo_protocol_named(const char *name)
{
	for (const mo_protocol *const *p = mo_protocols; *p; p++)
		if (strcmp((*p)->name, name) == 0)
			return *p;
	return NULL;
}

const mo_protocol *mo_transport_for(molt_str alpn)
{
	if (alpn.len == 0)
		return mo_protocols[0];
	for (const mo_protocol *const *p = mo_protocols; *p; p++)
		if ((*p)->alpn && mo_str_eq(mo_str((*p)->alpn), alpn))
			return *p;
	MO_DIE("invariant broken: TLS has chosen a protocol that was not offered");
}
