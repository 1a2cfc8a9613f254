/* Promises of web/files/listing.c. */
#include "unit.h"

#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"
#include "web/files/listing.h"

static char root[64];
static mo_entries entries;
static mo_buf page;

static void put(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "12345", 5), 5);
	close(fd);
}

static int set_up(void **state)
{
	strcpy(root, "/tmp/molt-listing-XXXXXX");
	assert_non_null(mkdtemp(root));
	assert_int_equal(chdir(root), 0);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	return remove(path);
}

static int tear_down(void **state)
{
	assert_int_equal(chdir("/"), 0);
	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	mo_entries_free(&entries);
	mo_buf_free(&page);
	return 0;
}

static bool lists(const char *name)
{
	for (size_t i = 0; i < entries.count; i++)
		if (strcmp(entries.all[i].name, name) == 0)
			return true;
	return false;
}

static void directories_come_first_and_names_are_sorted(void **state)
{
	static const char *const order[] = { "Z", "a", "B", "c", "d" };

	put("d");
	put("B");
	put("c");
	assert_int_equal(mkdir("a", 0755), 0);
	assert_int_equal(mkdir("Z", 0755), 0);
	assert_int_equal(mo_entries_read(root, "", &entries), 0);
	assert_int_equal(entries.count, 5);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(entries.all[i].name, order[i]);
	assert_true(entries.all[0].is_dir && !entries.all[2].is_dir);
	assert_int_equal(entries.all[2].size, 5);
	assert_false(entries.more);
}

static void only_what_can_be_served_is_listed(void **state)
{
	put("file");
	put(".hidden");
	assert_int_equal(mkdir("sub", 0755), 0);
	assert_int_equal(mkdir(".git", 0755), 0);
	assert_int_equal(mkfifo("fifo", 0644), 0);
	assert_int_equal(symlink("/etc/passwd", "outside"), 0);
	assert_int_equal(symlink("../..", "up"), 0);
	assert_int_equal(symlink("nothing", "dangling"), 0);
	assert_int_equal(symlink("file", "inside"), 0);
	assert_int_equal(mo_entries_read(root, "", &entries), 0);
	assert_true(lists("file") && lists("sub"));
	assert_false(lists(".hidden") || lists(".git") || lists("fifo"));
	assert_false(lists("outside") || lists("up") || lists("dangling"));
	for (size_t i = 0; i < entries.count; i++)
		if (strcmp(entries.all[i].name, "inside") == 0)
			assert_int_equal(entries.all[i].size, 5);
}

static void a_subdirectory_is_read_below_the_root(void **state)
{
	assert_int_equal(mkdir("sub", 0755), 0);
	put("sub/x");
	put("y");
	assert_int_equal(symlink("../y", "sub/link"), 0);
	assert_int_equal(mo_entries_read(root, "sub/", &entries), 0);
	assert_true(lists("x"));
	assert_false(lists("y"));
	mo_entries_free(&entries);
	assert_int_equal(mo_entries_read(root, "nothing/", &entries), -ENOENT);
	assert_int_equal(mo_entries_read(root, "y", &entries), -ENOTDIR);
	assert_true(mo_entries_read(root, "..", &entries) < 0);
}

static void names_cannot_break_out_of_the_page(void **state)
{
	mo_entry all[] = { { .name = (char *)"<script>alert('1')</script>&\"" },
			   { .name = (char *)"javascript:alert(1)" },
			   { .name = (char *)"\xff\n\\//" } };
	mo_entries e = { .all = all, .count = 3 };
	const char *text;

	mo_entries_page(&e, "/<b>\"&'/", true, &page);
	text = mo_buf_cstr(&page);
	assert_null(strstr(text, "<script"));
	assert_null(strstr(text, "<b>"));
	assert_null(strstr(text, "href=\"javascript:"));
	assert_non_null(
		strstr(text, "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;</a>"));
	assert_non_null(
		strstr(text, "<a href=\"%3Cscript%3Ealert%28%271%27%29%3C%2Fscript%3E%26%22\">"));
	assert_non_null(strstr(text, "<a href=\"javascript%3Aalert%281%29\">"));
	assert_non_null(strstr(text, "<a href=\"%FF%0A%5C%2F%2F\">"));
	assert_non_null(strstr(text, "<h1>/&lt;b&gt;&quot;&amp;&#39;/</h1>"));
}

static void a_row_has_name_size_and_date(void **state)
{
	mo_entry all[] = {
		{ .name = (char *)"dir", .is_dir = true, .size = 4096 },
		{ .name = (char *)"file", .size = 123456789012, .modified = 784111777 }
	};
	mo_entries e = { .all = all, .count = 2 };
	const char *text;

	mo_entries_page(&e, "/", false, &page);
	text = mo_buf_cstr(&page);
	assert_non_null(strstr(text, "<a href=\"dir/\">dir/</a></td><td></td>"));
	assert_non_null(strstr(text, "<a href=\"file\">file</a></td><td>123456789012</td>"
				     "<td>Sun, 06 Nov 1994 08:49:37 GMT</td>"));
	assert_null(strstr(text, "../"));
	assert_null(strstr(text, "Only"));
	page.len = 0;
	e.more = true;
	mo_entries_page(&e, "/x/", true, &page);
	assert_non_null(strstr(mo_buf_cstr(&page), "href=\"../\""));
	assert_non_null(strstr(mo_buf_cstr(&page), "Only 10000 entries"));
}

static void a_page_has_at_most_so_many_entries(void **state)
{
	for (unsigned i = 0; i < MO_MAX_LISTED + 3; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%u", i);
		close(open(name, O_WRONLY | O_CREAT, 0644));
	}
	assert_int_equal(mo_entries_read(root, "", &entries), 0);
	assert_int_equal(entries.count, MO_MAX_LISTED);
	assert_true(entries.more);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(directories_come_first_and_names_are_sorted),
		T(only_what_can_be_served_is_listed),
		T(a_subdirectory_is_read_below_the_root),
		T(names_cannot_break_out_of_the_page),
		T(a_row_has_name_size_and_date),
		T(a_page_has_at_most_so_many_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
