/* A request that waits for its next step without a stack: its connection, while
 * nothing runs on it.  The request, its answer so far and the upper layer's part
 * are bytes (step_state.h), so it can move to a successor at any moment.
 *
 *   state     event                                   -> next
 *   NEW       mo_exchange_ops.suspend                 -> WAITING (its transport's state is freed)
 *   NEW       mo_conn_adopt, of a former generation   -> WAITING
 *   WAITING   its time is over, mo_step_wake          -> NEW: an exchange again,
 *                                                        app->resume() and its handler
 *   WAITING   the client is gone                      -> gone(), closed
 *   WAITING   moved                                   -> gone(), lives on there
 *   WAITING   the end of the drain                    -> gone(), 503 or a cut answer
 *
 * The connection is RUNNING, and the request counts as one in progress.  What the
 * client sends meanwhile stays in the kernel.
 *
 * One that listens for events ends its wait early when the drain waits for it and
 * it cannot move: at once at a shutdown, else within ws_close_spread. */
#ifndef MO_HTTP_H1_STEP_H
#define MO_HTTP_H1_STEP_H

#include "http/conn/exchange.h"

typedef struct mo_step mo_step;
struct mo_step_state;

typedef struct mo_step_user {
	/* The last call: it will not go on here; the owner frees it. */
	void (*gone)(void *arg);
	/* Appends what the taker's upper layer needs. */
	void (*state)(void *arg, mo_buf *out);
	size_t (*size)(const void *arg); /* of that, about */
} mo_step_user;

mo_step *mo_step_new(const mo_step_user *user, void *arg);
void mo_step_free(mo_step *s); /* NEW */
/* How long the next wait is (MOLT_FOREVER: until woken; 0: one turn of the loop, or until
 * a successor that takes connections has had its chance); NEW. */
void mo_step_set(mo_step *s, molt_time wait, bool listens);
/* Ends the wait, also one that has not begun. */
void mo_step_wake(mo_step *s);
/* For transports, in suspend(): what s is from now on. */
void mo_step_keep(mo_step *s, const struct mo_step_state *st, molt_time started,
		  molt_time write_deadline);
/* Instead of suspend(), for an exchange that has ops->wait: waits in its coroutine for what
 * mo_step_set() said, with the rules of a drain as above for one that cannot move.  0: go
 * on; -EPIPE.  [parks] */
int mo_step_wait_here(mo_step *s, molt_req *r);
/* One of a former generation; *user: its part.  NULL: not understood. */
mo_step *mo_step_restore(const mo_step_user *user, void *arg, molt_str state, molt_str *part);

#endif
