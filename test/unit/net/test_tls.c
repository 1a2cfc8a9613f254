/* Promises of net/tls.h for contexts: which files are taken, and what is said
 * about those that are not. */
#include "certs.h"

#include <errno.h>

#include "net/tls.h"

static char dir[] = "/tmp/molt-test-tls-XXXXXX";
static char cert[64], key[64], other[64];
static EVP_PKEY *ec, *ec2, *rsa, *weak;
static char logged[4096];

static void keep(void *arg, enum molt_level l, const char *line)
{
	size_t n = strlen(logged);

	snprintf(logged + n, sizeof(logged) - n, "%s\n", line);
}

/* A good pair of files before each test. */
static int write_pair(void **state)
{
	logged[0] = '\0';
	write_key(key, ec, NULL, 0600);
	write_cert(cert, ec, -60, 3600);
	return 0;
}

static int remove_files(void **state)
{
	unlink(cert);
	unlink(key);
	unlink(other);
	return 0;
}

static void taken(void)
{
	mo_tls *t;
	char *why;

	if (mo_tls_new(cert, key, &t, &why) < 0)
		fail_msg("%s", why);
	assert_null(why);
	assert_int_equal(ERR_peek_error(), 0);
	mo_tls_free(t);
}

/* The files are refused with that code, by a sentence with both parts. */
static void refused(const char *c, const char *k, int code, const char *part, const char *name)
{
	mo_tls *t;
	char *why;

	assert_int_equal(mo_tls_new(c, k, &t, &why), code);
	assert_null(t);
	assert_non_null(why);
	if (!strstr(why, part) || !strstr(why, name))
		fail_msg("\"%s\" lacks \"%s\" or \"%s\"", why, part, name);
	free(why);
	assert_int_equal(ERR_peek_error(), 0);
}

static void write_text(const char *path, const char *text)
{
	FILE *f = create(path, 0600);

	fputs(text, f);
	fclose(f);
}

static void a_good_pair_is_taken_silently(void **state)
{
	taken();
	assert_string_equal(logged, "");
	write_key(key, rsa, NULL, 0600);
	write_cert(cert, rsa, -60, 3600);
	taken();
	mo_tls_free(NULL);
}

static void each_thread_has_a_context_of_its_own_with_the_same_certificate(void **state)
{
	mo_tls *t, *copy;
	char *why;

	assert_int_equal(mo_tls_new(cert, key, &t, &why), 0);
	mo_tls_allow_handover(t, 77);
	copy = mo_tls_copy(t);
	assert_ptr_not_equal(mo_tls_context(copy), mo_tls_context(t));
	assert_int_equal(X509_cmp(SSL_CTX_get0_certificate(mo_tls_context(copy)),
				  SSL_CTX_get0_certificate(mo_tls_context(t))),
			 0);
	assert_ptr_equal(SSL_CTX_get0_privatekey(mo_tls_context(copy)),
			 SSL_CTX_get0_privatekey(mo_tls_context(t)));
	mo_tls_free(t);
	assert_int_equal(mo_tls_key_limit(copy), 77);
	mo_tls_free(copy);
}

static void a_copy_asks_clients_as_the_first_does(void **state)
{
	mo_tls *t, *copy;
	char *why;

	assert_int_equal(mo_tls_new(cert, key, &t, &why), 0);
	assert_int_equal(mo_tls_ask_clients(t, cert, true, &why), 0);
	copy = mo_tls_copy(t);
	assert_int_equal(SSL_CTX_get_verify_mode(mo_tls_context(copy)),
			 SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT);
	assert_int_equal(sk_X509_NAME_num(SSL_CTX_get_client_CA_list(mo_tls_context(copy))), 1);
	assert_ptr_equal(SSL_CTX_get_cert_store(mo_tls_context(copy)),
			 SSL_CTX_get_cert_store(mo_tls_context(t)));
	mo_tls_free(t);
	mo_tls_free(copy);
}

static void missing_files_are_named(void **state)
{
	refused("/nonexistent/c.pem", key, -ENOENT, "the certificate", "/nonexistent/c.pem");
	refused(cert, "/nonexistent/k.pem", -ENOENT, "the key", "/nonexistent/k.pem");
	refused(NULL, key, -EINVAL, "no file is given", "certificate");
	refused(cert, "", -EINVAL, "no file is given", "key");
	refused(dir, key, -EINVAL, "directory", dir);
}

/* Ends with 0 when an unprivileged user is told what it cannot read. */
static void read_as_nobody(void)
{
	mo_tls *t;
	char *why = NULL;

	if (geteuid() == 0 && seteuid(65534) < 0)
		_exit(1);
	if (mo_tls_new(cert, key, &t, &why) != -EACCES)
		_exit(2);
	_exit(!strstr(why, key));
}

