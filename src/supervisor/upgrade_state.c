/* The supervisor's state between two images of it; see upgrade_state.h. */
#include "supervisor/upgrade_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "gen/os/memfd.h"
#include "gen/os/origin.h"
#include "gen/receipt/receipt.h"
#include "gen/wire/wire.h"
#include "supervisor/listener_store.h"
#include "supervisor/process_table.h"
#include "supervisor/supervisor_internal.h"

#define MAX_STATE (64 * 1024 * 1024)

mo_versions mo_upgrade_versions __attribute__((weak)) = { 1, 1 };

/* ---- writing ------------------------------------------------------------------ */

static json_t *watched(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < mo_processes_count(); i++) {
		const mo_process *p = mo_processes_at(i);

		json_array_append_new(list, json_pack("{s:i, s:i, s:b, s:b}", "pid", (int)p->pid,
						      "fd", p->pidfd, "candidate", p->candidate,
						      "doomed", p->doomed));
	}
	return list;
}

static json_t *kept(void)
{
	const mo_gen_listener *all;
	size_t n = mo_store_all(&all);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:i}", "server", all[i].server, "text",
						all[i].listener->text, "fd", all[i].listener->fd));
	return list;
}

static size_t length(char *const *v)
{
	size_t n = 0;

	while (v[n])
		n++;
	return n;
}

/* The program's arguments are the last ones of ours. */
static int arguments_before(const mo_origin *s)
{
	return s->own_argv ? (int)(length(s->own_argv) - length(s->argv)) : 0;
}

json_t *mo_upgrade_state(int asker)
{
	const mo_origin *start = mo_origin_get();

	return json_pack(
		"{s:i, s:i, s:s, s:s, s:s, s:s?, s:s?, s:i, s:i, s:i, s:I, s:I, s:i, s:i, s:i, "
		"s:{s:s, s:i, s:i}, s:o, s:o, s:o}",
		"version", mo_upgrade_versions.lowest, "version_highest",
		mo_upgrade_versions.highest, "own", start->exe, "path", mo_sup.path, "exe",
		mo_sup.exe, "cwd", start->cwd, "control_socket", mo_sup.control_socket,
		"arguments_before", arguments_before(start), "generation", (int)mo_sup.generation,
		"serving", (int)mo_sup.serving, "pause", (json_int_t)mo_sup.pause, "since",
		(json_int_t)mo_sup.since, "link", mo_sup.link, "link_theirs", mo_sup.link_theirs,
		"asker", asker, "program", "path", mo_sup.program.path, "fd", mo_sup.program.fd,
		"script", mo_sup.program.script, "watched", watched(), "kept", kept(), "receipts",
		mo_receipts_kept());
}

int mo_upgrade_write(const json_t *state)
{
	int fd = mo_memfd_new("molt-supervisor"), rc;

	if (fd < 0)
		return fd;
	rc = json_dumpfd(state, fd, JSON_COMPACT) < 0 ? -EIO : mo_memfd_seal(fd);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

/* ---- reading ------------------------------------------------------------------ */

static bool whole(json_t *state)
{
	const char *s;
	json_t *o;
	int n;
	json_int_t i;

	return json_unpack(state,
			   "{s:s, s:s, s:s, s:i, s:i, s:i, s:I, s:I, s:i, s:i, s:i, "
			   "s:{s:s, s:i, s:i}, s:o, s:o, s:o}",
			   "own", &s, "path", &s, "exe", &s, "arguments_before", &n, "generation",
			   &n, "serving", &n, "pause", &i, "since", &i, "link", &n, "link_theirs",
			   &n, "asker", &n, "program", "path", &s, "fd", &n, "script", &n,
			   "watched", &o, "kept", &o, "receipts", &o) == 0;
}

static json_t *load(int memfd)
{
	struct stat st;
	json_t *state;
	void *text;

	if (fstat(memfd, &st) < 0 || st.st_size <= 0 || st.st_size > MAX_STATE)
		return NULL;
	text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, memfd, 0);
	if (text == MAP_FAILED)
		return NULL;
	state = mo_json_load(text, (size_t)st.st_size, MO_JSON_DEPTH, JSON_REJECT_DUPLICATES);
	munmap(text, (size_t)st.st_size);
	return state;
}

