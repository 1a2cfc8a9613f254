/* The program that the bench measures: one route for each workload.  Addresses,
 * certificate, loops and logs come from the configuration file that the harness
 * writes.
 *
 * Usage: bench_app CONFIG.yaml STATIC_DIR [ROUTES] */
#include <molt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void hello(molt_req *r)
{
	molt_res_text(r, 200, "Hello, world\n");
}

static void json(molt_req *r)
{
	molt_res_header(r, "Content-Type", "application/json");
	molt_res_printf(r, "{\"message\":\"Hello, world\",\"id\":\"%s\",\"path\":\"%s\"}",
			molt_req_id(r), molt_req_path(r));
}

/* One of many routes with two parameters. */
static void many(molt_req *r)
{
	molt_res_text(r, 200, molt_req_param(r, "id"));
}

static void upload(molt_req *r)
{
	molt_str body;

	if (molt_req_body(r, &body) == 0)
		molt_res_printf(r, "%zu\n", body.len);
}

static void sleeper(molt_req *r)
{
	molt_sleep(MOLT_MINUTE);
	molt_res_text(r, 200, "awake\n");
}

static void pid(molt_req *r)
{
	molt_res_printf(r, "%d", getpid());
}

static void pass(molt_req *r)
{
	molt_next(r);
}

static void bind_many(molt_group *root, int count)
{
	char pattern[64];

	for (int i = 0; i < count; i++) {
		snprintf(pattern, sizeof(pattern), "GET /r%d/{id}/items/{item}", i);
		molt_bind(root, pattern, many, NULL);
	}
}

int main(int argc, char **argv)
{
	molt_server *s;
	molt_group *root, *deep;

	if (argc < 3 || molt_config_load(argv[1]) != 0)
		return 2;
	s = molt_server_get(NULL);
	root = molt_routes(s);
	molt_bind(root, "GET /hello", hello, NULL);
	molt_bind(root, "GET /json", json, NULL);
	molt_bind(root, "POST /upload", upload, NULL);
	molt_bind(root, "GET /sleep", sleeper, NULL);
	molt_bind(root, "GET /pid", pid, NULL);
	molt_static(root, "/static/", argv[2], NULL);
	bind_many(root, argc > 3 ? atoi(argv[3]) : 1000);
	deep = molt_group_new(root, "/deep");
	for (int i = 0; i < 5; i++)
		molt_group_use(deep, pass, NULL);
	molt_bind(deep, "GET /hello", hello, NULL);
	molt_server_set_graceful(s, true);
	molt_server_enable_admin(s, NULL);
	return molt_server_run(s);
}
