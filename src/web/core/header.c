/* Fields of the answer: setting, adding, removing, and what they may hold.
 *
 * Nothing with CR, LF, NUL or another control byte ever becomes a field, so no
 * value of a client can split an answer in two.  Fields keep their order. */
#include "web/core/header.h"

#include <errno.h>

#include "base/str.h"
#include "base/word.h"
#include "web/core/request.h"

bool mo_is_token(const char *s)
{
	static const bool tchar[256] = {
		['0' ... '9'] = true, ['A' ... 'Z'] = true,  ['a' ... 'z'] = true,
		['!'] = true,         ['#' ... '\''] = true, ['*'] = true,
		['+'] = true,         ['-' ... '.'] = true,  ['^' ... '`'] = true,
		['|'] = true,         ['~'] = true,
	};
	const char *p = s;

	while (tchar[(unsigned char)*p])
		p++;
	return p > s && *p == '\0';
}

bool mo_is_field_value(const char *s)
{
	size_t n = strlen(s);

	/* By eights, as long as there are neither control bytes nor tabs. */
	for (; n >= 8; n -= 8, s += 8) {
		if (mo_bytes_control(mo_load8(s)))
			break;
	}
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/* Looks at what will be sent, so without the spaces around it, and as browsers read it
 * (the URL standard, "basic URL parser"): they drop tabs and line ends wherever those
 * stand, and take a backslash for a slash.  So "//host", "/\host" and "/", tab, "/host"
 * lead to another host, though they look like paths. */
bool mo_is_location(const char *s)
{
	molt_str to = mo_str_trim(mo_str(s));
	unsigned slashes = 0;

	for (; *s; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	}
	while (slashes < to.len && (to.ptr[slashes] == '/' || to.ptr[slashes] == '\\'))
		slashes++;
	return to.len > 0 && slashes < 2;
}

static bool is_ours(molt_str name)
{
	/* Most names differ in their length already. */
	if (name.len != 4 && name.len != 10 && name.len != 14 && name.len != 17)
		return false;
	return mo_str_eq_ci(name, MO_STR("Content-Length")) ||
	       mo_str_eq_ci(name, MO_STR("Transfer-Encoding")) ||
	       mo_str_eq_ci(name, MO_STR("Connection")) || mo_str_eq_ci(name, MO_STR("Date"));
}

static int check_field(const molt_req *r, const char *name, const char *value)
{
	(void)mo_web_of(r);
	if (!name || !mo_is_token(name) || (value && !mo_is_field_value(value)))
		return -EINVAL;
	if (value && mo_str_eq_ci(mo_str(name), MO_STR("Location")) && !mo_is_location(value))
		return -EINVAL;
	if (is_ours(mo_str(name)))
		return -EPERM;
	return r->head_sent ? -EALREADY : 0;
}

static molt_str copy(molt_req *r, molt_str s)
{
	return mo_strn(mo_arena_strndup(&r->arena, s.ptr, s.len), s.len);
}

static mo_out_field *find(const molt_req *r, molt_str name)
{
	mo_out_field *f = r->out_fields;

	while (f && !mo_str_eq_ci(f->name, name))
		f = f->next;
	return f;
}

const char *mo_res_get(const molt_req *r, const char *name)
{
	const mo_out_field *f = find(r, mo_str(name));

	return f ? f->value.ptr : NULL;
}

static void append(molt_req *r, molt_str name, molt_str value)
{
	mo_out_field *f = mo_arena_alloc(&r->arena, sizeof(*f));

	*f = (mo_out_field){ .name = name, .value = value };
	*r->out_tail = f;
	r->out_tail = &f->next;
}

void mo_res_add(molt_req *r, const char *name, const char *value)
{
	append(r, copy(r, mo_str(name)), copy(r, mo_str_trim(mo_str(value))));
}

/* The first field of that name gets the value, further ones go; an empty ptr
 * removes all.  false: there was none. */
static bool replace(molt_req *r, molt_str name, molt_str value)
{
	mo_out_field **at = &r->out_fields;
	bool done = value.ptr == NULL;

	while (*at) {
		mo_out_field *f = *at;

		if (!mo_str_eq_ci(f->name, name)) {
			at = &f->next;
		} else if (done) {
			*at = f->next;
		} else {
			f->value = value;
			done = true;
			at = &f->next;
		}
	}
	r->out_tail = at;
	return done;
}

void mo_res_set(molt_req *r, const char *name, const char *value)
{
	molt_str copied = value ? copy(r, mo_str_trim(mo_str(value))) : mo_strn(NULL, 0);

	if (!replace(r, mo_str(name), copied))
		append(r, copy(r, mo_str(name)), copied);
}

void mo_res_set_kept(molt_req *r, molt_str name, molt_str value)
{
	if (!r->out_fields || !replace(r, name, value))
		append(r, name, value);
}

void mo_res_set_type(molt_req *r, molt_str type)
{
	mo_res_set_kept(r, MO_STR("Content-Type"), type);
}

bool mo_res_has_type(const molt_req *r)
{
	return find(r, MO_STR("Content-Type")) != NULL;
}

int molt_res_header(molt_req *r, const char *name, const char *value)
{
	int err = check_field(r, name, value);

	if (!err)
		mo_res_set(r, name, value);
	return err;
}

int molt_res_header_add(molt_req *r, const char *name, const char *value)
{
	int err = value ? check_field(r, name, value) : -EINVAL;

	if (!err)
		mo_res_add(r, name, value);
	return err;
}
