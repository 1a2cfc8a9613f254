/* Routes that tell what the process is, and that restart or end it. */
#include "app.h"

#include <errno.h>
#include <stdatomic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static void pid(molt_req *r)
{
	molt_res_printf(r, "%d\n", getpid());
}

static void info(molt_req *r)
{
	molt_process_info i = MOLT_PROCESS_INFO();

	molt_process_get(&i);
	molt_res_header(r, "Content-Type", "application/json");
	molt_res_printf(r,
			"{\"pid\":%d,\"parent\":%d,\"generation\":%u,\"draining\":%s,"
			"\"connections\":%zu,\"requests\":%zu,\"build\":\"%s\"}",
			i.pid, i.parent_generation_pid, i.generation, i.draining ? "true" : "false",
			i.connections, i.requests, BUILD);
}

static void environment(molt_req *r)
{
	for (char **e = environ; *e; e++)
		molt_res_puts(r, *e);
}

/* The arguments, one a line. */
static void arguments(molt_req *r)
{
	FILE *f = fopen("/proc/self/cmdline", "r");
	int c;

	while (f && (c = getc(f)) != EOF)
		molt_res_printf(r, "%c", c ? c : '\n');
	if (f)
		fclose(f);
}

static void directory(molt_req *r)
{
	char path[4096];
	mode_t mask = umask(022);

	umask(mask);
	molt_res_printf(r, "%s\n%04o\n", getcwd(path, sizeof(path)) ? path : "?", (unsigned)mask);
}

struct command {
	const char *text;
	char out[60000];
	size_t len;
};

static void run_command(void *arg)
{
	struct command *c = arg;
	FILE *p = popen(c->text, "r");

	if (!p)
		return;
	c->len = fread(c->out, 1, sizeof(c->out), p);
	pclose(p);
}

/* Runs the bound command as a child: what does it inherit? */
static void child(molt_req *r)
{
	struct command *c = molt_alloc(r, sizeof(*c));

	c->text = molt_req_arg(r);
	molt_block(run_command, c);
	molt_res_write(r, c->out, c->len);
}

/* molt_restart(), answered after the fact. */
static void restart(molt_req *r)
{
	int err = molt_restart(molt_req_query(r, "exe"));

	molt_res_printf(r, "%d %s\n", err, err ? molt_strerror(err) : "serves");
}

/* The same for molt_rollback(), when the test releases it. */
static void rollback(molt_req *r)
{
	app_hold_sleep(app_hold(r));
	molt_res_printf(r, "%d\n", molt_rollback());
}

/* So many per cent of its answers are 500: own of build 1, worse of build 2. */
static void worse(molt_req *r)
{
	static atomic_uint turn;
	unsigned share = (unsigned)app_number(r, BUILD[0] == '1' ? "own" : "worse", 0);

	if (atomic_fetch_add(&turn, 7) % 100 < share)
		molt_res_status(r, 500);
	molt_res_printf(r, "%d\n", getpid());
}

static void receipt(molt_req *r)
{
	char *text = molt_receipt();

	molt_res_json(r, 200, text ? text : "null");
	free(text);
}

static void start_late(void *port)
{
	molt_server *s = molt_server_get("late");

	*(int *)port = molt_server_start(s);
	if (*(int *)port == 0)
		*(int *)port = molt_server_port(s, 0);
}

/* Starts the server "late" while this one serves; answers with its port. */
static void late(molt_req *r)
{
	int port = -1;

	molt_block(start_late, &port);
	molt_res_printf(r, "%d\n", port);
}

static void stop_late(molt_req *r)
{
	molt_res_printf(r, "%d\n", molt_server_stop(molt_server_get("late")));
}

static void stop_this(molt_req *r)
{
	molt_res_printf(r, "%d\n", molt_server_stop(molt_req_server(r)));
}

static void end(molt_req *r)
{
	molt_res_printf(r, "%d\n", molt_shutdown());
}

/* What a probe gets to see: by the text in the file that APP_HEALTH names. */
static void health(molt_req *r)
{
	char word[32] = "200";
	FILE *f = fopen(getenv("APP_HEALTH"), "r");

	if (f) {
		if (fscanf(f, "%31s", word) != 1)
			strcpy(word, "200");
		fclose(f);
	}
	if (strcmp(word, "crash") == 0) {
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
	}
	if (strcmp(word, "hang") == 0)
		molt_sleep(MOLT_MINUTE);
	molt_res_status(r,
			strcmp(word, "secure") == 0 ? molt_req_is_tls(r) ? 200 : 403 : atoi(word));
	molt_res_printf(r, "health of build %s: %s\n", BUILD, word);
}

static void late_routes(molt_group *g)
{
	molt_server *other = molt_server_get("late");

	molt_bind(molt_routes(other), "/pid", pid, NULL);
	molt_server_listen(other, "127.0.0.1:0", NULL);
	molt_bind(g, "/late", late, NULL);
	molt_bind(g, "/stop-late", stop_late, NULL);
}

void app_process_routes(molt_server *s)
{
	molt_group *g = molt_routes(s);

	if (getenv("APP_LATE"))
		late_routes(g);
	if (getenv("APP_HEALTH"))
		molt_bind(g, "/health", health, NULL);
	molt_bind(g, "/pid", pid, NULL);
	molt_bind(g, "/info", info, NULL);
	molt_bind(g, "/environ", environment, NULL);
	molt_bind(g, "/argv", arguments, NULL);
	molt_bind(g, "/cwd", directory, NULL);
	molt_bind(g, "/child-env", child, app_text("env"));
	molt_bind(g, "/child-signals", child, app_text("grep ^Sig /proc/self/status"));
	molt_bind(g, "/child-fds", child, app_text("ls -l /proc/self/fd"));
	molt_bind(g, "/restart", restart, NULL);
	molt_bind(g, "/rollback", rollback, NULL);
	molt_bind(g, "/worse", worse, NULL);
	molt_bind(g, "/receipt", receipt, NULL);
	molt_bind(g, "/shutdown", end, NULL);
	molt_bind(g, "/stop", stop_this, NULL);
}
