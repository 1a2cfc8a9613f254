/* Promises of net/stream.h for the TLS stream, against OpenSSL's own client over
 * a socket pair.  Both ends are non-blocking and driven in turns. */
#include "certs.h"

#include <errno.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/str.h"
#include "net/tls.h"

static char dir[] = "/tmp/molt-test-stream-tls-XXXXXX";
static char cert[64], key[64], other_cert[64];
static mo_tls *tls;
static SSL_CTX *client_ctx;

/* The pair of the running test. */
static mo_stream *s;
static SSL *client;
static int peer;

static int make_pair(void **state)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) < 0)
		return -1;
	s = mo_stream_tls(fd[0], tls);
	peer = fd[1];
	client = SSL_new(client_ctx);
	SSL_set_fd(client, peer);
	SSL_set_connect_state(client);
	ERR_clear_error();
	return 0;
}

static int end_pair(void **state)
{
	SSL_free(client);
	s->ops->close(s);
	if (peer >= 0)
		close(peer);
	return 0;
}

static void close_peer(void)
{
	close(peer);
	peer = -1;
}

/* Drives both sides until the server's result is final. */
static int shake(void)
{
	int r = -EAGAIN;

	for (int i = 0; i < 20 && r == -EAGAIN; i++) {
		SSL_do_handshake(client);
		r = s->ops->handshake(s);
	}
	if (r == 0)
		SSL_do_handshake(client);
	return r;
}

static void shake_well(void)
{
	assert_int_equal(shake(), 0);
	assert_true(SSL_is_init_finished(client));
	assert_int_equal(s->ops->handshake(s), 0);
}

static ssize_t put(const char *text)
{
	struct iovec v = { (void *)text, strlen(text) };

	return s->ops->writev(s, &v, 1);
}

/* The alert that the server sent, or -1. */
static int client_alert(void)
{
	unsigned long e;

	SSL_do_handshake(client);
	while ((e = ERR_get_error()) != 0)
		if (ERR_GET_REASON(e) >= SSL_AD_REASON_OFFSET)
			return ERR_GET_REASON(e) - SSL_AD_REASON_OFFSET;
	return -1;
}

static void a_handshake_waits_for_the_client_at_each_step(void **state)
{
	s->want = 0;
	assert_int_equal(s->ops->handshake(s), -EAGAIN);
	assert_int_equal(s->want, UV_READABLE);
	shake_well();
	assert_string_equal(s->ops->name, "tls");
	assert_false(s->ops->movable(s));
	assert_int_equal(SSL_version(client), TLS1_3_VERSION);
}

static void a_client_that_sends_one_byte_only_is_waited_for(void **state)
{
	assert_int_equal(write(peer, "\x16", 1), 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(s->ops->handshake(s), -EAGAIN);
		assert_int_equal(s->want, UV_READABLE);
	}
}

