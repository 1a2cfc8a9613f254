/* One HTTP request over the control socket; see client.h.  The answer has a Content-Length,
 * like every finished answer of the admin API. */
#include "command/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/addr.h"
#include "web/admin/admin.h"

#define MAX_ANSWER ((size_t)64 * 1024 * 1024)

static int connect_to(const char *path)
{
	char *text = mo_fmt("unix:%s", path);
	mo_addr addr;
	int fd, rc = mo_addr_parse(text, &addr);

	free(text);
	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, &addr.u.sa, addr.len) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

static int send_all(int fd, const mo_buf *b)
{
	for (size_t at = 0; at < b->len;) {
		ssize_t n = send(fd, b->data + at, b->len - at, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int send_request(int fd, const char *method, const char *action, const json_t *body)
{
	char *json = body ? json_dumps(body, JSON_COMPACT) : NULL;
	mo_buf b = { 0 };
	int rc;

	mo_buf_fmt(&b,
		   "%s " MO_ADMIN_PATH "/%s HTTP/1.1\r\nHost: localhost\r\n"
		   "Accept: application/json\r\nConnection: close\r\n",
		   method, action);
	if (json)
		mo_buf_puts(&b, "Content-Type: application/json\r\n");
	if (strcmp(method, "POST") == 0)
		mo_buf_fmt(&b, "Content-Length: %zu\r\n", json ? strlen(json) : 0);
	mo_buf_puts(&b, "\r\n");
	mo_buf_puts(&b, json ? json : "");
	rc = send_all(fd, &b);
	mo_buf_free(&b);
	free(json);
	return rc;
}

static int read_to_end(int fd, molt_time deadline, mo_buf *in)
{
	for (;;) {
		molt_time left = mo_left(deadline);
		struct timeval limit = { left / 1000, left % 1000 * 1000 + 1 };
		ssize_t n;

		if (left == 0)
			return -ETIMEDOUT;
		if (left > 0)
			setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		mo_buf_reserve(in, 16384);
		n = recv(fd, in->data + in->len, in->cap - in->len, 0);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		in->len += n > 0 ? (size_t)n : 0;
		if (in->len > MAX_ANSWER)
			return -EPROTO;
	}
}

/* The number behind "Content-Length:" of the head, or -1. */
static long long body_length(const char *head)
{
	const char *field = strcasestr(head, "\r\nContent-Length:");

	return field ? strtoll(field + strlen("\r\nContent-Length:"), NULL, 10) : -1;
}

static int take_answer(mo_buf *in, mo_answer *out)
{
	const char *text = mo_buf_cstr(in), *gap = strstr(text, "\r\n\r\n");
	char *head;
	size_t len;
	int rc = -EPROTO;

	if (!gap || strncmp(text, "HTTP/1.1 ", 9) != 0)
		return -EPROTO;
	head = mo_strndup(text, (size_t)(gap - text));
	len = in->len - (size_t)(gap + 4 - text);
	if (body_length(head) == (long long)len) {
		out->status = atoi(head + 9);
		out->text = mo_strndup(gap + 4, len);
		out->body = mo_json_load(gap + 4, len, MO_JSON_DEPTH, 0);
		rc = 0;
	}
	free(head);
	return rc;
}

int mo_client_ask(const char *socket_path, const char *method, const char *action,
		  const json_t *body, molt_time timeout, mo_answer *out)
{
	mo_buf in = { 0 };
	int fd = connect_to(socket_path), rc;

	*out = (mo_answer){ 0 };
	if (fd < 0)
		return fd;
	rc = send_request(fd, method, action, body);
	if (rc == 0)
		rc = read_to_end(fd, mo_deadline(timeout), &in);
	if (rc == 0)
		rc = take_answer(&in, out);
	mo_buf_free(&in);
	close(fd);
	return rc;
}

void mo_answer_free(mo_answer *a)
{
	json_decref(a->body);
	free(a->text);
	*a = (mo_answer){ 0 };
}
