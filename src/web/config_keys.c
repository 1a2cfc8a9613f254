/* The table of keys and what is done with a single one: found by name, set from
 * text, checked, set to its default.  Called by config.c (file, environment) and
 * settings.c.  Always: a value that got into a member by mo_key_set() is within
 * the key's range, and every string in a member is malloc'd. */
#include "web/config_keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/addr.h"
#include "web/settings.h"

#define KIB ((int64_t)1024)
#define MIB (1024 * KIB)
#define DAY ((int64_t)24 * 60 * MOLT_MINUTE)
#define LONGEST (3650 * DAY)
#define MAX_STRING 4096u

#define S(member) offsetof(mo_settings, member)
#define L(member) offsetof(mo_logger_settings, member)
#define STRING(n, flags, member, initial, doc)                                                     \
	{                                                                                          \
		n, MO_KEY_SERVER, MO_KEY_STRING, flags, 0, 0, 0, initial, doc, S(member)           \
	}
#define LIST(n, flags, sep, member, initial, doc)                                                  \
	{                                                                                          \
		n, MO_KEY_SERVER, MO_KEY_LIST, flags, sep, 0, 0, initial, doc, S(member)           \
	}
#define BOOL(n, member, initial, doc)                                                              \
	{                                                                                          \
		n, MO_KEY_SERVER, MO_KEY_BOOL, 0, 0, 0, 1, initial, doc, S(member)                 \
	}
#define INT(n, min, max, member, initial, doc)                                                     \
	{                                                                                          \
		n, MO_KEY_SERVER, MO_KEY_INT, 0, 0, min, max, initial, doc, S(member)              \
	}
#define SIZE(n, min, max, member, initial, doc)                                                    \
	{                                                                                          \
		n, MO_KEY_SERVER, MO_KEY_SIZE, 0, 0, min, max, initial, doc, S(member)             \
	}
#define MODE(n, min, max, member, initial, doc)                                                    \
	{                                                                                          \
		n, MO_KEY_SERVER, MO_KEY_MODE, 0, 0, min, max, initial, doc, S(member)             \
	}
#define DURATION(n, flags, member, initial, doc)                                                   \
	{                                                                                          \
		n, MO_KEY_SERVER, MO_KEY_DURATION, flags, 0, 1, LONGEST, initial, doc, S(member)   \
	}
#define DURATION_OR_ZERO(n, flags, member, initial, doc)                                           \
	{                                                                                          \
		n, MO_KEY_SERVER, MO_KEY_DURATION, flags, 0, 0, LONGEST, initial, doc, S(member)   \
	}

