/* What the record stream refuses, each with its alert, and snapshots that are none; see
 * test_stream_record for what it does. */
#include "record_pair.h"

static void begin_forging(size_t kind)
{
	begin_pair(kind);
	shake();
	move();
	begin_forge();
}

static void end_forging(void)
{
	end_forge();
	end_pair();
}

/* The server refuses what has come, says so with that alert, and is silent. */
static void expect_alert(int alert)
{
	char buf[100];

	assert_int_equal(s->ops->read(s, buf, sizeof(buf)), -EPROTO);
	assert_int_equal(put("x", 1), -ECONNRESET);
	assert_int_equal(alert_seen(), alert);
	assert_int_equal(read(peer, buf, sizeof(buf)), -1); /* nothing follows */
	assert_int_equal(s->ops->finish(s), 0);
	assert_int_equal(read(peer, buf, sizeof(buf)), 0); /* but the socket's end */
	for (size_t i = 0; i < sizeof(mo_tls_keys); i++)
		assert_int_equal(((uint8_t *)((struct record_stream *)(void *)s)->keys)[i], 0);
}

static const struct {
	const char *what;
	uint8_t type;
	const char *data;
	size_t n;
	int alert;
} refused[] = {
	{ "ClientHello", 22, "\1\0\0\1x", 5, MO_ALERT_UNEXPECTED_MESSAGE },
	{ "ticket from a client", 22, "\4\0\0\1x", 5, MO_ALERT_UNEXPECTED_MESSAGE },
	{ "Finished", 22, "\x14\0\0\1x", 5, MO_ALERT_UNEXPECTED_MESSAGE },
	{ "KeyUpdate of another length", 22, "\x18\0\0\2\0\0", 6, MO_ALERT_ILLEGAL_PARAMETER },
	{ "KeyUpdate of another value", 22, "\x18\0\0\1\2", 5, MO_ALERT_ILLEGAL_PARAMETER },
	{ "a message behind a KeyUpdate", 22, "\x18\0\0\1\0\x18\0\0\1\0", 10,
	  MO_ALERT_UNEXPECTED_MESSAGE },
	{ "ChangeCipherSpec inside", 20, "\1", 1, MO_ALERT_UNEXPECTED_MESSAGE },
	{ "unknown type", 99, "x", 1, MO_ALERT_UNEXPECTED_MESSAGE },
	{ "heartbeat", 24, "x", 1, MO_ALERT_UNEXPECTED_MESSAGE },
	{ "alert of one byte", 21, "\1", 1, MO_ALERT_UNEXPECTED_MESSAGE },
	{ "two alerts in one record", 21, "\1\0\1\0", 4, MO_ALERT_UNEXPECTED_MESSAGE },
	{ "alert that is empty", 0, "\x15\0", 2, MO_ALERT_UNEXPECTED_MESSAGE },
	{ "handshake that is empty", 0, "\x16\0", 2, MO_ALERT_UNEXPECTED_MESSAGE },
	{ "only padding", 0, "\0\0\0", 3, MO_ALERT_UNEXPECTED_MESSAGE },
};

static void what_no_client_may_send_ends_with_the_right_alert(void **state)
{
	for (size_t kind = 0; kind < 3; kind++)
		for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
			begin_forging(kind);
			send_forged(refused[i].type, refused[i].data, refused[i].n);
			expect_alert(refused[i].alert);
			end_forging();
		}
}

static void data_between_the_pieces_of_a_message_is_refused(void **state)
{
	begin_forging(0);
	send_forged(22, "\x18\0\0", 3);
	send_forged(23, "x", 1);
	expect_alert(MO_ALERT_UNEXPECTED_MESSAGE);
	end_forging();
}

