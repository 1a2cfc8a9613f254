/* Forms.  An input is a content type, a line feed, and a body; without a line feed
 * it is a body alone.
 *   - what is accepted has at most 256 parts, named, with names free of control
 *     bytes and file names free of directories;
 *   - data lies in the body and ends with a NUL, which is all that changes there: with the
 *     CRs back, and in a body that is refused, each byte is as it came. */
#include "base/arena.h"
#include "base/str.h"
#include "fuzz.h"
#include "http/url.h"

static void check_text(molt_str s)
{
	MO_CHECK(s.ptr && s.ptr[s.len] == '\0');
	for (size_t i = 0; i < s.len; i++)
		MO_CHECK((unsigned char)s.ptr[i] >= 0x20 && s.ptr[i] != 0x7f);
}

static void check_part(const mo_part *part, molt_str body)
{
	check_text(part->name);
	check_text(part->filename);
	MO_CHECK(part->type.ptr && part->type.ptr[part->type.len] == '\0');
	MO_CHECK(!strpbrk(part->filename.ptr, "/\\"));
	MO_CHECK(!mo_str_eq(part->filename, MO_STR(".")) &&
		 !mo_str_eq(part->filename, MO_STR("..")));
	MO_CHECK(part->data.ptr >= body.ptr &&
		 part->data.ptr + part->data.len < body.ptr + body.len);
	MO_CHECK(part->data.ptr[part->data.len] == '\0');
}

static int parse(molt_str type, const void *data, size_t size)
{
	char *copy = exact_copy(data, size);
	molt_str body = mo_strn(copy, size);
	mo_part *parts = NULL;
	size_t count = 0;
	mo_arena a;
	int rc;

	mo_arena_init(&a, NULL);
	rc = mo_multipart_parse(&a, type, copy, size, &parts);
	for (const mo_part *part = parts; rc == 0 && part; part = part->next, count++)
		check_part(part, body);
	MO_CHECK(count <= MO_MAX_PARTS);
	mo_multipart_end(parts, copy, copy, '\r');
	MO_CHECK(size == 0 || memcmp(copy, data, size) == 0);
	mo_arena_fini(&a);
	free(copy);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *eol = size ? memchr(data, '\n', size) : NULL;
	size_t n = eol ? (size_t)(eol - data) : 0, skip = eol ? n + 1 : 0;
	char *type = exact_copy(data, n);

	parse(mo_strn(type, n), data + skip, size - skip);
	free(type);
	parse(MO_STR("multipart/form-data; boundary=XX"), data + skip, size - skip);
	return 0;
}
