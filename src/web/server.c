/* Servers by name, and the set-up functions of the public API; see server.h.
 * Starting one is in server_start.c. */
#include "web/server.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sized.h"
#include "config/config.h"
#include "net/addr.h"
#include "web/server_start.h"

static struct {
	pthread_mutex_t lock; /* of who adds */
	molt_server *_Atomic first;
} registry = { .lock = PTHREAD_MUTEX_INITIALIZER };

molt_server *mo_servers(void)
{
	return registry.first;
}

void mo_servers_lock(void)
{
	pthread_mutex_lock(&registry.lock);
}

void mo_servers_unlock(void)
{
	pthread_mutex_unlock(&registry.lock);
}

static bool good_name(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");

	return n > 0 && n <= 63 && name[n] == '\0';
}

static molt_server *server_new(const char *name)
{
	molt_server *s = mo_calloc(1, sizeof(*s));

	s->magic = MO_SERVER_MAGIC;
	s->name = mo_strdup(name);
	mo_settings_init(&s->set);
	s->root = mo_group_root_new(s);
	return s;
}

static molt_server *server_new_configured(const char *name)
{
	molt_server *s = server_new(name);

	mo_config_fill(name, &s->set);
	if (!good_name(name))
		mo_server_fail(s, -EINVAL,
			       "a server's name is 1 to 63 letters, digits, '-' or '_', not \"%s\"",
			       name);
	return s;
}

molt_server *molt_server_get(const char *name)
{
	molt_server *_Atomic *at, *s;

	if (!name)
		name = "default";
	pthread_mutex_lock(&registry.lock);
	mo_config_env_hide();
	for (at = &registry.first; (s = *at) != NULL; at = &s->next)
		if (strcmp(s->name, name) == 0)
			break;
	if (!s)
		*at = s = server_new_configured(name);
	pthread_mutex_unlock(&registry.lock);
	return s;
}

molt_server *mo_server_new_internal(const char *name)
{
	molt_server *s = server_new(name);
	molt_server *_Atomic *at = &registry.first;

	s->internal = true;
	pthread_mutex_lock(&registry.lock);
	for (molt_server *o; (o = *at) != NULL;)
		at = &o->next;
	*at = s;
	pthread_mutex_unlock(&registry.lock);
	return s;
}

void mo_servers_free(void)
{
	pthread_mutex_lock(&registry.lock);
	while (registry.first) {
		molt_server *s = registry.first;

		registry.first = s->next;
		mo_start_close(s);
		mo_group_tree_free(s->root);
		mo_router_free(s->router);
		mo_access_log_close(s);
		mo_settings_fini(&s->set);
		free(s->admin_path);
		free(s->http.server_field);
		free(s->probed);
		free(s->failure_why);
		free(s->name);
		s->magic = 0;
		free(s);
	}
	pthread_mutex_unlock(&registry.lock);
}

int mo_server_fail(molt_server *s, int code, const char *fmt, ...)
{
	mo_buf b = { 0 };
	va_list ap;

	if (s->failure == 0) {
		va_start(ap, fmt);
		mo_buf_vfmt(&b, fmt, ap);
		va_end(ap);
		s->failure = code;
		s->failure_why = mo_strdup(mo_buf_cstr(&b));
		mo_buf_free(&b);
	}
	return code;
}

int mo_server_fail_why(molt_server *s, int code, char *why)
{
	mo_server_fail(s, code, "%s", why);
	free(why);
	return code;
}

const char *molt_server_error(molt_server *s)
{
	MO_MAGIC_OK(s, MO_SERVER_MAGIC);
	return s->failure_why;
}

int mo_server_check_new(molt_server *s)
{
	MO_MAGIC_OK(s, MO_SERVER_MAGIC);
	if (s->state == MO_SERVER_NEW)
		return 0;
	return mo_server_fail(s, -EBUSY, "server %s was changed after it had been started",
			      s->name);
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

/* ":0" means another port each time and may stand several times. */
static bool same_endpoint(const mo_endpoint *e, const mo_addr *addr)
{
	mo_addr other;

	return mo_addr_parse(e->text, &other) == 0 && mo_addr_equal(&other, addr) &&
	       (addr->u.sa.sa_family == AF_UNIX || mo_addr_port(addr) != 0);
}

int mo_server_add_endpoint(molt_server *s, const char *text, const molt_listen_opts *o)
{
	mo_endpoint *e;
	mo_addr addr;
	int rc = mo_addr_parse(text, &addr);

	if (rc == -ENAMETOOLONG)
		return mo_server_fail(s, rc,
				      "address %s: its path is longer than %d bytes; choose a "
				      "shorter one",
				      text, MO_ADDR_PATH_MAX);
	if (rc < 0)
		return mo_server_fail(s, rc,
				      "\"%s\" is no address; write \":80\", \"127.0.0.1:80\", "
				      "\"[::1]:80\", \"unix:/path\" or \"systemd:NAME\"",
				      text);
	for (size_t i = 0; i < s->nendpoints; i++)
		if (same_endpoint(&s->endpoints[i], &addr))
			return mo_server_fail(s, -EEXIST, "address %s was added twice", text);
	if (o && !o->cert != !o->key)
		return mo_server_fail(s, -EINVAL, "address %s: a certificate needs its key", text);
	s->endpoints = mo_realloc(s->endpoints, (s->nendpoints + 1) * sizeof(*e));
	e = &s->endpoints[s->nendpoints++];
	*e = (mo_endpoint){ .text = mo_strdup(text) };
	if (o) {
		e->cert = mo_strdup(o->cert);
		e->key = mo_strdup(o->key);
		e->https = o->cert != NULL;
		e->backlog = o->backlog;
	}
	return 0;
}

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
