/* Public structs of other sizes than ours; see sized.h. */
#include "base/sized.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

/* The size itself and a member.  More than MOST no struct will ever have: somebody has not
 * set it, and what lies behind the struct is not to be read. */
#define LEAST (2 * sizeof(size_t))
#define MOST ((size_t)4096)

#define GROWS(type, last)                                                                          \
	_Static_assert(offsetof(type, size) == 0 && sizeof(((type *)0)->size) == sizeof(size_t) && \
			       offsetof(type, last) + sizeof(((type *)0)->last) == sizeof(type),   \
		       #type " begins with its size and has no padding at its end")
GROWS(molt_server_opts, unix_group);
GROWS(molt_listen_opts, key);
GROWS(molt_process_info, requests);
GROWS(molt_route_opts, timeout);
GROWS(molt_static_opts, max_age);
GROWS(molt_file, data);
GROWS(molt_cookie, max_age);
GROWS(molt_ws_msg, data);
GROWS(molt_ws_endpoint, subprotocol);

/* Takes text. */
static int refuse(int err, char **why, char *text)
{
	if (why) {
		*why = text;
	} else {
		mo_error("%s", text);
		free(text);
	}
	return err;
}

static size_t size_of(const void *theirs)
{
	size_t size;

	memcpy(&size, theirs, sizeof(size));
	return size;
}

/* "MOLT_ROUTE_OPTS" for molt_route_opts; out has room for 32. */
static const char *macro_of(const char *type, char *out)
{
	size_t n = 0;

	for (; type[n] && n < 31; n++)
		out[n] = (char)(type[n] >= 'a' && type[n] <= 'z' ? type[n] - 'a' + 'A' : type[n]);
	out[n] = '\0';
	return out;
}

int mo_sized_check(const void *theirs, const char *type, char **why)
{
	size_t size = size_of(theirs);
	char macro[32];

	if (size >= LEAST && size <= MOST)
		return 0;
	return refuse(size < LEAST ? -EINVAL : -E2BIG, why,
		      mo_fmt("a %s says that it has %zu bytes: make it with %s(...), or begin it "
			     "with .size = sizeof(%s)",
			     type, size, macro_of(type, macro), type));
}

static bool all_zero(const char *p, size_t n)
{
	while (n > 0 && *p == 0)
		p++, n--;
	return n == 0;
}

int mo_sized_in(void *ours, size_t size, const void *theirs, const char *type, char **why)
{
	size_t known, both;
	int rc;

	memset(ours, 0, size);
	if (theirs) {
		rc = mo_sized_check(theirs, type, why);
		if (rc < 0)
			return rc;
		known = size_of(theirs);
		both = known < size ? known : size;
		if (!all_zero((const char *)theirs + both, known - both))
			return refuse(-E2BIG, why,
				      mo_fmt("a %s has members set that libmolt %d.%d.%d does not "
					     "know: the program was built for a newer one; install "
					     "that, or leave them zero",
					     type, MOLT_VERSION_MAJOR, MOLT_VERSION_MINOR,
					     MOLT_VERSION_PATCH));
		memcpy(ours, theirs, both);
	}
	memcpy(ours, &size, sizeof(size));
	return 0;
}

int mo_sized_out(void *theirs, const void *ours, size_t size, const char *type, char **why)
{
	size_t known, both, first = sizeof(size_t);
	int rc = mo_sized_check(theirs, type, why);

	if (rc < 0)
		return rc;
	known = size_of(theirs);
	both = known < size ? known : size;
	memcpy((char *)theirs + first, (const char *)ours + first, both - first);
	memset((char *)theirs + both, 0, known - both);
	return 0;
}
