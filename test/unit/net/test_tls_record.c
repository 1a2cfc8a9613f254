/* Promises of net/tls_keys.h and net/tls_record.h: the traces of RFC 8448 section 3,
 * the limits of records, and what is refused.  That OpenSSL and these records
 * understand each other is shown by test_stream_record. */
#include "unit.h"

#include <openssl/crypto.h>

#include "net/secret.h"
#include "net/tls_record.h"

static const char *const client_secret =
	"9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5";
static const char *const server_secret =
	"a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643";

static size_t unhex(const char *s, uint8_t *out)
{
	size_t n = 0;
	unsigned v;

	for (; sscanf(s, "%2x", &v) == 1; s += 2)
		out[n++] = (uint8_t)v;
	return n;
}

/* Reads what a side of the trace wrote, and writes what it wrote. */
static mo_tls_keys *traced(const char *secret)
{
	mo_tls_keys *k = mo_tls_keys_new();

	k->suite = mo_tls_suite_find(0x1301, false);
	unhex(secret, k->read.secret);
	unhex(secret, k->write.secret);
	return k;
}

static void check_keys(const char *secret, const char *key, const char *iv)
{
	mo_tls_keys *k = traced(secret);
	uint8_t want[16];

	mo_tls_side_prepare(k->suite, &k->read);
	unhex(key, want);
	assert_memory_equal(k->read.key, want, 16);
	unhex(iv, want);
	assert_memory_equal(k->read.iv, want, 12);
	mo_tls_keys_free(k);
}

static void rfc8448_keys_of_both_sides(void **state)
{
	check_keys(client_secret, "17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9");
	check_keys(server_secret, "9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984");
}

/* One record of the trace: opened, and sealed to the same bytes. */
static void check_record(mo_tls_record *r, const char *hex, uint8_t type, const uint8_t *content,
			 size_t n)
{
	struct iovec v = { (void *)(uintptr_t)content, n };
	mo_tls_source from = { &v, 1, 0 };
	uint8_t rec[100], out[100], got = 0;
	size_t size = unhex(hex, rec);

	assert_int_equal(mo_tls_record_size(r->keys, rec), size);
	assert_int_equal(mo_tls_open(r, rec, size, out, &got), n);
	assert_int_equal(got, type);
	assert_memory_equal(out, content, n);
	assert_int_equal(mo_tls_seal(r, type, &from, n, out), size);
	assert_memory_equal(out, rec, size);
}

static void rfc8448_records_of_both_sides(void **state)
{
	static const uint8_t close_notify[2] = { 1, 0 };
	uint8_t data[50];
	mo_tls_keys *k = traced(client_secret);
	mo_tls_record r;

	for (int i = 0; i < 50; i++)
		data[i] = (uint8_t)i;
	mo_tls_record_init(&r, k);
	check_record(&r,
		     "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b4"
		     "6b395bd54a9a20441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4",
		     MO_TLS_DATA, data, 50);
	check_record(&r, "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3", MO_TLS_ALERT,
		     close_notify, 2);
	mo_tls_record_fini(&r);
	mo_tls_keys_free(k);
	k = traced(server_secret);
	k->read.seq = k->write.seq = 1; /* behind its ticket */
	mo_tls_record_init(&r, k);
	check_record(&r,
		     "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90"
		     "e6dffc602dcb501a59a8fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d",
		     MO_TLS_DATA, data, 50);
	check_record(&r, "1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9", MO_TLS_ALERT,
		     close_notify, 2);
	mo_tls_record_fini(&r);
	mo_tls_keys_free(k);
}

/* A secret and the next one, as OpenSSL's own KeyUpdate made it (SHA-384). */
static void a_key_update_makes_the_next_secret(void **state)
{
	mo_tls_keys *k = mo_tls_keys_new();
	uint8_t want[48];

	k->suite = mo_tls_suite_find(0x1302, false);
	unhex("4bc28934ddd802b00f479e14a72d7725dab45d32b3b145f29e4c5b56677560eb5236b168c71c5c75aa52"
	      "f"
	      "3e20ee89bfb",
	      k->read.secret);
	unhex("ee85dd54781bd4d8a100589a9fe6ac9a3797b811e977f549cd531be2441d7c63e2b9729d145c11d84af3"
	      "5"
	      "957727565a4",
	      want);
	k->read.seq = 77;
	mo_tls_side_step(k->suite, &k->read);
	assert_memory_equal(k->read.secret, want, 48);
	assert_int_equal(k->read.seq, 0);
	mo_tls_keys_free(k);
}

