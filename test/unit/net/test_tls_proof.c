/* Promises of net/tls_proof.h: a version of which OpenSSL tells something else than expected
 * has no connections that move.  This program's own SSL_set_msg_callback() stands before
 * OpenSSL's, so what is told can be bent; each try is a process of its own. */
#include "certs.h"

#include <dlfcn.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "net/tls_proof.h"

typedef void message_fn(int write, int version, int type, const void *data, size_t n, SSL *ssl,
			void *arg);

static message_fn *told;

enum { LOST, TWICE, BEHIND };

static struct {
	int version;
	int write;   /* or -1: nothing is bent */
	int how;     /* what happens to the head of a record */
	int message; /* the first one behind this message */
} bend = { .write = -1 };

enum { FINISHED = 20, KEY_UPDATE = 24 };

static void bent(int write, int version, int type, const void *data, size_t n, SSL *ssl, void *arg)
{
	static uint8_t kept[5];
	static bool keeps, now;

	if (write != bend.write || SSL_version(ssl) != bend.version) {
		told(write, version, type, data, n, ssl, arg);
		return;
	}
	if (type == SSL3_RT_HEADER && bend.how == BEHIND) {
		if (keeps)
			told(write, version, SSL3_RT_HEADER, kept, sizeof(kept), ssl, arg);
		memcpy(kept, data, sizeof(kept));
		keeps = true;
		return;
	}
	if (type == SSL3_RT_HEADER && now) {
		now = false;
		if (bend.how == LOST)
			return;
		told(write, version, type, data, n, ssl, arg);
	}
	told(write, version, type, data, n, ssl, arg);
	if (keeps &&
	    (type != SSL3_RT_INNER_CONTENT_TYPE || *(const uint8_t *)data != SSL3_RT_HANDSHAKE)) {
		keeps = false;
		told(write, version, SSL3_RT_HEADER, kept, sizeof(kept), ssl, arg);
	}
	now |= type == SSL3_RT_HANDSHAKE && n && *(const uint8_t *)data == bend.message;
}

void SSL_set_msg_callback(SSL *ssl, message_fn *fn)
{
	void (*real)(SSL *, message_fn *);

	*(void **)&real = dlsym(RTLD_NEXT, "SSL_set_msg_callback");
	told = fn;
	real(ssl, bend.write < 0 ? fn : bent);
}

/* What a new process finds. */
static unsigned proven_with(int version, int write, int how, int message)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		bend.version = version;
		bend.write = write;
		bend.how = how;
		bend.message = message;
		_exit((int)mo_tls_proven());
	}
	assert_int_equal(uninterrupted(waitpid(pid, &status, 0)), pid);
	assert_true(WIFEXITED(status));
	return (unsigned)WEXITSTATUS(status);
}

static void this_openssl_is_proven_for_both_versions(void **state)
{
	assert_int_equal(proven_with(0, -1, 0, 0), MO_TLS_VERSIONS);
}

static void a_number_that_is_told_wrongly_keeps_that_version(void **state)
{
	for (int write = 0; write < 2; write++)
		for (int how = LOST; how <= BEHIND; how++) {
			assert_int_equal(proven_with(TLS1_2_VERSION, write, how, FINISHED),
					 MO_TLS_V13);
			assert_int_equal(proven_with(TLS1_3_VERSION, write, how, FINISHED),
					 MO_TLS_V12);
			assert_int_equal(proven_with(TLS1_3_VERSION, write, how, KEY_UPDATE),
					 MO_TLS_V12);
		}
}

static void the_proof_is_made_once(void **state)
{
	struct timespec from, to;
	double first, second;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	assert_int_equal(mo_tls_proven(), MO_TLS_VERSIONS);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	first = (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
	told = NULL;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	assert_int_equal(mo_tls_proven(), MO_TLS_VERSIONS);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	second =
		(double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
	assert_null(told); /* no connection was made */
	print_message("CPU time: %.2f ms, then %.4f ms\n", first, second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(this_openssl_is_proven_for_both_versions),
		cmocka_unit_test(a_number_that_is_told_wrongly_keeps_that_version),
		cmocka_unit_test(the_proof_is_made_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
