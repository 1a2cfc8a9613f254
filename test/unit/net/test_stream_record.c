/* Promises of net/stream.h for TLS connections that go on without OpenSSL: begun by
 * the TLS stream, packed, unpacked, served by the record stream, moved again, with
 * OpenSSL's own client as the oracle at the other end of a socket pair. */
#include "record_pair.h"

static void each_suite_goes_on_in_the_next_process_and_the_one_after(void **state)
{
	for (size_t i = 0; i < KINDS; i++) {
		begin_pair(i);
		shake();
		for (unsigned words = 0; words < 3; words++)
			talk();
		for (int hop = 0; hop < 4; hop++) {
			move();
			for (int k = 0; k < hop; k++)
				talk();
		}
		end_pair();
	}
}

static void a_connection_that_never_said_a_word_moves(void **state)
{
	for (size_t i = 0; i < KINDS; i++) {
		begin_pair(i);
		shake();
		move();
		move();
		talk();
		end_pair();
	}
}

static void a_move_that_is_refused_harms_nothing(void **state)
{
	for (size_t i = 0; i < KINDS; i++) {
		begin_pair(i);
		shake();
		for (int k = 0; k < 2; k++) {
			for (int n = 0; n < 3; n++) {
				assert_true(s->ops->settled(s));
				assert_true(s->ops->pack(s).len > 0);
				s->ops->unpacked(s);
				talk();
			}
			move();
		}
		end_pair();
	}
}

static void what_the_handshake_told_travels_along(void **state)
{
	static const int facts[] = { MO_FACT_VERSION, MO_FACT_SUITE,   MO_FACT_SNI,
				     MO_FACT_ALPN,    MO_FACT_SUBJECT, MO_FACT_VERIFIED };
	static const char *const want[] = { "TLSv1.3",   "TLS_AES_256_GCM_SHA384",
					    "localhost", "http/1.1",
					    "",          "" };
	char id[100];

	begin_pair(1);
	shake();
	snprintf(id, sizeof(id), "%s", s->ops->fact(s, MO_FACT_SESSION));
	assert_true(strlen(id) > 0);
	for (int hop = 0; hop < 3; hop++) {
		for (size_t i = 0; i < 6; i++)
			assert_string_equal(s->ops->fact(s, facts[i]), want[i]);
		assert_string_equal(s->ops->fact(s, MO_FACT_SESSION), id);
		move();
	}
	end_pair();
}

/* Each fact but the session is that of the same handshake done in full; the name is the one
 * that is asked for now. */
