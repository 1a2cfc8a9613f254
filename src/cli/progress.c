/* The line that a waiting command shows on a terminal: it is on standard error, is written
 * over in place, and comes from the program's own status.  Without a terminal, and with
 * --json, nothing is shown. */
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/cli.h"

#define FIRST_LOOK 300 /* ms; what is quicker shows nothing */
#define EACH_LOOK 200
#define PATIENCE MOLT_SECOND

static struct {
	const mo_cli *cli;
	pthread_t thread;
	sem_t stop;
	bool on;
} p;

static const char *words_for(const char *phase)
{
	static const char *const words[][2] = {
		{ "INIT", "the new program starts up" },
		{ "READY", "the new program is ready" },
		{ "PROBE", "the new program is tried" },
		{ "SWITCH", "the new program begins to serve" },
		{ "HANDOVER", "connections move" },
	};

	for (size_t i = 0; i < MO_COUNTOF(words); i++)
		if (strcmp(words[i][0], phase) == 0)
			return words[i][1];
	return "the new program is started";
}

static void show_status(const json_t *status)
{
	const json_t *restart = json_object_get(status, "restart");
	const json_t *old = json_object_get(status, "draining_generation");

	if (json_is_object(restart)) {
		const char *phase = json_string_value(json_object_get(restart, "phase"));

		mo_progress_line(
			"%s: %s, %" PRId64 " s", phase ? phase : "?", words_for(phase ? phase : ""),
			(int64_t)json_integer_value(json_object_get(restart, "ms")) / 1000);
	} else if (json_is_object(old)) {
		mo_progress_line("generation %" PRId64 " finishes its requests",
				 (int64_t)json_integer_value(json_object_get(old, "generation")));
	}
}

/* Returns true when the progress is to end. */
static bool pause_for(int ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += (long)ms * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	return sem_timedwait(&p.stop, &until) == 0;
}

static void *run(void *unused)
{
	(void)unused;
	for (int ms = FIRST_LOOK; !pause_for(ms); ms = EACH_LOOK) {
		mo_answer a;

		if (mo_client_ask(p.cli->socket, "GET", "status", NULL, PATIENCE, &a) < 0)
			continue;
		show_status(a.body);
		mo_answer_free(&a);
	}
	return NULL;
}

bool mo_progress_is(const mo_cli *c)
{
	return !c->json && isatty(STDERR_FILENO);
}

void mo_progress_line(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fputs("\r", stderr);
	mo_print_text(stderr, text);
	fputs("\033[K", stderr);
	fflush(stderr);
}

void mo_progress_clear(const mo_cli *c)
{
	if (mo_progress_is(c))
		fputs("\r\033[K", stderr);
}

void mo_progress_begin(const mo_cli *c)
{
	if (!mo_progress_is(c))
		return;
	p.cli = c;
	sem_init(&p.stop, 0, 0);
	p.on = pthread_create(&p.thread, NULL, run, NULL) == 0;
}

void mo_progress_end(void)
{
	if (!p.on)
		return;
	p.on = false;
	sem_post(&p.stop);
	pthread_join(p.thread, NULL);
	sem_destroy(&p.stop);
	mo_progress_clear(p.cli);
}
