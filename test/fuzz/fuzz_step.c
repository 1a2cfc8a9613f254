/* The bytes of a request that waits (http/h1/step_state.c, web/live/step_parts.c):
 *   - what is accepted is in its range, and is the same when it is written again;
 *   - its head is one request and nothing else, as the parser sees it. */
#include "base/blob.h"
#include "fuzz.h"
#include "http/h1/step_state.h"
#include "web/live/web_step.h"

static void check_fields(molt_str list)
{
	molt_str name, value;

	while (list.len) {
		MO_CHECK(mo_blob_get(&list, &name) && mo_blob_get(&list, &value));
		for (size_t i = 0; i < name.len; i++)
			MO_CHECK(name.ptr[i] > ' ' && name.ptr[i] != ':');
		for (size_t i = 0; i < value.len; i++)
			MO_CHECK(value.ptr[i] != '\r' && value.ptr[i] != '\n' && value.ptr[i]);
	}
}

static void check_parts(molt_str from)
{
	mo_step_parts p;
	mo_buf again = { 0 };

	if (!mo_step_parts_read(from, &p))
		return;
	MO_CHECK(p.name.len > 0 && p.name.len <= MO_STEP_NAME && p.state.len <= MOLT_STATE_MAX);
	while (p.events.len) {
		mo_event *e = mo_step_parts_event(&p.events);

		MO_CHECK(e && mo_topic_is_name(e->topic));
		mo_event_unref(e);
	}
	mo_step_parts_write_fixed(&p, &again);
	MO_CHECK(mo_str_eq(p.fixed, mo_strn(again.data, again.len)));
	mo_buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = exact_copy(data, size);
	mo_buf again = { 0 };
	mo_step_state s;
	molt_str from = mo_strn(copy, size);

	check_parts(from);
	if (mo_step_state_read(from, &s)) {
		MO_CHECK(s.status >= 200 && s.status <= 599 && s.age >= 0);
		MO_CHECK(s.head.len >= 16 &&
			 memcmp(s.head.ptr + s.head.len - 4, "\r\n\r\n", 4) == 0);
		check_fields(s.fields);
		mo_step_state_write(&s, &again);
		MO_CHECK(mo_str_eq(from, mo_strn(again.data, again.len)));
		mo_buf_free(&again);
		check_parts(s.user);
	}
	free(copy);
	return 0;
}
