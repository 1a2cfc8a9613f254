/* The test application's main(): see app.h.
 * Usage: app [config.yaml]; everything else comes from the environment. */
#include "app.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <string.h>
#include <unistd.h>

int app_number(molt_req *r, const char *name, int fallback)
{
	const char *text = molt_req_query(r, name);

	return text && *text ? atoi(text) : fallback;
}

static void say_event(void *arg)
{
	molt_log(MOLT_INFO, "event %s", (const char *)arg);
}

/* As one that has much to read before it serves; a restarted one finds that done. */
static void start_slowly(const char *ms)
{
	struct timespec left = { atoi(ms) / 1000, atoi(ms) % 1000 * 1000000L };

	fprintf(stderr, "slow start\n");
	while (nanosleep(&left, &left) < 0)
		continue;
}

/* What a program does after it has served: until that file is there. */
static void end_slowly(const char *until)
{
	while (access(until, F_OK) != 0)
		usleep(1000);
}

int main(int argc, char **argv)
{
	const char *config = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;
	molt_server *s;
	int rc;

	if (getenv("APP_SLOW_START"))
		start_slowly(getenv("APP_SLOW_START"));
	if (config && molt_config_load(config) != 0)
		return 1;
	s = molt_server_get(NULL);
	app_http_routes(s);
	app_wait_routes(s);
	app_ws_routes(s);
	app_once_routes(s);
	app_step_routes(s);
	app_state_routes(s);
	app_process_routes(s);
	molt_on(MOLT_ON_READY, say_event, app_text("ready"));
	molt_on(MOLT_ON_RESTART, say_event, app_text("restart"));
	molt_on(MOLT_ON_DRAIN, say_event, app_text("drain"));
	molt_on(MOLT_ON_EXIT, say_event, app_text("exit"));
	molt_server_set_graceful(s, true);
	molt_server_enable_admin(s, NULL);
	rc = molt_server_run(s);
	if (getenv("APP_ENDS_WHEN"))
		end_slowly(getenv("APP_ENDS_WHEN"));
	return rc;
}
