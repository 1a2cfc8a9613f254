/* molt prove: shows with a strict load what restarts, bad versions, crashes and
 * kills cost the clients of a program, or of another server; see prove.h. */
#include "prove/prove.h"

#include <dirent.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "command/exit.h"
#include "command/option.h"
#include "command/print.h"
#include "gen/os/origin.h"

/* ---- the result ----------------------------------------------------------------------- */

static void append(mo_prove *p, const char *list, json_t *what)
{
	json_array_append_new(json_object_get(p->seen, list), what);
}

void mo_prove_blame(mo_prove *p, const char *fmt, ...)
{
	char text[2000];
	va_list ap;

	if (mo_prove_interrupted)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	append(p, "why", json_string(text));
}

void mo_prove_skip(mo_prove *p, const char *what, const char *why)
{
	append(p, "skipped", json_pack("{s:s, s:s}", "what", what, "why", why));
}

void mo_prove_progress(const char *fmt, ...)
{
	va_list ap;

	if (!isatty(STDERR_FILENO))
		return;
	fputs("\r\033[K", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fflush(stderr);
}

void mo_prove_sleep(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	if (!mo_prove_interrupted)
		nanosleep(&t, NULL); /* a signal ends it */
}

static void sum_up(mo_prove *p, molt_time begun)
{
	json_int_t requests = 0, failed = 0, reopened = 0, inside = 0;
	json_t *phase, *row;
	size_t i, k;

	json_array_foreach (json_object_get(p->seen, "phases"), i, phase) {
		json_array_foreach (json_object_get(phase, "rows"), k, row) {
			requests += json_integer_value(json_object_get(row, "requests"));
			failed += json_integer_value(json_object_get(row, "failed"));
			reopened += json_integer_value(json_object_get(row, "reopened"));
			inside += json_integer_value(json_object_get(row, "inside"));
		}
	}
	json_object_set_new(p->seen, "totals",
			    json_pack("{s:I, s:I, s:I, s:I}", "requests", requests, "failed",
				      failed, "reopened", reopened, "inside", inside));
	json_object_set_new(p->seen, "seconds", json_real((double)(mo_now() - begun) / 1000));
	json_object_set_new(
		p->seen, "verdict",
		json_string(json_array_size(json_object_get(p->seen, "why")) ? "fail" : "pass"));
}

/* ---- the command line --------------------------------------------------------------------- */

static int wrong(const char *fmt, const char *what)
{
	fputs("molt: prove: ", stderr);
	fprintf(stderr, fmt, what);
	fputs("; see molt(1)\n", stderr);
	return MO_EXIT_USAGE;
}

static bool number(const char *text, unsigned least, unsigned most, unsigned *out)
{
	uint64_t n;

	if (!mo_str_u64(mo_str(text), most, &n) || n < least)
		return false;
	*out = (unsigned)n;
	return true;
}

enum { URL = 1, RELOAD, CONTROL, PATH, UPLOAD, WS, HEADER, RESTARTS, SECONDS, CONNECTIONS, SETTLE };

const mo_cli_option mo_prove_option_list[] = {
	{ "url", "URL", "load another server (with --reload-cmd); twice: http and https", URL },
	{ "reload-cmd", "COMMAND", "what reloads it", RELOAD },
	{ "control", "PATH", "take a running program by its control socket", CONTROL, true },
	{ "path", "PATH", "what is asked for; default /", PATH },
	{ "upload", "PATH", "where bodies are sent; default /echo, or that of --path", UPLOAD },
	{ "ws", "PATH", "a WebSocket endpoint; default /ws or /websocket, when there is one", WS },
	{ "header", "LINE", "\"Name: value\", sent with every request; may be repeated", HEADER },
	{ "restarts", "N", "how many restarts; default 36", RESTARTS },
	{ "seconds", "N", "for how long they go on; default 25", SECONDS },
	{ "connections", "N", "the busy ones; default 64", CONNECTIONS },
	{ "settle", "MS", "wait so long after each --reload-cmd", SETTLE },
	{ "insecure", NULL, "do not check certificates", 'k' },
	{ "remote", NULL, "the server of --url is on another machine", 'r' },
	{ "strict", NULL, "a connection that has to be opened again is a failure too", 's' },
	{ "own-address", NULL, "leave the program its own address", 'a' },
	{ "json", NULL, "print everything that was seen as JSON", 'j' },
	{ "help", NULL, "show this", 'h' },
	{ 0 }
};

/* Fields that the load sends itself, and what another value of theirs would break. */
static bool is_ours(molt_str name)
{
	static const char *const ours[] = { "Host",           "Connection",
					    "Content-Length", "Transfer-Encoding",
					    "Upgrade",        "Expect" };

	for (size_t i = 0; i < MO_COUNTOF(ours); i++)
		if (mo_str_eq_ci(name, mo_str(ours[i])))
			return true;
	return false;
}

/* "Name: value" of RFC 9110, section 5: one more line for every request. */
static bool add_header(mo_prove_options *o, const char *line)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t n = strspn(line, token);
	char *more;

	if (n == 0 || line[n] != ':' || is_ours(mo_strn(line, n)))
		return false;
	for (const char *c = line; *c; c++)
		if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
			return false;
	more = mo_fmt("%s%s\r\n", o->headers, line);
	free(o->headers);
	o->headers = more;
	return true;
}

