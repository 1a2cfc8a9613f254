/* Servers by name, and what went wrong with one; see server.h. */
#include "web/core/server.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "web/core/group.h"

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
		mo_endpoints_free(s);
		mo_group_tree_free(s->root);
		mo_router_free(s->router);
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

int mo_server_check_new(molt_server *s)
{
	MO_MAGIC_OK(s, MO_SERVER_MAGIC);
	if (s->state == MO_SERVER_NEW)
		return 0;
	return mo_server_fail(s, -EBUSY, "server %s was changed after it had been started",
			      s->name);
}

/* ---- those that are being started ---- */

static atomic_int starting;

void mo_servers_starts(bool begins)
{
	if (begins)
		atomic_fetch_add(&starting, 1);
	else
		atomic_fetch_sub(&starting, 1);
}

bool mo_servers_starting(void)
{
	return atomic_load(&starting) > 0;
}
