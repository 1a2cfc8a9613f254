/* Connections on their way to the next generation; see move.h. */
#include "gen/move.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/str.h"

_Static_assert(MO_GEN_BATCH <= MO_WIRE_FDS, "a batch fits one message");

/* ---- the giver ------------------------------------------------------------- */

static json_t *describe(const mo_gen_batch *b, int *fds, molt_str *pieces)
{
	json_t *list = json_array();

	for (size_t i = 0; i < b->n; i++) {
		const mo_gen_conn *c = &b->conns[i];
		char peer[MO_ADDR_TEXT];

		mo_addr_format(&c->peer, peer);
		json_array_append_new(list,
				      json_pack("[s, s, I, I]", c->server, peer,
						(json_int_t)c->left, (json_int_t)c->bytes.len));
		fds[i] = c->fd;
		pieces[i] = c->bytes;
	}
	return json_pack("{s:s, s:o}", "type", "conns", "list", list);
}

/* Everything is taken but what the answer names. */
static long mark_taken(mo_gen_batch *b, const json_t *answer)
{
	json_t *refused = json_object_get(answer, "refused"), *number;
	long n = 0;
	size_t i;

	for (i = 0; i < b->n; i++)
		b->conns[i].taken = true;
	json_array_foreach(refused, i, number)
	{
		json_int_t k = json_integer_value(number);

		if (k >= 0 && (size_t)k < b->n)
			b->conns[k].taken = false;
	}
	for (i = 0; i < b->n; i++)
		n += b->conns[i].taken;
	return n;
}

static long give_batch(const mo_move_link *link, mo_gen_batch *b)
{
	molt_str pieces[MO_GEN_BATCH];
	int fds[MO_GEN_BATCH], rc;
	mo_wire_msg answer;
	long n;

	rc = link->exchange(link->arg, describe(b, fds, pieces), fds, (int)b->n, pieces, &answer);
	if (rc < 0)
		return rc;
	n = mark_taken(b, answer.body);
	mo_wire_free(&answer);
	return n;
}

long mo_move_give(const mo_gen_host *h, const mo_move_link *link)
{
	long sum = 0, failed = 0;
	mo_gen_batch *b;

	while (failed == 0 && (b = h->give()) != NULL) {
		while (b) {
			mo_gen_batch *next = b->next;
			long n = failed < 0 ? failed : give_batch(link, b);

			if (n < 0)
				failed = n;
			else
				sum += n;
			h->gave(b);
			b = next;
		}
	}
	return failed < 0 ? failed : sum;
}

/* ---- the taker ------------------------------------------------------------- */

/* One entry of the list; bytes are cut off *blob.  false: not understood. */
static bool read_entry(const json_t *entry, molt_str *blob, mo_gen_conn *out)
{
	const char *server, *peer;
	json_int_t left, len;

	if (json_unpack((json_t *)(uintptr_t)entry, "[s, s, I, I]", &server, &peer, &left, &len) <
		    0 ||
	    len < 0 || (size_t)len > blob->len)
		return false;
	*out = (mo_gen_conn){ .server = server, .left = left, .bytes = { blob->ptr, (size_t)len } };
	*blob = (molt_str){ blob->ptr + len, blob->len - (size_t)len };
	if (strcmp(peer, "unix") == 0 || strncmp(peer, "unix:", 5) == 0) {
		out->peer.u.sa.sa_family = AF_UNIX;
		out->peer.len = sizeof(sa_family_t);
		return true;
	}
	return mo_addr_parse(peer, &out->peer) == 0;
}

long mo_move_take(const mo_gen_host *h, int channel, mo_wire_msg *m)
{
	json_t *list = json_object_get(m->body, "list"), *refused = json_array();
	mo_gen_conn conns[MO_GEN_BATCH];
	molt_str blob = m->blob;
	long n = 0;
	int rc;

	for (int i = 0; i < m->nfds; i++) {
		conns[i].fd = -1;
		if (i < MO_GEN_BATCH && json_array_size(list) == (size_t)m->nfds &&
		    read_entry(json_array_get(list, (size_t)i), &blob, &conns[i]) &&
		    h->takes(conns[i].server)) {
			conns[i].fd = m->fds[i];
			m->fds[i] = -1;
		} else {
			json_array_append_new(refused, json_integer(i));
			conns[i].fd = -1;
		}
	}
	rc = mo_wire_send(channel, json_pack("{s:s, s:o}", "type", "took", "refused", refused),
			  NULL, 0);
	for (int i = 0; i < m->nfds; i++) {
		if (conns[i].fd < 0)
			continue;
		h->take(&conns[i]);
		n++;
	}
	return rc < 0 ? rc : n;
}