static void an_unreadable_key_is_named(void **state)
{
	int status;
	pid_t pid;

	chmod(dir, 0711);
	chmod(key, 0);
	pid = fork();
	if (pid == 0)
		read_as_nobody();
	assert_int_equal(uninterrupted(waitpid(pid, &status, 0)), pid);
	assert_int_equal(status, 0);
	chmod(key, 0600);
}

static void files_without_pem_are_named(void **state)
{
	write_text(other, "hello\n");
	refused(other, key, -EINVAL, "no certificate in PEM form", other);
	refused(cert, other, -EINVAL, "no private key in PEM form", other);
	write_text(other, "");
	refused(other, key, -EINVAL, "no certificate in PEM form", other);
	refused(cert, other, -EINVAL, "no private key in PEM form", other);
	refused(key, key, -EINVAL, "no certificate in PEM form", key);
	refused(cert, cert, -EINVAL, "no private key in PEM form", cert);
}

static void a_damaged_certificate_is_refused(void **state)
{
	write_text(other, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	refused(other, key, -EINVAL, "cannot be used", other);
	write_text(other, "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n");
	refused(other, key, -EINVAL, "cannot be used", other);
}

static void a_file_cut_short_is_refused_at_every_length(void **state)
{
	static char text[8192];
	FILE *f = fopen(cert, "r");
	size_t n = fread(text, 1, sizeof(text), f);

	fclose(f);
	/* Up to the last line: its line end alone is not needed. */
	for (size_t len = 0; len + 2 < n; len += 7) {
		mo_tls *t;
		char *why;

		f = create(other, 0600);
		fwrite(text, 1, len, f);
		fclose(f);
		assert_int_equal(mo_tls_new(other, key, &t, &why), -EINVAL);
		free(why);
	}
}

static void a_key_of_another_certificate_is_refused(void **state)
{
	write_key(other, ec2, NULL, 0600);
	refused(cert, other, -EINVAL, "does not belong to the certificate", other);
	write_key(other, rsa, NULL, 0600);
	refused(cert, other, -EINVAL, "does not belong to the certificate", cert);
}

static void an_encrypted_key_is_refused_without_a_question(void **state)
{
	write_key(key, ec, "secret pass phrase", 0600);
	refused(cert, key, -EINVAL, "is encrypted with a pass phrase", "openssl pkey");
}

static void a_key_that_is_too_weak_is_refused(void **state)
{
	write_key(key, weak, NULL, 0600);
	write_cert(cert, weak, -60, 3600);
	refused(cert, key, -EINVAL, "cannot be used", "too small");
}

static void a_key_for_every_user_is_warned_about(void **state)
{
	chmod(key, 0644);
	taken();
	assert_non_null(strstr(logged, "[WARN] the key "));
	assert_non_null(strstr(logged, "can be read by every user"));
}

static void dates_out_of_range_are_warned_about_only(void **state)
{
	write_cert(cert, ec, -7200, -3600);
	taken();
	assert_non_null(strstr(logged, "has expired"));
	logged[0] = '\0';
	write_cert(cert, ec, 3600, 7200);
	taken();
	assert_non_null(strstr(logged, "is not valid yet"));
}

#define with_pair(f) cmocka_unit_test_setup_teardown(f, write_pair, remove_files)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_pair(a_good_pair_is_taken_silently),
		with_pair(each_thread_has_a_context_of_its_own_with_the_same_certificate),
		with_pair(a_copy_asks_clients_as_the_first_does),
		with_pair(missing_files_are_named),
		with_pair(an_unreadable_key_is_named),
		with_pair(files_without_pem_are_named),
		with_pair(a_damaged_certificate_is_refused),
		with_pair(a_file_cut_short_is_refused_at_every_length),
		with_pair(a_key_of_another_certificate_is_refused),
		with_pair(an_encrypted_key_is_refused_without_a_question),
		with_pair(a_key_that_is_too_weak_is_refused),
		with_pair(a_key_for_every_user_is_warned_about),
		with_pair(dates_out_of_range_are_warned_about_only),
	};
	int failed;

	if (!mkdtemp(dir))
		return 1;
	snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	snprintf(other, sizeof(other), "%s/other.pem", dir);
	ec = EVP_EC_gen("P-256");
	ec2 = EVP_EC_gen("P-256");
	rsa = EVP_RSA_gen(2048);
	weak = EVP_RSA_gen(512);
	molt_log_set_sink(keep, NULL);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(ec2);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(weak);
	rmdir(dir);
	return failed;
}