static void a_key_update_in_pieces_is_understood_and_stays_until_whole(void **state)
{
	char c;

	begin_forging(1);
	for (int i = 0; i < 4; i++) {
		send_forged(22, &"\x18\0\0\1\0"[i], 1);
		assert_int_equal(s->ops->read(s, &c, 1), -EAGAIN);
		assert_false(s->ops->settled(s));
	}
	send_forged(22, "", 1);
	assert_int_equal(s->ops->read(s, &c, 1), -EAGAIN);
	move();
	mo_tls_record_step(&forge, true);
	send_forged(23, "x", 1);
	assert_int_equal(s->ops->read(s, &c, 1), 1);
	end_forging();
}

static void changed_keys_in_tls_1_2_are_refused(void **state)
{
	for (size_t kind = 3; kind < KINDS; kind++) {
		begin_forging(kind);
		send_forged(20, "\1", 1);
		expect_alert(MO_ALERT_UNEXPECTED_MESSAGE);
		end_forging();
	}
}

static void records_in_the_clear_and_wrong_lengths_are_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		int alert;
	} row[] = { { "\x14\3\3\0\1\1", 6, MO_ALERT_UNEXPECTED_MESSAGE },
		    { "\x15\3\3\0\2\2\x28", 7, MO_ALERT_UNEXPECTED_MESSAGE },
		    { "GET / HTTP/1.1\r\n", 16, MO_ALERT_PROTOCOL_VERSION },
		    { "\x17\3\3\x41\1", 5, MO_ALERT_RECORD_OVERFLOW },
		    { "\x17\3\3\xff\xff", 5, MO_ALERT_RECORD_OVERFLOW },
		    { "\x17\3\3\0\0", 5, MO_ALERT_BAD_RECORD_MAC },
		    { "\x17\3\3\0\x10", 5, MO_ALERT_BAD_RECORD_MAC },
		    { "\x17\3\3\0\x11"
		      "abcdefghijklmnopq",
		      22, MO_ALERT_BAD_RECORD_MAC } };

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		begin_forging(0);
		assert_int_equal(write(peer, row[i].bytes, row[i].n), row[i].n);
		expect_alert(row[i].alert);
		end_forging();
	}
}

static void data_before_a_fault_is_given_out_first(void **state)
{
	char buf[10];

	begin_forging(0);
	send_forged(23, "good", 4);
	send_forged(20, "\1", 1);
	assert_int_equal(s->ops->read(s, buf, sizeof(buf)), 4);
	assert_true(s->ops->pending(s));
	assert_int_equal(s->ops->read(s, buf, sizeof(buf)), -EPROTO);
	assert_int_equal(s->ops->read(s, buf, sizeof(buf)), -ECONNRESET);
	end_forging();
}

static void too_many_records_without_data_are_refused(void **state)
{
	for (int what = 0; what < 3; what++) {
		begin_forging(0);
		for (int i = 0; i < 33; i++) {
			if (what == 0)
				send_forged(0, "\x17\0", 2); /* empty data */
			else if (what == 1)
				send_forged(21, "\1\x5a", 2); /* user_canceled */
			else
				send_forged(22, "\x18\0\0\1\1", 5);
			if (what == 2)
				mo_tls_record_step(&forge, true);
		}
		expect_alert(MO_ALERT_UNEXPECTED_MESSAGE);
		end_forging();
	}
}

static void an_alert_of_the_client_ends_it_without_an_answer(void **state)
{
	char buf[10];

	for (size_t kind = 0; kind < KINDS; kind++) {
		begin_forging(kind);
		send_forged(21, "\2\x2a", 2);
		assert_int_equal(s->ops->read(s, buf, sizeof(buf)), -ECONNRESET);
		assert_int_equal(put("x", 1), -ECONNRESET);
		assert_true(SSL_read(client, buf, sizeof(buf)) <= 0); /* its tickets */
		assert_int_equal(read(peer, buf, sizeof(buf)), -1);
		end_forging();
	}
}

/* ---- right behind the handshake ---- */

static int tickets_seen;

