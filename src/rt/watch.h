/* Poll handles for descriptors that come and go: those of connections.
 *
 * libuv asks the system three times about a new handle's descriptor (can it be
 * watched?  no?  then make it non-blocking) before it is watched at all.  The system
 * gives the lowest free number, so a loop keeps the handle of a closed descriptor for
 * the next one of that number, and asks once for each number only.
 *
 * The kept handles, 160 bytes for each number that was in use at once, are freed with the
 * loop.  The system checks its limit of watched descriptors (fs.epoll.max_user_watches, some
 * millions) with the first descriptor of each number only. */
#ifndef MO_RT_WATCH_H
#define MO_RT_WATCH_H

#include <uv.h>

#include "rt/loop.h"

/* A handle for fd, not started; its data is the caller's.  fd must be non-blocking and
 * nobody else's on this loop.  0, or -errno: it cannot be watched. */
int mo_watch_get(mo_loop *l, int fd, uv_poll_t **out);
/* Stops it.  Before fd is closed: its number is given out again at once.  No callback
 * comes any more, also not for what the system has reported already. */
void mo_watch_put(mo_loop *l, uv_poll_t *w);

#endif
