/* The chunked decoder:
 *   - however the input and the room for the output are cut, the result, the
 *     bytes used and the bytes made are the same, also when both are one memory;
 *   - a body encoded in any chunks is decoded to itself. */
#include "base/buf.h"
#include "fuzz.h"
#include "http/h1/chunk.h"

typedef struct outcome {
	int r;
	size_t used;
	mo_buf out;
} outcome;

static void decode_whole(const uint8_t *data, size_t size, outcome *o)
{
	char *in = exact_copy(data, size);
	mo_chunked c;

	*o = (outcome){ 0 };
	mo_buf_reserve(&o->out, size + 1);
	mo_chunked_init(&c);
	o->r = mo_chunked_decode(&c, in, size, &o->used, o->out.data, size, &o->out.len);
	free(in);
}

static void decode_in_place(const uint8_t *data, size_t size, outcome *o)
{
	mo_chunked c;

	*o = (outcome){ .out = { .data = exact_copy(data, size), .cap = size } };
	mo_chunked_init(&c);
	o->r = mo_chunked_decode(&c, o->out.data, size, &o->used, o->out.data, size, &o->out.len);
}

static void decode_in_pieces(const uint8_t *data, size_t size, unsigned seed, outcome *o)
{
	size_t have = 0;
	mo_chunked c;

	*o = (outcome){ 0 };
	mo_chunked_init(&c);
	while (o->r == 0 && o->used < size) {
		size_t room = next_number(&seed, 9), used, made, more = next_number(&seed, 9);
		char *in, *out = exact_copy("12345678", room);

		have = have + more < size ? have + more : size;
		in = exact_copy(data + o->used, have - o->used);
		o->r = mo_chunked_decode(&c, in, have - o->used, &used, out, room, &made);
		MO_CHECK(used <= have - o->used && made <= room && made <= used);
		o->used += used;
		mo_buf_add(&o->out, out, made);
		free(in);
		free(out);
	}
}

static void check_same(const outcome *a, outcome *b)
{
	MO_CHECK(a->r == b->r && a->used == b->used && a->out.len == b->out.len);
	MO_CHECK(a->out.len == 0 || memcmp(a->out.data, b->out.data, a->out.len) == 0);
	mo_buf_free(&b->out);
}

static void check_encoded(const uint8_t *data, size_t size, unsigned seed)
{
	mo_buf text = { 0 };
	outcome o;

	for (size_t at = 0; at < size;) {
		size_t n = next_number(&seed, 40) + 1;

		n = n < size - at ? n : size - at;
		mo_buf_fmt(&text, next_number(&seed, 2) ? "%zx\r\n" : "0%zX;a=\"b\"\r\n", n);
		mo_buf_add(&text, data + at, n);
		mo_buf_puts(&text, "\r\n");
		at += n;
	}
	mo_buf_puts(&text, "0\r\nTrailer: x\r\n\r\n");
	decode_whole((const uint8_t *)text.data, text.len, &o);
	MO_CHECK(o.r == 1 && o.used == text.len && o.out.len == size);
	MO_CHECK(size == 0 || memcmp(o.out.data, data, size) == 0);
	mo_buf_free(&o.out);
	mo_buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned seed = (unsigned)size * 2654435761u + (size ? data[size / 2] : 0);
	outcome whole, other;

	decode_whole(data, size, &whole);
	decode_in_place(data, size, &other);
	check_same(&whole, &other);
	for (unsigned i = 0; i < 3; i++) {
		decode_in_pieces(data, size, seed + i, &other);
		check_same(&whole, &other);
	}
	mo_buf_free(&whole.out);
	if (size < 40000) /* the extensions stay below their limit */
		check_encoded(data, size, seed);
	return 0;
}
