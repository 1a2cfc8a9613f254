/* The target of the load: where it listens, and what can be asked of it.  Only
 * what was pointed to is ever loaded: the listeners of the program, by its own
 * word, on the loopback; or the address of the URL, which must be on the loopback too
 * unless --remote says otherwise. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "prove/prove.h"

#define UPLOAD_BODY "a body to be echoed"
#define WS_HEADERS                                                                                 \
	"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                                      \
	"Sec-WebSocket-Key: bW9sdCBwcm92ZXMgaXQhIQ==\r\n"

/* ---- addresses ------------------------------------------------------------------------------ */

/* A listener's address as one can connect to it. */
static int reachable(const char *text, mo_addr *out)
{
	int port, rc = mo_addr_parse(text, out);

	if (rc < 0 || out->u.sa.sa_family == AF_UNIX || out->u.sa.sa_family == AF_UNSPEC)
		return -EINVAL;
	port = mo_addr_port(out);
	if (!mo_addr_is_loopback(out)) { /* ":80" and the like: reached from here */
		char *here = mo_fmt("127.0.0.1:%d", port);

		rc = mo_addr_parse(here, out);
		free(here);
	}
	return rc;
}

static void note_listener(mo_prove *p, const json_t *l)
{
	const char *text = json_string_value(json_object_get(l, "bound"));
	bool https = json_is_true(json_object_get(l, "https"));
	bool *has = https ? &p->has_tls : &p->has_plain;
	mo_addr addr;

	if (text && !*has && reachable(text, &addr) == 0) {
		*(https ? &p->tls : &p->plain) = addr;
		*has = true;
	}
}

int mo_prove_find_addresses(mo_prove *p, char **why)
{
	json_t *status = mo_program_status(p), *s, *l;
	size_t i, k;

	p->has_plain = p->has_tls = false;
	json_array_foreach (json_object_get(status, "servers"), i, s) {
		json_array_foreach (json_object_get(s, "listeners"), k, l)
			note_listener(p, l);
	}
	json_decref(status);
	for (unsigned n = 0; n < p->n_crowds; n++)
		p->crowds[n].addr = p->crowds[n].tls ? p->tls : p->plain;
	if (p->has_plain || p->has_tls)
		return 0;
	*why = mo_strdup("the program listens on no TCP address that could be reached");
	return -ENOTCONN;
}

static int lookup(const char *host, const char *port, mo_addr *out)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	int rc = getaddrinfo(host, port, &hints, &found);

	if (rc != 0)
		return -ENOENT;
	memset(out, 0, sizeof(*out));
	memcpy(&out->u, found->ai_addr, found->ai_addrlen);
	out->len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

/* Takes "HOST[:PORT]" apart; brackets of IPv6 go. */
static char *split_host(molt_str host, const char **port)
{
	char *name = mo_strndup(host.ptr, host.len), *colon = strrchr(name, ':');

	if (colon && !strchr(colon, ']')) {
		*colon = '\0';
		*port = host.ptr + (colon - name) + 1;
	}
	if (name[0] == '[') {
		memmove(name, name + 1, strlen(name));
		name[strcspn(name, "]")] = '\0';
	}
	return name;
}

/* "http://HOST[:PORT][/PATH]".  Its path is asked for unless --path says another. */
static int read_url(mo_prove *p, const char *url, char **why)
{
	bool https = strncmp(url, "https://", 8) == 0;
	const char *from = url + (https ? 8 : 7), *slash = strchrnul(from, '/');
	molt_str host = { from, (size_t)(slash - from) };
	const char *port = https ? "443" : "80";
	mo_addr *addr = https ? &p->tls : &p->plain;
	bool *has = https ? &p->has_tls : &p->has_plain;
	char *name, *number;

	if ((!https && strncmp(url, "http://", 7) != 0) || host.len == 0 || *has) {
		*why = mo_fmt("%s: one URL with http:// and one with https://, with a host, please",
			      url);
		return -EINVAL;
	}
	name = split_host(host, &port);
	number = mo_strndup(port, strcspn(port, "/"));
	if (lookup(name, number, addr) < 0)
		*why = mo_fmt("%s: no such host or port", url);
	else if (!p->o.remote && !mo_addr_is_loopback(addr))
		*why = mo_fmt("%s is not on this machine; load for others needs --remote", name);
	*has = true;
	if (https)
		p->tls_host = name;
	else
		free(name);
	*(https ? &p->tls_field : &p->host) = mo_strndup(host.ptr, host.len);
	if (!p->o.path)
		p->o.path = *slash ? slash : "/";
	free(number);
	return *why ? -EINVAL : 0;
}

static int read_urls(mo_prove *p, char **why)
{
	int rc = 0;

	for (int i = 0; i < 2 && p->o.url[i] && rc == 0; i++)
		rc = read_url(p, p->o.url[i], why);
	return rc;
}

/* ---- what it offers ---------------------------------------------------------------------------- */

static mo_crowd *add(mo_prove *p, const char *name, enum mo_work work, enum mo_pace pace,
		     unsigned clients, bool tls)
{
	mo_crowd *k = &p->crowds[p->n_crowds++];

	MO_CHECK(p->n_crowds <= MO_PROVE_CROWDS);
	*k = (mo_crowd){ .name = name,
			 .work = work,
			 .pace = pace,
			 .clients = clients ? clients : 1,
			 .addr = tls ? p->tls : p->plain,
			 .tls = tls ? p->ctx : NULL,
			 .host = tls ? p->tls_field : p->host,
			 .name_of_tls = p->tls_host,
			 .path = p->o.path,
			 .headers = p->o.headers,
			 .verify = !p->o.insecure,
			 .status = 200 };
	return k;
}

