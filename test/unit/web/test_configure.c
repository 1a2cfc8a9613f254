/* Public structs that begin with their size: programs that were compiled with another molt.h. */
#include "unit.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sized.h"
#include "config/config.h"
#include "web/core/group.h"
#include "web/core/server.h"

#define OLD_SIZE offsetof(molt_server_opts, memory_budget)

/* A struct of size bytes right before memory that nobody may read. */
static void *before_the_end(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(mprotect(p + page, page, PROT_NONE), 0);
	memcpy(p + page - size, &size, sizeof(size));
	return p + page - size;
}

static molt_server *fresh(void)
{
	static int n;
	char name[16];

	snprintf(name, sizeof(name), "s%d", ++n);
	return molt_server_get(name);
}

static void the_macro_passes_every_member(void **state)
{
	molt_server *s = fresh();
	molt_server_opts o = MOLT_SERVER_OPTS(.tls_key_limit = 100, .memory_budget = 12345);

	assert_int_equal(molt_server_configure(s, &o), 0);
	assert_int_equal(s->set.tls_key_limit, 100);
	assert_int_equal(s->set.memory_budget, 12345);
	assert_int_equal(molt_server_configure(s, NULL), 0);
	assert_int_equal(s->set.memory_budget, 0);
}

static void a_program_that_knows_fewer_options_is_read_up_to_its_end(void **state)
{
	molt_server_opts *o = before_the_end(OLD_SIZE);
	molt_server *s = fresh();

	o->max_connections = 7;
	o->tls_key_limit = 200;
	assert_int_equal(molt_server_configure(s, o), 0);
	assert_int_equal(s->set.max_connections, 7);
	assert_int_equal(s->set.tls_key_limit, 200);
	assert_int_equal(s->set.memory_budget, 0);
}

static void members_of_a_newer_header_may_be_there_when_they_are_zero(void **state)
{
	struct {
		molt_server_opts known;
		long later;
	} o = { .known = { .size = sizeof(o), .memory_budget = 1 << 20 } };
	molt_server *s = fresh();

	assert_int_equal(molt_server_configure(s, &o.known), 0);
	assert_int_equal(s->set.memory_budget, 1 << 20);
	o.later = 1;
	assert_int_equal(molt_server_configure(s, &o.known), -E2BIG);
	assert_non_null(strstr(molt_server_error(s), "built for a newer one"));
}

static void is_refused(int err, molt_server *s, int wanted, const char *macro)
{
	assert_int_equal(err, wanted);
	assert_non_null(strstr(molt_server_error(s), macro));
}

/* Every call of set-up that takes one; nothing but the size is read. */
static void all_refuse(size_t size, int wanted)
{
	molt_server *s[6];
	void *p = before_the_end(sizeof(size));

	memcpy(p, &size, sizeof(size));
	for (int i = 0; i < 6; i++)
		s[i] = fresh();
	is_refused(molt_server_configure(s[0], p), s[0], wanted, "MOLT_SERVER_OPTS(");
	is_refused(molt_server_listen(s[1], ":0", p), s[1], wanted, "MOLT_LISTEN_OPTS(");
	is_refused(molt_bind_opts(molt_routes(s[2]), "/", (molt_handler *)abort, NULL, p), s[2],
		   wanted, "MOLT_ROUTE_OPTS(");
	is_refused(molt_step_bind_opts(s[3], "x", (molt_handler *)abort, NULL, p), s[3], wanted,
		   "MOLT_ROUTE_OPTS(");
	is_refused(molt_static(molt_routes(s[4]), "/", "/", p), s[4], wanted, "MOLT_STATIC_OPTS(");
	is_refused(molt_ws_bind(molt_routes(s[5]), "/", p, NULL), s[5], wanted,
		   "MOLT_WS_ENDPOINT(");
}

static void a_size_that_nobody_has_set_is_refused_with_what_to_do(void **state)
{
	all_refuse(0, -EINVAL);
	all_refuse(sizeof(size_t), -EINVAL);
	all_refuse(5000, -E2BIG);
	all_refuse((size_t)0x5a5a5a5a5a5a5a5a, -E2BIG);
}

static void a_server_made_before_the_file_is_filled_too(void **state)
{
	char path[] = "/tmp/molt-test-configure-XXXXXX";
	molt_server *early = fresh();
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_true(dprintf(fd, "server: {%s: {address: ':8100'}}\n", early->name) > 0);
	assert_int_equal(molt_config_load(path), 0);
	assert_string_equal(early->set.address, ":8100");
	assert_int_equal(close(fd), 0);
	assert_int_equal(unlink(path), 0);
	mo_config_reset();
}

/* ---- results ---- */

static char said[300];

static void note(void *arg, enum molt_level l, const char *line)
{
	snprintf(said, sizeof(said), "%s", line);
}

static void results_are_filled_up_to_the_programs_size(void **state)
{
	size_t size = offsetof(molt_process_info, connections);
	molt_process_info *older = before_the_end(size);
	struct {
		molt_process_info known;
		long later;
	} newer = { .known.size = sizeof(newer), .later = -1 };

	assert_int_equal(molt_process_get(older), 0);
	assert_int_equal(older->pid, getpid());
	assert_int_equal(older->size, size);
	assert_int_equal(molt_process_get(&newer.known), 0);
	assert_int_equal(newer.known.pid, getpid());
	assert_int_equal(newer.known.size, sizeof(newer));
	assert_int_equal(newer.later, 0);
}

static void a_result_without_a_size_stays_as_it_was_and_is_logged(void **state)
{
	molt_process_info none = { .pid = -7 };

	molt_log_set_sink(note, NULL);
	assert_int_equal(molt_process_get(&none), -EINVAL);
	molt_log_set_sink(NULL, NULL);
	assert_int_equal(none.pid, -7);
	assert_non_null(strstr(said, "MOLT_PROCESS_INFO("));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_macro_passes_every_member),
		cmocka_unit_test(a_program_that_knows_fewer_options_is_read_up_to_its_end),
		cmocka_unit_test(members_of_a_newer_header_may_be_there_when_they_are_zero),
		cmocka_unit_test(a_size_that_nobody_has_set_is_refused_with_what_to_do),
		cmocka_unit_test(a_server_made_before_the_file_is_filled_too),
		cmocka_unit_test(results_are_filled_up_to_the_programs_size),
		cmocka_unit_test(a_result_without_a_size_stays_as_it_was_and_is_logged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
