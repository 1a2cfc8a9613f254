/* Programs that must never become the serving generation.  One source: what it
 * does is the name that its file was copied to. */
#include <errno.h>
#include <molt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void serve_never(molt_server *s)
{
	molt_server_start(s);
	for (;;)
		pause();
}

static int exit_later(molt_server *s)
{
	sleep(1);
	fprintf(stderr, "cannot open the database: no such file\n");
	return 1;
}

static int crash(molt_server *s)
{
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
	return 0;
}

static int hang(molt_server *s)
{
	for (;;)
		pause();
	return 0;
}

/* A hang that no polite signal ends. */
static int hang_deaf(molt_server *s)
{
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	return hang(s);
}

static int never_ready(molt_server *s)
{
	serve_never(s);
	return 0;
}

/* The file lies beside the program. */
static const char *beside(const char *name)
{
	static char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 100);
	char *slash;

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	strcpy(slash ? slash + 1 : path, name);
	return path;
}

static int bad_config(molt_server *s)
{
	return molt_config_load(beside("bad.yaml")) ? 1 : molt_server_run(s);
}

/* Wants one more address, which another process has. */
static int cannot_bind(molt_server *s)
{
	char address[64] = "";
	FILE *f = fopen(beside("busy_address"), "r");

	if (!f || !fgets(address, sizeof(address), f))
		return 2;
	fclose(f);
	unsetenv("MOLT_SERVER_ADDRESS"); /* it would win over what comes now */
	address[strcspn(address, "\n")] = '\0';
	molt_server_listen(s, address, NULL);
	return molt_server_run(s);
}

/* Reports success without ever having served. */
static int exit_zero(molt_server *s)
{
	return 0;
}

/* Writes nonsense to every socket that it inherited, then waits. */
static int babble(molt_server *s)
{
	static const char words[] = "{\"type\":\"ready\",\"lies\":[[[[";

	for (int fd = 3; fd < 64; fd++)
		send(fd, words, sizeof(words) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	return hang(s);
}

/* Says a word of Molt, nested so deeply that reading it takes a stack, then waits. */
static int deep(molt_server *s)
{
	static char word[2 * 900 + 64] = "{\"type\":\"log\",\"line\":";
	size_t n = strlen(word);

	memset(word + n, '[', 900);
	memset(word + n + 900, ']', 900);
	word[n + 1800] = '}';
	for (int fd = 3; fd < 64; fd++)
		send(fd, word, n + 1801, MSG_NOSIGNAL | MSG_DONTWAIT);
	return hang(s);
}

/* Says without end what is of no interest, and never that it is ready. */
static int flood(molt_server *s)
{
	static char word[48 * 1024] = "{\"type\":\"health\",\"v\":[0";
	size_t n = strlen(word);

	/* Reading one takes much longer than sending it. */
	while (n < sizeof(word) - 8)
		n += (size_t)sprintf(word + n, ",0");
	n += (size_t)sprintf(word + n, "]}");
	for (;;) {
		for (int fd = 3; fd < 64; fd++)
			send(fd, word, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	return 0;
}

/* The same with counts of ever other processes, until nobody takes more. */
static int flood_counts(molt_server *s)
{
	char word[400];
	unsigned number = 0;

	for (;;) {
		snprintf(word, sizeof(word),
			 "{\"type\":\"counts\",\"live\":{\"7.%u\":{\"s%u\":[1,2,3,4,5,6,7]}}}", number,
			 number);
		number++;
		for (int fd = 3; fd < 64; fd++)
			send(fd, word, strlen(word), MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	return 0;
}

/* Closes everything that it inherited, as daemons do, then works on. */
static int close_all(molt_server *s)
{
	for (int fd = 3; fd < 256; fd++)
		close(fd);
	return hang(s);
}

static int no_listener(molt_server *s)
{
	unsetenv("MOLT_SERVER_ADDRESS");
	return molt_server_run(s);
}

/* Goes into the background before it serves, as daemons did. */
static int daemonize(molt_server *s)
{
	if (daemon(1, 1) < 0)
		return 3;
	return molt_server_run(s);
}

/* The same, and it is ready when the process that was started has long ended. */
static int daemonize_late(molt_server *s)
{
	if (daemon(1, 1) < 0)
		return 3;
	usleep(200 * 1000);
	return molt_server_run(s);
}

static const struct {
	const char *name;
	int (*fn)(molt_server *s);
} ways[] = {
	{ "exit_later", exit_later },
	{ "crash", crash },
	{ "hang", hang },
	{ "hang_deaf", hang_deaf },
	{ "never_ready", never_ready },
	{ "bad_config", bad_config },
	{ "cannot_bind", cannot_bind },
	{ "exit_zero", exit_zero },
	{ "babble", babble },
	{ "deep", deep },
	{ "flood", flood },
	{ "flood_counts", flood_counts },
	{ "close_all", close_all },
	{ "no_listener", no_listener },
	{ "daemonize", daemonize },
	{ "daemonize_late", daemonize_late },
};

int main(void)
{
	molt_server *s = molt_server_get(NULL);
	char exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	const char *slash;

	exe[n > 0 ? n : 0] = '\0';
	slash = strrchr(exe, '/');
	molt_server_set_graceful(s, true);
	for (size_t i = 0; slash && i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (strcmp(slash + 1, ways[i].name) == 0)
			return ways[i].fn(s);
	}
	fprintf(stderr, "bad: copy me to the name of a way to fail\n");
	return 64;
}
