/* The chunked decoder: a machine that looks at each framing byte once and
 * copies data in pieces; see chunk.h for its table.
 *
 * Always holds: bytes made <= bytes used, so the output may overwrite the
 * input; a failed decoder stays failed. */
#include "http/h1/chunk.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "http/h1/h1_parse_internal.h"

#define OVERHEAD_MAX (16u * 1024u)
#define SIZE_DIGITS 16

/* The table's states; SIZE, DATA_END and TRAILER in their parts. */
enum {
	SIZE,           /* hex digits; sub counts them */
	EXT_BWS,        /* white space, then ';' */
	EXT_NAME_BWS,   /* white space, then a name */
	EXT_NAME,       /* within it */
	EXT_EQUALS_BWS, /* white space behind it, then '=' or ';' */
	EXT_VALUE_BWS,  /* white space, then a value */
	EXT_TOKEN,      /* within a value that is a token */
	EXT_QUOTED,     /* within one in quotes */
	EXT_ESCAPED,    /* behind a backslash in it */
	EXT_QUOTED_END, /* behind the closing quote */
	SIZE_LF,        /* CR seen */
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER,      /* at the start of a line */
	TRAILER_NAME, /* within a field's name */
	TRAILER_VALUE,
	TRAILER_LF, /* CR of a field line seen */
	END_LF,     /* CR of the empty line seen */
	DONE,
	FAILED
};

void mo_chunked_init(mo_chunked *c)
{
	*c = (mo_chunked){ .state = SIZE };
}

/* Behind the size, a name or a value. */
static int behind_item(char b)
{
	if (b == ' ' || b == '\t')
		return EXT_BWS;
	return b == ';' ? EXT_NAME_BWS : b == '\r' ? SIZE_LF : -EBADMSG;
}

static int size_byte(mo_chunked *c, char b)
{
	int digit = mo_hex_digit(b);

	if (digit >= 0) {
		if (c->sub == SIZE_DIGITS)
			return -E2BIG;
		c->sub++;
		c->left = c->left << 4 | (unsigned)digit;
		return SIZE;
	}
	if (c->sub == 0)
		return -EBADMSG;
	return behind_item(b);
}

/* The state behind a byte of
 *   chunk-ext = *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )
 * before the value. */
static int extension_name_byte(int state, char b)
{
	bool is_space = b == ' ' || b == '\t', is_token = mo_h1_is(b, MO_C_TOKEN);

	switch (state) {
	case EXT_BWS:
		return is_space ? EXT_BWS : b == ';' ? EXT_NAME_BWS : -EBADMSG;
	case EXT_NAME_BWS:
		return is_space ? EXT_NAME_BWS : is_token ? EXT_NAME : -EBADMSG;
	case EXT_NAME:
		if (is_token)
			return EXT_NAME;
		return is_space ? EXT_EQUALS_BWS : b == '=' ? EXT_VALUE_BWS : behind_item(b);
	default: /* EXT_EQUALS_BWS */
		if (b == '=')
			return EXT_VALUE_BWS;
		return is_space ? EXT_EQUALS_BWS : b == ';' ? EXT_NAME_BWS : -EBADMSG;
	}
}

/* The same, from the white space before the value on. */
static int extension_value_byte(int state, char b)
{
	bool is_space = b == ' ' || b == '\t', is_token = mo_h1_is(b, MO_C_TOKEN);

	switch (state) {
	case EXT_VALUE_BWS:
		if (b == '"')
			return EXT_QUOTED;
		return is_space ? EXT_VALUE_BWS : is_token ? EXT_TOKEN : -EBADMSG;
	case EXT_TOKEN:
		return is_token ? EXT_TOKEN : behind_item(b);
	case EXT_QUOTED:
		if (b == '"')
			return EXT_QUOTED_END;
		if (b == '\\')
			return EXT_ESCAPED;
		return mo_h1_is(b, MO_C_VALUE) ? EXT_QUOTED : -EBADMSG;
	case EXT_ESCAPED:
		return mo_h1_is(b, MO_C_VALUE) ? EXT_QUOTED : -EBADMSG;
	default:
		return behind_item(b); /* EXT_QUOTED_END */
	}
}

static bool is_extension(int state)
{
	return state >= EXT_BWS && state <= EXT_QUOTED_END;
}

/* The state behind a byte of the trailers or of the empty line behind them. */
static int trailer_byte(int state, char b)
{
	switch (state) {
	case TRAILER:
		if (b == '\r')
			return END_LF;
		return mo_h1_is(b, MO_C_TOKEN) ? TRAILER_NAME : -EBADMSG;
	case TRAILER_NAME:
		if (b == ':')
			return TRAILER_VALUE;
		return mo_h1_is(b, MO_C_TOKEN) ? TRAILER_NAME : -EBADMSG;
	case TRAILER_VALUE:
		if (b == '\r')
			return TRAILER_LF;
		return mo_h1_is(b, MO_C_VALUE) ? TRAILER_VALUE : -EBADMSG;
	case TRAILER_LF:
		return b == '\n' ? TRAILER : -EBADMSG;
	default: /* END_LF */
		return b == '\n' ? DONE : -EBADMSG;
	}
}

/* The state behind a byte that is not data, or a negative errno. */
static int framing_byte(mo_chunked *c, char b)
{
	if (c->state >= EXT_BWS && c->state <= EXT_EQUALS_BWS)
		return extension_name_byte(c->state, b);
	if (is_extension(c->state))
		return extension_value_byte(c->state, b);
	if (c->state >= TRAILER && c->state <= END_LF)
		return trailer_byte(c->state, b);
	switch (c->state) {
	case SIZE:
		return size_byte(c, b);
	case SIZE_LF:
		c->sub = 0;
		return b != '\n' ? -EBADMSG : c->left ? DATA : TRAILER;
	case DATA_CR:
		return b == '\r' ? DATA_LF : -EBADMSG;
	case DATA_LF:
		return b == '\n' ? SIZE : -EBADMSG;
	default:
		return -EBADMSG;
	}
}

static bool is_overhead(int state)
{
	return is_extension(state) || (state >= TRAILER && state <= TRAILER_LF);
}

static int fail(mo_chunked *c, int error)
{
	c->state = FAILED;
	return error;
}

static int take_framing(mo_chunked *c, char b)
{
	int next = framing_byte(c, b);

	if (next < 0)
		return fail(c, next);
	if ((is_overhead(next) || is_overhead(c->state)) && ++c->overhead > OVERHEAD_MAX)
		return fail(c, -E2BIG);
	c->state = (uint8_t)next;
	return 0;
}

static size_t take_data(mo_chunked *c, const char *in, size_t n, char *out, size_t cap)
{
	size_t piece = n < cap ? n : cap;

	if (piece > c->left)
		piece = (size_t)c->left;
	if (piece > 0 && out != in)
		memmove(out, in, piece);
	c->left -= piece;
	if (c->left == 0)
		c->state = DATA_CR;
	return piece;
}

int mo_chunked_decode(mo_chunked *c, const char *in, size_t n, size_t *used, char *out, size_t cap,
		      size_t *made)
{
	int r = 0;

	*used = *made = 0;
	while (c->state != DONE && *used < n && r == 0) {
		if (c->state != DATA) {
			r = take_framing(c, in[*used]);
			*used += r == 0;
		} else if (*made < cap) {
			size_t piece =
				take_data(c, in + *used, n - *used, out + *made, cap - *made);

			*used += piece;
			*made += piece;
		} else {
			break;
		}
	}
	if (c->state == FAILED && r == 0)
		r = -EBADMSG;
	return r ? r : c->state == DONE;
}
