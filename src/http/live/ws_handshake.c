/* What a client must say to open a WebSocket; see ws_handshake.h. */
#include "http/live/ws_handshake.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/str.h"

static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 section 1.3 */

#define KEY_TEXT 24u /* base64 of 16 bytes */

/* The only field of that name; how many there are. */
static unsigned find(const molt_req *r, molt_str name, molt_str *value)
{
	unsigned n = 0;

	*value = (molt_str){ "", 0 };

	for (size_t i = 0; i < r->nfields; i++) {
		if (!mo_str_eq_ci(r->fields[i].name, name))
			continue;
		*value = r->fields[i].value;
		n++;
	}
	return n;
}

/* Is token in any field of that name?  Lists of tokens, compared without case
 * unless exact. */
static bool listed(const molt_req *r, molt_str name, molt_str token, bool exact)
{
	for (size_t i = 0; i < r->nfields; i++) {
		molt_str rest = r->fields[i].value;

		if (!mo_str_eq_ci(r->fields[i].name, name))
			continue;
		while (rest.ptr) {
			molt_str one = mo_str_trim(mo_str_split(&rest, ','));

			if (exact ? mo_str_eq(one, token) : mo_str_eq_ci(one, token))
				return true;
		}
	}
	return false;
}

bool mo_ws_offers(const molt_req *r, const char *subprotocol)
{
	return listed(r, MO_STR("Sec-WebSocket-Protocol"), mo_str(subprotocol), true);
}

/* ---- the key ---- */

static bool good_key(molt_str key)
{
	unsigned char bytes[KEY_TEXT];

	if (key.len != KEY_TEXT || key.ptr[KEY_TEXT - 1] != '=' || key.ptr[KEY_TEXT - 2] != '=')
		return false;
	for (size_t i = 0; i < KEY_TEXT - 2; i++)
		if (key.ptr[i] == '=')
			return false;
	return EVP_DecodeBlock(bytes, (const unsigned char *)key.ptr, KEY_TEXT) == 18;
}

