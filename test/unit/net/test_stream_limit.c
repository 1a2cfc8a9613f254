/* Promises of net/stream.h for clients that want small records (max_fragment_length,
 * RFC 6066 section 4): the limit holds in every record, both ways, whoever makes the
 * records. */
#include "record_pair.h"

static size_t largest; /* content of the records that the client got */

static void measure(int write, int version, int type, const void *data, size_t n, SSL *ssl,
		    void *arg)
{
	const uint8_t *head = data;
	size_t size;

	/* Both versions' overhead with GCM: 1 + 16, or 8 + 16. */
	if (write || type != SSL3_RT_HEADER || head[0] != SSL3_RT_APPLICATION_DATA)
		return;
	size = (size_t)head[3] << 8 | head[4];
	size -= SSL_version(ssl) == TLS1_2_VERSION ? 24 : 17;
	largest = size > largest ? size : largest;
}

/* mode: of RFC 6066, 1 to 4; 0: not asked for. */
static void begin_limited(size_t kind, uint8_t mode)
{
	begin_pair(kind);
	if (mode)
		assert_int_equal(SSL_set_tlsext_max_fragment_length(client, mode), 1);
	/* OpenSSL 3.5 tells of heads only where it was asked before it made its record layer. */
	SSL_set_msg_callback(client, measure);
	shake();
	largest = 0;
}

/* All n bytes of the pattern, by writes or from a file. */
static void server_sends(size_t n, int file)
{
	static uint8_t data[20000], buf[20000];
	size_t got = 0;
	off_t off = 0;
	int c = 0;

	assert_true(n <= sizeof(data));
	for (size_t i = 0; i < n; i++)
		data[i] = (uint8_t)(i * 7 >> 2);
	for (size_t sent = 0; got < n;) {
		ssize_t r = sent == n   ? 0
			    : file >= 0 ? s->ops->sendfile(s, file, &off, n - sent)
					: put(data + sent, n - sent);

		assert_true(r >= 0 || r == -EAGAIN);
		sent += r > 0 ? (size_t)r : 0;
		while (got < n && (c = SSL_read(client, buf + got, (int)(n - got))) > 0)
			got += (size_t)c;
		assert_true(got == n || SSL_get_error(client, c) == SSL_ERROR_WANT_READ);
	}
	assert_memory_equal(buf, data, n);
}

static int pattern_file(size_t n)
{
	FILE *f = tmpfile();
	int fd;

	for (size_t i = 0; i < n; i++)
		fputc((uint8_t)(i * 7 >> 2), f);
	fflush(f);
	fd = dup(fileno(f));
	fclose(f);
	return fd;
}

static void records_are_as_small_as_the_client_asked(void **state)
{
	static const size_t kind[] = { 0, 3 };
	int file = pattern_file(20000);

	for (size_t k = 0; k < 2; k++)
		for (uint8_t mode = 0; mode <= 4; mode++)
			for (int where = FRESH; where < WHERES; where++) {
				size_t limit = mode ? 256u << mode : MO_TLS_PLAIN;

				begin_limited(kind[k], mode);
				go((enum where)where);
				server_sends(20000, -1);
				server_sends(20000, file);
				assert_int_equal(largest, limit);
				talk();
				end_pair();
			}
	close(file);
}

/* What is more than a record is not the last, however the caller sees it. */
static void the_last_bytes_are_not_cut_by_the_limit(void **state)
{
	static const size_t kind[] = { 0, 3 };
	static uint8_t data[3000], buf[3001];

	memset(data, 'd', sizeof(data));
	for (size_t k = 0; k < 2; k++)
		for (int where = FRESH; where < WHERES; where++) {
			size_t sent = 0, got = 0;
			int c;

			begin_limited(kind[k], TLSEXT_max_fragment_length_512);
			go((enum where)where);
			s->last = true;
			while (sent < sizeof(data)) {
				ssize_t r = put(data + sent, sizeof(data) - sent);

				assert_true(r > 0);
				sent += (size_t)r;
			}
			assert_true(s->parted);
			assert_int_equal(s->ops->finish(s), 0);
			while ((c = SSL_read(client, buf + got, (int)(sizeof(buf) - got))) > 0)
				got += (size_t)c;
			assert_int_equal(got, sizeof(data));
			assert_int_equal(SSL_get_error(client, c), SSL_ERROR_ZERO_RETURN);
			end_pair();
		}
}

/* Half of such a record waits for the socket while the connection moves. */
static void a_small_record_that_waits_moves(void **state)
{
	static uint8_t data[512], buf[512];
	size_t sent = 0, got = 0;
	ssize_t r;
	int c, small = 4096;

	begin_limited(0, TLSEXT_max_fragment_length_512);
	setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	move();
	while ((r = put(data, sizeof(data))) > 0)
		sent += (size_t)r;
	assert_int_equal(r, -EAGAIN);
	move();
	do {
		while ((c = SSL_read(client, buf, sizeof(buf))) > 0)
			got += (size_t)c;
		r = put(data, sizeof(data));
	} while (r == -EAGAIN);
	assert_int_equal(r, sizeof(data));
	while ((c = SSL_read(client, buf, sizeof(buf))) > 0)
		got += (size_t)c;
	assert_int_equal(got, sent + sizeof(data));
	talk();
	end_pair();
}

