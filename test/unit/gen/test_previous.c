/* What a predecessor tells of its program (gen/new/previous.c): the last word counts, and of the
 * earlier ones nothing stays open. */
#include "unit.h"

#include <fcntl.h>
#include <unistd.h>

#include "descriptors.h"
#include "gen/new/previous.h"

static void tell(const char *exe)
{
	mo_wire_msg m = { .type = "previous", .nfds = 1 };

	m.body = json_pack("{s:s, s:i, s:s}", "type", "previous", "generation", 1, "exe", exe);
	m.fds[0] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_true(m.fds[0] >= 0);
	mo_previous_take(&m);
	assert_int_equal(m.fds[0], -1);
	json_decref(m.body);
}

static void a_second_word_replaces_the_first_and_leaks_nothing(void **state)
{
	char *path;
	int before;

	tell("/srv/one");
	before = open_descriptors();
	for (int i = 0; i < 10; i++)
		tell("/srv/two");
	assert_int_equal(open_descriptors(), before);
	path = mo_previous_path();
	assert_string_equal(path, "/srv/two");
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_word_replaces_the_first_and_leaks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