static const mo_key keys[] = {
	LIST("address", MO_KEY_OWN, ',', address, NULL,
	     "Where the server listens: `:80`, `127.0.0.1:80`, `[::1]:80`, `:0` (any free port), "
	     "`unix:/run/a.sock`, `systemd:NAME` (a socket that the service manager passes, of "
	     "that "
	     "`FileDescriptorName`). A named server does not inherit it."),
	MODE("unixMode", 0200, 0777, unix_mode, "0666",
	     "Mode of the file of a `unix:` address, as octal digits; who may write there may "
	     "connect. The umask does not count, and directories limit further. For a proxy of "
	     "another user: `0660` and its group as `unixGroup`."),
	STRING("unixUser", 0, unix_user, NULL,
	       "Owner of that file, a name or a number; none: the user of the process. Needs root "
	       "(CAP_CHOWN)."),
	STRING("unixGroup", 0, unix_group, NULL,
	       "Group of that file; none: the group of the process. Needs root, or a user who is "
	       "in that group."),
	LIST("httpsAddr", MO_KEY_OWN, ',', https_addr, NULL,
	     "Where it listens for HTTPS. Without it and with a certificate, `address` is HTTPS. "
	     "A named server does not inherit it."),
	STRING("httpsCertPath", MO_KEY_OWN, https_cert, NULL,
	       "PEM file with the certificate and its chain. A named server does not inherit it."),
	STRING("httpsKeyPath", MO_KEY_OWN, https_key, NULL,
	       "PEM file with the private key. A named server does not inherit it."),
	STRING("httpsClientCaPath", MO_KEY_OWN, https_client_ca, NULL,
	       "PEM file with the authorities of client certificates: HTTPS clients are asked for "
	       "one, "
	       "and one that is not valid is refused. A named server does not inherit it."),
	BOOL("httpsClientRequired", https_client_required, "false",
	     "Refuse HTTPS clients without such a certificate."),
	DURATION("readTimeout", MO_KEY_ZERO_NONE, read_timeout, "60s",
		 "The whole request, head and body."),
	DURATION(
		"headerTimeout", MO_KEY_ZERO_NONE, header_timeout, "10s",
		"From the first byte of a request to the end of its head; of a new connection from "
		"its accept to its first byte."),
	DURATION("bodyTimeout", MO_KEY_ZERO_NONE, body_timeout, "30s",
		 "Between two pieces of a request body."),
	DURATION("writeTimeout", MO_KEY_ZERO_NONE, write_timeout, "30s",
		 "Between two pieces of an answer that the client takes."),
	DURATION("idleTimeout", MO_KEY_ZERO_NONE, idle_timeout, "75s",
		 "A kept-alive connection without a request."),
	SIZE("maxHeaderBytes", KIB, MIB, max_header, "16k", "Request line and header fields."),
	SIZE("clientMaxBodySize", 1, 1024 * 1024 * MIB, max_body, "8m",
	     "Request body; a longer one is answered with 413."),
	SIZE("memoryBudget", 0, 1024 * 1024 * MIB, memory_budget, "0",
	     "Memory of the whole process for what clients make it keep: bodies, gathered "
	     "answers, WebSocket messages, output that was not taken. Past it requests get 503, "
	     "WebSockets are closed with 1013, and clients that are behind are cut. 0: half of "
	     "the memory that the process may use. Of several servers the least counts."),
	BOOL("keepAlive", keep_alive, "true", "Keep connections open between requests."),
	INT("maxConnections", 1, 1000000, max_connections, "10000",
	    "Connections open at once. At the limit the one that has been idle for the longest "
	    "time, of the loop that accepts, is closed for a new one; without an idle one new "
	    "ones wait in the kernel's queue."),
	INT("backlog", 0, 65535, backlog, "0", "Length of that queue; 0: `net.core.somaxconn`."),
	INT("loops", 0, 256, loops, "0",
	    "Event loops (threads) of the process, the largest that any server asks for that is "
	    "set up before the first one starts; 0, when none asks: as many as the CPUs that "
	    "the process may use."),
	INT("blockingThreads", 1, 1024, blocking_threads, "64",
	    "Threads for `.blocking` routes and `molt_block()`, the largest that any server asks "
	    "for. One route has three quarters of them at most."),
	INT("blockingQueue", 1, 1000000, blocking_queue, "1024",
	    "Calls of one route that may wait for such a thread, the largest that any server asks "
	    "for; more are answered with 503 and Retry-After."),
	SIZE("stackSize", 16 * KIB, 64 * MIB, stack_size, "64k", "Stack of each handler."),
	STRING("serverAgent", 0, server_agent, NULL,
	       "The `Server` field of answers; none: no field."),
	STRING("serverRoot", 0, server_root, NULL, "Directory whose files are served at `/`."),
	LIST("indexFiles", 0, ',', index_files, "index.html,index.htm",
	     "Files that stand for their directory, the first that exists."),
	BOOL("indexFolder", index_folder, "false", "List directories that have no index file."),
	BOOL("handover", handover, "true",
	     "Give HTTP/1.1 connections, plain and HTTPS, to the new process at a restart; off: "
	     "they end with their next answer."),
	BOOL("tlsHandover", tls_handover, "true",
	     "HTTPS connections are given to the new process, too; off: they end with their next "
	     "answer."),
	BOOL("tlsShed", tls_shed, "true",
	     "HTTPS connections that stay open after their first answer go on without OpenSSL's "
	     "connection state, as all do after a restart: they become small and cheap; off: "
	     "OpenSSL does their records until they move."),
	INT("tlsKeyLimit", 16, 16777216, tls_key_limit, "8388608",
	    "Records (of up to 16 KiB) that are sent with one key of TLS 1.3 before it is "
	    "changed."),
	SIZE("wsMaxMessage", 125, 64 * MIB, ws_max_message, "1m",
	     "A message that a WebSocket client sends, decompressed; a longer one closes with "
	     "1009."),
	SIZE("wsMaxQueue", 4 * KIB, 1024 * MIB, ws_max_queue, "1m",
	     "Output that a WebSocket or event-stream client has not taken; with more it is cut."),
	DURATION("wsPing", 0, ws_ping, "30s",
		 "Silence after which a WebSocket client is sent a ping, and has as long to answer "
		 "it; an event stream is sent a comment."),
	DURATION(
		"wsCloseSpread", 0, ws_close_spread, "1s",
		"The time over which a restart closes the WebSockets (with 1012) and event streams "
		"that cannot move to the new process; `none`: all at once."),
	LIST("wsOrigins", 0, ',', ws_origins, NULL,
	     "Origins whose pages may open a WebSocket besides those of the same host, such as "
	     "`https://example.org`; `*`: all."),
	BOOL("graceful", graceful, "false", "Allow the process to be restarted."),
	DURATION_OR_ZERO(
		"bakeTime", 0, bake_time, "10s",
		"How long the old process stands by after a restart, with the listeners open, to "
		"serve again when the new one is no good; 0: no longer than its last request."),
	INT("bakeErrorShare", 0, 100, bake_error_share, "20",
	    "The new process is no good when so many per cent of its answers more than of the old "
	    "one's are errors (5xx), while that stands by; 0: errors do not matter."),
	INT("bakeErrorMin", 1, 1000000000, bake_error_min, "20",
	    "Of fewer answers that share is not taken."),
	DURATION_OR_ZERO(
		"bakeSilence", 0, bake_silence, "5s",
		"The new process is no good when it says nothing, or an event loop of it is "
		"blocked, for so long, while the old one stands by; 0 or `none`: that does not "
		"matter."),
	DURATION("gracefulTimeout", MO_KEY_SECONDS, drain_timeout, "60s",
		 "How long the old process may finish its requests after a restart. A bare number "
		 "means seconds."),
	DURATION("gracefulShutdownTimeout", MO_KEY_SECONDS, shutdown_timeout, "60s",
		 "How long running requests may finish at shutdown; idle connections are closed at "
		 "once, those that have not sent a byte yet after 1 s. A bare number means "
		 "seconds."),
	DURATION("readyTimeout", 0, ready_timeout, "60s",
		 "How long a new process may take until it is ready; then it is killed and the old "
		 "one serves on."),
	INT("maxGenerations", 2, 16, max_generations, "3",
	    "Processes that may be alive at once, the serving and the starting one included. A "
	    "restart that would make more ends the oldest first: its requests get one second, "
	    "then they are cut and counted. Of several servers the least counts."),
	LIST("probe", MO_KEY_OWN, ',', probe, NULL,
	     "Requests that a new program must answer before it takes over, each with the status "
	     "wanted: `GET /health 200`. One that is answered otherwise, or not, refuses the "
	     "restart. A named server does not inherit it."),
	DURATION("probeTimeout", 0, probe_timeout, "5s", "How long each of them may take."),
	BOOL("preflightOwner", preflight_owner, "true",
	     "A restart refuses a program that belongs to another user than root, the process's "
	     "and the running program's, or lies in a directory where everybody may write."),
	INT("preflightMemory", 0, 1000, preflight_memory, "100",
	    "A restart is refused unless so many per cent of the process's own memory are free, "
	    "in the machine and in its cgroup; 0: not looked at. Of several servers the least "
	    "counts."),
	BOOL("preflightDescriptors", preflight_descriptors, "true",
	     "A restart is refused when the process or the system has less than 32 descriptors "
	     "left."),
	STRING("adminPattern", 0, admin_pattern, NULL,
	       "Path of the admin page, such as `/debug/admin`; none: no page unless the program "
	       "mounts it."),
	STRING("adminToken", MO_KEY_SECRET, admin_token, NULL,
	       "Secret of at least 16 characters for `Authorization: Bearer`; lets a client use "
	       "the admin API from anywhere."),
	STRING("controlSocket", MO_KEY_OWN | MO_KEY_SOCKET, control_socket, NULL,
	       "Path of a unix socket with the admin API, for the `molt` command: mode 0600, in a "
	       "directory where only this user and root may write (made with mode 0700 when it is "
	       "not there). One a process; none: no socket. `molt run --socket` says another one, "
	       "and wins."),
	STRING("takeover", MO_KEY_OWN | MO_KEY_SOCKET, takeover, NULL,
	       "Path of a unix socket at which a program that is started by others (a new "
	       "container, another unit, by hand), with the same path, finds this one and takes "
	       "over from it, like the new program of a restart. Mode 0600, in a directory as for "
	       "`controlSocket`; the same user or root; needs `graceful`. For the server that is "
	       "started first; none: no takeover."),
	LIST("exeDirs", 0, ':', exe_dirs, NULL,
	     "Directories that a restart by the admin API may take a program from; none: only "
	     "the running program's own path."),
	BOOL("dumpRouterMap", dump_router_map, "true", "Print the routes at start."),
	STRING("logPath", 0, log_path, NULL,
	       "Directory of the access and error log files; none: no files."),
	BOOL("logStdout", log_stdout, "true", "Access and error log on standard output."),
	BOOL("accessLogEnabled", access_log, "false", "Log every request."),
	STRING("accessLogPattern", 0, access_log_file, "access-{Ymd}.log",
	       "File in `logPath`; `{Y}`, `{m}`, `{d}`, `{Ymd}`, `{Y-m-d}` become the day."),
	BOOL("errorLogEnabled", error_log, "true", "Log answers 5xx and refused requests."),
	STRING("errorLogPattern", 0, error_log_file, "error-{Ymd}.log",
	       "File in `logPath`, with the day as above."),
	{ "logLevel", MO_KEY_SERVER, MO_KEY_LEVEL, MO_KEY_OWN, 0, -1, MOLT_ERROR, NULL,
	  "The same as `level` of section `logger`, which wins. The log is the process's, so a "
	  "named server has no level of its own.",
	  S(log_level) },
	{ "path", MO_KEY_LOGGER, MO_KEY_STRING, 0, 0, 0, 0, NULL,
	  "Directory of the process's log file; none: no file.", L(path) },
	{ "file", MO_KEY_LOGGER, MO_KEY_STRING, 0, 0, 0, 0, "{Y-m-d}.log",
	  "File in `path`, with the day of the process's start.", L(file) },
	{ "level", MO_KEY_LOGGER, MO_KEY_LEVEL, 0, 0, -1, MOLT_ERROR, NULL,
	  "`debug`, `info`, `warn` or `error`; lines below it are dropped; none: what the program "
	  "set, at first `info`.",
	  L(level) },
	{ "stdout", MO_KEY_LOGGER, MO_KEY_BOOL, 0, 0, 0, 1, "true", "The log on standard output.",
	  L(to_stdout) },
};