static void bytes_pass_in_both_directions(void **state)
{
	char buf[20];

	shake_well();
	assert_int_equal(SSL_write(client, "hello", 5), 5);
	assert_int_equal(s->ops->read(s, buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "hello", 5);
	assert_int_equal(s->ops->read(s, buf, sizeof(buf)), -EAGAIN);
	assert_int_equal(s->want, UV_READABLE);
	assert_int_equal(put("world"), 5);
	assert_int_equal(SSL_read(client, buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "world", 5);
	assert_int_equal(s->ops->read(s, buf, 0), -EINVAL);
}

static void reading_alone_completes_the_handshake(void **state)
{
	char c;

	for (int i = 0; i < 5; i++) {
		SSL_do_handshake(client);
		assert_int_equal(s->ops->read(s, &c, 1), -EAGAIN);
	}
	assert_true(SSL_is_init_finished(client));
}

/* What the client writes arrives in pieces of n bytes. */
static void forward(BIO *from, size_t n)
{
	char piece[64];
	int got;

	while ((got = BIO_read(from, piece, (int)n)) > 0) {
		assert_int_equal(write(peer, piece, (size_t)got), got);
		(void)s->ops->handshake(s);
	}
}

static void a_handshake_that_comes_in_pieces_succeeds(void **state)
{
	BIO *out = BIO_new(BIO_s_mem());
	char buf[8];

	SSL_set0_wbio(client, out);
	for (int i = 0; i < 4; i++) {
		SSL_do_handshake(client);
		forward(out, (size_t)i * 3 + 1);
	}
	assert_true(SSL_is_init_finished(client));
	assert_int_equal(s->ops->handshake(s), 0);
	SSL_write(client, "hello", 5);
	for (int i = 0; i < 40 && BIO_read(out, buf, 1) == 1; i++) {
		assert_int_equal(write(peer, buf, 1), 1);
		if (BIO_pending(out) > 0)
			assert_int_equal(s->ops->read(s, buf, sizeof(buf)), -EAGAIN);
	}
	assert_int_equal(s->ops->read(s, buf, sizeof(buf)), 5);
}

/* Records of every kind and size that are none of TLS. */
static void what_is_no_handshake_is_refused_when_it_is_seen(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} bad[] = {
		{ "\x16\x03\x01\xff\xff", 5 },       /* longer than any record */
		{ "\x16\x07\x01\x00\x05hello", 10 }, /* another version */
		{ "\x19\x03\x01\x00\x05hello", 10 }, /* another type */
		{ "\x17\x03\x03\x00\x05hello", 10 }, /* data, before there are keys */
		{ "\x00\x00\x00\x00\x00\x00", 6 },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int r = -EAGAIN;

		for (size_t at = 0; at < bad[i].n && r == -EAGAIN; at++) {
			assert_int_equal(write(peer, bad[i].bytes + at, 1), 1);
			r = s->ops->handshake(s);
		}
		assert_true(r < 0 && r != -EAGAIN);
		assert_int_equal(s->ops->handshake(s), -ECONNRESET);
		assert_false(s->ops->pending(s));
		end_pair(state);
		assert_int_equal(make_pair(state), 0);
	}
}

static void records_that_came_together_are_read_together(void **state)
{
	char buf[100];

	shake_well();
	for (int i = 0; i < 5; i++)
		SSL_write(client, "12345678", 8);
	SSL_shutdown(client);
	assert_int_equal(s->ops->read(s, buf, sizeof(buf)), 40);
	assert_true(s->ops->pending(s)); /* its goodbye */
	assert_int_equal(s->ops->read(s, buf, sizeof(buf)), 0);
	assert_false(s->ops->pending(s));
}

static void a_fault_behind_data_is_told_after_it(void **state)
{
	char buf[100];

	shake_well();
	SSL_write(client, "12345678", 8);
	assert_int_equal(write(peer, "\x17\x03\x03\x00\x20 this is not what it should be ..", 37),
			 37);
	assert_int_equal(s->ops->read(s, buf, sizeof(buf)), 8);
	assert_true(s->ops->pending(s));
	assert_int_equal(s->ops->read(s, buf, sizeof(buf)), -EPROTO);
	assert_int_equal(s->ops->read(s, buf, sizeof(buf)), -ECONNRESET);
	assert_false(s->ops->pending(s));
}

static void bytes_left_in_a_record_are_pending(void **state)
{
	char buf[4];

	shake_well();
	assert_false(s->ops->pending(s));
	SSL_write(client, "12345678", 8);
	assert_int_equal(s->ops->read(s, buf, 4), 4);
	assert_true(s->ops->pending(s));
	assert_int_equal(s->ops->read(s, buf, 4), 4);
	assert_memory_equal(buf, "5678", 4);
	assert_false(s->ops->pending(s));
}

static void small_pieces_leave_as_one_record(void **state)
{
	struct iovec v[4] = {
		{ NULL, 0 }, { (void *)"head ", 5 }, { NULL, 0 }, { (void *)"body", 4 }
	};
	char buf[20];

	shake_well();
	assert_int_equal(s->ops->writev(s, v, 4), 9);
	assert_int_equal(SSL_read(client, buf, sizeof(buf)), 9); /* one record a read */
	assert_memory_equal(buf, "head body", 9);
	assert_int_equal(s->ops->writev(s, v, 1), 0);
}

/* Reads all that the client can get and checks that it is the pattern. */
static size_t drain_client(size_t at)
{
	static unsigned char buf[20000];
	int n;

	while ((n = SSL_read(client, buf, sizeof(buf))) > 0)
		for (int i = 0; i < n; i++)
			assert_int_equal(buf[i], (at++ * 7) & 0xff);
	return at;
}

static void a_slow_client_gets_every_byte_once(void **state)
{
	enum { ALL = 3 << 20 };
	unsigned char *data = malloc(ALL), *moved = malloc(ALL);
	size_t sent = 0, got = 0;
	int again = 0;

	for (size_t i = 0; i < ALL; i++)
		data[i] = moved[i] = (unsigned char)(i * 7);
	shake_well();
	while (sent < ALL) {
		/* From another address each time, in pieces that never fit records. */
		unsigned char *from = (again & 1) ? moved : data;
		size_t left = ALL - sent, first = left < 5000 ? left : 5000;
		struct iovec v[2] = { { from + sent, first },
				      { from + sent + first, left - first } };
		ssize_t n = s->ops->writev(s, v, 2);

		if (n == -EAGAIN) {
			assert_int_equal(s->want, UV_WRITABLE);
			got = drain_client(got);
			again++;
			continue;
		}
		assert_true(n > 0);
		sent += (size_t)n;
	}
	assert_int_equal(drain_client(got), ALL);
	assert_true(again > 0);
	free(data);
	free(moved);
}

static void a_file_is_sent_to_a_slow_client(void **state)
{
	enum { ALL = 1 << 20 };
	char name[] = "/tmp/molt-test-stream-tls-XXXXXX";
	int file = mkostemp(name, O_CLOEXEC);
	size_t got = 0;
	off_t off = 0;

	unlink(name);
	for (size_t i = 0; i < ALL; i += 256) {
		unsigned char block[256];

		for (size_t k = 0; k < 256; k++)
			block[k] = (unsigned char)((i + k) * 7);
		assert_int_equal(write(file, block, 256), 256);
	}
	shake_well();
	while (off < ALL) {
		ssize_t n = s->ops->sendfile(s, file, &off, (size_t)(ALL - off));

		if (n == -EAGAIN)
			got = drain_client(got);
		else
			assert_true(n > 0);
	}
	assert_int_equal(drain_client(got), ALL);
	assert_int_equal(s->ops->sendfile(s, file, &off, 1), -EIO);
	assert_int_equal(s->ops->sendfile(s, file, &off, 0), 0);
	close(file);
}

static void a_client_that_says_goodbye_is_an_end(void **state)
{
	char c;

	shake_well();
	SSL_shutdown(client);
	close_peer();
	assert_int_equal(s->ops->read(s, &c, 1), 0);
	assert_int_equal(s->ops->read(s, &c, 1), 0);
}

static void a_client_that_just_goes_is_a_reset(void **state)
{
	char c;

	shake_well();
	SSL_write(client, "x", 1);
	shutdown(peer, SHUT_WR);
	assert_int_equal(s->ops->read(s, &c, 1), 1);
	assert_int_equal(s->ops->read(s, &c, 1), -ECONNRESET);
	assert_int_equal(s->ops->read(s, &c, 1), -ECONNRESET);
	assert_int_equal(put("x"), -ECONNRESET);
	assert_int_equal(s->ops->finish(s), -ECONNRESET);
	assert_false(s->ops->pending(s));
}

static void a_client_that_goes_before_the_handshake_is_a_reset(void **state)
{
	close_peer();
	assert_int_equal(s->ops->handshake(s), -ECONNRESET);
}

static void writing_to_a_gone_client_fails(void **state)
{
	shake_well();
	close_peer();
	assert_int_equal(put("x"), -EPIPE);
}

static void finish_says_goodbye_and_reads_go_on(void **state)
{
	char buf[8];

	shake_well();
	assert_int_equal(put("bye"), 3);
	assert_int_equal(s->ops->finish(s), 0);
	assert_int_equal(s->ops->finish(s), 0);
	assert_int_equal(put("x"), -EPIPE);
	assert_int_equal(SSL_read(client, buf, sizeof(buf)), 3);
	assert_int_equal(SSL_read(client, buf, sizeof(buf)), 0);
	assert_int_equal(SSL_get_shutdown(client) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
	assert_int_equal(SSL_write(client, "late", 4), 4);
	assert_int_equal(s->ops->read(s, buf, sizeof(buf)), 4);
}

static void finish_before_the_handshake_just_ends(void **state)
{
	char c;

	assert_int_equal(s->ops->finish(s), 0);
	assert_int_equal(read(peer, &c, 1), 0);
}

static void an_answer_cut_by_close_shows_as_cut(void **state)
{
	char c;

	shake_well();
	shutdown(s->fd, SHUT_WR); /* what close() does to the client, s lives on */
	assert_true(SSL_read(client, &c, 1) <= 0);
	assert_int_equal(SSL_get_shutdown(client) & SSL_RECEIVED_SHUTDOWN, 0);
}

static void plain_http_is_noticed_and_can_be_answered(void **state)
{
	static const char *const request[] = { "GET / HTTP/1.1\r\n\r\n", "DELETE /x HTTP/1.1\r\n",
					       "options * HTTP/1.1\r\n" };

	for (size_t i = 0; i < 3; i++) {
		char buf[40];

		assert_false(mo_stream_tls_got_http(s));
		assert_int_equal(write(peer, request[i], strlen(request[i])), strlen(request[i]));
		assert_int_equal(s->ops->handshake(s), -EPROTO);
		assert_true(mo_stream_tls_got_http(s));
		assert_int_equal(put("HTTP/1.1 400 "), 13);
		assert_int_equal(read(peer, buf, sizeof(buf)), 13);
		assert_memory_equal(buf, "HTTP/1.1 400 ", 13);
		assert_int_equal(s->ops->read(s, buf, sizeof(buf)), strlen(request[i]));
		assert_int_equal(s->ops->finish(s), 0);
		assert_int_equal(read(peer, buf, sizeof(buf)), 0);
		end_pair(state);
		make_pair(state);
	}
}

static void rubbish_is_refused_and_is_not_http(void **state)
{
	assert_int_equal(write(peer, "\x16\x09\x09\xff\xff rubbish of some length", 28), 28);
	assert_int_equal(s->ops->handshake(s), -EPROTO);
	assert_false(mo_stream_tls_got_http(s));
	assert_int_equal(s->ops->handshake(s), -ECONNRESET);
}

static void one_broken_connection_does_not_hurt_another(void **state)
{
	mo_stream *healthy = s, *sick;
	int fd[2];
	char c;

	shake_well();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	sick = mo_stream_tls(fd[0], tls);
	assert_int_equal(write(fd[1], "\x16\x09\x09\xff\xff rubbish of some length", 28), 28);
	assert_int_equal(sick->ops->handshake(sick), -EPROTO);
	assert_int_equal(healthy->ops->read(healthy, &c, 1), -EAGAIN);
	assert_int_equal(put("fine"), 4);
	sick->ops->close(sick);
	close(fd[1]);
}

static void http_1_1_is_chosen_among_the_offers(void **state)
{
	const unsigned char *got;
	unsigned len;

	SSL_set_alpn_protos(client, (const unsigned char *)"\2h2\x8http/1.1", 12);
	shake_well();
	SSL_get0_alpn_selected(client, &got, &len);
	assert_int_equal(len, 8);
	assert_memory_equal(got, "http/1.1", 8);
}

/* What ALPN chooses of the offer of a client; "": NULL. */
static void expect_protocol(void **state, const char *offer, unsigned len, const char *chosen)
{
	end_pair(state);
	make_pair(state);
	if (offer)
		SSL_set_alpn_protos(client, (const unsigned char *)offer, len);
	shake_well();
	assert_true(mo_str_eq(mo_stream_tls_protocol(s), mo_str(chosen)));
}

static void the_server_prefers_among_what_it_offers(void **state)
{
	static const char *const two[] = { "newer", "http/1.1", NULL };
	static const char *const one[] = { "http/1.1", NULL };
	mo_tls *before = tls;

	mo_tls_offer(tls, two);
	for (int i = 0; i < 2; i++) { /* of the other loops' copies, too */
		expect_protocol(state, "\x8http/1.1\5newer", 15, "newer");
		expect_protocol(state, "\3new\x8http/1.1", 13, "http/1.1");
		expect_protocol(state, NULL, 0, "");
		tls = i ? tls : mo_tls_copy(before);
	}
	mo_tls_free(tls);
	tls = before;
	mo_tls_offer(tls, one);
}

static void offers_without_http_1_1_get_a_fatal_alert(void **state)
{
	static const struct {
		const char *offer;
		unsigned len;
	} row[] = { { "\2h2", 3 }, { "\x8http/1.0", 9 }, { "\7http/1.", 8 }, { "\3ftp\4smtp", 9 } };

	for (size_t i = 0; i < 4; i++) {
		SSL_set_alpn_protos(client, (const unsigned char *)row[i].offer, row[i].len);
		assert_int_equal(shake(), -EPROTO);
		assert_int_equal(client_alert(), SSL_AD_NO_APPLICATION_PROTOCOL);
		end_pair(state);
		make_pair(state);
	}
}

/* CVE-2024-5535: an empty list must be neither read beyond nor agreed to. */
static void broken_alpn_lists_are_refused(void **state)
{
	/* A ClientHello whose ALPN extension holds the list that stands at its end. */
	static const struct {
		const char *ext;
		size_t len;
	} row[] = { { "\0\0", 2 }, { "\0\1\0", 3 }, { "\0\2\5h", 4 }, { "\0\5\2h2", 5 } };

	for (size_t i = 0; i < 4; i++) {
		unsigned char h[200] = { 0x16, 3, 1, 0, 0, 1, 0, 0, 0, 3, 3 };
		size_t n = 11 + 32, ext_at;

		h[n++] = 0; /* session id */
		memcpy(h + n, "\0\2\xc0\x2b\1\0", 6);
		n += 6;
		ext_at = n;
		n += 2;
		memcpy(h + n, "\0\x0a\0\4\0\2\0\x17\0\x0d\0\4\0\2\4\3\0\x10\0", 19);
		n += 19;
		h[n++] = (unsigned char)row[i].len;
		memcpy(h + n, row[i].ext, row[i].len);
		n += row[i].len;
		h[ext_at + 1] = (unsigned char)(n - ext_at - 2);
		h[8] = (unsigned char)(n - 9);
		h[4] = (unsigned char)(n - 5);
		assert_int_equal(write(peer, h, n), n);
		assert_int_equal(s->ops->handshake(s), -EPROTO);
		end_pair(state);
		make_pair(state);
	}
}

static void old_versions_are_refused(void **state)
{
	SSL_set_security_level(client, 0);
	SSL_set_min_proto_version(client, TLS1_VERSION);
	SSL_set_max_proto_version(client, TLS1_1_VERSION);
	SSL_set_cipher_list(client, "ALL:@SECLEVEL=0");
	assert_int_equal(shake(), -EPROTO);
	assert_int_equal(client_alert(), SSL_AD_PROTOCOL_VERSION);
}

static void tls_1_2_has_aead_ciphers_only(void **state)
{
	SSL_set_max_proto_version(client, TLS1_2_VERSION);
	shake_well();
	assert_int_equal(SSL_version(client), TLS1_2_VERSION);
	assert_true(SSL_CIPHER_is_aead(SSL_get_current_cipher(client)));
	end_pair(state);
	make_pair(state);
	SSL_set_max_proto_version(client, TLS1_2_VERSION);
	SSL_set_cipher_list(client, "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA");
	assert_int_equal(shake(), -EPROTO);
}

static void renegotiation_is_refused_and_harmless(void **state)
{
	char buf[8];

	SSL_set_max_proto_version(client, TLS1_2_VERSION);
	shake_well();
	SSL_renegotiate(client);
	SSL_do_handshake(client);
	assert_true(s->ops->read(s, buf, sizeof(buf)) < 0);
	SSL_do_handshake(client);
	assert_int_equal(SSL_num_renegotiations(client), 1);
	assert_int_equal(SSL_is_init_finished(client), 0); /* it never was answered */
}

static SSL_SESSION *ticket;

static int keep_ticket(SSL *ssl, SSL_SESSION *session)
{
	SSL_SESSION_free(ticket);
	ticket = session;
	return 1;
}

/* Connects with the kept ticket; was the session resumed? */
static bool resumes(mo_tls *with)
{
	bool resumed;
	char c;
	mo_tls *own = tls;

	tls = with;
	SSL_shutdown(client); /* else OpenSSL calls the session spoilt */
	end_pair(NULL);
	make_pair(NULL);
	tls = own;
	SSL_set_session(client, ticket);
	shake_well();
	assert_int_equal(put("x"), 1);
	assert_int_equal(SSL_read(client, &c, 1), 1);
	resumed = SSL_session_reused(client);
	return resumed;
}

static void sessions_resume_by_ticket_and_with_the_same_certificate_only(void **state)
{
	mo_tls *same, *other;
	char c, *why;

	SSL_CTX_set_session_cache_mode(client_ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(client_ctx, keep_ticket);
	shake_well();
	assert_int_equal(put("x"), 1);
	assert_int_equal(SSL_read(client, &c, 1), 1);
	assert_non_null(ticket);
	assert_int_equal(SSL_SESSION_get_max_early_data(ticket), 0);
	assert_int_equal(SSL_CTX_sess_number(mo_tls_context(tls)), 0);
	assert_true(resumes(tls));
	/* Each resumption has given a new ticket: a client uses each of TLS 1.3 once, so
	 * without one the refusal below would prove nothing. */
	assert_int_equal(mo_tls_new(cert, key, &same, &why), 0);
	assert_true(resumes(same));
	assert_int_equal(mo_tls_new(other_cert, key, &other, &why), 0);
	assert_false(resumes(other));
	assert_true(resumes(other));
	mo_tls_free(other);
	mo_tls_free(same);
	SSL_SESSION_free(ticket);
	ticket = NULL;
	SSL_CTX_sess_set_new_cb(client_ctx, NULL);
	SSL_CTX_set_session_cache_mode(client_ctx, SSL_SESS_CACHE_OFF);
}

static void a_stream_outlives_the_references_of_its_context(void **state)
{
	mo_tls *own = tls;
	char *why;

	end_pair(state);
	assert_int_equal(mo_tls_new(cert, key, &tls, &why), 0);
	make_pair(state);
	mo_tls_free(tls);
	tls = own;
	shake_well();
	assert_int_equal(put("x"), 1);
}

#define on_pair(f) cmocka_unit_test_setup_teardown(f, make_pair, end_pair)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_pair(a_handshake_waits_for_the_client_at_each_step),
		on_pair(a_client_that_sends_one_byte_only_is_waited_for),
		on_pair(bytes_pass_in_both_directions),
		on_pair(reading_alone_completes_the_handshake),
		on_pair(bytes_left_in_a_record_are_pending),
		on_pair(a_handshake_that_comes_in_pieces_succeeds),
		on_pair(what_is_no_handshake_is_refused_when_it_is_seen),
		on_pair(records_that_came_together_are_read_together),
		on_pair(a_fault_behind_data_is_told_after_it),
		on_pair(small_pieces_leave_as_one_record),
		on_pair(a_slow_client_gets_every_byte_once),
		on_pair(a_file_is_sent_to_a_slow_client),
		on_pair(a_client_that_says_goodbye_is_an_end),
		on_pair(a_client_that_just_goes_is_a_reset),
		on_pair(a_client_that_goes_before_the_handshake_is_a_reset),
		on_pair(writing_to_a_gone_client_fails),
		on_pair(finish_says_goodbye_and_reads_go_on),
		on_pair(finish_before_the_handshake_just_ends),
		on_pair(an_answer_cut_by_close_shows_as_cut),
		on_pair(plain_http_is_noticed_and_can_be_answered),
		on_pair(rubbish_is_refused_and_is_not_http),
		on_pair(one_broken_connection_does_not_hurt_another),
		on_pair(http_1_1_is_chosen_among_the_offers),
		on_pair(the_server_prefers_among_what_it_offers),
		on_pair(offers_without_http_1_1_get_a_fatal_alert),
		on_pair(broken_alpn_lists_are_refused),
		on_pair(old_versions_are_refused),
		on_pair(tls_1_2_has_aead_ciphers_only),
		on_pair(renegotiation_is_refused_and_harmless),
		on_pair(sessions_resume_by_ticket_and_with_the_same_certificate_only),
		on_pair(a_stream_outlives_the_references_of_its_context),
	};
	EVP_PKEY *k = EVP_EC_gen("P-256");
	char *why = NULL;
	int failed;

	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(dir))
		return 1;
	snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	write_key(key, k, NULL, 0600);
	write_cert(cert, k, -60, 3600);
	snprintf(other_cert, sizeof(other_cert), "%s/other.pem", dir);
	write_cert(other_cert, k, -60, 7200);
	if (mo_tls_new(cert, key, &tls, &why) < 0) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	client_ctx = SSL_CTX_new(TLS_client_method());
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	SSL_CTX_free(client_ctx);
	mo_tls_free(tls);
	EVP_PKEY_free(k);
	unlink(cert);
	unlink(other_cert);
	unlink(key);
	rmdir(dir);
	return failed;
}
