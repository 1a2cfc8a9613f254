/* Listeners on the wire; see offer.h. */
#include "gen/wire/offer.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "gen/os/activate.h"
#include "gen/wire/messages.h"

size_t mo_offer_collect(const mo_gen_host *h, mo_gen_listener *out, size_t max)
{
	size_t n = h->listeners(out, max);

	MO_CHECK(n <= max);
	return n + mo_activate_unused(out + n, max - n);
}

json_t *mo_offer_pack(const mo_gen_listener *all, size_t n, int fds[MO_WIRE_FDS], int *count)
{
	json_t *list = json_array();
	int k = 0;

	for (; k < MO_WIRE_FDS && (size_t)k < n; k++) {
		const mo_listener *l = all[k].listener;

		fds[k] = l->fd;
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:I, s:I}", "server", all[k].server,
						"text", l->text, "dev", (json_int_t)l->path_dev,
						"ino", (json_int_t)l->path_ino));
	}
	*count = k;
	return mo_message_new(MO_MSG_LISTENERS, "{s:o}", "list", list);
}

int mo_offer_send(const mo_gen_listener *all, size_t n,
		  int (*send)(void *arg, json_t *body, const int *fds, int n), void *arg)
{
	for (size_t at = 0; at < n; at += MO_WIRE_FDS) {
		int fds[MO_WIRE_FDS], k, rc;
		json_t *body = mo_offer_pack(all + at, n - at, fds, &k);

		rc = send(arg, body, fds, k);
		if (rc < 0)
			return rc;
	}
	return send(arg, mo_message_new(MO_MSG_OFFERED, "{s:i}", "listeners", (int)n), NULL, 0);
}

int mo_offer_unpack(mo_wire_msg *m, void (*each)(void *arg, const char *server, mo_listener *l),
		    void *arg, char **why)
{
	json_t *list = json_object_get(m->body, "list");

	for (int i = 0; i < m->nfds; i++) {
		json_t *one = json_array_get(list, (size_t)i);
		const char *text = mo_json_str(one, "text");
		mo_listener *l;
		int rc = mo_listener_adopt(m->fds[i], text, &l);

		if (rc < 0) {
			*why = mo_fmt("the listener offered for %s cannot be used: %s", text,
				      strerror(-rc));
			return rc;
		}
		m->fds[i] = -1; /* the listener owns it */
		/* Its file was another one if a stranger has put a socket there since. */
		if (mo_json_int(one, "ino") != 0)
			mo_listener_set_file(l, (uint64_t)mo_json_int(one, "dev"),
					     (uint64_t)mo_json_int(one, "ino"));
		each(arg, mo_json_str(one, "server"), l);
	}
	return 0;
}