const mo_key *mo_keys(size_t *count)
{
	*count = MO_COUNTOF(keys);
	return keys;
}

static bool skip(char c)
{
	return c == '-' || c == '_' || c == ' ';
}

bool mo_key_same_name(molt_str a, molt_str b)
{
	size_t i = 0, j = 0;

	for (;;) {
		while (i < a.len && skip(a.ptr[i]))
			i++;
		while (j < b.len && skip(b.ptr[j]))
			j++;
		if (i == a.len || j == b.len)
			return i == a.len && j == b.len;
		if (mo_lower(a.ptr[i++]) != mo_lower(b.ptr[j++]))
			return false;
	}
}

const mo_key *mo_key_find(enum mo_key_section section, molt_str name)
{
	for (size_t i = 0; i < MO_COUNTOF(keys); i++)
		if (keys[i].section == section && mo_key_same_name(mo_str(keys[i].name), name))
			return &keys[i];
	return NULL;
}

/* How many letters must be changed, added or removed to make b of a. */
static unsigned edit_distance(molt_str a, molt_str b)
{
	unsigned row[64];

	if (a.len > 40 || b.len >= MO_COUNTOF(row))
		return 64;
	for (unsigned j = 0; j <= b.len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b.len; j++) {
			unsigned best =
				diagonal + (mo_lower(a.ptr[i - 1]) != mo_lower(b.ptr[j - 1]));

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b.len];
}

