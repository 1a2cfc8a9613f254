/* The table of doc/tls-handover.md: what each alert, message and record of a client leads to,
 * in both versions, wherever the connection is by then.  OpenSSL's own end (FRESH) is the
 * oracle: the record layer of ours gives the same. */
#include "record_pair.h"

/* What comes of it; 0 to 255: the fatal alert that the client gets. */
enum { GOES_ON = 1000, REFUSED_ON, ENDS, CUT };

#define UNEXPECTED MO_ALERT_UNEXPECTED_MESSAGE
#define INTERNAL 80
#define CLEAR 0 /* as type: the bytes are the record */
#define CLIENT_HELLO "\1\0\0\2xx"

static const struct row {
	const char *what;
	uint8_t type;
	const char *data;
	size_t n;
	int v13, v12;
	int openssl; /* FRESH: another alert of some OpenSSL, 3.0 or 3.5; 0: none */
} rows[] = {
#define ODD(what, type, data, v13, v12, openssl12)                                                 \
	{                                                                                          \
		what, type, data, sizeof(data) - 1, v13, v12, openssl12                            \
	}
#define ROW(what, type, data, v13, v12)                                                            \
	{                                                                                          \
		what, type, data, sizeof(data) - 1, v13, v12                                       \
	}
	ROW("data", 23, "x", GOES_ON, GOES_ON),
	ROW("data, empty", 23, "", GOES_ON, GOES_ON),
	/* alerts */
	ROW("close_notify, warning", 21, "\1\0", ENDS, ENDS),
	ROW("close_notify, fatal", 21, "\2\0", ENDS, CUT),
	ROW("close_notify, level 3", 21, "\3\0", ENDS, MO_ALERT_ILLEGAL_PARAMETER),
	ROW("user_canceled, warning", 21, "\1\x5a", GOES_ON, GOES_ON),
	ROW("user_canceled, fatal", 21, "\2\x5a", GOES_ON, CUT),
	ROW("user_canceled, level 0", 21, "\0\x5a", GOES_ON, MO_ALERT_ILLEGAL_PARAMETER),
	ROW("user_canceled, level 3", 21, "\3\x5a", GOES_ON, MO_ALERT_ILLEGAL_PARAMETER),
	ROW("no_renegotiation, warning", 21, "\1\x64", CUT, MO_ALERT_HANDSHAKE_FAILURE),
	ROW("no_renegotiation, fatal", 21, "\2\x64", CUT, CUT),
	ROW("unrecognized_name, warning", 21, "\1\x70", CUT, GOES_ON),
	ROW("bad_certificate, fatal", 21, "\2\x2a", CUT, CUT),
	ROW("unknown alert, warning", 21, "\1\xff", CUT, GOES_ON),
	ROW("unknown alert, fatal", 21, "\2\xff", CUT, CUT),
	ROW("unknown alert, level 0", 21, "\0\xff", CUT, MO_ALERT_ILLEGAL_PARAMETER),
	ROW("unknown alert, level 3", 21, "\3\xff", CUT, MO_ALERT_ILLEGAL_PARAMETER),
	ROW("alert, empty", 21, "", UNEXPECTED, UNEXPECTED),
	ROW("alert of one byte", 21, "\1", UNEXPECTED, UNEXPECTED),
	ROW("alert of three bytes", 21, "\1\0\0", UNEXPECTED, UNEXPECTED),
	ROW("two alerts in a record", 21, "\1\x5a\1\x5a", UNEXPECTED, UNEXPECTED),
	/* handshake messages */
	ROW("KeyUpdate", 22, "\x18\0\0\1\0", GOES_ON, UNEXPECTED),
	ROW("KeyUpdate, asks for one", 22, "\x18\0\0\1\1", GOES_ON, UNEXPECTED),
	ROW("KeyUpdate of another value", 22, "\x18\0\0\1\2", MO_ALERT_ILLEGAL_PARAMETER,
	    UNEXPECTED),
	ROW("KeyUpdate, empty", 22, "\x18\0\0\0", MO_ALERT_DECODE_ERROR, UNEXPECTED),
	ROW("KeyUpdate of two bytes", 22, "\x18\0\0\2\0\0", MO_ALERT_ILLEGAL_PARAMETER, UNEXPECTED),
	ROW("KeyUpdate of 64 KiB", 22, "\x18\1\0\0\0\0", MO_ALERT_ILLEGAL_PARAMETER, UNEXPECTED),
	ROW("two KeyUpdates in a record", 22, "\x18\0\0\1\0\x18\0\0\1\0", UNEXPECTED, UNEXPECTED),
	ROW("ClientHello", 22, CLIENT_HELLO, UNEXPECTED, REFUSED_ON),
	ROW("ClientHello, empty", 22, "\1\0\0\0", UNEXPECTED, REFUSED_ON),
	ROW("ClientHello, too long", 22, "\1\2\1\x45x", UNEXPECTED, MO_ALERT_ILLEGAL_PARAMETER),
	ROW("two ClientHellos in a record", 22, CLIENT_HELLO CLIENT_HELLO, UNEXPECTED, REFUSED_ON),
	ROW("HelloRequest", 22, "\0\0\0\0", UNEXPECTED, UNEXPECTED),
	ROW("ServerHello", 22, "\2\0\0\1x", UNEXPECTED, UNEXPECTED),
	ROW("NewSessionTicket", 22, "\4\0\0\1x", UNEXPECTED, UNEXPECTED),
	ROW("EndOfEarlyData", 22, "\5\0\0\0", UNEXPECTED, UNEXPECTED),
	ROW("Certificate", 22, "\x0b\0\0\1x", UNEXPECTED, UNEXPECTED),
	ROW("CertificateRequest", 22, "\x0d\0\0\1x", UNEXPECTED, UNEXPECTED),
	ROW("CertificateVerify", 22, "\x0f\0\0\1x", UNEXPECTED, UNEXPECTED),
	ROW("ClientKeyExchange", 22, "\x10\0\0\1x", UNEXPECTED, UNEXPECTED),
	ROW("Finished", 22, "\x14\0\0\1x", UNEXPECTED, UNEXPECTED),
	ROW("unknown message", 22, "\xc8\0\0\1x", UNEXPECTED, UNEXPECTED),
	ROW("message, empty", 22, "", UNEXPECTED, GOES_ON),
	/* other records */
	ROW("ChangeCipherSpec", 20, "\1", UNEXPECTED, UNEXPECTED),
	ROW("ChangeCipherSpec, wrong", 20, "\2\2", UNEXPECTED, UNEXPECTED),
	ROW("heartbeat", 24, "x", UNEXPECTED, UNEXPECTED),
	ROW("unknown type", 99, "x", UNEXPECTED, UNEXPECTED),
	/* nothing of these is sealed */
	ODD("ChangeCipherSpec in the clear", CLEAR, "\x14\3\3\0\1\1", UNEXPECTED,
	    MO_ALERT_BAD_RECORD_MAC, INTERNAL),
	ODD("alert in the clear", CLEAR, "\x15\3\3\0\2\2\x28", UNEXPECTED, MO_ALERT_BAD_RECORD_MAC,
	    INTERNAL),
	ODD("data in the clear", CLEAR, "\x17\3\3\0\1x", MO_ALERT_BAD_RECORD_MAC,
	    MO_ALERT_BAD_RECORD_MAC, INTERNAL),
	ODD("a request in the clear", CLEAR, "GET / HTTP/1.1\r\n", MO_ALERT_PROTOCOL_VERSION,
	    MO_ALERT_PROTOCOL_VERSION, UNEXPECTED),
	ODD("version 2.0", CLEAR, "\x17\2\0\0\x20 0123456789012345678901234567890",
	    MO_ALERT_PROTOCOL_VERSION, MO_ALERT_PROTOCOL_VERSION, MO_ALERT_DECODE_ERROR),
	ROW("version 3.4", CLEAR, "\x17\3\4\0\x20 0123456789012345678901234567890",
	    MO_ALERT_DECODE_ERROR, MO_ALERT_PROTOCOL_VERSION),
	ROW("a wrong tag", CLEAR, "\x17\3\3\0\x20 0123456789012345678901234567890",
	    MO_ALERT_BAD_RECORD_MAC, MO_ALERT_BAD_RECORD_MAC),
	ROW("more than a record holds", CLEAR, "\x17\3\3\x48\1", MO_ALERT_RECORD_OVERFLOW,
	    MO_ALERT_RECORD_OVERFLOW),
#undef ROW
};