static bool make_accept(molt_str key, char out[MO_WS_ACCEPT])
{
	unsigned char text[KEY_TEXT + sizeof(guid)], digest[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	memcpy(text, key.ptr, KEY_TEXT);
	memcpy(text + KEY_TEXT, guid, sizeof(guid));
	if (EVP_Digest(text, KEY_TEXT + sizeof(guid) - 1, digest, &n, EVP_sha1(), NULL) != 1)
		return false;
	return EVP_EncodeBlock((unsigned char *)out, digest, (int)n) == MO_WS_ACCEPT - 1;
}

/* ---- the origin ---- */

/* Without the port that the scheme implies. */
static molt_str plain_authority(molt_str a)
{
	if (mo_str_has_suffix(a, MO_STR(":80")))
		a.len -= 3;
	else if (mo_str_has_suffix(a, MO_STR(":443")))
		a.len -= 4;
	return a;
}

/* A page of the same host, whatever the scheme: TLS may end before us. */
static bool same_host(molt_str origin, molt_str host)
{
	const char *colon = memchr(origin.ptr, ':', origin.len);
	molt_str rest;

	if (!colon)
		return false;
	rest = mo_strn(colon, origin.len - (size_t)(colon - origin.ptr));
	if (!mo_str_has_prefix(rest, MO_STR("://")))
		return false;
	rest = mo_strn(rest.ptr + 3, rest.len - 3);
	return rest.len > 0 && mo_str_eq_ci(plain_authority(rest), plain_authority(host));
}

static bool origin_allowed(molt_str origin, molt_str host, const char *origins)
{
	molt_str rest = mo_str(origins);

	if (same_host(origin, host))
		return true;
	while (rest.ptr) {
		molt_str one = mo_str_trim(mo_str_split(&rest, ','));

		if (mo_str_eq(one, MO_STR("*")) || (one.len && mo_str_eq_ci(one, origin)))
			return true;
	}
	return false;
}

/* ---- permessage-deflate ---- */

/* A value of 8 to 15, perhaps quoted. */
static bool window_bits(molt_str v, uint64_t *out)
{
	if (v.len >= 2 && v.ptr[0] == '"' && v.ptr[v.len - 1] == '"')
		v = mo_strn(v.ptr + 1, v.len - 2);
	return v.len > 0 && v.ptr[0] != '0' && mo_str_u64(v, 15, out) && *out >= 8;
}

/* One offer: "permessage-deflate; parameters".  A smaller window than the whole
 * is not offered by us, so an offer that asks the server for one is passed over. */
static bool good_offer(molt_str offer)
{
	molt_str rest = offer, name = mo_str_trim(mo_str_split(&rest, ';'));
	unsigned seen = 0;

	if (!mo_str_eq_ci(name, MO_STR("permessage-deflate")))
		return false;
	while (rest.ptr) {
		molt_str value = mo_str_trim(mo_str_split(&rest, ';'));
		molt_str key = mo_str_trim(mo_str_split(&value, '='));
		uint64_t bits = 15;
		unsigned bit;

		value = mo_str_trim(value);
		if (mo_str_eq_ci(key, MO_STR("server_no_context_takeover")) && !value.ptr)
			bit = 1;
		else if (mo_str_eq_ci(key, MO_STR("client_no_context_takeover")) && !value.ptr)
			bit = 2;
		else if (mo_str_eq_ci(key, MO_STR("client_max_window_bits")) &&
			 (!value.ptr || window_bits(value, &bits)))
			bit = 4;
		else if (mo_str_eq_ci(key, MO_STR("server_max_window_bits")) &&
			 window_bits(value, &bits) && bits == 15)
			bit = 8;
		else
			return false;
		if (seen & bit)
			return false;
		seen |= bit;
	}
	return true;
}

static bool offers_deflate(const molt_req *r)
{
	for (size_t i = 0; i < r->nfields; i++) {
		molt_str rest = r->fields[i].value;

		if (!mo_str_eq_ci(r->fields[i].name, MO_STR("Sec-WebSocket-Extensions")))
			continue;
		while (rest.ptr)
			if (good_offer(mo_str_split(&rest, ',')))
				return true;
	}
	return false;
}

/* ---- all of it ---- */

static int refuse(mo_ws_hello *out, int status, const char *why)
{
	out->why = why;
	return status;
}

int mo_ws_handshake(const molt_req *r, const char *origins, mo_ws_hello *out)
{
	molt_str key, version, origin;
	unsigned n;

	*out = (mo_ws_hello){ 0 };
	if (mo_str_eq(r->method, MO_STR("HEAD"))) /* as a GET that asks for no upgrade */
		return refuse(out, 426, "this address speaks WebSocket");
	if (!mo_str_eq(r->method, MO_STR("GET")))
		return refuse(out, 400, "a WebSocket is opened with GET");
	if (r->body_length != 0)
		return refuse(out, 400, "a request with a body cannot open a WebSocket");
	if (r->version >= MO_HTTP_2)
		return refuse(out, 501, "a WebSocket is opened by HTTP/1.1 here, not by HTTP/2");
	if (!r->upgrade || !listed(r, MO_STR("Upgrade"), MO_STR("websocket"), false))
		return refuse(out, 426, "this address speaks WebSocket");
	n = find(r, MO_STR("Sec-WebSocket-Version"), &version);
	if (n != 1)
		return refuse(out, 400, "no single Sec-WebSocket-Version");
	if (!mo_str_eq(version, MO_STR("13")))
		return refuse(out, 426, "only version 13 of the WebSocket protocol is spoken");
	if (find(r, MO_STR("Sec-WebSocket-Key"), &key) != 1 || !good_key(key))
		return refuse(out, 400, "no single Sec-WebSocket-Key of 16 bytes in base64");
	n = find(r, MO_STR("Origin"), &origin);
	if (n > 1 || (n == 1 && !origin_allowed(origin, r->host, origins)))
		return refuse(out, 403, "pages of this origin may not open a WebSocket here");
	if (!make_accept(key, out->accept))
		return refuse(out, 500, "SHA-1 is not available");
	out->deflate = offers_deflate(r);
	return 0;
}