const mo_key *mo_key_nearest(enum mo_key_section section, molt_str name)
{
	const mo_key *best = NULL;
	unsigned least = 2 + (unsigned)(name.len > 40 ? 40 : name.len) / 3;

	for (size_t i = 0; i < MO_COUNTOF(keys); i++) {
		unsigned d;

		if (keys[i].section != section)
			continue;
		d = edit_distance(name, mo_str(keys[i].name));
		if (d < least && d < strlen(keys[i].name)) {
			least = d;
			best = &keys[i];
		}
	}
	return best;
}

const char *mo_key_unsupported(enum mo_key_section section, molt_str name)
{
	static const char *const server[] = {
		"name",
		"listeners",
		"endpoints",
		"tlsConfig",
		"handler",
		"view",
		"rewrites",
		"searchPaths",
		"staticPaths",
		"fileServerEnabled",
		"cookieMaxAge",
		"cookiePath",
		"cookieDomain",
		"cookieSameSite",
		"cookieSecure",
		"cookieHttpOnly",
		"sessionIdName",
		"sessionMaxAge",
		"sessionCookieMaxAge",
		"sessionPath",
		"sessionStorage",
		"sessionCookieOutput",
		"errorStack",
		"pprofEnabled",
		"pprofPattern",
		"openapiPath",
		"swaggerPath",
		"swaggerUITemplate",
		"formParsingMemory",
		"nameToUriType",
		"routeOverWrite",
	};
	static const char *const logger[] = {
		"prefix",
		"timeFormat",
		"ctxKeys",
		"header",
		"levelPrint",
		"stStatus",
		"stSkip",
		"rotateSize",
		"rotateExpire",
		"rotateBackupLimit",
		"rotateBackupExpire",
		"rotateBackupCompress",
		"rotateCheckInterval",
		"stdoutColorDisabled",
		"writerColorEnable",
		"flags",
		"levels",
	};
	bool s = section == MO_KEY_SERVER;
	const char *const *list = s ? server : logger;
	size_t count = s ? MO_COUNTOF(server) : MO_COUNTOF(logger);

	if (s && mo_key_same_name(name, MO_STR("logger")))
		return "not supported by Molt here: the section 'logger' stands beside 'server'";
	for (size_t i = 0; i < count; i++)
		if (mo_key_same_name(name, mo_str(list[i])))
			return "not supported by Molt";
	return NULL;
}