static void count_tickets(int write, int version, int type, const void *data, size_t n, SSL *ssl,
			  void *arg)
{
	if (!write && type == SSL3_RT_HANDSHAKE && n &&
	    *(const uint8_t *)data == SSL3_MT_NEWSESSION_TICKET)
		tickets_seen++;
}

/* The client's Finished and more of it come together, NULL: its goodbye.  The tickets wait for
 * an answer then. */
static void finish_together_with(const void *p, size_t n)
{
	static uint8_t wire[4096];
	BIO *out;
	int size;

	SSL_set_msg_callback(client, count_tickets);
	tickets_seen = 0;
	SSL_do_handshake(client);
	assert_int_equal(s->ops->handshake(s), -EAGAIN);
	out = BIO_new(BIO_s_mem());
	SSL_set0_wbio(client, out);
	assert_int_equal(SSL_do_handshake(client), 1);
	if (p)
		BIO_write(out, p, (int)n);
	else
		SSL_shutdown(client);
	size = BIO_read(out, wire, sizeof(wire));
	assert_int_equal(write(peer, wire, (size_t)size), size);
	assert_int_equal(s->ops->handshake(s), 0);
	assert_int_equal(SSL_read(client, wire, sizeof(wire)), -1);
	assert_int_equal(tickets_seen, 0);
}

static void a_fault_right_behind_the_handshake_is_told_after_the_tickets(void **state)
{
	static const char wrong[] = "\x17\3\3\0\x20 0123456789012345678901234567890";
	char buf[100];

	for (size_t kind = 0; kind < 3; kind++) {
		begin_pair(kind);
		finish_together_with(wrong, 5 + 32);
		assert_int_equal(s->ops->read(s, buf, sizeof(buf)), -EPROTO);
		assert_int_equal(alert_seen(), MO_ALERT_BAD_RECORD_MAC);
		assert_int_equal(tickets_seen, 2);
		assert_int_equal(s->ops->finish(s), 0);
		assert_int_equal(read(peer, buf, sizeof(buf)), 0);
		end_pair();
	}
}

/* Writes until the socket takes no more; how much the client is to get of it. */
static size_t fill_the_socket(void)
{
	static char much[MO_TLS_PLAIN];
	size_t whole = 0;
	ssize_t n;

	while ((n = put(much, sizeof(much))) > 0)
		whole += (size_t)n;
	assert_int_equal(n, -EAGAIN);
	return whole + sizeof(much);
}

/* Also of the record that had left in part. */
static void an_alert_that_the_socket_does_not_take_leaves_before_its_end(void **state)
{
	static char buf[MO_TLS_PLAIN];

	for (int moved = 0; moved < 2; moved++) {
		size_t left;
		int n;

		begin_pair(0);
		shake();
		if (moved)
			move();
		begin_forge();
		left = fill_the_socket();
		send_forged(99, "x", 1);
		assert_int_equal(s->ops->read(s, buf, sizeof(buf)), -EPROTO);
		assert_int_equal(s->ops->finish(s), -EAGAIN);
		assert_int_equal(s->want, UV_WRITABLE);
		while ((n = SSL_read(client, buf, sizeof(buf))) > 0) {
			left -= (size_t)n;
			(void)s->ops->finish(s);
		}
		assert_int_equal(left, 0);
		assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()),
				 SSL_AD_REASON_OFFSET + MO_ALERT_UNEXPECTED_MESSAGE);
		assert_int_equal(read(peer, buf, sizeof(buf)), 0);
		end_forge();
		end_pair();
	}
}

static void a_goodbye_right_behind_the_handshake_gets_the_tickets(void **state)
{
	for (size_t kind = 0; kind < 3; kind++) {
		char buf[10];

		begin_pair(kind);
		finish_together_with(NULL, 0);
		assert_int_equal(s->ops->read(s, buf, sizeof(buf)), 0);
		assert_int_equal(SSL_read(client, buf, sizeof(buf)), -1);
		assert_int_equal(tickets_seen, 2);
		end_pair();
	}
}

