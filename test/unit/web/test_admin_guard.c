/* Who may use the admin: each line of the guard's table. */
#include "unit.h"

#include "web/admin/admin.h"

#define TOKEN "0123456789abcdef"
#define LOCAL .peer = MO_ADMIN_PEER_OURS, .host = "127.0.0.1:8199"
#define FAR .peer = MO_ADMIN_PEER_FAR, .host = "example.com"
#define GET .kind = MO_ADMIN_ACT_BY_GET
#define POST .kind = MO_ADMIN_ACT_BY_POST

#define HERE .peer = MO_ADMIN_PEER_OURS

static const struct {
	int status;
	mo_admin_ask ask;
} guard_rows[] = {
	/* Loopback peer and loopback host. */
	{ 0, { LOCAL } },
	{ 0, { LOCAL, POST } },
	{ 0, { LOCAL, GET } },
	{ 0, { HERE, .host = "localhost" } },
	{ 0, { HERE, .host = "LocalHost:1" } },
	{ 0, { HERE, .host = "127.9.9.9:80" } },
	{ 0, { HERE, .host = "[::1]:80" } },
	{ 0, { HERE, .host = "[::1]" } },
	{ 403, { HERE, .host = "evil.com:8199" } }, /* rebinding */
	{ 403, { HERE, .host = "127.0.0.1.evil.com" } },
	{ 403, { HERE, .host = "localhost.evil.com" } },
	{ 403, { HERE, .host = "127.0.0.1@evil.com" } },
	{ 403, { HERE, .host = "[::1].evil.com" } },
	{ 403, { HERE, .host = "[::1" } },
	{ 403, { HERE, .host = "[::2]" } },
	{ 403, { HERE, .host = "0.0.0.0:8199" } },
	{ 403, { HERE, .host = "128.0.0.1" } },
	{ 403, { HERE, .host = "127.1" } },
	{ 403, { HERE, .host = "192.168.1.2" } },
	{ 403, { HERE, .host = "" } },
	{ 403, { HERE } },
	{ 403, { .peer = MO_ADMIN_PEER_FAR, .host = "127.0.0.1:8199" } },
	{ 403, { FAR } },
	/* Token. */
	{ 0, { FAR, POST, .token = TOKEN, .authorization = "Bearer " TOKEN } },
	{ 0, { FAR, POST, .token = TOKEN, .authorization = "bearer  " TOKEN } },
	{ 401, { FAR, POST, .token = TOKEN } },
	{ 401, { FAR, POST, .token = TOKEN, .authorization = "Bearer " } },
	{ 401, { FAR, POST, .token = TOKEN, .authorization = "Bearer" } },
	{ 401, { FAR, POST, .token = TOKEN, .authorization = "Bearer 0123456789abcdeX" } },
	{ 401, { FAR, POST, .token = TOKEN, .authorization = "Bearer 0123456789abcde" } },
	{ 401, { FAR, POST, .token = TOKEN, .authorization = "Bearer " TOKEN "0" } },
	{ 401, { FAR, POST, .token = TOKEN, .authorization = "Basic " TOKEN } },
	{ 401, { FAR, POST, .token = TOKEN, .authorization = TOKEN } },
	{ 401, { LOCAL, POST, .token = TOKEN, .authorization = "Bearer wrong" } },
	{ 401, { LOCAL, POST, .token = TOKEN } }, /* the loopback rule has ended */
	{ 401, { LOCAL, .token = TOKEN } },
	{ 0, { LOCAL, POST, .token = TOKEN, .authorization = "Bearer " TOKEN } },
	/* A proxy, or another user, on this machine. */
	{ 403, { .host = "127.0.0.1", POST, .peer = MO_ADMIN_PEER_OTHERS } },
	{ 403, { .host = "127.0.0.1", .peer = MO_ADMIN_PEER_OTHERS } },
	{ 403, { .host = "127.0.0.1", POST, .peer = MO_ADMIN_PEER_UNKNOWN } },
	{ 403, { LOCAL, POST, .forwarded = true } },
	{ 403, { LOCAL, .forwarded = true } },
	{ 403, { LOCAL, POST, .http10 = true } },
	{ 0,
	  { .host = "x",
	    POST,
	    .peer = MO_ADMIN_PEER_OTHERS,
	    .forwarded = true,
	    .http10 = true,
	    .token = TOKEN,
	    .authorization = "Bearer " TOKEN } },
	{ 0, { LOCAL, POST, .own_check = true, .forwarded = true, .http10 = true } },
	{ 403, { FAR, POST, .authorization = "Bearer " TOKEN } }, /* none configured */
	{ 403, { FAR, POST, .authorization = "Bearer " } },
	/* Middleware of the group has decided. */
	{ 0, { FAR, POST, .own_check = true } },
	{ 403, { FAR, POST, .own_check = true, .fetch_site = "cross-site" } },
	{ 403, { FAR, POST, .own_check = true, .origin = "https://evil.com" } },
	/* Cross-site, whoever asks. */
	{ 403, { LOCAL, .fetch_site = "cross-site" } },
	{ 403, { LOCAL, POST, .fetch_site = "same-site" } },
	{ 403, { LOCAL, POST, .fetch_site = "" } },
	{ 403, { LOCAL, POST, .fetch_site = "same-origin, cross-site" } },
	{ 0, { LOCAL, POST, .fetch_site = "same-origin" } },
	{ 0, { LOCAL, .fetch_site = "none" } },
	{ 0, { LOCAL, POST, .origin = "http://127.0.0.1:8199" } },
	{ 403, { LOCAL, POST, .origin = "http://127.0.0.1:8200" } },
	{ 403, { LOCAL, POST, .origin = "http://127.0.0.1" } },
	{ 403, { LOCAL, POST, .origin = "http://evil.com" } },
	{ 403, { LOCAL, POST, .origin = "null" } },
	{ 403, { LOCAL, POST, .origin = "" } },
	{ 403, { LOCAL, POST, .origin = "http://" } },
	{ 403, { LOCAL, POST, .origin = "127.0.0.1:8199" } },
	{ 403, { LOCAL, POST, .tls = true, .origin = "http://127.0.0.1:8199" } },
	{ 0, { LOCAL, POST, .tls = true, .origin = "https://127.0.0.1:8199" } },
	{ 403,
	  { FAR, POST, .token = TOKEN, .authorization = "Bearer " TOKEN,
	    .origin = "https://evil.com" } },
	{ 0, { FAR, POST, .own_check = true, .origin = "https://example.com" } },
	{ 0, { FAR, POST, .own_check = true, .origin = "https://EXAMPLE.com:443" } },
	{ 403, { FAR, POST, .own_check = true, .origin = "https://example.com:444" } },
	{ 403, { FAR, POST, .own_check = true, .origin = "https://example.com.evil.com" } },
	/* Actions by GET. */
	{ 0, { LOCAL, GET, .referer = "http://127.0.0.1:8199/debug/admin" } },
	{ 403, { LOCAL, GET, .referer = "http://evil.com/" } },
	{ 403, { LOCAL, GET, .referer = "http://127.0.0.1:8199.evil.com/" } },
	{ 0, { LOCAL, .referer = "http://evil.com/" } },
	{ 0, { LOCAL, POST, .referer = "http://evil.com/" } },
	{ 403, { LOCAL, GET, .purpose = "prefetch" } },
	{ 403, { LOCAL, GET, .cookie = true } },
	{ 403, { LOCAL, GET, .browser = true } },
	{ 403, { LOCAL, GET, .browser = true, .fetch_site = "same-origin" } },
	{ 403, { LOCAL, GET, .browser = true, .own_check = true } },
	{ 0, { LOCAL, POST, .browser = true } },
	{ 0, { LOCAL, .browser = true } },
	{ 0, { LOCAL, GET, .cookie = true, .referer = "http://127.0.0.1:8199/" } },
	{ 0, { LOCAL, POST, .cookie = true } },
};

static void the_guard_decides_as_its_table_says(void **state)
{
	for (size_t i = 0; i < sizeof(guard_rows) / sizeof(guard_rows[0]); i++) {
		const char *why = NULL;
		int status = mo_admin_guard(&guard_rows[i].ask, &why);

		if (status != guard_rows[i].status)
			fail_msg("row %zu (host %s): %d, not %d (%s)", i, guard_rows[i].ask.host,
				 status, guard_rows[i].status, why ? why : "");
		assert_true(!status || why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_guard_decides_as_its_table_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
