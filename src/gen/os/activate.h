/* Sockets that the service manager passed at start (LISTEN_PID, LISTEN_FDS,
 * LISTEN_FDNAMES): those that the address "systemd:NAME" means.
 *
 *   state     event                                    -> next
 *   PASSED    a server has the address                 -> taken: the server's
 *   PASSED    restart                                  -> offered with the others
 *   offered   no server of the successor has it        -> PASSED there
 *
 * Always: they are close-on-exec and the variables are gone before main(), so
 * nothing but the offer gives them on; one that no server uses stays open in
 * every generation, for a later configuration may name it. */
#ifndef MO_GEN_OS_ACTIVATE_H
#define MO_GEN_OS_ACTIVATE_H

#include "gen/gen.h"

void mo_activate_take(void); /* before main() */
/* The first one of text's name that no server has.  -ENOENT, -ENOTSOCK, -EINVAL
 * (does not listen) with *why, a malloc'd sentence. */
int mo_activate_open(const char *text, mo_listener **out, char **why);
/* Takes back what was offered and is not used. */
void mo_activate_keep(mo_listener *l);
/* Fills out[0..max) with those that no server has; returns how many. */
size_t mo_activate_unused(mo_gen_listener *out, size_t max);

#endif
