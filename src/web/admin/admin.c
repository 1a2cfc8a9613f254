/* Mounting the admin page on a server, and the settings that belong to it.  The
 * page is at one path of a server: what the program asks for, unless the
 * environment says another; without either, what the file says. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "config/config.h"
#include "web/admin/admin.h"
#include "web/core/server.h"

#define MIN_TOKEN 16u
#define STACK_SIZE ((size_t)64 * 1024)

/* Links on the page are made of it, so it is plain text without parameters. */
static bool good_path(const char *p)
{
	size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~/");

	return p[0] == '/' && p[1] && p[n] == '\0' && n < 256 && !strstr(p, "//") &&
	       !strstr(p, "/.");
}

static int bind_all(molt_group *g)
{
	static const struct {
		const char *pattern;
		molt_handler *handler;
	} routes[] = {
		{ "GET ", mo_admin_on_page },
		{ "GET /", mo_admin_on_page },
		{ "GET /status", mo_admin_on_status },
		{ "GET,POST /restart", mo_admin_on_restart },
		{ "GET,POST /reload", mo_admin_on_restart },
		{ "GET,POST /rollback", mo_admin_on_rollback },
		{ "GET,POST /shutdown", mo_admin_on_shutdown },
		{ "POST /reopen", mo_admin_on_reopen },
		{ "POST /upgrade", mo_admin_on_upgrade },
	};
	molt_route_opts opts = MOLT_ROUTE_OPTS(.stack_size = STACK_SIZE, .max_body = 64 * 1024);
	int err = 0;

	for (size_t i = 0; !err && i < MO_COUNTOF(routes); i++)
		err = molt_bind_opts(g, routes[i].pattern, routes[i].handler, NULL, &opts);
	return err;
}

static molt_group *mount(molt_server *s, const char *pattern)
{
	char *path = mo_strdup(pattern);
	size_t n = strlen(path);
	molt_group *g = NULL;

	if (n > 1 && path[n - 1] == '/')
		path[n - 1] = '\0';
	if (s->admin_path && !strcmp(s->admin_path, path))
		g = s->admin_group;
	else if (s->admin_path)
		mo_server_fail(s, -EEXIST, "the admin page is at %s already, not at %s too",
			       s->admin_path, path);
	else if (!good_path(path))
		mo_server_fail(
			s, -EINVAL,
			"the admin page's path \"%s\" must be like /debug/admin, of letters, "
			"digits, '-', '_', '.' and '~'",
			path);
	else
		g = molt_group_new(molt_routes(s), path);
	if (!g || s->admin_path) {
		free(path);
		return g;
	}
	s->admin_path = path;
	s->admin_group = g;
	return bind_all(g) ? NULL : g;
}

/* The environment wins over the program; malloc'd, or NULL when it says nothing.
 * What is wrong in it is told by molt_server_start(). */
static char *pattern_of_env(const molt_server *s)
{
	mo_settings env;
	char *pattern, *why = NULL;

	mo_settings_init(&env);
	mo_config_env(s->name, &env, &why);
	pattern = env.admin_pattern;
	env.admin_pattern = NULL;
	mo_settings_fini(&env);
	free(why);
	return pattern;
}

molt_group *molt_server_enable_admin(molt_server *s, const char *pattern)
{
	char *env;
	molt_group *g;

	if (mo_server_check_new(s))
		return NULL;
	if (!pattern)
		pattern = s->set.admin_pattern ? s->set.admin_pattern : MO_ADMIN_PATH;
	env = pattern_of_env(s);
	g = mount(s, env ? env : pattern);
	free(env);
	return g;
}

int mo_admin_mount(molt_server *s)
{
	if (!s->set.admin_pattern || s->admin_group)
		return 0;
	return mount(s, s->set.admin_pattern) ? 0 : s->failure;
}

int molt_server_set_admin_token(molt_server *s, const char *token)
{
	int err = mo_server_check_new(s);

	if (err)
		return err;
	if (token && strlen(token) < MIN_TOKEN)
		return mo_server_fail(
			s, -EINVAL, "the admin token must have at least %u characters", MIN_TOKEN);
	mo_strset(&s->set.admin_token, token);
	return 0;
}

int molt_server_set_exe_dirs(molt_server *s, const char *dirs)
{
	int err = mo_server_check_new(s);

	if (err)
		return err;
	free(s->set.exe_dirs);
	s->set.exe_dirs = dirs && *dirs ? mo_strdup(dirs) : NULL;
	return 0;
}
