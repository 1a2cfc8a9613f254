/* The supervisor's duplicates of the listeners.  A new set comes in messages and
 * takes the place of the one before when it is complete, never in part. */
#ifndef MO_LISTENER_STORE_H
#define MO_LISTENER_STORE_H

#include "gen/wire/offer.h"

void mo_store_begin(void); /* with what the service manager passed to us */
/* A "listeners" message of a generation; the "offered" behind the last. */
void mo_store_take_part(mo_wire_msg *m);
void mo_store_take_end(const mo_wire_msg *m);
/* That process has ended: what it sent in part would keep its addresses in use. */
void mo_store_sender_ended(pid_t pid);
size_t mo_store_all(const mo_gen_listener **out); /* borrowed */
bool mo_store_in_part(void);                      /* is a new set on its way? */
/* One of another image of this process; owns fd on success. */
int mo_store_restore(const char *server, int fd, const char *text);
void mo_store_drop(void);

#endif
