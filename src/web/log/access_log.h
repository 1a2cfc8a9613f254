/* The access log and the error log of each server.  Open and close: while s is not serving;
 * the others [any]. */
#ifndef MO_WEB_LOG_ACCESS_LOG_H
#define MO_WEB_LOG_ACCESS_LOG_H

#include "web/core/server.h"

/* *why: malloc'd sentence. */
int mo_access_log_open(molt_server *s, char **why);
void mo_access_log_close(molt_server *s); /* also when it is not open */
void mo_access_log_write(molt_req *r);
void mo_access_log_refused(mo_http_server *s, const mo_addr *peer, int status, molt_str line);
int mo_access_log_reopen(void); /* all servers, after a rotation; the first -errno */

#endif
