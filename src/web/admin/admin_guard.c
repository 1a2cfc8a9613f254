/* Who may use the admin API.  A pure function of what the request says, so that
 * every line of this table is a line of its test:
 *
 *   cross-site by Sec-Fetch-Site or Origin             403, whoever asks
 *   action by GET: of a browser, Referer of elsewhere,
 *     prefetch, cookies without a sign that they are
 *     meant                                             403
 *   the group has middleware of its own                 it has decided
 *   a token is set                                      it is sent: yes; else 401
 *   a proxy's field, or HTTP/1.0                        403
 *   peer on this machine, of this user or root, that
 *     asks for a loopback host                          yes
 *   anybody else                                        403
 *
 * The peer's user is asked of the kernel because a proxy on this machine hands on
 * requests of strangers from a loopback address, many of them with a loopback host;
 * and a proxy of the same user shows itself by its fields or its version, mostly.
 * The host is checked because a page from elsewhere may give its own name the
 * address 127.0.0.1; its requests then come from a loopback peer. */
#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <string.h>

#include "base/str.h"
#include "web/admin/admin.h"

/* ---- origins --------------------------------------------------------------- */

/* Takes a default port off "host:80" when scheme gives it. */
static molt_str without_port(molt_str authority, bool https)
{
	molt_str port = https ? MO_STR(":443") : MO_STR(":80");

	if (mo_str_has_suffix(authority, port))
		authority.len -= port.len;
	return authority;
}

/* Is url's origin the one that the request was sent to?  A page read over TLS
 * may come through a proxy that speaks plain HTTP to us, never the other way. */
static bool same_origin(const mo_admin_ask *a, const char *url)
{
	molt_str rest = mo_str(url);
	bool https = mo_str_has_prefix(rest, MO_STR("https://"));

	if (!https && !mo_str_has_prefix(rest, MO_STR("http://")))
		return false;
	if (a->tls && !https)
		return false;
	rest.ptr += https ? 8 : 7;
	rest.len -= https ? 8 : 7;
	rest = mo_str_split(&rest, '/');
	return rest.len && a->host &&
	       mo_str_eq_ci(without_port(rest, https), without_port(mo_str(a->host), https));
}

static const char *cross_site(const mo_admin_ask *a)
{
	bool told = a->fetch_site != NULL;

	if (told && strcmp(a->fetch_site, "same-origin") != 0 && strcmp(a->fetch_site, "none") != 0)
		return "the request comes from another site";
	if (a->origin && !same_origin(a, a->origin))
		return "the Origin is not this host";
	if (a->kind != MO_ADMIN_ACT_BY_GET)
		return NULL;
	if (a->browser)
		return "in a browser an action is a POST: use the admin page's button";
	if (a->referer && !same_origin(a, a->referer))
		return "the Referer is not this host";
	if (a->purpose)
		return "a browser that looks ahead must not act; use POST";
	if (a->cookie && !told && !a->referer)
		return "with cookies and without Sec-Fetch-Site the action must be a POST";
	return NULL;
}

/* ---- who -------------------------------------------------------------------- */

/* localhost, 127/8, [::1], each with any port or none. */
static bool host_is_loopback(const char *host)
{
	molt_str h = mo_str(host);
	const char *colon;
	char text[INET6_ADDRSTRLEN];
	struct in_addr v4;
	struct in6_addr v6;
	bool bracket = h.len && h.ptr[0] == '[';
	const char *end = bracket ? memchr(h.ptr, ']', h.len) : NULL;

	if (bracket && !end)
		return false;
	colon = bracket ? end + 1 : memchr(h.ptr, ':', h.len);
	if (bracket && *colon != '\0' && *colon != ':')
		return false;
	h = bracket ? mo_strn(h.ptr + 1, (size_t)(end - h.ptr - 1))
		    : mo_strn(h.ptr, colon ? (size_t)(colon - h.ptr) : h.len);
	if (!bracket && mo_str_eq_ci(h, MO_STR("localhost")))
		return true;
	if (h.len >= sizeof(text))
		return false;
	memcpy(text, h.ptr, h.len);
	text[h.len] = '\0';
	if (bracket)
		return inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
	return inet_pton(AF_INET, text, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

/* The token of "Bearer TOKEN", or {NULL, 0}. */
static molt_str bearer(const char *authorization)
{
	molt_str rest = mo_str(authorization);
	molt_str scheme = mo_str_split(&rest, ' ');

	if (!mo_str_eq_ci(scheme, MO_STR("Bearer")) || !rest.ptr)
		return mo_strn(NULL, 0);
	return mo_str_trim(rest);
}

/* Takes the same time wherever the first wrong byte stands. */
static bool same_secret(molt_str given, molt_str wanted)
{
	return given.len == wanted.len && CRYPTO_memcmp(given.ptr, wanted.ptr, wanted.len) == 0;
}

#define INSTEAD "; set a token (adminToken) and send it, or give the group middleware"

/* Without token and middleware: the reason against it, or NULL. */
static const char *not_from_here(const mo_admin_ask *a)
{
	if (a->peer == MO_ADMIN_PEER_FAR)
		return "the client is not on this machine" INSTEAD;
	if (a->forwarded)
		return "a proxy has handed the request on (Via, X-Forwarded-For or the "
		       "like)" INSTEAD;
	if (a->http10)
		return "the request is HTTP/1.0, as proxies send it" INSTEAD ", or ask by HTTP/1.1";
	if (a->peer == MO_ADMIN_PEER_OTHERS)
		return "the connection is of another user of this machine than the "
		       "server" INSTEAD;
	if (a->peer == MO_ADMIN_PEER_UNKNOWN)
		return "the kernel does not tell which user's connection it is" INSTEAD;
	if (!a->host || !host_is_loopback(a->host))
		return "the Host is not a loopback name (127.0.0.1, [::1], localhost)" INSTEAD;
	return NULL;
}

int mo_admin_guard(const mo_admin_ask *a, const char **why)
{
	molt_str given = a->authorization ? bearer(a->authorization) : mo_strn(NULL, 0);

	*why = cross_site(a);
	if (*why)
		return 403;
	if (a->own_check)
		return 0;
	if (a->token) {
		*why = given.ptr ? "the token is wrong"
				 : "a token is set; send it (Authorization: Bearer TOKEN)";
		return given.ptr && same_secret(given, mo_str(a->token)) ? 0 : 401;
	}
	*why = not_from_here(a);
	return *why ? 403 : 0;
}