static int alerts, last_alert; /* that the client got: level << 8 | description */
static char last_byte;         /* and its data */

static void on_info(const SSL *ssl, int where, int value)
{
	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT) {
		alerts++;
		last_alert = value;
	}
}

/* OpenSSL's client ends a connection itself when it gets no_renegotiation: it looks last. */
static void client_looks(void)
{
	char buf[1000];
	int n;

	ERR_clear_error();
	while ((n = SSL_read(client, buf, sizeof(buf))) > 0)
		last_byte = buf[n - 1];
}

/* After what is no end: data come, and leave, and it could move. */
static void serves_on(bool settles)
{
	char buf[10];

	send_forged(23, "y", 1);
	assert_int_equal(s->ops->read(s, buf, sizeof(buf)), 1);
	assert_int_equal(buf[0], 'y');
	assert_int_equal(s->ops->settled(s), settles);
	assert_int_equal(put("z", 1), 1);
}

static void watch_client(void)
{
	client_looks();
	alerts = last_alert = last_byte = 0;
	SSL_set_info_callback(client, on_info);
}

static int outcome(const struct row *row, size_t kind, enum where where)
{
	char buf[1000];
	int result;
	ssize_t n;

	begin_pair(kind);
	shake();
	talk();
	watch_client();
	go(where);
	begin_forge();
	if (row->type == CLEAR)
		assert_int_equal(write(peer, row->data, row->n), row->n);
	else if (row->n == 0 && kind < 3) /* the type, and padding */
		send_forged(0, (char[]){ (char)row->type, 0 }, 2);
	else
		send_forged(row->type, row->data, row->n);
	if (row->data[0] == 24 && row->n == 5 && kind < 3 && row->type == 22)
		mo_tls_record_step(&forge, true);
	n = s->ops->read(s, buf, sizeof(buf));
	if (n == 1)
		n = s->ops->read(s, buf, sizeof(buf));
	/* Of an empty one OpenSSL tells the same as of the beginning of one. */
	if (n == -EAGAIN)
		serves_on(where != FRESH || row->type != 22 || row->n > 0);
	client_looks();
	if (n == -EPROTO && alerts == 1 && last_alert >> 8 == 2)
		result = last_alert & 255;
	else if (n == -ECONNRESET && alerts == 0)
		result = CUT;
	else if (n == 0 && alerts == 0)
		result = ENDS;
	else if (n == -EAGAIN && alerts == 0 && last_byte == 'z')
		result = GOES_ON;
	else if (n == -EAGAIN && alerts == 1 && last_alert == (1 << 8 | MO_ALERT_NO_RENEGOTIATION))
		result = REFUSED_ON;
	else
		result = -(int)(alerts * 100000 + last_alert * 100 - n);
	if ((result >= 0 && result <= 255) || result == CUT) {
		assert_int_equal(s->ops->read(s, buf, sizeof(buf)), -ECONNRESET);
		assert_int_equal(put("x", 1), -ECONNRESET);
		assert_false(s->ops->movable(s));
	}
	end_forge();
	end_pair();
	return result;
}

