/* Listeners on the wire: the "listeners" messages of an offer, which go from the
 * predecessor to the successor, from the serving generation to its supervisor,
 * and from the supervisor to a program that it starts. */
#ifndef MO_GEN_WIRE_OFFER_H
#define MO_GEN_WIRE_OFFER_H

#include "gen/gen.h"
#include "gen/wire/wire.h"

#define MO_OFFER_MAX 4096 /* listeners of a process */

/* Every listener of the process, those that no server uses included. */
size_t mo_offer_collect(const mo_gen_host *h, mo_gen_listener *out, size_t max);
/* The message for the first of all[0..n), up to MO_WIRE_FDS, whose descriptors
 * (borrowed) and number are put into fds and *count. */
json_t *mo_offer_pack(const mo_gen_listener *all, size_t n, int fds[MO_WIRE_FDS], int *count);
/* Sends all of them and "offered" by send(arg, body, fds, n), until it fails. */
int mo_offer_send(const mo_gen_listener *all, size_t n,
		  int (*send)(void *arg, json_t *body, const int *fds, int n), void *arg);
/* Calls each(arg, server, listener) for those of a "listeners" message; each
 * owns the listener.  -EPROTO or what adopting gave, with *why (malloc'd). */
int mo_offer_unpack(mo_wire_msg *m, void (*each)(void *arg, const char *server, mo_listener *l),
		    void *arg, char **why);

#endif
