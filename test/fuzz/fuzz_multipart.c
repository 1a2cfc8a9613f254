/* Forms, whole and in pieces.  An input is a content type, a line feed, and a body; without a line feed
 * it is a body alone.
 *   - what is accepted has at most 256 parts, named, with names free of control
 *     bytes and file names free of directories;
 *   - data lies in the body and ends with a NUL, which is all that changes there: with the
 *     CRs back, and in a body that is refused, each byte is as it came;
 *   - in pieces the form gives the same events and the same result wherever it is cut: at each
 *     place when it is short, else at places that depend on the input; and what is accepted
 *     as a whole gives the same parts. */
#include "base/arena.h"
#include "base/str.h"
#include "fuzz.h"
#include "http/syntax/multipart.h"

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

/* ---- in pieces ---- */

#define SHORT 160u /* cut at each place */

/* What has happened: a part's texts, its data put together, its end. */
static int on_begin(void *arg, mo_part *part)
{
	mo_buf *events = arg;

	check_text(part->name);
	check_text(part->filename);
	mo_buf_fmt(events, "%zu %zu %zu %d ", part->name.len, part->filename.len, part->type.len,
		   part->is_file);
	mo_buf_str(events, part->name);
	mo_buf_str(events, part->filename);
	mo_buf_str(events, part->type);
	mo_buf_putc(events, ':');
	return 0;
}

static int on_data(void *arg, molt_str bytes)
{
	if (bytes.len)
		mo_buf_str(arg, bytes);
	return 0;
}

static int on_end(void *arg)
{
	mo_buf_puts(arg, "end\n");
	return 0;
}

static const mo_multipart_user user = { on_begin, on_data, on_end };

/* In two pieces, or (cut > size) in many.  The result; events is what has happened. */
static int push(molt_str type, const uint8_t *data, size_t size, size_t cut, mo_buf *events)
{
	unsigned seed = (unsigned)size;
	mo_multipart m;
	size_t at = 0;
	mo_arena a;
	int rc;

	events->len = 0;
	mo_arena_init(&a, NULL);
	rc = mo_multipart_init(&m, &a, type, &user, events);
	while (rc == 0 && at < size) {
		size_t n = cut > size ? 1 + next_number(&seed, 40) : at < cut ? cut : size - at;
		char *piece;

		n = n < size - at ? n : size - at;
		piece = exact_copy(data + at, n);
		(void)mo_multipart_push(&m, piece, n);
		free(piece);
		at += n;
	}
	if (rc == 0) {
		rc = mo_multipart_finish(&m);
		mo_multipart_free(&m);
	}
	mo_arena_fini(&a);
	return rc;
}

static void same_when_cut(molt_str type, const uint8_t *data, size_t size)
{
	mo_buf whole = { 0 }, cut = { 0 };
	int rc = push(type, data, size, size, &whole);

	for (size_t at = 1; at <= size + 1; at++) {
		if (size > SHORT && at <= size)
			at = size + 1; /* only in many */
		MO_CHECK(push(type, data, size, at, &cut) == rc);
		MO_CHECK(cut.len == whole.len);
		MO_CHECK(cut.len == 0 || memcmp(cut.data, whole.data, cut.len) == 0);
	}
	mo_buf_free(&whole);
	mo_buf_free(&cut);
}

/* The parser of whole bodies takes any number of blanks behind a boundary. */
static bool has_long_blanks(const uint8_t *data, size_t size)
{
	size_t run = 0;

	for (size_t i = 0; i < size && run <= MO_MULTIPART_PADDING; i++)
		run = data[i] == ' ' || data[i] == '\t' ? run + 1 : 0;
	return run > MO_MULTIPART_PADDING;
}

static void both_agree(molt_str type, const uint8_t *data, size_t size)
{
	mo_buf events = { 0 }, wanted = { 0 };
	char *copy = exact_copy(data, size);
	mo_part *parts = NULL;
	mo_arena a;
	int rc;

	mo_arena_init(&a, NULL);
	rc = mo_multipart_parse(&a, type, copy, size, &parts);
	if (!has_long_blanks(data, size)) {
		MO_CHECK(push(type, data, size, size + 1, &events) == rc);
		for (mo_part *p = parts; rc == 0 && p; p = p->next) {
			on_begin(&wanted, p);
			on_data(&wanted, p->data);
			on_end(&wanted);
		}
		MO_CHECK(rc < 0 || wanted.len == events.len);
		MO_CHECK(rc < 0 || wanted.len == 0 ||
			 memcmp(wanted.data, events.data, wanted.len) == 0);
	}
	mo_arena_fini(&a);
	mo_buf_free(&events);
	mo_buf_free(&wanted);
	free(copy);
}

static void run(molt_str type, const uint8_t *data, size_t size)
{
	parse(type, data, size);
	same_when_cut(type, data, size);
	both_agree(type, data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *eol = size ? memchr(data, '\n', size) : NULL;
	size_t n = eol ? (size_t)(eol - data) : 0, skip = eol ? n + 1 : 0;
	char *type = exact_copy(data, n);

	run(mo_strn(type, n), data + skip, size - skip);
	free(type);
	run(MO_STR("multipart/form-data; boundary=XX"), data + skip, size - skip);
	return 0;
}
