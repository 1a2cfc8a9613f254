/* The admin: its page, and the state as JSON. */
#include "admin_unit.h"

static void the_page_escapes_what_it_shows(void **state)
{
	now.method = "GET";
	mo_admin_on_page(&req);
	answers(200, "/x/&lt;script&gt;");
	answers(200, "https :0");
	answers(200, "(:8199)");
	answers(200, "1 h 2 min");
	answers(200, "2xx: 40");
	answers(200, "generation 3, pid 9");
	answers(200, "None yet.");
	assert_null(strstr(now.out.data, "/x/<script>"));
	assert_null(strstr(now.out.data, "{{"));
	assert_null(strstr(now.out.data, "3xx"));
}

static void the_page_works_without_script_and_loads_nothing(void **state)
{
	now.method = "GET";
	mo_admin_on_page(&req);
	answers(200,
		"<form method=\"post\" data-action=\"restart\" action=\"/debug/admin/restart\">");
	answers(200, "action=\"/debug/admin/shutdown\"");
	assert_null(strstr(now.out.data, "http://"));
	assert_null(strstr(now.out.data, "https://"));
	assert_null(strstr(now.out.data, "src="));
	assert_null(strstr(now.out.data, "style=\""));
	assert_null(strstr(now.out.data, "onclick"));
}

/* A narrow window shows the label in place of the head: none may be missing or differ. */
static void each_cell_has_its_columns_title_as_label(void **state)
{
	static const char *const titles[] = { "Name",        "State",   "Listeners", "Graceful",
					      "Connections", "Running", "Requests",  "Answers" };
	char text[64];
	const char *head, *cell;
	size_t i;

	now.method = "GET";
	mo_admin_on_page(&req);
	head = strstr(mo_buf_cstr(&now.out), "<thead>");
	assert_non_null(head);
	cell = strstr(head, "<tbody>");
	assert_non_null(cell);
	for (i = 0; i < MO_COUNTOF(titles); i++) {
		snprintf(text, sizeof(text), ">%s</th>", titles[i]);
		head = strstr(head, text);
		assert_non_null(head);
		cell = strstr(cell, "<td");
		assert_non_null(cell);
		snprintf(text, sizeof(text), "<td data-label=\"%s\"", titles[i]);
		assert_memory_equal(cell, text, strlen(text));
		cell++;
	}
	cell = strstr(cell, "<td");
	assert_true(!cell || !strncmp(cell, "<td data-label=\"Name\"", 21));
	answers(200, "content: attr(data-label)");
}

static void each_page_has_a_nonce_of_its_own(void **state)
{
	char first[128] = "", *at;

	now.method = "GET";
	mo_admin_on_page(&req);
	at = strstr(mo_buf_cstr(&now.head), "'nonce-");
	assert_non_null(at);
	memcpy(first, at + 7, 32);
	answers(200, first);
	now.head.len = now.out.len = 0;
	mo_admin_on_page(&req);
	assert_null(strstr(mo_buf_cstr(&now.head), first));
	assert_null(strstr(mo_buf_cstr(&now.out), first));
}

static void a_receipt_is_shown_whole(void **state)
{
	char text[1024];
	json_t *receipt;
	mo_buf b = { 0 };

	snprintf(text, sizeof(text), RECEIPT, "failed");
	receipt = json_loads(text, 0, NULL);
	assert_non_null(receipt);
	mo_admin_view_receipt(&b, receipt, false);
	mo_buf_cstr(&b);
	assert_non_null(strstr(b.data, "<span class=\"tag bad\">failed</span>"));
	assert_non_null(strstr(b.data, "/x/&lt;app&gt;"));
	assert_non_null(strstr(b.data, "bad &lt;config&gt;\nbye"));
	assert_non_null(strstr(b.data, "SPAWN <span class=\"soft\">1.5 ms"));
	assert_non_null(strstr(b.data, "adopted 4, bound 0"));
	assert_non_null(strstr(b.data, "probe GET /h 200, status 503, answer &lt;b&gt;no"));
	assert_null(strstr(b.data, "Signal"));
	mo_buf_free(&b);
	json_decref(receipt);
}

static void a_status_without_members_is_shown_all_the_same(void **state)
{
	mo_buf b = { 0 };
	json_t *empty = json_pack("{s:{}, s:[{}, {}], s:[{}]}", "x", "servers", "receipts");

	mo_admin_view(&b, empty);
	mo_admin_view(&b, NULL);
	assert_true(b.len > 100);
	mo_buf_free(&b);
	json_decref(empty);
}

static void the_state_is_json(void **state)
{
	now.method = "GET";
	mo_admin_on_status(&req);
	answers(200, "{\"pid\":11,\"generation\":1,");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(the_page_escapes_what_it_shows),
		T(the_page_works_without_script_and_loads_nothing),
		T(each_cell_has_its_columns_title_as_label),
		T(each_page_has_a_nonce_of_its_own),
		T(a_receipt_is_shown_whole),
		T(a_status_without_members_is_shown_all_the_same),
		T(the_state_is_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