int mo_upgrade_read(int memfd, json_t **out, char **why)
{
	json_t *state = NULL;
	char *theirs, *ours;
	mo_versions its;
	int common;

	*out = NULL;
	if (mo_memfd_is_sealed(memfd))
		state = load(memfd);
	if (!state) {
		*why = mo_strdup("what it was given is no state of a supervisor");
		return -EINVAL;
	}
	its = mo_json_versions(state, "version", "version_highest");
	common = mo_versions_common(its, mo_upgrade_versions);
	if (common && whole(state)) {
		*out = state;
		return 0;
	}
	json_decref(state);
	if (common) {
		*why = mo_strdup("the state of the running supervisor is not whole");
		return -EPROTO;
	}
	theirs = mo_versions_text(its);
	ours = mo_versions_text(mo_upgrade_versions);
	*why = mo_fmt("the running supervisor has a state of version %s, the new one takes version "
		      "%s; a stop and a start are needed",
		      theirs, ours);
	free(theirs);
	free(ours);
	return -EPROTO;
}

/* ---- descriptors -------------------------------------------------------------- */

static void each_of(const json_t *list, void (*fn)(int fd, bool on), bool on)
{
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one)
		fn((int)mo_json_int(one, "fd"), on);
}

static void set_open(int fd, bool on)
{
	if (fd >= 0 && fcntl(fd, F_SETFD, on ? 0 : FD_CLOEXEC) < 0)
		mo_warn("supervisor: descriptor %d: %s", fd, strerror(errno));
}

void mo_upgrade_keep_open(const json_t *state, bool on)
{
	set_open((int)mo_json_int(state, "link"), on);
	set_open((int)mo_json_int(state, "link_theirs"), on);
	set_open((int)mo_json_int(state, "asker"), on);
	set_open((int)mo_json_int(json_object_get(state, "program"), "fd"), on);
	each_of(json_object_get(state, "watched"), set_open, on);
	each_of(json_object_get(state, "kept"), set_open, on);
}

/* ---- going on ------------------------------------------------------------------ */

static void restore_watched(const json_t *list)
{
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one)
		mo_processes_restore(
			(mo_process){ .pid = (pid_t)mo_json_int(one, "pid"),
				      .pidfd = (int)mo_json_int(one, "fd"),
				      .candidate = json_is_true(json_object_get(one, "candidate")),
				      .doomed = json_is_true(json_object_get(one, "doomed")),
				      .status = -1 });
}

static void restore_kept(const json_t *list)
{
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one)
		if (mo_store_restore(mo_json_str(one, "server"), (int)mo_json_int(one, "fd"),
				     mo_json_str(one, "text")) < 0)
			mo_error("supervisor: the listener %s is lost", mo_json_str(one, "text"));
}

static void restore_start(const json_t *state)
{
	mo_origin *start = mo_origin_get();
	const char *cwd = json_string_value(json_object_get(state, "cwd"));
	size_t before = (size_t)mo_json_int(state, "arguments_before");

	mo_origin_set_exe(mo_json_str(state, "own"));
	MO_CHECK(before <= length(start->argv));
	mo_origin_set_argv(start->argv + before);
	mo_strset(&start->cwd, cwd);
}

int mo_upgrade_restore(const json_t *state)
{
	const json_t *program = json_object_get(state, "program");
	const json_t *receipts = json_object_get(state, "receipts");

	mo_upgrade_keep_open(state, false);
	restore_start(state);
	restore_watched(json_object_get(state, "watched"));
	restore_kept(json_object_get(state, "kept"));
	for (size_t i = json_array_size(receipts); i > 0; i--)
		mo_receipts_put(json_array_get(receipts, i - 1));
	mo_sup = (mo_supervisor){
		.path = mo_strdup(mo_json_str(state, "path")),
		.control_socket =
			mo_strdup(json_string_value(json_object_get(state, "control_socket"))),
		.program = { .fd = (int)mo_json_int(program, "fd"),
			     .path = mo_strdup(mo_json_str(program, "path")),
			     .script = (int)mo_json_int(program, "script") },
		.exe = mo_strdup(mo_json_str(state, "exe")),
		.generation = (unsigned)mo_json_int(state, "generation"),
		.link = (int)mo_json_int(state, "link"),
		.link_theirs = (int)mo_json_int(state, "link_theirs"),
		.channel = -1,
		.serving = (pid_t)mo_json_int(state, "serving"),
		.served = true,
		.pause = mo_json_int(state, "pause"),
		.since = mo_json_int(state, "since"),
	};
	return (int)mo_json_int(state, "asker");
}
