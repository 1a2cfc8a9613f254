/* WebSockets in the straight-line form: the handler accepts one, and receives and
 * sends until it returns.  Its connection stays with this process; the drain of a
 * restart closes it with 1012. */
#include <errno.h>

#include "base/check.h"
#include "base/sized.h"
#include "rt/pool.h"
#include "web/core/request.h"
#include "web/live/ws_handle.h"

molt_ws *molt_ws_accept(molt_req *r, const char *subprotocol)
{
	mo_ws_hello hello;
	molt_ws *w;

	(void)mo_web_of(r);
	if (!mo_web_ws_hello(r, &hello))
		return NULL;
	w = mo_web_ws_new(r->loop, r->server->owner, NULL, hello.deflate);
	w->co = r->co;
	if (mo_web_ws_upgrade(r, w, &hello, subprotocol) == 0)
		return w;
	mo_web_ws_free(w);
	return NULL;
}

struct receiving {
	molt_ws *w;
	molt_ws_msg m;
	molt_time timeout;
	int result;
};

static void receive_on_loop(void *arg)
{
	struct receiving *c = arg;
	int type;

	for (;;) {
		int rc = mo_ws_next(c->w->s, &type, &c->m.data);

		c->result = rc > 0;
		if (rc > 0)
			c->m.type = (enum molt_ws_type)type;
		if (rc != 0)
			return;
		c->result = mo_web_ws_wait(c->w, c->timeout);
		if (c->result < 0)
			return;
	}
}

int molt_ws_recv(molt_ws *w, molt_ws_msg *m, molt_time timeout)
{
	struct receiving c = { .w = w, .timeout = timeout };
	int err = MO_SIZED_CHECK(molt_ws_msg, m, NULL);

	MO_MAGIC_OK(w, MO_WEB_WS_MAGIC);
	if (err < 0)
		return err;
	if (w->route)
		return -EPERM;
	mo_on_loop(receive_on_loop, &c);
	if (c.result == 1)
		MO_SIZED_OUT(molt_ws_msg, m, &c.m, NULL);
	return c.result;
}