/* The main path must answer well before anything can be proved. */
static int find_main(mo_prove *p, bool tls, int *status, char **why)
{
	int rc = mo_prove_ask(p, tls, "GET", p->o.path, NULL, NULL, NULL);

	*status = rc;
	if (rc >= 200 && rc < 400)
		return 0;
	if (rc == -EPROTO)
		*why = mo_strdup(
			"TLS failed; a certificate that is not publicly trusted needs --insecure");
	else if (rc < 0)
		*why = mo_fmt("no answer from %s: %s", p->o.url[0] ? p->o.url[0] : "the program",
			      molt_strerror(rc));
	else
		*why = mo_fmt("%s answers with status %d; name a path that works with --path",
			      p->o.path, rc);
	return -EIO;
}

/* --upload, or /echo, or the main path. */
static void find_upload(mo_prove *p, bool tls)
{
	const char *paths[] = { p->o.upload ? p->o.upload : "/echo",
				p->o.upload ? NULL : p->o.path };
	char *why;
	int status = 0;

	for (int i = 0; i < 2 && paths[i]; i++) {
		bool echoed;

		status = mo_prove_ask(p, tls, "POST", paths[i], NULL, UPLOAD_BODY, &echoed);
		if (status >= 200 && status < 300) {
			mo_crowd *k = add(p, "uploads", MO_WORK_UPLOAD, MO_PACE_PAUSING, 8, tls);

			k->path = paths[i];
			k->status = status;
			k->echo = echoed;
			return;
		}
	}
	why = status < 0 ? mo_fmt("POST got no answer: %s", molt_strerror(status))
			 : mo_fmt("POST %s answers with status %d; name a path with --upload",
				  p->o.upload ? p->o.upload : p->o.path, status);
	mo_prove_skip(p, "uploads", why);
	free(why);
}

/* Does the endpoint say the same again?  One short try with a load of one. */
static bool ws_echoes(mo_crowd k)
{
	mo_load *l;
	uint64_t ok = 0, failed = 0;
	molt_time end = mo_deadline(1000);

	k.clients = 1;
	k.echo = true;
	l = mo_load_start(&k, 1);
	while (ok < 3 && failed == 0 && mo_left(end) > 0) { /* handshake and two messages */
		mo_prove_sleep(5);
		mo_load_glance(l, &ok, &failed);
	}
	mo_load_abandon(l);
	return ok >= 3;
}

static void find_ws(mo_prove *p, bool tls)
{
	const char *paths[] = { p->o.ws ? p->o.ws : "/ws", p->o.ws ? NULL : "/websocket" };

	for (int i = 0; i < 2 && paths[i]; i++) {
		mo_crowd *k;

		if (mo_prove_ask(p, tls, "GET", paths[i], WS_HEADERS, NULL, NULL) != 101)
			continue;
		k = add(p, "WebSockets", MO_WORK_WS, MO_PACE_PAUSING, p->o.connections / 2, tls);
		k->path = paths[i];
		k->echo = ws_echoes(*k);
		k->status = 101;
		return;
	}
	mo_prove_skip(p, "WebSockets",
		      p->o.ws ? "the path of --ws takes no WebSocket"
			      : "none at /ws or /websocket; name a path with --ws");
}

static void make_context(mo_prove *p)
{
	p->ctx = SSL_CTX_new(TLS_client_method());
	MO_CHECK(p->ctx);
	if (p->o.insecure) {
		SSL_CTX_set_verify(p->ctx, SSL_VERIFY_NONE, NULL);
	} else {
		SSL_CTX_set_default_verify_paths(p->ctx);
		SSL_CTX_set_verify(p->ctx, SSL_VERIFY_PEER, NULL);
	}
	SSL_CTX_set_mode(p->ctx,
			 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static int find_https(mo_prove *p, char **why)
{
	unsigned n = p->o.connections;
	int status;

	if (!p->has_tls)
		return 0;
	if (!p->o.insecure && !p->o.url[0]) {
		mo_prove_skip(p, "HTTPS", "its certificate is not checked here: give --insecure");
		return 0;
	}
	if (find_main(p, true, &status, why) < 0)
		return -EIO;
	add(p, "HTTPS, reused", MO_WORK_GET, MO_PACE_PAUSING, n, true)->status = status;
	add(p, "HTTPS, new", MO_WORK_GET, MO_PACE_NEW, n / 16, true)->status = status;
	return 0;
}

int mo_prove_find(mo_prove *p, char **why)
{
	unsigned n = p->o.connections;
	int rc, status;

	make_context(p);
	if (!p->o.url[0]) {
		p->host = mo_strdup("localhost");
		p->tls_host = mo_strdup("localhost");
		p->tls_field = mo_strdup("localhost");
	}
	rc = p->o.url[0] ? read_urls(p, why) : mo_prove_find_addresses(p, why);
	if (rc < 0)
		return rc;
	if (!p->o.path)
		p->o.path = "/";
	if (p->has_plain) {
		if (find_main(p, false, &status, why) < 0)
			return -EIO;
		add(p, "reused, busy", MO_WORK_GET, MO_PACE_BUSY, n, false)->status = status;
		add(p, "reused, pausing", MO_WORK_GET, MO_PACE_PAUSING, n * 4, false)->status =
			status;
		add(p, "new", MO_WORK_GET, MO_PACE_NEW, n / 8, false)->status = status;
	}
	if (find_https(p, why) < 0)
		return -EIO;
	if (p->n_crowds == 0) {
		*why = mo_strdup("there is only HTTPS: give --insecure");
		return -EINVAL;
	}
	find_upload(p, !p->has_plain);
	find_ws(p, !p->has_plain);
	return 0;
}
