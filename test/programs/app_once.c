/* POST /once: a request whose execution is counted across processes.  Its ?id= is
 * appended to the file $APP_EXECUTED when the handler begins, so that a request
 * which was executed twice, or never, is seen there.
 *
 * ?in= bytes of body are expected, each the right one for its place; after ?ms= it
 * answers with ?out= bytes of the same pattern in ?pieces= flushed pieces (0: one,
 * not flushed), ?gap= ms apart. */
#include "app.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PERIOD 26

static void executed(const char *id)
{
	const char *path = getenv("APP_EXECUTED");
	int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644) : -1;
	char line[64];
	int n = snprintf(line, sizeof(line), "%s\n", id);

	if (fd < 0 || write(fd, line, (size_t)n) != n)
		abort();
	close(fd);
}

/* Reads it all; how many bytes were right, from the first on. */
static long read_pattern(molt_req *r)
{
	char piece[4096];
	long at = 0, n;

	while ((n = molt_req_read(r, piece, sizeof(piece))) > 0)
		for (long i = 0; i < n; i++, at++)
			if (piece[i] != (char)('a' + at % PERIOD))
				return -1;
	return n < 0 ? n : at;
}

static int write_pattern(molt_req *r, long from, long to)
{
	char piece[PERIOD * 100];
	int err = 0;

	for (size_t i = 0; i < sizeof(piece); i++)
		piece[i] = (char)('a' + i % PERIOD);
	while (from < to && !err) {
		long skip = from % PERIOD, n = (long)sizeof(piece) - skip;

		if (n > to - from)
			n = to - from;
		err = molt_res_write(r, piece + skip, (size_t)n);
		from += n;
	}
	return err;
}

static void once(molt_req *r)
{
	const char *id = molt_req_query(r, "id");
	long out = app_number(r, "out", 0), pieces = app_number(r, "pieces", 0);
	char said[32];
	int err = 0;

	executed(id ? id : "none");
	snprintf(said, sizeof(said), "%ld", read_pattern(r));
	molt_sleep(app_number(r, "ms", 0));
	molt_res_header(r, "X-Id", id);
	molt_res_header(r, "X-Read", said);
	for (long i = 0; i < pieces && !err; i++) {
		err = write_pattern(r, out * i / pieces, out * (i + 1) / pieces);
		if (!err)
			err = molt_res_flush(r);
		molt_sleep(app_number(r, "gap", 0));
	}
	if (pieces == 0)
		write_pattern(r, 0, out);
}

void app_once_routes(molt_server *s)
{
	molt_bind_opts(molt_routes(s), "POST /once", once, NULL,
		       &MOLT_ROUTE_OPTS(.stream_body = true));
}
