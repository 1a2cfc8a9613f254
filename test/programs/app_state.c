/* State that one generation gives to the next, by request. */
#include "app.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char boot[64] = "none"; /* what came under "boot" */
static int offers;

static uint64_t sum(const void *buf, size_t n)
{
	const unsigned char *p = buf;
	uint64_t h = 14695981039346656037u;

	while (n-- > 0)
		h = (h ^ *p++) * 1099511628211u;
	return h;
}

/* ?key=K, with text=T or mib=N; fd=1: and a file that has the key's name in it. */
static void give(molt_req *r)
{
	const char *key = molt_req_query(r, "key"), *text = molt_req_query(r, "text");
	size_t n = text ? strlen(text) : (size_t)app_number(r, "mib", 0) << 20;
	uint32_t *bytes = malloc(n + 4);
	int fd = -1;

	for (size_t i = 0; i < n / 4; i++)
		bytes[i] = (uint32_t)(i * 2654435761u);
	if (text)
		memcpy(bytes, text, n);
	if (app_number(r, "fd", 0)) {
		fd = memfd_create("app", MFD_CLOEXEC);
		dprintf(fd, "file of %s", key);
	}
	molt_res_printf(r, "%d %016" PRIx64 "\n", molt_state_give(key, bytes, n, fd),
			sum(bytes, n));
	if (fd >= 0)
		close(fd);
	free(bytes);
}

static void take(molt_req *r)
{
	char text[100] = "";
	size_t len = 0;
	void *buf = NULL;
	int fd = -1, rc = molt_state_take(molt_req_query(r, "key"), &buf, &len, &fd);

	if (fd >= 0 && pread(fd, text, sizeof(text) - 1, 0) < 0)
		strcpy(text, "?");
	molt_res_printf(r, "%d %016" PRIx64 " %zu [%.*s] [%s]\n", rc, sum(buf, len), len,
			len < 100 ? (int)len : 0, len ? (char *)buf : "", text);
	if (fd >= 0)
		close(fd);
	free(buf);
}

static void many(molt_req *r)
{
	bool taking = app_number(r, "take", 0);
	int n = app_number(r, "n", 1), good = 0;

	for (int i = 0; i < n; i++) {
		const char *key = molt_fmt(r, "many-%d", i);
		size_t len;
		void *buf;

		if (!taking) {
			good += molt_state_give(key, key, strlen(key), STDIN_FILENO) == 0;
		} else if (molt_state_take(key, &buf, &len, NULL) == 0) {
			good += strcmp(buf, key) == 0;
			free(buf);
		}
	}
	molt_res_printf(r, "%d\n", good);
}

static void show(molt_req *r)
{
	molt_res_printf(r, "%s %d\n", boot, offers);
}

/* A program begins with what it understands. */
static void begin(void)
{
	size_t len;
	void *buf;

	if (molt_state_take("boot", &buf, &len, NULL) < 0)
		return;
	if (strncmp(buf, "v1 ", 3) == 0)
		snprintf(boot, sizeof(boot), "%s", (char *)buf + 3);
	else
		molt_state_refuse("boot", "only version 1 is known here");
	free(buf);
}

static void on_offer(void *unused)
{
	char text[64];

	snprintf(text, sizeof(text), "offer %d of pid %d", ++offers, getpid());
	molt_state_give("fresh", text, strlen(text), -1);
}

void app_state_routes(molt_server *s)
{
	molt_group *g = molt_routes(s);

	if (!getenv("APP_STATE"))
		return;
	begin();
	molt_on(MOLT_ON_OFFER, on_offer, NULL);
	molt_bind(g, "/state-give", give, NULL);
	molt_bind(g, "/state-take", take, NULL);
	molt_bind(g, "/state-many", many, NULL);
	molt_bind(g, "/state", show, NULL);
}
