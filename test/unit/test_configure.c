/* molt_server_configure(): programs that were compiled with another molt.h. */
#include "unit.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "web/server.h"

#define FIRST_SIZE offsetof(molt_server_opts, memory_budget)

/* A struct of size bytes right before memory that nobody may read. */
static molt_server_opts *before_the_end(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(mprotect(p + page, page, PROT_NONE), 0);
	return (molt_server_opts *)(void *)(p + page - size);
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
	molt_server_opts o = { .tls_key_limit = 100, .memory_budget = 12345 };

	assert_int_equal(molt_server_configure(s, &o), 0);
	assert_int_equal(s->set.tls_key_limit, 100);
	assert_int_equal(s->set.memory_budget, 12345);
}

static void a_program_from_before_the_size_is_read_up_to_its_end(void **state)
{
	molt_server_opts *o = before_the_end(FIRST_SIZE);
	molt_server *s = fresh();

	o->max_connections = 7;
	o->tls_key_limit = 200;
	assert_int_equal((molt_server_configure)(s, o), 0);
	assert_int_equal(s->set.max_connections, 7);
	assert_int_equal(s->set.tls_key_limit, 200);
	assert_int_equal(s->set.memory_budget, 0);
}

static void members_of_a_newer_header_may_be_there_when_they_are_zero(void **state)
{
	struct {
		molt_server_opts known;
		long later;
	} o = { .known = { .memory_budget = 1 << 20 } };
	molt_server *s = fresh();

	assert_int_equal(molt_server_configure_sized(s, &o.known, sizeof(o)), 0);
	assert_int_equal(s->set.memory_budget, 1 << 20);
	o.later = 1;
	assert_int_equal(molt_server_configure_sized(s, &o.known, sizeof(o)), -EINVAL);
	assert_non_null(strstr(molt_server_error(s), "does not know"));
}

static void a_size_that_never_was_is_refused(void **state)
{
	molt_server_opts o = { 0 };

	assert_int_equal(molt_server_configure_sized(fresh(), &o, FIRST_SIZE - 1), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_macro_passes_every_member),
		cmocka_unit_test(a_program_from_before_the_size_is_read_up_to_its_end),
		cmocka_unit_test(members_of_a_newer_header_may_be_there_when_they_are_zero),
		cmocka_unit_test(a_size_that_never_was_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