static mo_tls_keys *some_keys(uint16_t id, bool v12)
{
	mo_tls_keys *k = mo_tls_keys_new();
	uint8_t master[48] = { 1 }, random[32] = { 2 };

	k->suite = mo_tls_suite_find(id, v12);
	assert_non_null(k->suite);
	if (v12) {
		mo_tls_keys_from_master(k, master, random, random);
		k->read = k->write; /* it reads what it writes */
	}
	return k;
}

static const struct {
	uint16_t id;
	bool v12;
} all[] = { { 0x1301, false }, { 0x1302, false }, { 0x1303, false },
	    { 0xc02b, true },  { 0xc030, true },  { 0xcca8, true } };

#define ALL (sizeof(all) / sizeof(all[0]))

static uint8_t data[MO_TLS_PLAIN], rec[MO_TLS_RECORD + 100], out[MO_TLS_RECORD + 100];

static size_t seal(mo_tls_record *r, uint8_t type, size_t n)
{
	struct iovec v = { data, n };

	return mo_tls_seal(r, type, &(mo_tls_source){ &v, 1, 0 }, n, rec);
}

static void records_of_every_length_come_back(void **state)
{
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 13);
	for (size_t a = 0; a < ALL; a++) {
		mo_tls_keys *k = some_keys(all[a].id, all[a].v12);
		mo_tls_record r;

		mo_tls_record_init(&r, k);
		for (size_t n = 1; n <= MO_TLS_PLAIN; n += n < 3000 ? 17 : n == 16379 ? 5 : 1486) {
			uint8_t type = 0;
			size_t size = seal(&r, MO_TLS_DATA, n);

			assert_true(size <= n + MO_TLS_MORE);
			assert_int_equal(mo_tls_record_size(k, rec), size);
			assert_int_equal(mo_tls_open(&r, rec, size, out, &type), n);
			assert_int_equal(type, MO_TLS_DATA);
			assert_memory_equal(out, data, n);
		}
		mo_tls_record_fini(&r);
		mo_tls_keys_free(k);
	}
}

static void content_in_pieces_and_in_place_makes_the_same_record(void **state)
{
	static uint8_t whole[MO_TLS_RECORD];

	for (size_t n = 1000; n <= 16000; n += 15000) {
		mo_tls_keys *k = some_keys(0x1302, false);
		struct iovec v[4] = {
			{ NULL, 0 }, { data, 1 }, { data + 1, 900 }, { data + 901, n - 901 }
		};
		mo_tls_record r;
		size_t size;

		mo_tls_record_init(&r, k);
		size = seal(&r, MO_TLS_DATA, n);
		memcpy(whole, rec, size);
		k->write.seq = 0;
		assert_int_equal(mo_tls_seal(&r, MO_TLS_DATA, &(mo_tls_source){ v, 4, 0 }, n, out),
				 size);
		assert_memory_equal(out, whole, size);
		k->write.seq = 0;
		memcpy(out + mo_tls_content_at(k->suite), data, n);
		v[0] = (struct iovec){ out + mo_tls_content_at(k->suite), n };
		assert_int_equal(mo_tls_seal(&r, MO_TLS_DATA, &(mo_tls_source){ v, 1, 0 }, n, out),
				 size);
		assert_memory_equal(out, whole, size);
		mo_tls_record_fini(&r);
		mo_tls_keys_free(k);
	}
}