static void *member(const mo_key *k, void *base)
{
	return (char *)base + k->offset;
}

static int64_t *number(const mo_key *k, void *base)
{
	return member(k, base);
}

static bool is_text(const mo_key *k)
{
	return k->type == MO_KEY_STRING || k->type == MO_KEY_LIST;
}

static int wrong(char **why, char *sentence)
{
	*why = sentence;
	return -EINVAL;
}

static int check_number(const mo_key *k, int64_t v, char **why)
{
	char *min, *max;

	if (k->type == MO_KEY_DURATION && v == MOLT_FOREVER)
		return 0;
	if (v >= k->min && v <= k->max)
		return 0;
	min = mo_value_text(k->type, k->min);
	max = mo_value_text(k->type, k->max);
	*why = mo_fmt("must be from %s to %s%s", min, max,
		      k->type == MO_KEY_DURATION ? ", or none" : "");
	free(min);
	free(max);
	return -EINVAL;
}

/* An absolute one, for a server may have another directory than who wrote it. */
static bool is_socket_path(const char *text)
{
	char *address = mo_fmt("unix:%s", text);
	mo_addr addr;
	int err = mo_addr_parse(address, &addr);

	free(address);
	return err == 0;
}

static int check_text(const mo_key *k, const char *text, char **why)
{
	size_t n = strlen(text);

	if (n > MAX_STRING)
		return wrong(why, mo_fmt("is longer than %u bytes", MAX_STRING));
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return wrong(why, mo_strdup("has control characters"));
	if (!mo_str_is_utf8(mo_strn(text, n)))
		return wrong(why, mo_strdup("is no UTF-8 text"));
	if (k->flags & MO_KEY_SOCKET && n && !is_socket_path(text))
		return wrong(why, mo_fmt("must be an absolute path of at most %d bytes",
					 MO_ADDR_PATH_MAX));
	return 0;
}