static void a_resumed_connection_knows_what_its_handshake_told(void **state)
{
	static const char *const asked[] = { "localhost", "other.example", NULL };
	SSL_CTX *own_ctx = client_ctx;
	mo_tls *own = tls;
	char *why, told[MO_FACTS][200];

	client_ctx = SSL_CTX_new(TLS_client_method());
	assert_int_equal(SSL_CTX_use_certificate_chain_file(client_ctx, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(client_ctx, key, SSL_FILETYPE_PEM), 1);
	assert_int_equal(mo_tls_new(cert, key, &tls, &why), 0);
	assert_int_equal(mo_tls_ask_clients(tls, cert, true, &why), 0);
	mo_tls_allow_handover(tls, LIMIT);
	for (size_t kind = 0; kind < KINDS; kind++)
		for (size_t k = 0; k < sizeof(asked) / sizeof(asked[0]); k++) {
			SSL_SESSION *session;

			begin_pair(kind);
			shake();
			talk();
			for (int i = 0; i < MO_FACTS; i++)
				snprintf(told[i], sizeof(told[i]), "%s", s->ops->fact(s, i));
			session = SSL_get1_session(client);
			SSL_shutdown(client);
			end_pair();
			begin_pair(kind);
			SSL_set_tlsext_host_name(client, asked[k]);
			SSL_set_session(client, session);
			SSL_SESSION_free(session);
			shake();
			assert_true(SSL_session_reused(client));
			for (int hop = 0; hop < 2; hop++) {
				assert_string_equal(s->ops->fact(s, MO_FACT_SNI),
						    asked[k] ? asked[k] : "");
				for (int i = 0; i < MO_FACTS; i++)
					if (i != MO_FACT_SNI && i != MO_FACT_SESSION)
						assert_string_equal(s->ops->fact(s, i), told[i]);
				move();
			}
			end_pair();
		}
	mo_tls_free(tls);
	SSL_CTX_free(client_ctx);
	tls = own;
	client_ctx = own_ctx;
}

/* ---- the oracle: random sizes, padding, boundaries ---- */

static unsigned seed = 1;

static unsigned below(unsigned n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static unsigned some_size(void)
{
	static const unsigned edges[] = { 1,    2,    15,    16,    17,    255,   256,   2047,
					  2048, 2049, 16383, 16384, 16385, 20000, 32768, 40000 };

	return below(3) ? 1 + below(3000) : edges[below(16)];
}

static size_t pad_some(SSL *ssl, int type, size_t len, void *arg)
{
	return below(2) ? below(500) : 0;
}

/* all bytes of a pattern from the client, and of another to it, with moves between. */
static void bytes_both_ways(size_t kind, bool moves)
{
	enum { ALL = 400000 };
	static uint8_t buf[65536], data[65536];
	size_t sent = 0, got = 0, given = 0, taken = 0;

	while (got < ALL || taken < ALL) {
		size_t n = some_size();
		ssize_t r;
		int c;

		n = n < ALL - sent ? n : ALL - sent;
		for (size_t i = 0; i < n; i++)
			data[i] = (uint8_t)((sent + i) * 7 >> 3);
		c = n ? SSL_write(client, data, (int)n) : 0;
		sent += c > 0 ? (size_t)c : 0;
		r = s->ops->read(s, buf, some_size());
		assert_true(r > 0 || r == -EAGAIN);
		for (ssize_t i = 0; i < r; i++)
			assert_int_equal(buf[i], (uint8_t)(got++ * 7 >> 3));
		if (moves && below(8) == 0 && s->ops->settled(s))
			move();
		n = some_size();
		n = n < ALL - given ? n : ALL - given;
		for (size_t i = 0; i < n; i++)
			data[i] = (uint8_t)((given + i) * 11 >> 3);
		r = n ? put(data, n) : 0;
		assert_true(r >= 0 || r == -EAGAIN);
		given += r > 0 ? (size_t)r : 0;
		if (moves && below(8) == 0 && s->ops->settled(s))
			move();
		while ((c = SSL_read(client, buf, sizeof(buf))) > 0)
			for (int i = 0; i < c; i++)
				assert_int_equal(buf[i], (uint8_t)(taken++ * 11 >> 3));
	}
}

static void random_records_pass_in_both_directions(void **state)
{
	for (size_t i = 0; i < KINDS; i++)
		for (int moves = 0; moves < 2; moves++) {
			begin_pair(i);
			SSL_set_mode(client, SSL_MODE_ENABLE_PARTIAL_WRITE |
						     SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
			if (!kinds[i].v12)
				SSL_set_record_padding_callback(client, pad_some);
			shake();
			move();
			bytes_both_ways(i, moves);
			end_pair();
		}
}

/* The client's bytes come in pieces of every size. */
static void records_that_come_in_pieces_and_move_in_the_middle(void **state)
{
	static uint8_t wire[20000], buf[20000];

	for (size_t i = 0; i < KINDS; i++) {
		BIO *out;
		int n;

		begin_pair(i);
		shake();
		move();
		out = BIO_new(BIO_s_mem());
		SSL_set0_wbio(client, out);
		memset(buf, 'a', sizeof(buf));
		assert_int_equal(SSL_write(client, buf, 300), 300);
		assert_int_equal(SSL_write(client, "end", 3), 3);
		n = BIO_read(out, wire, sizeof(wire));
		for (int at = 0, got = 0; got < 303; at++) {
			ssize_t r;

			if (at < n)
				assert_int_equal(write(peer, wire + at, 1), 1);
			if (at % 7 == 3)
				move();
			r = s->ops->read(s, buf, 200);
			assert_true(r == -EAGAIN || r > 0);
			got += r > 0 ? (int)r : 0;
			assert_true(at < n + 3);
		}
		assert_memory_equal(buf, "end", 3);
		end_pair();
	}
}

static void what_was_read_and_not_taken_moves_too(void **state)
{
	for (size_t i = 0; i < KINDS; i++) {
		char buf[100];

		begin_pair(i);
		shake();
		SSL_write(client, "0123456789", 10);
		assert_int_equal(s->ops->read(s, buf, 4), 4);
		assert_true(s->ops->pending(s));
		for (int hop = 0; hop < 3; hop++) {
			move();
			assert_true(s->ops->pending(s));
			assert_int_equal(s->ops->read(s, buf, 1), 1);
			assert_int_equal(buf[0], '4' + hop);
		}
		assert_int_equal(s->ops->read(s, buf, sizeof(buf)), 3);
		assert_memory_equal(buf, "789", 3);
		assert_false(s->ops->pending(s));
		talk();
		end_pair();
	}
}

static void what_was_sealed_and_not_sent_moves_too(void **state)
{
	static uint8_t data[16384], buf[16384];
	int small = 4096;

	for (size_t i = 0; i < KINDS; i++) {
		size_t sent = 0, got = 0;
		int c;

		begin_pair(i);
		shake();
		setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
		move();
		while (got < 200000) {
			size_t n = sent < 200000 ? sizeof(data) : 0;
			ssize_t r;

			for (size_t k = 0; k < n; k++)
				data[k] = (uint8_t)((sent + k) >> 4);
			r = n ? put(data, n) : 0;
			if (r > 0)
				sent += (size_t)r;
			else if (n)
				assert_int_equal(r, -EAGAIN);
			if (s->ops->settled(s))
				move();
			c = SSL_read(client, buf, sizeof(buf));
			for (int k = 0; k < c; k++)
				assert_int_equal(buf[k], (uint8_t)(got++ >> 4));
		}
		end_pair();
	}
}

/* OpenSSL is given whole records only, so it holds none of this. */
static void half_a_record_that_came_moves_too(void **state)
{
	for (size_t i = 0; i < KINDS; i++) {
		static uint8_t wire[1000];
		char buf[100];
		BIO *out;
		int n;

		begin_pair(i);
		shake();
		out = BIO_new(BIO_s_mem());
		SSL_set0_wbio(client, out);
		SSL_write(client, "hello", 5);
		n = BIO_read(out, wire, sizeof(wire));
		for (int at = 0; at < n - 1; at++) {
			assert_int_equal(write(peer, wire + at, 1), 1);
			assert_int_equal(s->ops->read(s, buf, sizeof(buf)), -EAGAIN);
			assert_false(s->ops->pending(s));
			assert_true(s->ops->settled(s));
		}
		if (i & 1)
			move();
		else
			s = mo_stream_tls_shed(s);
		assert_string_equal(s->ops->name, "record");
		assert_int_equal(write(peer, wire + n - 1, 1), 1);
		assert_int_equal(s->ops->read(s, buf, sizeof(buf)), 5);
		assert_memory_equal(buf, "hello", 5);
		end_pair();
	}
}

/* Many records come at once; only the first is asked for. */
static void records_that_came_and_openssl_has_not_seen_move_too(void **state)
{
	for (size_t i = 0; i < KINDS; i++) {
		char buf[100];

		begin_pair(i);
		shake();
		for (int k = 0; k < 10; k++)
			assert_int_equal(SSL_write(client, "0123456789", 10), 10);
		assert_int_equal(s->ops->read(s, buf, 7), 7);
		assert_true(s->ops->pending(s));
		if (i & 1)
			move();
		else
			s = mo_stream_tls_shed(s);
		assert_string_equal(s->ops->name, "record");
		assert_true(s->ops->pending(s));
		assert_int_equal(s->ops->read(s, buf, sizeof(buf)), 93);
		assert_memory_equal(buf, "789012", 6);
		assert_false(s->ops->pending(s));
		talk();
		end_pair();
	}
}

/* Sealed by OpenSSL, half sent: the rest is ours to send, as it is. */
static void a_record_that_openssl_sealed_and_could_not_send_moves_too(void **state)
{
	static uint8_t data[16384], buf[16384];

	for (size_t i = 0; i < KINDS; i++) {
		size_t taken = 0, given = 0;
		ssize_t r = 1;
		int c;

		begin_pair(i);
		shake();
		memset(data, 'd', sizeof(data));
		while ((r = put(data, sizeof(data))) > 0)
			given += (size_t)r;
		assert_int_equal(r, -EAGAIN);
		assert_int_equal(s->want, UV_WRITABLE);
		if (i & 1)
			move();
		else
			s = mo_stream_tls_shed(s);
		assert_string_equal(s->ops->name, "record");
		assert_int_equal(put(data, sizeof(data)), -EAGAIN);
		while (taken < given + sizeof(data)) {
			while ((c = SSL_read(client, buf, sizeof(buf))) > 0)
				taken += (size_t)c;
			if (r <= 0)
				r = put(data, sizeof(data));
		}
		assert_int_equal(r, sizeof(data));
		assert_int_equal(taken, given + sizeof(data));
		talk();
		end_pair();
	}
}

/* ---- KeyUpdate ---- */

static void key_updates_of_the_client_before_and_after_a_move(void **state)
{
	static const int types[] = { SSL_KEY_UPDATE_NOT_REQUESTED, SSL_KEY_UPDATE_REQUESTED };

	for (size_t i = 0; i < 3; i++)
		for (int t = 0; t < 2; t++) {
			begin_pair(i);
			shake();
			talk();
			for (int hop = 0; hop < 4; hop++) {
				char c;

				assert_int_equal(SSL_key_update(client, types[t]), 1);
				assert_int_equal(SSL_do_handshake(client), 1);
				if (hop & 1) /* the answer is owed while it moves */
					assert_int_equal(s->ops->read(s, &c, 1), -EAGAIN);
				move();
				talk();
				talk();
			}
			end_pair();
		}
}

static int updates_seen;

static void count_updates(int write, int version, int type, const void *data, size_t n, SSL *ssl,
			  void *arg)
{
	if (!write && type == SSL3_RT_HANDSHAKE && n &&
	    *(const uint8_t *)data == SSL3_MT_KEY_UPDATE)
		updates_seen++;
}

static void the_server_changes_its_keys_before_the_limit(void **state)
{
	for (size_t i = 0; i < 3; i++) {
		mo_tls *own = tls;
		char *why;

		assert_int_equal(mo_tls_new(cert, key, &tls, &why), 0);
		mo_tls_allow_handover(tls, 10);
		begin_pair(i);
		mo_tls_free(tls);
		tls = own;
		updates_seen = 0;
		SSL_set_msg_callback(client, count_updates);
		shake();
		for (int k = 0; k < 25; k++)
			server_says("by openssl"); /* two tickets are records, too */
		assert_int_equal(updates_seen, 2);
		move();
		((struct record_stream *)(void *)s)->key_limit = 10;
		for (int k = 0; k < 30; k++)
			server_says("by us");
		assert_int_equal(updates_seen, 5);
		talk();
		end_pair();
	}
}

/* ---- the end ---- */

static void close_notify_of_the_client_is_an_end(void **state)
{
	for (size_t i = 0; i < KINDS; i++) {
		char buf[10];

		begin_pair(i);
		shake();
		move();
		SSL_write(client, "last", 4);
		SSL_shutdown(client);
		assert_int_equal(s->ops->read(s, buf, sizeof(buf)), 4);
		assert_true(s->ops->pending(s));
		assert_int_equal(s->ops->read(s, buf, sizeof(buf)), 0);
		assert_false(s->ops->pending(s));
		assert_int_equal(s->ops->read(s, buf, sizeof(buf)), 0);
		assert_int_equal(put("still", 5), 5); /* the other direction is open */
		assert_int_equal(SSL_read(client, buf, sizeof(buf)), 5);
		end_pair();
	}
}

static void a_stream_that_just_ends_is_no_end(void **state)
{
	for (size_t i = 0; i < KINDS; i++) {
		char buf[10];

		begin_pair(i);
		shake();
		move();
		SSL_write(client, "part", 4);
		shutdown(peer, SHUT_WR);
		assert_int_equal(s->ops->read(s, buf, sizeof(buf)), 4);
		assert_int_equal(s->ops->read(s, buf, sizeof(buf)), -ECONNRESET);
		assert_int_equal(put("x", 1), -ECONNRESET);
		assert_int_equal(s->ops->finish(s), -ECONNRESET);
		assert_false(s->ops->movable(s));
		end_pair();
	}
}

static void finish_says_goodbye_and_reads_go_on(void **state)
{
	for (size_t i = 0; i < KINDS; i++) {
		char buf[10];

		begin_pair(i);
		shake();
		move();
		assert_int_equal(put("bye", 3), 3);
		assert_int_equal(s->ops->finish(s), 0);
		assert_int_equal(s->ops->finish(s), 0);
		assert_int_equal(put("x", 1), -EPIPE);
		assert_false(s->ops->movable(s));
		assert_int_equal(SSL_read(client, buf, sizeof(buf)), 3);
		assert_int_equal(SSL_read(client, buf, sizeof(buf)), 0);
		assert_int_equal(SSL_get_shutdown(client) & SSL_RECEIVED_SHUTDOWN,
				 SSL_RECEIVED_SHUTDOWN);
		assert_int_equal(SSL_write(client, "late", 4), 4);
		assert_int_equal(s->ops->read(s, buf, sizeof(buf)), 4);
		end_pair();
	}
}

/* What is told to be the last carries the goodbye, in the same write. */
static void the_last_bytes_say_goodbye(void **state)
{
	for (size_t i = 0; i < 2 * KINDS; i++) {
		char wire[200], buf[10];
		ssize_t n;

		begin_pair(i / 2);
		shake();
		if (i & 1)
			move();
		while (SSL_read(client, buf, sizeof(buf)) > 0)
			; /* tickets */
		s->last = true;
		assert_int_equal(put("bye", 3), 3);
		assert_true(s->parted);
		n = recv(peer, wire, sizeof(wire), MSG_PEEK);
		assert_int_equal(SSL_read(client, buf, sizeof(buf)), 3);
		assert_memory_equal(buf, "bye", 3);
		assert_int_equal(SSL_read(client, buf, sizeof(buf)), 0);
		assert_int_equal(SSL_get_shutdown(client) & SSL_RECEIVED_SHUTDOWN,
				 SSL_RECEIVED_SHUTDOWN);
		assert_true(n > 0);
		assert_int_equal(recv(peer, wire, sizeof(wire), MSG_DONTWAIT), -1);
		assert_int_equal(put("x", 1), -EPIPE);
		assert_false(s->ops->movable(s));
		assert_int_equal(s->ops->finish(s), 0);
		assert_int_equal(recv(peer, wire, sizeof(wire), MSG_DONTWAIT), 0);
		end_pair();
	}
}

/* More than a record is not the last, whatever the caller thinks; and what waits for
 * the client counts when it and the goodbye have left. */
static void the_last_bytes_wait_for_a_slow_client(void **state)
{
	static uint8_t data[20000], buf[16384];

	for (size_t i = 0; i < 2 * KINDS; i++) {
		size_t left = sizeof(data);
		int c = 0;
		ssize_t r;

		begin_pair(i / 2);
		shake();
		if (i & 1)
			move();
		s->last = false;
		while ((r = put(data, 16384)) > 0)
			;
		while (SSL_read(client, buf, sizeof(buf)) > 0)
			;
		assert_int_equal(put(data, 16384), 16384);
		s->last = true;
		while (left > 0) {
			assert_false(s->parted);
			r = put(data + sizeof(data) - left, left);
			left -= r > 0 ? (size_t)r : 0;
			assert_true(r > 0 || r == -EAGAIN);
			while (r == -EAGAIN && (c = SSL_read(client, buf, sizeof(buf))) > 0)
				;
		}
		assert_true(s->parted);
		while ((c = SSL_read(client, buf, sizeof(buf))) > 0)
			;
		assert_int_equal(c, 0);
		assert_int_equal(SSL_get_error(client, c), SSL_ERROR_ZERO_RETURN);
		end_pair();
	}
}

static void a_file_is_sent_to_a_slow_client(void **state)
{
	enum { SIZE = 1 << 20 };
	FILE *f = tmpfile();

	for (int i = 0; i < SIZE; i++)
		fputc((i * 7) & 0xff, f);
	fflush(f);
	for (size_t i = 0; i < KINDS; i++) {
		static uint8_t buf[20000];
		size_t got = 0;
		off_t off = 0;

		begin_pair(i);
		shake();
		move();
		while (got < SIZE) {
			ssize_t n = off < SIZE ? s->ops->sendfile(s, fileno(f), &off,
								  (size_t)(SIZE - off))
					       : 0;
			int c;

			assert_true(n >= 0 || n == -EAGAIN);
			while ((c = SSL_read(client, buf, sizeof(buf))) > 0)
				for (int k = 0; k < c; k++)
					assert_int_equal(buf[k], (got++ * 7) & 0xff);
		}
		assert_int_equal(s->ops->sendfile(s, fileno(f), &off, 1), -EIO);
		end_pair();
	}
	fclose(f);
}

static void a_connection_without_leave_stays(void **state)
{
	mo_tls *own = tls;
	char *why;

	assert_int_equal(mo_tls_new(cert, key, &tls, &why), 0);
	begin_pair(0);
	shake();
	assert_false(s->ops->movable(s));
	assert_ptr_equal(mo_stream_tls_shed(s), s);
	talk();
	end_pair();
	mo_tls_free(tls);
	tls = own;
}

static void a_connection_that_sheds_openssl_goes_on_and_moves(void **state)
{
	for (size_t i = 0; i < KINDS; i++) {
		begin_pair(i);
		shake();
		s = mo_stream_tls_shed(s);
		assert_string_equal(s->ops->name, "record");
		assert_ptr_equal(mo_stream_tls_shed(s), s);
		assert_string_equal(s->ops->fact(s, MO_FACT_ALPN), "http/1.1");
		talk();
		move();
		talk();
		end_pair();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_suite_goes_on_in_the_next_process_and_the_one_after),
		cmocka_unit_test(a_connection_that_never_said_a_word_moves),
		cmocka_unit_test(a_move_that_is_refused_harms_nothing),
		cmocka_unit_test(what_the_handshake_told_travels_along),
		cmocka_unit_test(a_resumed_connection_knows_what_its_handshake_told),
		cmocka_unit_test(random_records_pass_in_both_directions),
		cmocka_unit_test(records_that_come_in_pieces_and_move_in_the_middle),
		cmocka_unit_test(what_was_read_and_not_taken_moves_too),
		cmocka_unit_test(what_was_sealed_and_not_sent_moves_too),
		cmocka_unit_test(half_a_record_that_came_moves_too),
		cmocka_unit_test(records_that_came_and_openssl_has_not_seen_move_too),
		cmocka_unit_test(a_record_that_openssl_sealed_and_could_not_send_moves_too),
		cmocka_unit_test(key_updates_of_the_client_before_and_after_a_move),
		cmocka_unit_test(the_server_changes_its_keys_before_the_limit),
		cmocka_unit_test(close_notify_of_the_client_is_an_end),
		cmocka_unit_test(a_stream_that_just_ends_is_no_end),
		cmocka_unit_test(finish_says_goodbye_and_reads_go_on),
		cmocka_unit_test(the_last_bytes_say_goodbye),
		cmocka_unit_test(the_last_bytes_wait_for_a_slow_client),
		cmocka_unit_test(a_file_is_sent_to_a_slow_client),
		cmocka_unit_test(a_connection_without_leave_stays),
		cmocka_unit_test(a_connection_that_sheds_openssl_goes_on_and_moves),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
