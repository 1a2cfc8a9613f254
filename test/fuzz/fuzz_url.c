/* Paths, queries and cookies:
 *   - a path that is accepted is clean, and stays itself when it is escaped and
 *     read again;
 *   - what is escaped is decoded to itself;
 *   - lists stay within their limit, and every string ends with a NUL. */
#include "base/str.h"
#include "fuzz.h"
#include "http/syntax/url.h"

static void check_clean(molt_str path)
{
	MO_CHECK(path.ptr[0] == '/' && path.ptr[path.len] == '\0');
	MO_CHECK(strlen(path.ptr) == path.len);
	MO_CHECK(!strstr(path.ptr, "//") && !strstr(path.ptr, "/./") && !strstr(path.ptr, "/../"));
	MO_CHECK(!mo_str_has_suffix(path, MO_STR("/.")));
	MO_CHECK(!mo_str_has_suffix(path, MO_STR("/..")));
	for (size_t i = 0; i < path.len; i++)
		MO_CHECK(path.ptr[i] == MO_KEPT_SLASH ||
			 ((unsigned char)path.ptr[i] >= 0x20 && path.ptr[i] != 0x7f));
}

/* As a client writes the path: with "%2F" for what is no separator. */
static void write_path(mo_buf *out, molt_str path)
{
	while (path.ptr) {
		mo_url_encode(out, mo_str_split(&path, MO_KEPT_SLASH), true);
		mo_buf_puts(out, path.ptr ? "%2F" : "");
	}
}

/* Only what was sent as an encoded slash is shown as one. */
static void check_shown(mo_arena *a, molt_str path)
{
	molt_str shown = mo_url_shown(a, path, "%2F"), plain = mo_url_shown(a, path, "/");
	size_t kept = 0;

	for (size_t i = 0; i < path.len; i++)
		kept += path.ptr[i] == MO_KEPT_SLASH;
	MO_CHECK(shown.len == path.len + 2 * kept && plain.len == path.len);
	for (size_t i = 0; i < path.len; i++)
		MO_CHECK(plain.ptr[i] == (path.ptr[i] == MO_KEPT_SLASH ? '/' : path.ptr[i]));
	MO_CHECK(shown.ptr[shown.len] == '\0' && plain.ptr[plain.len] == '\0');
}

static void check_path(mo_arena *a, molt_str raw)
{
	mo_buf escaped = { 0 };
	molt_str path, again;

	if (mo_url_path(a, raw, &path) < 0)
		return;
	MO_CHECK(path.len <= raw.len);
	check_clean(path);
	check_shown(a, path);
	write_path(&escaped, path);
	MO_CHECK(mo_url_path(a, mo_strn(escaped.data, escaped.len), &again) == 0);
	MO_CHECK(mo_str_eq(path, again));
	mo_buf_free(&escaped);
}

static void check_escapes(mo_arena *a, molt_str raw)
{
	molt_str plain = mo_url_decode(a, raw, true), again;
	mo_buf escaped = { 0 };

	MO_CHECK(plain.len <= raw.len && plain.ptr[plain.len] == '\0');
	mo_url_encode(&escaped, raw, false);
	again = mo_url_decode(a, mo_strn(escaped.data, escaped.len), true);
	MO_CHECK(mo_str_eq(raw, again));
	mo_buf_free(&escaped);
}

static void check_list(const mo_pair *list, size_t size)
{
	size_t total = 0, count = 0;

	for (; list; list = list->next) {
		MO_CHECK(list->name.ptr[list->name.len] == '\0');
		MO_CHECK(list->value.ptr[list->value.len] == '\0');
		total += list->name.len + list->value.len;
		count++;
	}
	MO_CHECK(total <= size && count <= MO_MAX_PAIRS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = exact_copy(data, size);
	molt_str raw = mo_strn(copy, size);
	mo_arena a;

	mo_arena_init(&a, NULL);
	check_path(&a, raw);
	check_escapes(&a, raw);
	check_list(mo_query_parse(&a, raw), size);
	check_list(mo_cookie_parse(&a, raw), size);
	mo_arena_fini(&a);
	free(copy);
	return 0;
}