/* Replaces the string; an empty one means "not set". */
static int set_text(const mo_key *k, char **at, const char *text, char **why)
{
	int err = check_text(k, text, why);

	if (err)
		return err;
	free(*at);
	*at = *text ? mo_strdup(text) : NULL;
	return 0;
}

static int parse_duration(const mo_key *k, molt_str text, int64_t *v, char **why)
{
	bool bare;

	if (!mo_value_duration(text, v, &bare))
		return wrong(why,
			     mo_strdup("must be a duration such as 60s, 500ms, 1h30m or none"));
	if (bare && !(k->flags & MO_KEY_SECONDS))
		return wrong(why, mo_fmt("needs a unit: %.*ss, %.*sms ...", (int)text.len, text.ptr,
					 (int)text.len, text.ptr));
	if (bare && __builtin_mul_overflow(*v, MOLT_SECOND, v))
		*v = INT64_MAX;
	if (*v == 0 && k->flags & MO_KEY_ZERO_NONE)
		*v = MOLT_FOREVER;
	return 0;
}

static int parse_number(const mo_key *k, molt_str text, int64_t *v, char **why)
{
	switch (k->type) {
	case MO_KEY_DURATION:
		return parse_duration(k, text, v, why);
	case MO_KEY_SIZE:
		if (mo_value_size(text, v))
			return 0;
		return wrong(why, mo_strdup("must be a size such as 4096, 64k or 10m"));
	case MO_KEY_LEVEL:
		if (mo_value_level(text, v))
			return 0;
		return wrong(why, mo_strdup("must be debug, info, warn or error"));
	case MO_KEY_MODE:
		if (mo_value_mode(text, v))
			return 0;
		return wrong(why, mo_strdup("must be octal digits such as 0660"));
	default:
		if (mo_value_int(text, v))
			return 0;
		return wrong(why, mo_strdup("must be a whole number"));
	}
}

int mo_key_set(const mo_key *k, void *base, const char *text, char **why)
{
	molt_str s = mo_str_trim(mo_str(text));
	int64_t v;
	bool on;
	int err;

	if (is_text(k))
		return set_text(k, member(k, base), text, why);
	if (k->type == MO_KEY_BOOL) {
		if (!mo_value_bool(s, &on))
			return wrong(why, mo_strdup("must be true or false"));
		*(bool *)member(k, base) = on;
		return 0;
	}
	err = parse_number(k, s, &v, why);
	if (!err)
		err = check_number(k, v, why);
	if (!err)
		*number(k, base) = v;
	return err;
}

int mo_key_check(const mo_key *k, const void *base, char **why)
{
	const void *at = (const char *)base + k->offset;
	const char *text;

	if (k->type == MO_KEY_BOOL)
		return 0;
	if (!is_text(k))
		return check_number(k, *(const int64_t *)at, why);
	memcpy(&text, at, sizeof(text));
	return text ? check_text(k, text, why) : 0;
}

void mo_keys_init(enum mo_key_section section, void *base)
{
	for (size_t i = 0; i < MO_COUNTOF(keys); i++) {
		const mo_key *k = &keys[i];
		char *why = NULL;

		if (k->section != section)
			continue;
		if (k->type == MO_KEY_LEVEL)
			*number(k, base) = -1;
		else if (k->initial && mo_key_set(k, base, k->initial, &why))
			MO_DIE("the default of %s %s", k->name, why);
	}
}

void mo_keys_fini(enum mo_key_section section, void *base)
{
	for (size_t i = 0; i < MO_COUNTOF(keys); i++) {
		char **at = member(&keys[i], base);

		if (keys[i].section != section || !is_text(&keys[i]))
			continue;
		free(*at);
		*at = NULL;
	}
}