/* false: text is no value of that option. */
static bool take(mo_prove_options *o, int which, const char *value)
{
	switch (which) {
	case URL: /* at most two */
		o->url[o->url[0] != NULL] = value;
		return true;
	case RELOAD:
		o->reload_cmd = value;
		return true;
	case CONTROL:
		o->control = value;
		return true;
	case PATH:
		o->path = value;
		return value[0] == '/';
	case UPLOAD:
		o->upload = value;
		return value[0] == '/';
	case WS:
		o->ws = value;
		return value[0] == '/';
	case HEADER:
		return add_header(o, value);
	case RESTARTS:
		return number(value, 1, 10000, &o->restarts);
	case SECONDS:
		return number(value, 1, 3600, &o->seconds);
	case CONNECTIONS:
		return number(value, 1, 2000, &o->connections);
	case SETTLE:
		return number(value, 0, 60000, &o->settle);
	case 'k':
		o->insecure = true;
		return true;
	case 'r':
		o->remote = true;
		return true;
	case 's':
		o->strict = true;
		return true;
	case 'a':
		o->own_address = true;
		return true;
	case 'h':
		o->help = true;
		return true;
	default:
		o->json = true;
		return true;
	}
}

static int read_options(int argc, char **argv, mo_prove_options *o)
{
	struct option longs[MO_CLI_MAX_OPTIONS];
	int which, targets;

	mo_cli_long_options(mo_prove_option_list, longs);
	*o = (mo_prove_options){ .restarts = 36, .seconds = 25, .connections = 64 };
	o->headers = mo_strdup("");
	optind = 1;
	while (!o->help && (which = getopt_long(argc, argv, "+h", longs, NULL)) != -1) {
		if (which == '?')
			return MO_EXIT_USAGE;
		if (!take(o, which, optarg))
			return wrong("%s is no good value", optarg);
	}
	if (o->help)
		return 0;
	o->argv = argv + optind;
	targets = (o->url[0] != NULL) + (o->control != NULL) + (o->argv[0] != NULL);
	if (targets == 0)
		return wrong("%s",
			     "prove what? molt prove ./app [ARG ...], or --url, or --control");
	if (targets > 1)
		return wrong("%s", "one of PROGRAM, --url and --control, please");
	if (o->url[0] && !o->reload_cmd)
		return wrong("%s", "--url needs --reload-cmd");
	if (!o->url[0] && (o->reload_cmd || o->remote || o->settle))
		return wrong("%s", "--reload-cmd, --settle and --remote belong to --url");
	return 0;
}

/* ---- the phases in their order ---------------------------------------------------------------- */

/* A program started anew for one phase. */
static void with_program(mo_prove *p, bool supervised, void (*phase)(mo_prove *p))
{
	char *why = NULL;

	if (mo_prove_interrupted)
		return;
	if (mo_program_start(p, supervised, &why) == 0 && mo_prove_find_addresses(p, &why) == 0)
		phase(p);
	if (why)
		mo_prove_blame(p, "%s", why);
	free(why);
	mo_program_stop(p);
}