/* OpenSSL keeps less than a message's head where it does not show: the connection stays. */
static void the_beginning_of_a_message_that_openssl_has_stays_until_whole(void **state)
{
	static const char update[] = "\x18\0\0\1\0";
	char buf[10];

	for (size_t kind = 0; kind < 3; kind++)
		for (size_t first = 1; first < 5; first++) {
			begin_pair(kind);
			shake();
			talk();
			begin_forge();
			send_forged(22, update, first);
			assert_int_equal(s->ops->read(s, buf, sizeof(buf)), -EAGAIN);
			assert_false(s->ops->settled(s));
			assert_ptr_equal(mo_stream_tls_shed(s), s);
			send_forged(22, update + first, 5 - first);
			assert_int_equal(s->ops->read(s, buf, sizeof(buf)), -EAGAIN);
			mo_tls_record_step(&forge, true);
			if (first & 1)
				move();
			else
				s = mo_stream_tls_shed(s);
			assert_string_equal(s->ops->name, "record");
			send_forged(23, "x", 1);
			assert_int_equal(s->ops->read(s, buf, sizeof(buf)), 1);
			end_forge();
			end_pair();
		}
}

/* ---- snapshots ---- */

static void snapshots_that_do_not_add_up_are_refused(void **state)
{
	uint8_t copy[1000];
	molt_str p;
	int fd = dup(0);

	begin_pair(0);
	shake();
	p = s->ops->pack(s);
	assert_true(p.len < sizeof(copy));
	for (size_t n = 1; n < p.len; n++) {
		memcpy(copy, p.ptr, n);
		assert_null(mo_stream_unpack(fd, (molt_str){ (char *)copy, n }, LIMIT));
	}
	memcpy(copy, p.ptr, p.len);
	copy[p.len] = 0;
	assert_false(mo_stream_can_unpack((molt_str){ (char *)copy, p.len + 1 }));
	for (int at = 0; at < 4; at++) { /* version, suite, flags */
		memcpy(copy, p.ptr, p.len);
		copy[at] ^= 0x80;
		assert_false(mo_stream_can_unpack((molt_str){ (char *)copy, p.len }));
	}
	memcpy(copy, p.ptr, p.len);
	copy[5] = 1; /* owed without a record */
	assert_false(mo_stream_can_unpack((molt_str){ (char *)copy, p.len }));
	memcpy(copy, p.ptr, p.len);
	copy[14] = 0xff; /* a number that no connection reaches */
	assert_false(mo_stream_can_unpack((molt_str){ (char *)copy, p.len }));
	assert_true(mo_stream_can_unpack(p));
	close(fd);
	end_pair();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_no_client_may_send_ends_with_the_right_alert),
		cmocka_unit_test(data_between_the_pieces_of_a_message_is_refused),
		cmocka_unit_test(a_key_update_in_pieces_is_understood_and_stays_until_whole),
		cmocka_unit_test(changed_keys_in_tls_1_2_are_refused),
		cmocka_unit_test(records_in_the_clear_and_wrong_lengths_are_refused),
		cmocka_unit_test(data_before_a_fault_is_given_out_first),
		cmocka_unit_test(too_many_records_without_data_are_refused),
		cmocka_unit_test(an_alert_of_the_client_ends_it_without_an_answer),
		cmocka_unit_test(a_fault_right_behind_the_handshake_is_told_after_the_tickets),
		cmocka_unit_test(an_alert_that_the_socket_does_not_take_leaves_before_its_end),
		cmocka_unit_test(a_goodbye_right_behind_the_handshake_gets_the_tickets),
		cmocka_unit_test(the_beginning_of_a_message_that_openssl_has_stays_until_whole),
		cmocka_unit_test(snapshots_that_do_not_add_up_are_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
