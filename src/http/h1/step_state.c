/* Requests that wait, as bytes; see step_state.h.  The numbers lie in front as
 * they are in memory: both generations run on one machine. */
#include "http/h1/step_state.h"

#include "base/blob.h"
#include "http/h1/h1_internal.h"
#include "http/h1/h1_parse_internal.h"

struct numbers {
	uint64_t version, id, bytes_sent, left;
	int64_t res_length, age, wait, write;
	int32_t status, framing;
	uint8_t head_sent, close, listens, unused[5];
};

void mo_step_state_write(const mo_step_state *s, mo_buf *out)
{
	struct numbers n = { .version = MO_STEP_STATE_VERSION,
			     .id = s->id,
			     .bytes_sent = s->bytes_sent,
			     .left = s->left,
			     .res_length = s->res_length,
			     .age = s->age,
			     .wait = s->wait,
			     .write = s->write,
			     .status = s->status,
			     .framing = s->framing,
			     .head_sent = s->head_sent,
			     .close = s->close,
			     .listens = s->listens };

	mo_blob_put(out, mo_strn((const char *)&n, sizeof(n)));
	mo_blob_put(out, s->head);
	mo_blob_put(out, s->fields);
	mo_blob_put(out, s->out);
	mo_blob_put(out, s->user);
}

static bool good_time(molt_time t)
{
	return t >= MOLT_FOREVER && t <= MO_STEP_LONGEST;
}

static bool good_numbers(const struct numbers *n)
{
	static const struct numbers zero;

	return n->version == MO_STEP_STATE_VERSION && n->res_length >= -1 && n->left <= INT64_MAX &&
	       n->age >= 0 && good_time(n->age) && good_time(n->wait) && good_time(n->write) &&
	       n->status >= 200 && n->status <= 599 && n->head_sent <= 1 && n->close <= 1 &&
	       n->listens <= 1 && memcmp(n->unused, zero.unused, sizeof(n->unused)) == 0;
}

/* Does the framing belong to what the head said? */
static bool good_framing(const struct numbers *n, const mo_head *head)
{
	if (!n->head_sent)
		return n->framing == 0 && n->left == 0 && n->bytes_sent == 0;
	if (n->framing == MO_H1_NO_BODY)
		return !mo_status_has_body(n->status);
	if (!mo_status_has_body(n->status))
		return false;
	if (n->framing == MO_H1_LENGTH)
		return true;
	if (n->framing == MO_H1_CHUNKED)
		return head->minor == 1;
	return n->framing == MO_H1_UNTIL_CLOSE && n->close;
}

static bool read_head(molt_str text, mo_head *head)
{
	mo_head_limits all = { text.len, text.len, MO_MAX_FIELDS };
	mo_field fields[MO_MAX_FIELDS];
	int n = text.len <= INT32_MAX ? mo_h1_parse(text.ptr, text.len, &all, head, fields) : 0;

	return n > 0 && head->size == text.len;
}

static bool good_fields(molt_str list)
{
	molt_str name, value;

	while (list.len) {
		if (!mo_blob_get(&list, &name) || !mo_blob_get(&list, &value) || name.len == 0)
			return false;
		if (mo_h1_token_end(name.ptr, name.ptr + name.len) != name.ptr + name.len ||
		    mo_h1_value_end_plain(value.ptr, value.ptr + value.len) !=
			    value.ptr + value.len)
			return false;
	}
	return true;
}

bool mo_step_state_read(molt_str from, mo_step_state *out)
{
	struct numbers n;
	molt_str fixed;
	mo_head head;

	if (!mo_blob_get(&from, &fixed) || fixed.len != sizeof(n))
		return false;
	memcpy(&n, fixed.ptr, sizeof(n));
	if (!good_numbers(&n))
		return false;
	*out = (mo_step_state){ .id = n.id,
				.bytes_sent = n.bytes_sent,
				.left = n.left,
				.res_length = n.res_length,
				.age = n.age,
				.wait = n.wait,
				.write = n.write,
				.status = n.status,
				.framing = n.framing,
				.head_sent = n.head_sent,
				.close = n.close,
				.listens = n.listens };
	return mo_blob_get(&from, &out->head) && mo_blob_get(&from, &out->fields) &&
	       mo_blob_get(&from, &out->out) && mo_blob_get(&from, &out->user) && from.len == 0 &&
	       read_head(out->head, &head) && good_framing(&n, &head) && good_fields(out->fields);
}