static void every_changed_bit_is_noticed(void **state)
{
	for (size_t a = 0; a < ALL; a++) {
		mo_tls_keys *k = some_keys(all[a].id, all[a].v12);
		mo_tls_record r;
		size_t size;
		uint8_t type;

		mo_tls_record_init(&r, k);
		size = seal(&r, MO_TLS_DATA, 40);
		/* The length is looked at before; everything else is authenticated. */
		for (size_t bit = 0; bit < size * 8; bit++) {
			if (bit / 8 == 3 || bit / 8 == 4)
				continue;
			rec[bit / 8] ^= (uint8_t)(1u << (bit % 8));
			k->read.seq = 0;
			assert_int_equal(mo_tls_open(&r, rec, size, out, &type),
					 -MO_ALERT_BAD_RECORD_MAC);
			rec[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		}
		k->read.seq = 1; /* a record that comes twice or too late */
		assert_int_equal(mo_tls_open(&r, rec, size, out, &type), -MO_ALERT_BAD_RECORD_MAC);
		k->read.seq = 0;
		assert_int_equal(mo_tls_open(&r, rec, size, out, &type), 40);
		mo_tls_record_fini(&r);
		mo_tls_keys_free(k);
	}
}

static ssize_t size_of(uint16_t id, bool v12, uint8_t type, unsigned version, size_t len)
{
	mo_tls_keys *k = some_keys(id, v12);
	uint8_t head[5] = { type, (uint8_t)(version >> 8), (uint8_t)version, (uint8_t)(len >> 8),
			    (uint8_t)len };
	ssize_t n = mo_tls_record_size(k, head);

	mo_tls_keys_free(k);
	return n;
}

static void heads_outside_the_limits_are_refused(void **state)
{
	/* TLS 1.3: at least type and tag, at most 256 more than content. */
	assert_int_equal(size_of(0x1301, false, 23, 0x0303, 16), -MO_ALERT_BAD_RECORD_MAC);
	assert_int_equal(size_of(0x1301, false, 23, 0x0303, 17), 22);
	assert_int_equal(size_of(0x1301, false, 23, 0x0301, 17), -MO_ALERT_DECODE_ERROR);
	assert_int_equal(size_of(0x1301, false, 23, 0x0203, 17), -MO_ALERT_PROTOCOL_VERSION);
	assert_int_equal(size_of(0x1301, false, 23, 0x0303, 16640), 16645);
	assert_int_equal(size_of(0x1301, false, 23, 0x0303, 16641), -MO_ALERT_RECORD_OVERFLOW);
	assert_int_equal(size_of(0x1301, false, 23, 0x0303, 65535), -MO_ALERT_RECORD_OVERFLOW);
	for (unsigned type = 0; type < 256; type++)
		if (type != 23)
			assert_int_equal(size_of(0x1301, false, (uint8_t)type, 0x0303, 40),
					 -MO_ALERT_UNEXPECTED_MESSAGE);
	/* TLS 1.2: nonce (GCM) and tag. */
	assert_int_equal(size_of(0xc02b, true, 23, 0x0303, 23), -MO_ALERT_BAD_RECORD_MAC);
	assert_int_equal(size_of(0xc02b, true, 23, 0x0303, 24), 29);
	assert_int_equal(size_of(0xc02b, true, 23, 0x0303, 16408), 16413);
	assert_int_equal(size_of(0xc02b, true, 23, 0x0303, 16409), -MO_ALERT_RECORD_OVERFLOW);
	assert_int_equal(size_of(0xcca8, true, 23, 0x0303, 16400), 16405);
	assert_int_equal(size_of(0xcca8, true, 23, 0x0303, 16401), -MO_ALERT_RECORD_OVERFLOW);
	assert_int_equal(size_of(0xcca8, true, 23, 0x0302, 40), -MO_ALERT_PROTOCOL_VERSION);
	assert_int_equal(size_of(0xcca8, true, 19, 0x0303, 40), -MO_ALERT_UNEXPECTED_MESSAGE);
	assert_int_equal(size_of(0xcca8, true, 24, 0x0303, 40), -MO_ALERT_UNEXPECTED_MESSAGE);
}

/* A content whose last bytes are type and padding, sealed with type 0, is a record
 * with one more byte of padding. */
static void padding_is_taken_off_and_only_padding_is_refused(void **state)
{
	mo_tls_keys *k = some_keys(0x1303, false);
	mo_tls_record r;
	uint8_t type;
	size_t size;

	mo_tls_record_init(&r, k);
	for (size_t pad = 0; pad < 16380; pad = pad * 2 + 1) {
		memset(data, 0, sizeof(data));
		data[0] = data[1] = 0; /* zeros of the content are none of the padding */
		data[2] = MO_TLS_DATA;
		size = seal(&r, 0, 3 + pad);
		assert_int_equal(mo_tls_open(&r, rec, size, out, &type), 2);
		assert_int_equal(type, MO_TLS_DATA);
	}
	memset(data, 0, sizeof(data));
	size = seal(&r, 0, 100);
	assert_int_equal(mo_tls_open(&r, rec, size, out, &type), -MO_ALERT_UNEXPECTED_MESSAGE);
	mo_tls_record_fini(&r);
	mo_tls_keys_free(k);
}

static void tls_1_2_nonces_go_on_and_never_repeat(void **state)
{
	mo_tls_keys *k = some_keys(0xc02b, true);
	mo_tls_record r;

	k->nonce = UINT64_MAX - 1; /* OpenSSL starts anywhere, and wraps around */
	mo_tls_record_init(&r, k);
	for (unsigned i = 0; i < 4; i++) {
		uint64_t nonce = 0;

		seal(&r, MO_TLS_DATA, 10);
		for (int b = 0; b < 8; b++)
			nonce = nonce << 8 | rec[5 + b];
		assert_true(nonce == UINT64_MAX - 1 + i);
		assert_int_equal(k->write.seq, i + 1);
	}
	mo_tls_record_fini(&r);
	mo_tls_keys_free(k);
}

static void suites_that_are_no_aead_are_not_known(void **state)
{
	assert_null(mo_tls_suite_find(0xc023, true));
	assert_null(mo_tls_suite_find(0x1301, true));
	assert_null(mo_tls_suite_find(0xc02b, false));
	assert_null(mo_tls_suite_find(0x1304, false)); /* CCM */
}

static void more_connections_than_contexts_all_go_on(void **state)
{
	enum { N = MO_TLS_CONTEXTS + 50 };
	mo_tls_keys *k[N];
	mo_tls_record *r = calloc(N, sizeof(*r));
	unsigned with = 0;

	for (int i = 0; i < N; i++) {
		k[i] = some_keys(0x1301, false);
		k[i]->read.secret[0] = k[i]->write.secret[0] = (uint8_t)i;
		mo_tls_record_init(&r[i], k[i]);
	}
	for (int turn = 0; turn < 2; turn++)
		for (int i = 0; i < N; i++) {
			uint8_t type;
			size_t size = seal(&r[i], MO_TLS_DATA, 20);

			assert_int_equal(mo_tls_open(&r[i], rec, size, out, &type), 20);
		}
	for (int i = 0; i < N; i++)
		with += r[i].read != NULL;
	assert_int_equal(with, MO_TLS_CONTEXTS);
	for (int i = 0; i < N; i++) {
		mo_tls_record_fini(&r[i]);
		mo_tls_keys_free(k[i]);
	}
	free(r);
}

/* "dd" (do not dump) among the flags of the mapping that holds p. */
static bool left_out_of_dumps(const void *p)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[512];
	bool inside = false, found = false;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		unsigned long from, to;

		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = (uintptr_t)p >= from && (uintptr_t)p < to;
		else if (inside && strncmp(line, "VmFlags:", 8) == 0)
			found |= strstr(line, " dd") != NULL;
	}
	fclose(f);
	return found;
}