static void a_record_of_more_than_the_limit_is_refused(void **state)
{
	static const size_t kind[] = { 0, 3 };
	static char data[513], buf[MO_TLS_PLAIN];

	for (size_t k = 0; k < 2; k++)
		for (int where = FRESH; where < WHERES; where++)
			for (size_t more = 0; more < 2; more++) {
				begin_limited(kind[k], TLSEXT_max_fragment_length_512);
				go((enum where)where);
				begin_forge();
				send_forged(MO_TLS_DATA, data, 512 + more);
				end_forge();
				if (more == 0) {
					assert_int_equal(s->ops->read(s, buf, sizeof(buf)), 512);
					end_pair();
					continue;
				}
				assert_int_equal(s->ops->read(s, buf, sizeof(buf)), -EPROTO);
				assert_int_equal(alert_seen(), MO_ALERT_RECORD_OVERFLOW);
				end_pair();
			}
}

static void a_resumed_connection_keeps_the_limit(void **state)
{
	static const size_t kind[] = { 0, 3 };

	for (size_t k = 0; k < 2; k++) {
		SSL_SESSION *session;

		begin_limited(kind[k], TLSEXT_max_fragment_length_512);
		talk();
		session = SSL_get1_session(client);
		SSL_shutdown(client);
		end_pair();
		begin_pair(kind[k]);
		assert_int_equal(
			SSL_set_tlsext_max_fragment_length(client, TLSEXT_max_fragment_length_512),
			1);
		SSL_set_session(client, session);
		SSL_SESSION_free(session);
		SSL_set_msg_callback(client, measure);
		shake();
		assert_true(SSL_session_reused(client));
		largest = 0;
		move();
		server_sends(20000, -1);
		assert_int_equal(largest, 512);
		end_pair();
	}
}

static int add_limit(SSL *ssl, unsigned type, unsigned context, const unsigned char **out,
		     size_t *n, X509 *x, size_t chain, int *alert, void *arg)
{
	*out = (const unsigned char *)"\2\0";
	*n = 2;
	return 1;
}

/* No OpenSSL knows record_size_limit (RFC 8449); one that will cannot be asked for it. */
static void a_limit_that_cannot_be_known_keeps_the_connection(void **state)
{
	static const size_t kind[] = { 0, 3 };
	const unsigned context = SSL_EXT_CLIENT_HELLO | SSL_EXT_TLS1_2_SERVER_HELLO |
				 SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS;
	SSL_CTX *own_ctx = client_ctx;
	mo_tls *own = tls;
	char *why;

	client_ctx = SSL_CTX_new(TLS_client_method());
	assert_int_equal(mo_tls_new(cert, key, &tls, &why), 0);
	mo_tls_allow_handover(tls, LIMIT);
	for (int i = 0; i < 2; i++)
		assert_int_equal(SSL_CTX_add_custom_ext(i ? client_ctx : mo_tls_context(tls), 28,
							context, add_limit, NULL, NULL, NULL, NULL),
				 1);
	for (size_t k = 0; k < 2; k++) {
		begin_pair(kind[k]);
		shake();
		assert_false(s->ops->movable(s));
		assert_ptr_equal(mo_stream_tls_shed(s), s);
		talk();
		end_pair();
	}
	mo_tls_free(tls);
	SSL_CTX_free(client_ctx);
	tls = own;
	client_ctx = own_ctx;
}

/* A program of before the limit knows three flags, and no byte behind the lengths: a
 * snapshot without a limit is what it was, one with a limit it refuses. */
static void a_program_that_would_forget_the_limit_refuses_it(void **state)
{
	enum { FLAGS_AT = 3, KNOWN_THEN = 7, FIXED = 7 + 24 + 96 + 16 };
	static const size_t kind[] = { 0, 3 };

	for (size_t k = 0; k < 2; k++)
		for (uint8_t mode = 0; mode < 2; mode++)
			for (int where = FRESH; where < WHERES; where++) {
				molt_str p;
				size_t facts;

				begin_limited(kind[k], mode);
				go((enum where)where);
				p = s->ops->pack(s);
				facts = (uint8_t)p.ptr[FIXED - 16] |
					(size_t)(uint8_t)p.ptr[FIXED - 15] << 8;
				assert_int_equal(p.len, FIXED + facts + 2u * mode);
				assert_int_equal((uint8_t)p.ptr[FLAGS_AT] > KNOWN_THEN, mode);
				end_pair();
			}
}

static void limits_that_nobody_can_ask_for_are_refused(void **state)
{
	enum { LIMIT_AT = 7 + 24 + 96 + 16 };
	static const uint16_t wrong[] = { 0, 1, 63, 16384, 16385, 65535 };
	uint8_t copy[1000];
	molt_str p;

	begin_limited(0, TLSEXT_max_fragment_length_1024);
	p = s->ops->pack(s);
	assert_true(p.len <= sizeof(copy));
	memcpy(copy, p.ptr, p.len);
	assert_true(mo_stream_can_unpack((molt_str){ (char *)copy, p.len }));
	assert_int_equal(copy[LIMIT_AT] | copy[LIMIT_AT + 1] << 8, 1024);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		copy[LIMIT_AT] = (uint8_t)wrong[i];
		copy[LIMIT_AT + 1] = (uint8_t)(wrong[i] >> 8);
		assert_false(mo_stream_can_unpack((molt_str){ (char *)copy, p.len }));
	}
	for (size_t n = 1; n < p.len; n++)
		assert_false(mo_stream_can_unpack((molt_str){ p.ptr, n }));
	end_pair();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_as_small_as_the_client_asked),
		cmocka_unit_test(the_last_bytes_are_not_cut_by_the_limit),
		cmocka_unit_test(a_small_record_that_waits_moves),
		cmocka_unit_test(a_record_of_more_than_the_limit_is_refused),
		cmocka_unit_test(a_resumed_connection_keeps_the_limit),
		cmocka_unit_test(a_limit_that_cannot_be_known_keeps_the_connection),
		cmocka_unit_test(a_program_that_would_forget_the_limit_refuses_it),
		cmocka_unit_test(limits_that_nobody_can_ask_for_are_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
