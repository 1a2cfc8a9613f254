/* The process as one service: what gen asks of the servers, and the public
 * functions for restart, shutdown and waiting. */
#ifndef MO_WEB_RUN_PROCESS_H
#define MO_WEB_RUN_PROCESS_H

#include "gen/gen.h"

const mo_gen_host *mo_process_host(void);
/* molt_restart() to a program that a client of the network chose. */
int mo_restart_chosen(const char *exe);

/* status.c: what the admin page shows, and what goes on to the next generation.  New
 * references. [any] */
json_t *mo_process_status(void);
json_t *mo_process_counted(void);

/* handover.c: parts of the host. */
mo_gen_batch *mo_process_give(bool (*go_on)(void *arg), void *arg);
void mo_process_gave(mo_gen_batch *b);
size_t mo_process_forms(mo_gen_form *out, size_t room);
bool mo_process_takes(const char *server, bool tls);
/* Makes ready what the protocols of connections need; may park. */
void mo_process_prepare(mo_gen_conn *c, size_t n, bool *keep);
void mo_process_take(const mo_gen_conn *c);
/* Connections on their way in, which count like open ones.  [any] */
size_t mo_process_coming(void);
/* The process ends: what is still made ready is left to its giver.  Does not park. */
void mo_process_end_coming(void);
void mo_process_discard(const mo_gen_conn *c);

/* probe.c: parts of the host. */
size_t mo_process_probes(mo_gen_probe *out, size_t max);
void mo_process_serve_probe(const char *server, int fd);

#endif
