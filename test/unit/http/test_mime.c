/* Promises of http/syntax/mime.c.  The table is included to check its order. */
#include "unit.h"

#include "http/syntax/mime.c"

static void type_is(const char *name, const char *type)
{
	assert_string_equal(mo_mime_type(mo_str(name)), type);
}

static void every_row_is_in_order_and_can_be_found(void **state)
{
	for (size_t i = 0; i < MO_COUNTOF(table); i++) {
		char name[64] = "dir.d/a.";

		if (i > 0)
			assert_true(strcmp(table[i - 1].ending, table[i].ending) < 0);
		strcat(name, table[i].ending);
		type_is(name, table[i].type);
	}
}

static void the_types_of_the_web_are_known(void **state)
{
	type_is("index.html", "text/html; charset=utf-8");
	type_is("app.js", "text/javascript; charset=utf-8");
	type_is("app.mjs", "text/javascript; charset=utf-8");
	type_is("a.css", "text/css; charset=utf-8");
	type_is("a.svg", "image/svg+xml");
	type_is("a.webp", "image/webp");
	type_is("a.avif", "image/avif");
	type_is("a.woff2", "font/woff2");
	type_is("a.wasm", "application/wasm");
	type_is("a.json", "application/json");
	type_is("a.pdf", "application/pdf");
	type_is("a.mp4", "video/mp4");
	type_is("a.webm", "video/webm");
	type_is("app.js.map", "application/json");
	type_is("favicon.ico", "image/vnd.microsoft.icon");
	type_is("a.xml", "text/xml; charset=utf-8");
	type_is("a.txt", "text/plain; charset=utf-8");
	type_is("README.md", "text/markdown; charset=utf-8");
	type_is("a.zip", "application/zip");
	type_is("a.tar.gz", "application/gzip");
}

static void case_does_not_matter(void **state)
{
	type_is("A.HTML", "text/html; charset=utf-8");
	type_is("x.JpEg", "image/jpeg");
}

static void unknown_names_are_bytes(void **state)
{
	static const char *const names[] = {
		"",           ".",     "a",       "a.",       "html",
		"/",          "a.b/c", "a.html/", "a.nosuch", "a.htmlhtmlhtmlhtmlhtmlhtmlhtml",
		"a.\x80\xff",
	};

	for (size_t i = 0; i < MO_COUNTOF(names); i++)
		type_is(names[i], "application/octet-stream");
	assert_string_equal(mo_mime_type((molt_str){ NULL, 0 }), "application/octet-stream");
	/* A NUL does not end the name early. */
	assert_string_equal(mo_mime_type(mo_strn("a.js\0on", 7)), "application/octet-stream");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_in_order_and_can_be_found),
		cmocka_unit_test(the_types_of_the_web_are_known),
		cmocka_unit_test(case_does_not_matter),
		cmocka_unit_test(unknown_names_are_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