/* Crashes and kills are for programs that were started here. */
static void break_things(mo_prove *p)
{
	static const char why[] = "only of a program that is started here";

	if (p->o.url[0] || p->o.control) {
		mo_prove_skip(p, "rollback", why);
		mo_prove_skip(p, "kill -9", why);
		return;
	}
	mo_program_stop(p);
	p->bake = 5;
	with_program(p, false, mo_prove_rollback);
	p->bake = 0;
	with_program(p, true, mo_prove_kills);
}

/* 0 when there is a target that answers. */
static int meet(mo_prove *p, char **why)
{
	int rc = 0;

	if (!p->o.url[0] && !p->o.control)
		rc = mo_program_start(p, false, why);
	else if (p->o.control)
		p->program.control = mo_strdup(p->o.control);
	if (rc == 0 && p->o.control && !mo_program_wait_serving(p, 0, 2 * MOLT_SECOND)) {
		*why = mo_fmt("%s: nobody serves there", p->o.control);
		rc = -1;
	}
	return rc ? rc : mo_prove_find(p, why);
}

static void run_phases(mo_prove *p)
{
	mo_prove_steady(p);
	if (!mo_prove_interrupted)
		mo_prove_restarts(p);
	if (p->o.url[0])
		mo_prove_skip(p, "bad versions", "another server has no programs to restart to");
	else if (!mo_prove_interrupted)
		mo_prove_bad_versions(p);
	if (!mo_prove_interrupted)
		break_things(p);
}

static void remove_directory(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d)) != NULL) {
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d)
		closedir(d);
	rmdir(path);
}

static int prepare(mo_prove *p)
{
	const char *tmp = secure_getenv("TMPDIR");

	p->dir = mo_fmt("%s/molt-prove-XXXXXX", tmp && tmp[0] == '/' ? tmp : "/tmp");
	if (!mkdtemp(p->dir)) {
		fprintf(stderr, "molt: no directory in %s\n", tmp && *tmp ? tmp : "/tmp");
		return MO_EXIT_FAILED;
	}
	if (p->o.argv[0]) {
		p->exe = mo_cli_find_program(p->o.argv[0]);
		if (!p->exe || access(p->exe, X_OK) != 0) {
			fprintf(stderr, "molt: %s: there is no such program\n", p->o.argv[0]);
			return MO_EXIT_FAILED;
		}
	}
	p->seen = json_pack("{s:s, s:[], s:[], s:[]}", "target",
			    p->o.url[0]    ? p->o.url[0]
			    : p->o.control ? p->o.control
					   : p->o.argv[0],
			    "phases", "skipped", "why");
	return p->seen ? 0 : wrong("%s is no UTF-8", "the target");
}

/* Everything that was said: the table or the JSON. */
static int tell(mo_prove *p, molt_time begun)
{
	sum_up(p, begun);
	mo_prove_progress("%s", "");
	if (p->o.json) {
		mo_print_json(p->seen, JSON_INDENT(2));
	} else {
		mo_prove_print(p->seen);
	}
	return json_array_size(json_object_get(p->seen, "why")) ? MO_EXIT_FAILED : MO_EXIT_DONE;
}

static void clean_up(mo_prove *p)
{
	mo_program_stop(p);
	if (p->dir)
		remove_directory(p->dir);
	SSL_CTX_free(p->ctx);
	json_decref(p->seen);
	free(p->program.control);
	free(p->program.log);
	free(p->host);
	free(p->tls_host);
	free(p->tls_field);
	free(p->exe);
	free(p->dir);
	free(p->o.headers);
}

int mo_prove_run(int argc, char **argv, bool *help)
{
	mo_prove p = { 0 };
	molt_time begun = mo_now();
	char *why = NULL;
	int rc = read_options(argc, argv, &p.o);

	*help = rc == 0 && p.o.help;
	if (rc || *help) {
		free(p.o.headers);
		return rc;
	}
	rc = prepare(&p);
	if (rc == 0 && meet(&p, &why) < 0) {
		rc = MO_EXIT_FAILED;
		if (!mo_prove_interrupted) {
			fputs("molt: ", stderr);
			mo_print_text(stderr, why);
			putc('\n', stderr);
		}
	} else if (rc == 0) {
		run_phases(&p);
		mo_program_stop(&p);
		if (!mo_prove_interrupted)
			rc = tell(&p, begun);
	}
	if (mo_prove_interrupted)
		rc = 128 + mo_prove_interrupted;
	free(why);
	clean_up(&p);
	return rc;
}
