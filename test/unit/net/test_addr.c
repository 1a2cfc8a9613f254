/* Promises of net/addr.h. */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>

#include "net/addr.h"

static mo_addr parsed(const char *text)
{
	mo_addr a;

	assert_int_equal(mo_addr_parse(text, &a), 0);
	return a;
}

static void every_form_is_read_and_written(void **state)
{
	static const struct {
		const char *in, *out, *ip;
		int family, port;
	} row[] = {
		{ ":80", ":80", "::", AF_INET6, 80 },
		{ "80", ":80", "::", AF_INET6, 80 },
		{ ":0", ":0", "::", AF_INET6, 0 },
		{ "127.0.0.1:8199", "127.0.0.1:8199", "127.0.0.1", AF_INET, 8199 },
		{ "0.0.0.0:1", "0.0.0.0:1", "0.0.0.0", AF_INET, 1 },
		{ "localhost:80", "127.0.0.1:80", "127.0.0.1", AF_INET, 80 },
		{ "[::1]:80", "[::1]:80", "::1", AF_INET6, 80 },
		{ "[::]:65535", "[::]:65535", "::", AF_INET6, 65535 },
		{ "[2001:DB8:0:0::1]:443", "[2001:db8::1]:443", "2001:db8::1", AF_INET6, 443 },
		{ "unix:/run/a.sock", "unix:/run/a.sock", "unix", AF_UNIX, 0 },
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		char text[MO_ADDR_TEXT], ip[INET6_ADDRSTRLEN];
		mo_addr a = parsed(row[i].in);

		mo_addr_format(&a, text);
		mo_addr_ip(&a, ip);
		assert_string_equal(text, row[i].out);
		assert_string_equal(ip, row[i].ip);
		assert_int_equal(a.u.sa.sa_family, row[i].family);
		assert_int_equal(mo_addr_port(&a), row[i].port);
		assert_int_equal(a.any, row[i].out[0] == ':');
		assert_true(a.len > 0);
	}
}

static void what_cannot_be_read_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		":",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:65536",
		":-1",
		":+1",
		": 80",
		"80 ",
		":000080",
		"::1:80",
		"[::1]",
		"[::1]80",
		"[::1:80",
		"[127.0.0.1]:80",
		"256.0.0.1:1",
		"1.2.3:80",
		"example.com:80",
		"http://a:80",
		"[]:80",
		"unix:",
		"unix:relative",
		"unix:/",
		"unix:/dir/",
		"unix:/a\nb",
		"unix:/a\x1b[31m",
		"unix:/caf\xe9",
		"[::1%lo]:80",
		"[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]:80",
		"127.0.0.1:80:80",
	};
	mo_addr a;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(mo_addr_parse(bad[i], &a), -EINVAL);
	assert_int_equal(mo_addr_parse(NULL, &a), -EINVAL);
}

static void a_unix_path_has_a_limit(void **state)
{
	char text[200] = "unix:/", out[MO_ADDR_TEXT];
	mo_addr a;

	memset(text + 6, 'p', MO_ADDR_PATH_MAX - 1);
	a = parsed(text);
	mo_addr_format(&a, out);
	assert_string_equal(out, text);
	strcat(text, "p");
	assert_int_equal(mo_addr_parse(text, &a), -ENAMETOOLONG);
}

static void equal_means_family_address_and_port(void **state)
{
	static const char *const each[] = { ":80",          ":81",          "[::]:80",
					    "0.0.0.0:80",   "127.0.0.1:80", "127.0.0.1:81",
					    "127.0.0.2:80", "[::1]:80",     "unix:/a",
					    "unix:/ab" };
	size_t n = sizeof(each) / sizeof(each[0]);

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < n; k++) {
			mo_addr a = parsed(each[i]), b = parsed(each[k]);

			assert_int_equal(mo_addr_equal(&a, &b), i == k);
		}
	}
}

static void a_passed_socket_has_a_name(void **state)
{
	mo_addr a, b;
	char text[MO_ADDR_TEXT];

	assert_int_equal(mo_addr_parse("systemd:web.socket", &a), 0);
	assert_int_equal(mo_addr_parse("systemd:web", &b), 0);
	assert_false(mo_addr_equal(&a, &b));
	assert_true(mo_addr_equal(&a, &a));
	assert_false(mo_addr_is_loopback(&a));
	mo_addr_format(&a, text);
	assert_string_equal(text, "systemd:web.socket");
	assert_true(mo_addr_is_passed("systemd:web"));
	assert_false(mo_addr_is_passed("unix:/systemd:web"));
	assert_int_equal(mo_addr_parse("systemd:", &a), -EINVAL);
	assert_int_equal(mo_addr_parse("systemd:a:b", &a), -EINVAL);
	assert_int_equal(mo_addr_parse("systemd:a b", &a), -EINVAL);
}

static void any_is_equal_in_both_families(void **state)
{
	mo_addr a = parsed(":80"), b = parsed("0.0.0.0:80");

	b.any = true; /* as bound on a system without IPv6 */
	assert_true(mo_addr_equal(&a, &b));
	assert_true(mo_addr_equal(&b, &a));
}

static void loopback_is_known_in_every_family(void **state)
{
	static const char *const yes[] = { "127.0.0.1:1", "127.255.0.9:1", "[::1]:1",
					   "[::ffff:127.0.0.1]:1", "unix:/a" };
	static const char *const no[] = {
		":1",     "0.0.0.0:1", "128.0.0.1:1",     "1.0.0.127:1",
		"[::]:1", "[::2]:1",   "[::127.0.0.1]:1", "[::ffff:10.0.0.1]:1"
	};
	mo_addr a;

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		a = parsed(yes[i]);
		assert_true(mo_addr_is_loopback(&a));
	}
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		a = parsed(no[i]);
		assert_false(mo_addr_is_loopback(&a));
	}
	memset(&a, 0, sizeof(a));
	assert_false(mo_addr_is_loopback(&a));
}

static void an_ipv4_client_of_an_ipv6_socket_shows_its_ipv4_address(void **state)
{
	char ip[INET6_ADDRSTRLEN];
	mo_addr a = parsed("[::ffff:192.0.2.7]:1");

	mo_addr_ip(&a, ip);
	assert_string_equal(ip, "192.0.2.7");
}

static void a_copy_takes_what_the_family_needs(void **state)
{
	static const char *const texts[] = { "127.0.0.1:80", "[::1]:443", ":80",
					     "unix:/run/a.sock" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		mo_addr a, *small;
		char text[MO_ADDR_TEXT];

		assert_int_equal(mo_addr_parse(texts[i], &a), 0);
		small = malloc(mo_addr_size(&a));
		mo_addr_copy(small, &a);
		mo_addr_format(small, text);
		assert_string_equal(text, texts[i]);
		assert_true(mo_addr_equal(small, &a));
		free(small);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_takes_what_the_family_needs),
		cmocka_unit_test(every_form_is_read_and_written),
		cmocka_unit_test(what_cannot_be_read_is_refused),
		cmocka_unit_test(a_unix_path_has_a_limit),
		cmocka_unit_test(equal_means_family_address_and_port),
		cmocka_unit_test(a_passed_socket_has_a_name),
		cmocka_unit_test(any_is_equal_in_both_families),
		cmocka_unit_test(loopback_is_known_in_every_family),
		cmocka_unit_test(an_ipv4_client_of_an_ipv6_socket_shows_its_ipv4_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
