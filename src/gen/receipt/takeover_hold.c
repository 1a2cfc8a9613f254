/* For how long a program that was taken back is refused; see takeover_hold.h. */
#include "gen/receipt/takeover_hold.h"

#include <string.h>

#include "base/clock.h"
#include "gen/wire/wire.h"

void mo_takeover_hold(json_t *receipt, const char *build)
{
	json_object_set_new(receipt, "taken_back",
			    json_pack("{s:s, s:I}", "build", build, "at", (json_int_t)mo_wall()));
}

molt_time mo_takeover_left(const json_t *receipt, molt_time at)
{
	const json_t *back = json_object_get(receipt, "taken_back");
	molt_time since = mo_json_int(back, "at");

	/* A clock that was set back must not refuse for longer. */
	if (!back || since < 0 || since > at || at - since >= MO_TAKEOVER_HOLD)
		return 0;
	return MO_TAKEOVER_HOLD - (at - since);
}

molt_time mo_takeover_held(const json_t *receipts, const char *exe, const char *build, molt_time at,
			   const json_t **receipt)
{
	const json_t *one;
	size_t i;

	json_array_foreach (receipts, i, one) {
		const json_t *back = json_object_get(one, "taken_back");
		molt_time left = mo_takeover_left(one, at);

		if (left == 0 || strcmp(mo_json_str(one, "target"), exe) != 0 ||
		    strcmp(mo_json_str(back, "build"), build) != 0)
			continue;
		*receipt = one;
		return left;
	}
	return 0;
}

json_t *mo_takeover_hold_of(const json_t *one)
{
	static const char *const keys[] = { "id",      "generation", "begun",
					    "target",  "outcome",    "reason",
					    "started", "taken_back", "successor_generation" };
	json_t *out = json_object();

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		json_t *value = json_object_get(one, keys[i]);

		if (value)
			json_object_set(out, keys[i], value);
	}
	return out;
}