static void each_alert_message_and_record_leads_to_the_same_everywhere(void **state)
{
	static const size_t kind[] = { 0, 2, 3, 5 };
	int wrong = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t k = 0; k < 4; k++)
			for (int where = FRESH; where < WHERES; where++) {
				int is = outcome(&rows[i], kind[k], (enum where)where);
				int want = kind[k] < 3 ? rows[i].v13 : rows[i].v12;

				if (is == want ||
				    (where == FRESH && is > 0 && is == rows[i].openssl))
					continue;
				print_error("%s, %s, place %d: %d instead of %d\n", rows[i].what,
					    kinds[kind[k]].v12 ? "TLS 1.2" : "TLS 1.3", where, is,
					    want);
				wrong++;
			}
	assert_int_equal(wrong, 0);
}

static void say(const char *data, size_t n)
{
	char c;

	send_forged(22, data, n);
	assert_int_equal(s->ops->read(s, &c, 1), -EAGAIN);
}

/* And moves between none of the pieces. */
static void a_client_hello_in_pieces_is_refused_once(void **state)
{
	static const char hello[6 + 3 * 98] = { 1, 0, 1, 40 };

	for (size_t kind = 3; kind < KINDS; kind += 2)
		for (int where = FRESH; where < WHERES; where++) {
			begin_pair(kind);
			shake();
			talk();
			go((enum where)where);
			watch_client();
			begin_forge();
			for (size_t at = 0; at < sizeof(hello);) {
				size_t n = at < 6 ? 1 : 98;

				say(hello + at, n);
				at += n;
				assert_int_equal(s->ops->settled(s), at == sizeof(hello));
			}
			serves_on(true);
			client_looks();
			assert_int_equal(alerts, 1);
			assert_int_equal(last_alert, 1 << 8 | MO_ALERT_NO_RENEGOTIATION);
			end_forge();
			end_pair();
		}
}

/* What comes between the pieces of a message. */
static void nothing_may_come_amid_a_message(void **state)
{
	static const size_t kind[] = { 0, 3 };

	for (size_t k = 0; k < 2; k++)
		for (int where = FRESH; where < WHERES; where++)
			for (size_t piece = 1; piece < 5; piece++)
				for (int alert = 0; alert < 2; alert++) {
					bool may = k == 1 && (alert || piece < 4);
					char c;

					/* RFC 8446 section 5.1, which OpenSSL forgets then. */
					if (k == 0 && where == FRESH && piece == 4 && alert)
						continue;
					begin_pair(kind[k]);
					shake();
					talk();
					go((enum where)where);
					begin_forge();
					say(k ? "\1\0\0\5" : "\x18\0\0\1", piece);
					send_forged(alert ? 21 : 23, "\1\x5a", 2);
					assert_int_equal(s->ops->read(s, &c, 1), !may    ? -EPROTO
										 : alert ? -EAGAIN
											 : 1);
					assert_int_equal(alert_seen(), may ? -1 : UNEXPECTED);
					end_forge();
					end_pair();
				}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_alert_message_and_record_leads_to_the_same_everywhere),
		cmocka_unit_test(a_client_hello_in_pieces_is_refused_once),
		cmocka_unit_test(nothing_may_come_amid_a_message),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