static void secrets_are_not_dumped_and_wiped_when_freed(void **state)
{
	static const size_t sizes[] = { 100, MO_SECRET_BLOCK };
	uint8_t *big = mo_secret_new(100000);

	assert_true(left_out_of_dumps(big));
	memset(big, 1, 100000);
	mo_secret_free(big, 100000); /* its pages are gone */
	for (size_t i = 0; i < 2; i++) {
		uint8_t *p = mo_secret_new(sizes[i]);

		assert_true(left_out_of_dumps(p));
		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal(p[k], 0);
		memset(p, 0xaa, sizes[i]);
		mo_secret_free(p, sizes[i]);
		/* All but the link of the spare list, which is a pointer. */
		for (size_t k = sizeof(void *); k < sizes[i]; k++)
			assert_int_equal(p[k], 0);
	}
	mo_secret_free(NULL, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc8448_keys_of_both_sides),
		cmocka_unit_test(rfc8448_records_of_both_sides),
		cmocka_unit_test(a_key_update_makes_the_next_secret),
		cmocka_unit_test(records_of_every_length_come_back),
		cmocka_unit_test(content_in_pieces_and_in_place_makes_the_same_record),
		cmocka_unit_test(every_changed_bit_is_noticed),
		cmocka_unit_test(heads_outside_the_limits_are_refused),
		cmocka_unit_test(padding_is_taken_off_and_only_padding_is_refused),
		cmocka_unit_test(tls_1_2_nonces_go_on_and_never_repeat),
		cmocka_unit_test(suites_that_are_no_aead_are_not_known),
		cmocka_unit_test(more_connections_than_contexts_all_go_on),
		cmocka_unit_test(secrets_are_not_dumped_and_wiped_when_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
