/* Set-Cookie (RFC 6265 section 4.1).  A cookie that a browser would drop or read
 * as something else is refused here, where the program can see it. */
#include "base/sized.h"
#include "web/core/request.h"

#include <errno.h>

#include "base/str.h"

#define MAX_COOKIE 4096u /* name, value and attributes: what browsers keep */

/* RFC 6265 cookie-octet: no control bytes, space, '"', ',', ';' or '\\'. */
static bool is_cookie_value(const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c <= 0x20 || c >= 0x7f || strchr("\",;\\", c))
			return false;
	}
	return true;
}

static bool is_path(const char *s)
{
	return s[0] == '/' && mo_is_field_value(s) && !strchr(s, ';');
}

static bool is_domain(const char *s)
{
	for (; *s; s++) {
		char l = mo_lower(*s);

		if (!(l >= 'a' && l <= 'z') && !mo_is_digit(*s) && *s != '-' && *s != '.')
			return false;
	}
	return true;
}

static bool is_same_site(const char *s)
{
	return strcmp(s, "Lax") == 0 || strcmp(s, "Strict") == 0 || strcmp(s, "None") == 0;
}

static bool has_prefix(const molt_cookie *c, const char *prefix)
{
	return strncasecmp(c->name, prefix, strlen(prefix)) == 0;
}

/* The rules of name prefixes and of SameSite=None that browsers hold to. */
static bool keeps_promises(const molt_cookie *c)
{
	if (has_prefix(c, "__Secure-") && !c->secure)
		return false;
	if (has_prefix(c, "__Host-") &&
	    (!c->secure || c->domain || !c->path || strcmp(c->path, "/") != 0))
		return false;
	return !c->same_site || strcmp(c->same_site, "None") != 0 || c->secure;
}

static bool is_good(const molt_cookie *c)
{
	return c->name && mo_is_token(c->name) && (!c->value || is_cookie_value(c->value)) &&
	       (!c->path || is_path(c->path)) && (!c->domain || is_domain(c->domain)) &&
	       (!c->same_site || is_same_site(c->same_site)) && keeps_promises(c);
}

/* Rounded up, so that a cookie never dies early. */
static long long seconds(molt_time ms)
{
	return (long long)(ms / 1000 + (ms % 1000 ? 1 : 0));
}

static void put_cookie(mo_buf *b, const molt_cookie *c)
{
	mo_buf_fmt(b, "%s=%s", c->name, c->value ? c->value : "");
	if (c->path)
		mo_buf_fmt(b, "; Path=%s", c->path);
	if (c->domain)
		mo_buf_fmt(b, "; Domain=%s", c->domain);
	if (c->max_age > 0)
		mo_buf_fmt(b, "; Max-Age=%lld", seconds(c->max_age));
	else if (c->max_age < 0)
		mo_buf_puts(b, "; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
	if (c->secure)
		mo_buf_puts(b, "; Secure");
	if (c->http_only)
		mo_buf_puts(b, "; HttpOnly");
	if (c->same_site)
		mo_buf_fmt(b, "; SameSite=%s", c->same_site);
}

int molt_res_cookie(molt_req *r, const molt_cookie *c)
{
	molt_cookie known;
	mo_buf b = { 0 };
	int err;

	(void)mo_web_of(r);
	err = MO_SIZED_IN(molt_cookie, &known, c, NULL);
	if (err < 0)
		return err;
	if (!is_good(&known))
		return -EINVAL;
	put_cookie(&b, &known);
	err = -EINVAL;
	if (b.len <= MAX_COOKIE)
		err = molt_res_header_add(r, "Set-Cookie", mo_buf_cstr(&b));
	mo_buf_free(&b);
	return err;
}
