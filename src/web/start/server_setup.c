/* The set-up functions of the public API, until a server is started; starting one is in
 * server_start.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/sized.h"
#include "config/config.h"
#include "net/addr.h"
#include "web/core/server.h"

const char *molt_server_error(molt_server *s)
{
	MO_MAGIC_OK(s, MO_SERVER_MAGIC);
	return s->failure_why;
}

/* ---- configuration ---------------------------------------------------------- */

int molt_config_load(const char *path)
{
	int err = mo_config_load(path);

	for (molt_server *s = err ? NULL : mo_servers(); s; s = s->next)
		if (s->state == MO_SERVER_NEW)
			mo_config_fill(s->name, &s->set);
	return err;
}

/* ---- options --------------------------------------------------------------- */

/* The defaults again, and over them what o says. */
static int configure(molt_server *s, const molt_server_opts *o)
{
	size_t count;
	const mo_key *keys = mo_keys(&count);
	char *why = NULL;
	int rc;

	for (size_t i = 0; i < count; i++)
		if (keys[i].section == MO_KEY_SERVER)
			mo_key_take(&keys[i], &s->set, o);
	rc = mo_settings_check(&s->set, &why);
	return rc < 0 ? mo_server_fail_why(s, rc, why) : 0;
}

int molt_server_configure(molt_server *s, const molt_server_opts *o)
{
	molt_server_opts known;
	char *why = NULL;
	int rc = mo_server_check_new(s);

	if (rc < 0)
		return rc;
	rc = MO_SIZED_IN(molt_server_opts, &known, o, &why);
	return rc < 0 ? mo_server_fail_why(s, rc, why) : configure(s, &known);
}

int molt_server_set_graceful(molt_server *s, bool on)
{
	int rc = mo_server_check_new(s);

	if (rc == 0)
		s->set.graceful = on;
	return rc;
}

/* ---- addresses --------------------------------------------------------------- */

int molt_server_listen(molt_server *s, const char *addr, const molt_listen_opts *o)
{
	molt_listen_opts known;
	char *why = NULL;
	int rc = mo_server_check_new(s);

	if (rc < 0)
		return rc;
	if (!addr)
		return mo_server_fail(s, -EINVAL, "molt_server_listen: no address");
	rc = MO_SIZED_IN(molt_listen_opts, &known, o, &why);
	return rc < 0 ? mo_server_fail_why(s, rc, why) : mo_server_add_endpoint(s, addr, &known);
}

int molt_server_set_port(molt_server *s, int port)
{
	char text[16];

	MO_MAGIC_OK(s, MO_SERVER_MAGIC);
	if (port < 0 || port > 65535)
		return mo_server_fail(s, -EINVAL, "port %d is not in 0 to 65535", port);
	snprintf(text, sizeof(text), ":%d", port);
	return molt_server_listen(s, text, NULL);
}

int molt_server_enable_https(molt_server *s, const char *cert, const char *key)
{
	int rc = mo_server_check_new(s);

	if (rc == 0 && (!cert || !key))
		rc = mo_server_fail(s, -EINVAL,
				    "molt_server_enable_https: give a certificate and its key");
	if (rc < 0)
		return rc;
	mo_strset(&s->set.https_cert, cert);
	mo_strset(&s->set.https_key, key);
	return 0;
}

int molt_server_port(molt_server *s, int nth)
{
	const mo_listener *l = NULL;
	int port = -ENOENT;

	MO_MAGIC_OK(s, MO_SERVER_MAGIC);
	if (nth < 0 || s->state == MO_SERVER_NEW)
		return -ENOENT;
	mo_servers_lock();
	if ((size_t)nth < s->nendpoints)
		l = s->endpoints[nth].listener;
	if (l)
		port = l->addr.u.sa.sa_family == AF_UNIX ? -ENOTSUP : mo_addr_port(&l->addr);
	mo_servers_unlock();
	return port;
}
