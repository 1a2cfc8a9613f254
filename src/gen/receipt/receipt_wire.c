/* Receipts on the wire; see receipt_wire.h. */
#include "gen/receipt/receipt_wire.h"

#include <stdint.h>

#include "base/clock.h"
#include "gen/receipt/receipt.h"
#include "gen/receipt/takeover_hold.h"
#include "gen/wire/messages.h"

#define HISTORY_BYTES (128u * 1024)

/* A lost one is a hole in the history and nothing worse: never wait for room. */
static void send_receipt(int fd, const json_t *body)
{
	mo_wire_send(fd, mo_message_new(MO_MSG_RECEIPT, "{s:O}", "receipt", body), NULL, 0);
}

/* How many of the newest may be sent at once: what comes behind them on the
 * channel must find room before they are read. */
static size_t how_many(const json_t *all)
{
	size_t n = 0, bytes = 0;

	for (; n < json_array_size(all); n++) {
		bytes += json_dumpb(json_array_get(all, n), NULL, 0, JSON_COMPACT);
		if (bytes > HISTORY_BYTES)
			break;
	}
	return n;
}

static void send_known(int channel, const json_t *all)
{
	size_t n = how_many(all);
	molt_time now = mo_wall();

	for (size_t i = json_array_size(all); i > 0; i--) {
		const json_t *one = json_array_get(all, i - 1);
		json_t *hold;

		if (i <= n) {
			send_receipt(channel, one);
		} else if (mo_takeover_left(one, now) > 0) {
			hold = mo_takeover_hold_of(one);
			send_receipt(channel, hold);
			json_decref(hold);
		}
	}
}

static void send_put(void *channel, const json_t *body)
{
	send_receipt((int)(intptr_t)channel, body);
}

void mo_receipts_follow(int channel)
{
	json_t *all = mo_receipts_kept();

	if (channel >= 0)
		send_known(channel, all);
	json_decref(all);
	if (channel >= 0)
		mo_receipts_listen(send_put, (void *)(intptr_t)channel);
	else
		mo_receipts_unlisten(send_put);
}

int mo_receipts_hear(void *unused, mo_wire_msg *m)
{
	(void)unused;
	mo_receipts_put(json_object_get(m->body, "receipt"));
	return 0;
}
